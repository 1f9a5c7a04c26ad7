"""Cables and trunks that follow from an estate; the networks themselves are in test_twin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from ipaddress import ip_interface
from pathlib import Path

import pytest

from sitiv_infra.estate import Estate, load
from sitiv_infra.lab import wiring
from sitiv_infra.lab.place import INTERNET, STATION, Place, device_name
from sitiv_infra.lab.scale import chosen
from sitiv_infra.lab.switch import Port
from sitiv_infra.lab.twin import Twin
from sitiv_infra.testing import estate_of
from sitiv_infra.wanted.switching import CARRIER

INVENTORY = Path(__file__).parents[2] / "inventory"
FOLDERS = ["estate", "lab/estate"]


@cache
def estate_in(folder: str) -> Estate:
    return load(INVENTORY / folder)


def lab() -> Estate:
    return estate_in("lab/estate")


def link_ports(site: str) -> dict[str, Port]:
    return {port.name: port for port in wiring.link_ports(lab(), site)}


def test_trunks_are_exact() -> None:
    found = link_ports("a")
    assert {name: port.trunks for name, port in found.items()} == {
        "bond.b": (100, 301, 302, 900), "to.c.1": (900,), "to.carrier.1": (100,),
    }  # fmt: skip
    assert found["bond.b"].devices == ("to.b.1", "to.b.2")
    assert "lacp=active" in found["bond.b"].settings
    assert {name: port.devices for name, port in link_ports("c").items()} == {
        device_name("bond", "a-b"): ("to.a.1", "to.b.1")
    }
    (arbiter,) = link_ports("c").values()
    assert arbiter.trunks == (900,)
    assert arbiter.ids == {"sitiv-link": "a,b"}
    assert "lacp=active" not in arbiter.settings, "one link at a time, or there would be a loop"
    (carrier,) = link_ports(CARRIER).values()
    assert carrier.trunks == (100,)


@pytest.mark.parametrize("folder", FOLDERS)
def test_ports_and_devices_have_names_of_their_own(folder: str) -> None:
    estate = estate_in(folder)
    for site in wiring.switch_names(estate):
        names = [port.name for port in wiring.link_ports(estate, site)]
        names += [name for p in wiring.link_ports(estate, site) for name in set(p.devices)
                  if name != p.name]  # fmt: skip
        names += [cable.port.name for cable in cables(estate) if cable.site == site]
        assert max(Counter(names).values()) == 1
        assert all(len(name) <= 15 for name in names)


def cables(estate: Estate) -> Iterator[wiring.Cable]:
    for machine in estate.machines.values():
        yield from wiring.machine_cables(estate, machine)
    yield from wiring.station_cables(estate)
    yield from wiring.internet_cables(estate)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_cable_ends_in_its_vlan_and_no_other(folder: str) -> None:
    estate = estate_in(folder)
    for cable in cables(estate):
        assert cable.port.tag == cable.vlan.vid
        assert cable.port.trunks == ()
        assert cable.site in {*cable.vlan.sites, CARRIER}
        for address in cable.addresses:
            assert address.network in cable.vlan.subnets


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_address_is_given_twice(folder: str) -> None:
    found = Counter(
        address.ip for cable in cables(estate_in(folder)) for address in cable.addresses
    )
    shared = {address for address, number in found.items() if number > 1}
    assert shared == set()


def test_the_workstation_is_beside_every_bastion_and_outside() -> None:
    found = {c.vlan.name: c for c in wiring.station_cables(lab())}
    assert set(found) == {"a-admin", "b-admin", "outside"}
    assert found["outside"].addresses[0] == ip_interface("203.0.113.253/24")
    assert found["a-admin"].addresses[0] == ip_interface("10.10.60.254/24")
    assert {c.machine for c in found.values()} == {STATION}
    assert list(wiring.station_cables(chosen(lab(), ["fw-*"]))) == []


def test_the_internet_is_at_the_carrier() -> None:
    (found,) = wiring.internet_cables(lab())
    assert (found.site, found.machine, found.device) == (CARRIER, INTERNET, "vlan100")
    assert found.addresses[0] == ip_interface("203.0.113.254/24")


def test_an_estate_of_one_site_has_no_links() -> None:
    estate = estate_of("vlans: {v: {vid: 10, zone: admin, sites: [a]}}")
    alone = estate.model_copy(update={"sites": {"a": estate.sites["a"]}})
    assert wiring.switch_names(alone) == ["a"]
    assert wiring.links(alone) == []
    assert list(wiring.link_ports(alone, "a")) == []
    both = [link.device("a") for link in wiring.links(estate)]
    assert both == ["to.b.1", "to.b.2"]


def test_ports_are_written_as_open_vswitch_reads_them() -> None:
    access = Port("web.10", ("web.10",), tag=10, ids={"sitiv-vlan": "web"})
    assert access.columns() == ["tag=10", 'external_ids:sitiv-vlan="web"']
    bond = Port("bond.b", ("x", "y"), trunks=(10, 20), settings=("lacp=active",))
    assert bond.columns() == ["trunks=[10,20]", "lacp=active"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_stands_for_each_machine(folder: str) -> None:
    estate = estate_in(folder)
    twin = Twin(Place("nothing"), estate, print)
    booted = {machine.name for machine in twin.debian()}
    for name, machine in estate.machines.items():
        kind = twin.kind(machine)
        assert (kind == "host") == (name in booted)
        if (machine.os or "").startswith("debian"):
            assert kind == "host"
        elif any(v.host.partition(".")[0] == name for v in estate.vcenters.values()):
            assert kind == "vcenter"
    assert set(estate.firewalls) <= booted
