"""Who holds which address, and whether packets get where they should, whoever leads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from sitiv_infra.estate import Estate, Vlan, load
from sitiv_infra.wanted.addressing import firewall_sites, gateways, legs
from sitiv_infra.wanted.routing import Held, Instance, Route, Routing, routing, site_routes
from tests.wanted.worlds import estates, small

INVENTORY = Path(__file__).parents[2] / "inventory"
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def parts(estate: Estate) -> dict[str, Routing]:
    found = {name: routing(estate, estate.machines[name]) for name in estate.firewalls}
    assert None not in found.values()
    return {name: part for name, part in found.items() if part is not None}


def instances(part: Routing) -> dict[str, Instance]:
    return {instance.name: instance for instance in part.instances}


def held(instance: Instance) -> set[str]:
    return {address.address for address in instance.addresses}


def test_a_small_estate() -> None:
    found = parts(small())
    assert set(found) == {"fw-a1", "fw-a2", "fw-b1"}
    first, second = instances(found["fw-a1"]), instances(found["fw-a2"])
    third = instances(found["fw-b1"])
    assert held(first["site"]) == held(second["site"])
    assert held(first["site"]) == {
        "10.1.10.1/24", "fd00:1:10::1/64", "10.1.20.1/24", "10.90.0.2/24", "fd00:90::2/64",
    }  # fmt: skip
    assert held(third["site"]) == {
        "10.2.10.1/24", "10.40.3.1/28", "10.90.0.3/24", "fd00:90::3/64",
    }  # fmt: skip
    assert held(first["lead"]) == held(second["lead"]) == held(third["lead"])
    assert held(first["lead"]) == {
        "10.90.0.1/24", "fd00:90::1/64", "203.0.113.1/24", "2001:db8::1/64",
        "10.40.1.1/28", "10.40.2.1/28", "203.0.113.10/32", "2001:db8::10/128",
    }  # fmt: skip
    assert Held("10.40.1.1/28", "vlan31") in first["lead"].addresses
    assert Held("203.0.113.10/32", "vlan100") in first["lead"].addresses
    assert first["lead"].routes == (
        Route("0.0.0.0/0", "203.0.113.254", "vlan100"),
        Route("::/0", "2001:db8::ffff:ffff:ffff:fffe", "vlan100"),
    )
    assert [first["lead"].priority, second["lead"].priority, third["lead"].priority] == [
        200, 190, 180,
    ]  # fmt: skip
    assert [first["site"].priority, second["site"].priority, third["site"].priority] == [
        200, 190, 200,
    ]  # fmt: skip
    assert found["fw-a2"].witnesses == {"b": ("10.90.0.21",), "c": ("10.90.0.31",)}
    assert found["fw-b1"].witnesses == {"a": ("10.90.0.11", "10.90.0.12"), "c": ("10.90.0.31",)}
    assert found["fw-a1"].sync_peers == ("10.90.0.12", "10.90.0.21")
    assert found["fw-a1"].led == found["fw-b1"].led
    assert {"203.0.113.1", "10.40.1.0/28"} <= set(found["fw-a1"].led)
    assert not {"203.0.113.0/24", "10.90.0.0/24"} & set(found["fw-a1"].led)
    assert found["fw-a1"].sync_address == "10.90.0.11"
    assert Route("10.2.10.0/24", "10.90.0.3", "vlan900") in found["fw-a1"].routes
    assert Route("10.1.20.0/24", "10.90.0.2", "vlan900") in found["fw-b1"].routes


def test_the_arbiter_reaches_both_sites() -> None:
    estate = small()
    arbiter = estate.machines["arbiter"]
    assert gateways(estate, arbiter) == ("10.90.0.1", "fd00:90::1")
    assert set(site_routes(estate, arbiter)) == {
        Route("10.1.10.0/24", "10.90.0.2", "vlan900"),
        Route("fd00:1:10::/64", "fd00:90::2", "vlan900"),
        Route("10.1.20.0/24", "10.90.0.2", "vlan900"),
        Route("10.2.10.0/24", "10.90.0.3", "vlan900"),
        Route("10.40.3.0/28", "10.90.0.3", "vlan900"),
    }
    assert list(site_routes(estate, estate.machines["web-a1"])) == []


def test_a_firewall_away_from_the_transit_vlan_has_no_part() -> None:
    estate = small()
    bare = estate.machines["fw-a1"].model_copy(update={"interfaces": ()})
    changed = estate.model_copy(update={"machines": {**estate.machines, "fw-a1": bare}})
    assert routing(changed, bare) is None
    plain = {n: v.model_copy(update={"transit": False}) for n, v in estate.vlans.items()}
    changed = estate.model_copy(update={"vlans": plain})
    assert routing(changed, changed.machines["fw-a1"]) is None


@dataclass(frozen=True)
class Node:
    """A firewall at one moment: what it is connected to, and its routes."""

    name: str
    connected: tuple[tuple[Network, str], ...]
    addresses: frozenset[Address]
    routes: tuple[Route, ...]


def network(estate: Estate, leaders: dict[str, str], lead: str) -> list[Node]:
    """Give every firewall as it is while these lead their sites, and one of them all."""
    return [_node(estate, name, part, leaders, lead) for name, part in parts(estate).items()]


def _node(estate: Estate, name: str, part: Routing, leaders: dict[str, str], lead: str) -> Node:
    machine = estate.machines[name]
    own = [(address, leg.device) for leg in legs(estate, machine) for address in leg.addresses]
    routes = list(part.routes)
    for instance in part.instances:
        if (leaders[machine.site] if instance.name == "site" else lead) == name:
            own += [(ip_interface(h.address), h.device) for h in instance.addresses]
            routes += instance.routes
    return Node(
        name,
        tuple((address.network, device) for address, device in own),
        frozenset(address.ip for address, _ in own),
        tuple(routes),
    )


def journey(nodes: list[Node], start: Node, target: Address) -> Iterator[str]:
    """Yield the firewalls that a packet passes, and at last the device that it leaves by."""
    here = start
    for _ in range(6):
        yield here.name
        direct = [(net.prefixlen, device) for net, device in here.connected if target in net]
        routed = [
            (net.prefixlen, -route.metric, route)
            for route in here.routes
            if target in (net := ip_network(route.network))
        ]
        best = max(routed, key=lambda r: r[:2], default=None)
        if direct and (best is None or max(direct)[0] >= best[0]):
            yield max(direct)[1]
            return
        assert best is not None, f"{here.name} has no way to {target}"
        route = best[2]
        via = ip_address(route.via)
        holders = [node for node in nodes if via in node.addresses]
        if not holders:
            yield route.device
            return
        (here,) = holders
    raise AssertionError(f"a loop towards {target}")


def routed_vlans(estate: Estate) -> list[Vlan]:
    """Give the VLANs with a firewall on one of their sites."""
    sites = {site.name for site in firewall_sites(estate)}
    return [vlan for vlan in estate.vlans.values() if sites & set(vlan.sites)]


def moments(estate: Estate) -> Iterator[list[Node]]:
    """Yield the network for every choice of leaders."""
    pairs = [
        [f.name for f in estate.firewalls.values() if f.site == site.name]
        for site in firewall_sites(estate)
    ]
    names = [site.name for site in firewall_sites(estate)]
    for chosen in product(*pairs):
        for lead in estate.firewalls:
            yield network(estate, dict(zip(names, chosen, strict=True)), lead)


def test_a_published_address_may_be_the_gateway_of_its_subnet() -> None:
    estate = small()
    virtual = estate.virtual_addresses["web-a"].model_copy(
        update={"publishes": (ip_address("203.0.113.1"), ip_address("203.0.113.9"))}
    )
    changed = estate.model_copy(update={"virtual_addresses": {"web-a": virtual}})
    found = held(instances(parts(changed)["fw-a1"])["lead"])
    assert {"203.0.113.1/24", "203.0.113.9/32"} <= found
    assert "203.0.113.1/32" not in found
    check(changed)


def check(estate: Estate) -> None:
    """Ask that packets arrive from every firewall in every VLAN, whoever leads."""
    for nodes in moments(estate):
        owners = [address for node in nodes for address in node.addresses]
        assert len(owners) == len(set(owners)), "an address is held by one firewall at a time"
        for vlan in routed_vlans(estate):
            for gateway in vlan.gateways:
                assert gateway.ip in owners, f"nobody holds {gateway}"
                for start in nodes:
                    *passed, device = journey(nodes, start, gateway.network[5])
                    assert device == vlan.device
                    assert estate.firewalls[passed[-1]].site in vlan.sites
        outside = [v for v in estate.vlans.values() if estate.zones[v.zone].internet]
        if outside:
            for target in ("192.0.2.1", "2001:db8:ffff::1"):
                for start in nodes:
                    *_, device = journey(nodes, start, ip_address(target))
                    assert device == outside[0].device


@pytest.mark.parametrize("folder", ["estate", "lab/estate"])
def test_packets_arrive_whoever_leads(folder: str) -> None:
    check(load(INVENTORY / folder))


def test_packets_arrive_in_a_small_estate() -> None:
    check(small())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(estates())
def test_packets_arrive_in_any_estate(estate: Estate) -> None:
    check(estate)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(estates())
def test_instances_are_in_order(estate: Estate) -> None:
    found = parts(estate)
    ordered = [f.name for site in firewall_sites(estate) for f in estate.firewalls.values()
               if f.site == site.name]  # fmt: skip
    leads = [instances(found[name])["lead"] for name in ordered]
    priorities = [lead.priority for lead in leads]
    assert priorities == sorted(set(priorities), reverse=True), "the first declared comes first"
    assert all(1 <= i.priority <= 254 for part in found.values() for i in part.instances)
    assert len({frozenset(held(lead)) for lead in leads}) == 1, "peers agree what is held"
    addresses = [found[name].sync_address for name in ordered]
    assert [lead.followers for lead in leads] == [
        tuple(addresses[place + 1 :]) for place in range(len(leads))
    ]
    for site in firewall_sites(estate):
        pair = [instances(found[f.name])["site"] for f in estate.firewalls.values()
                if f.site == site.name]  # fmt: skip
        assert len({i.priority for i in pair}) == len(pair)
        assert len({frozenset(held(i)) for i in pair}) == 1
        assert not held(pair[0]) & held(leads[0])
        assert [len(i.followers) for i in pair] == list(reversed(range(len(pair))))
        assert {a for i in pair for a in i.followers} <= set(addresses)
    for machine in estate.machines.values():
        assert gateways(estate, machine) == () or machine.name not in estate.firewalls


@pytest.mark.parametrize("folder", ["estate", "lab/estate"])
def test_every_hosts_gateway_is_held(folder: str) -> None:
    estate = load(INVENTORY / folder)
    everything = {
        address.partition("/")[0]
        for part in parts(estate).values()
        for instance in part.instances
        for address in held(instance)
    }
    behind = {vlan.name for vlan in routed_vlans(estate)}
    for machine in estate.machines.values():
        found = gateways(estate, machine)
        assert bool(found) == (machine.name not in estate.firewalls and bool(machine.interfaces))
        if found and machine.interfaces[0].vlan in behind:
            assert set(found) <= everything
