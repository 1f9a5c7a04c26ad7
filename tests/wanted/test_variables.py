"""Hosts' variables: plain data, and what each role goes by."""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from sitiv_infra.estate import Estate, load
from sitiv_infra.wanted import full_name, hosts, legs, shared, variables
from sitiv_infra.wanted.addressing import nearest
from tests.wanted.worlds import estates, small

INVENTORY = Path(__file__).parents[2] / "inventory"
FOLDERS = [INVENTORY / "estate", INVENTORY / "lab" / "estate"]
TODAY = date(2026, 11, 1)


@cache
def lab() -> Estate:
    return load(INVENTORY / "lab" / "estate")


@cache
def of(name: str) -> Any:
    estate = lab()
    return variables(estate, estate.machines[name], TODAY)


def plain(values: object) -> None:
    """Ask that JSON and YAML give back what they were given."""
    assert json.loads(json.dumps(values)) == values
    assert yaml.safe_load(yaml.safe_dump(values)) == values


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.parent.name)
def test_variables_are_plain_data(folder: Path) -> None:
    estate = load(folder)
    plain(shared(estate))
    for machine in estate.machines.values():
        plain(variables(estate, machine, TODAY))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(estates())
def test_variables_are_plain_data_of_any_estate(estate: Estate) -> None:
    plain(shared(estate))
    for machine in estate.machines.values():
        plain(variables(estate, machine, TODAY))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.parent.name)
def test_every_name_is_its_own(folder: Path) -> None:
    estate = load(folder)
    found = hosts(estate)
    domain = estate.operator.domain
    for machine in estate.machines.values():
        if machine.primary_address:
            assert machine.primary_address in found[f"{machine.name}.{domain}"]
    for virtual in estate.virtual_addresses.values():
        assert found[f"{virtual.name}.{domain}"] == tuple(map(str, virtual.addresses))
    for exposure in estate.exposures.values():
        assert str(exposure.address) in found[exposure.host]
    assert all(found.values())


def test_without_a_domain_names_are_bare() -> None:
    assert full_name(small(), "web-a1") == "web-a1"
    assert hosts(small())["web-a1"] == ("10.1.10.11", "fd00:1:10::11")


def test_a_firewall_has_a_device_in_every_vlan_of_its_site() -> None:
    found = of("fw-a1")
    here = {v.name for v in lab().vlans.values() if "a" in v.sites}
    assert {leg["vlan"] for leg in found["sitiv_interfaces"]} == here
    own = {leg["vlan"]: leg["addresses"] for leg in found["sitiv_interfaces"] if leg["addresses"]}
    assert own == {
        "a-admin": ["10.10.60.11/24", "fd00:10:60::11/64"],
        "transit": ["10.90.0.11/24", "fd00:90::11/64"],
    }
    assert found["sitiv_interfaces"][0]["device"] == "vlan160", "its own come first"
    assert found["sitiv_gateways"] == []
    assert found["ansible_host"] == "10.10.60.11"
    assert {i["name"] for i in found["sitiv_routing"]["instances"]} == {"site", "lead"}
    assert {t["to"] for t in found["sitiv_translations"]} == {"10.10.10.10", "fd00:10:10::10"}


def test_addresses_of_one_vlan_are_kept_whatever_leg_they_are_on() -> None:
    estate = small()
    machine = estate.machines["web-a1"]
    (leg,) = machine.interfaces
    twice = machine.model_copy(update={"interfaces": (
        leg.model_copy(update={"addresses": leg.addresses[:1]}),
        leg.model_copy(update={"addresses": leg.addresses[1:]}),
    )})  # fmt: skip
    (found,) = legs(estate, twice)
    assert [str(a) for a in found.addresses] == ["10.1.10.11/24", "fd00:1:10::11/64"]


def test_only_firewalls_filter_and_only_switches_switch() -> None:
    for machine in lab().machines.values():
        found = of(machine.name)
        assert ("sitiv_forward_rules" in found) == (machine.name in lab().firewalls)
        assert ("sitiv_forward_sets" in found) == (machine.name in lab().firewalls)
        assert ("sitiv_switch" in found) == (machine.role == "switch")
        assert ("sitiv_publications" in found) == (machine.role == "reverse-proxy")
        assert ("sitiv_backups" in found) == (machine.role == "backup-server")


def test_a_switch_knows_its_vlans_and_what_its_links_carry() -> None:
    found = of("sw-a1")["sitiv_switch"]
    assert found["vlans"] == {v.name: v.vid for v in lab().vlans.values() if "a" in v.sites}
    assert found["links"] == {"b": [100, 301, 302, 900], "c": [900], "carrier": [100]}
    assert of("sw-c1")["sitiv_switch"] == {
        "vlans": {"transit": 900}, "links": {"a": [900], "b": [900], "carrier": []},
    }  # fmt: skip


def test_own_site_comes_first() -> None:
    proxy = of("proxy-b1")
    (counter,) = (p for p in proxy["sitiv_publications"] if p["host"] == "guichet.lab.test")
    assert [server["site"] for server in counter["servers"]] == ["b", "b", "a", "a"]
    assert {server["port"] for server in counter["servers"]} == {8080}
    assert counter["tls"] is True
    for role in ("resolvers", "log_servers", "bastions"):
        assert [m["site"] for m in proxy[f"sitiv_{role}"]] == ["b", "a"]
    assert [s["site"] for s in of("guichet-b1")["sitiv_object_stores"]] == ["b", "a"]
    store = of("store-a1")["sitiv_object_stores"][0]
    assert store["host"] == "store-a.lab.test"
    assert store["port"] == 9000
    assert [n["name"] for n in store["nodes"]] == [f"store-a{n}.lab.test" for n in range(1, 5)]
    assert {b["name"]: b["lock"] for b in store["buckets"]} == {
        "documents": None, "backups": {"mode": "governance", "days": 30},
    }  # fmt: skip
    assert [m.name for m in nearest(lab(), lab().machines["guichet-b1"], "log-server")] == [
        "log-b1", "log-a1",
    ]  # fmt: skip


def test_a_name_is_published_once_however_many_addresses_it_has() -> None:
    published = [(p["host"], p["port"]) for p in of("proxy-a1")["sitiv_publications"]]
    assert sorted(published) == [
        ("guichet.lab.test", 443), ("portail.lab.test", 80), ("portail.lab.test", 443),
    ]  # fmt: skip
    estate = small().model_copy(update={"machines": {
        "proxy": small().machines["web-a1"].model_copy(update={"role": "reverse-proxy"})
    }})  # fmt: skip
    found: Any = variables(estate, estate.machines["proxy"], TODAY)
    assert "quic.test" not in {p["host"] for p in found["sitiv_publications"]}, "TCP alone"


def test_copies_are_made_on_the_other_site() -> None:
    assert [b["name"] for b in of("backup-a1")["sitiv_backups"]] == ["guichet"]
    (portal,) = of("backup-b1")["sitiv_backups"]
    assert portal["machines"] == ["portail-b1"]
    assert portal["rpo_seconds"] == 24 * 3600
    assert portal["retention_days"] == 30


def test_virtual_addresses_have_one_first_choice_each() -> None:
    (first,) = of("proxy-a1")["sitiv_virtual_addresses"]
    (second,) = of("proxy-a2")["sitiv_virtual_addresses"]
    assert first["addresses"] == ["10.10.10.10/24", "fd00:10:10::10/64"]
    assert (first["priority"], second["priority"]) == (200, 190)
    assert first["device"] == "vlan110"
    numbers = {
        v["name"]: v["router_id"]
        for machine in lab().machines
        for v in of(machine)["sitiv_virtual_addresses"]
    }
    assert len(set(numbers.values())) == len(numbers) == 4
    assert all(number > 2 for number in numbers.values()), "1 and 2 are the firewalls' own"
    assert of("fw-a1")["sitiv_virtual_addresses"] == []
