"""Zones that are joined without a firewall: at layer 2, by routing, or by a virtual machine.

A node is a VLAN on one switch, or a routed port of it. Two are joined by a link over which frames
of the one come out in the other: tagged alike at both ends, or without a tag, whatever VLAN each
end then takes them to be in. A switch that routes joins the networks in which it has an address, by
VRF. Links are the declared ones; what each end does is as observed.

Virtual switches and machines are nodes too: a machine joins what its cards hang on, unless it is a
declared firewall.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_interface
from itertools import combinations

from sitiv_infra.estate import Estate, Vlan
from sitiv_infra.facts.switch import PortMode, RoutedLeg, SwitchFacts, SwitchPort
from sitiv_infra.switches.nodes import (
    Edge,
    Guest,
    Node,
    Path,
    certain,
    go,
    graph_of,
    tagged,
    untagged,
)
from sitiv_infra.switches.virtual import NOTHING, Seen, Vcenters, virtual_side
from sitiv_infra.vlan_ids import Ids
from sitiv_infra.wanted.trunks import End, cables


@dataclass(frozen=True)
class Joined:
    """Two zones, in order, and the shortest way between them that no firewall stands on.

    ``switch`` is the one where the way begins, real or virtual. A way that is not ``sure`` leads
    over something that is negotiated, or not understood, or may route.
    """

    zones: tuple[str, str]
    path: tuple[str, ...]
    switch: str
    sure: bool


@dataclass(frozen=True)
class Standing:
    """Where a virtual machine stands that is no declared firewall.

    zones -- those that its cards certainly lead to, with the way to each. possible -- those that
    they may lead to. networks -- the VLANs that it stands in and that lead to no zone. doubts --
    what of its cards could not be read.
    """

    zones: Mapping[str, tuple[str, ...]]
    possible: tuple[str, ...]
    networks: tuple[str, ...]
    doubts: tuple[str, ...]


def joined(estate: Estate, seen: Seen, vcenters: Vcenters = NOTHING) -> tuple[Joined, ...]:
    """Give every pair of zones that are joined, by a certain way where there is one.

    Pairs in which one machine stands alone are in ``standings``, and not here again.
    """
    virtual = virtual_side(estate, seen, vcenters)
    wires = [*edges(estate, seen), *virtual.wires]
    cards = [card for own in virtual.cards.values() for card in own]
    zones = dict(_zones(estate, seen, virtual.sites, [*wires, *cards]))
    alone = {pair for one in standings(estate, seen, vcenters).values() for pair in _pairs(one)}
    found: dict[tuple[str, str], Joined] = {}
    for sure in (True, False):
        for ways, told in ((wires, frozenset()), ([*wires, *cards], alone)):
            graph = graph_of(ways, sure=sure)
            for zone in dict.fromkeys(zones.values()):
                start = [node for node in graph if zones.get(node) == zone]
                for path in go(start, graph, zones):
                    way = _way(estate, virtual.sites, zones, path, sure=sure)
                    if way.zones not in told:
                        found.setdefault(way.zones, way)
    return tuple(found.values())


def _pairs(standing: Standing) -> Iterator[tuple[str, str]]:
    yield from combinations(sorted({*standing.zones, *standing.possible}), 2)


def _way(
    estate: Estate, sites: Mapping[str, str], zones: Mapping[Node, str], path: Path, *, sure: bool
) -> Joined:
    ends = [node for node in (path[0], path[-1]) if not isinstance(node, str)]
    one, other = sorted(zones[node] for node in ends)
    told = _told_path(estate, sites, path)
    return Joined((one, other), told, ends[0][0], sure)


def standings(estate: Estate, seen: Seen, vcenters: Vcenters) -> Mapping[Guest, Standing]:
    """Tell of every virtual machine that runs, and is no declared firewall, where it stands."""
    virtual = virtual_side(estate, seen, vcenters)
    wires = [*edges(estate, seen), *virtual.wires]
    cards = [card for own in virtual.cards.values() for card in own]
    zones = dict(_zones(estate, seen, virtual.sites, [*wires, *cards]))
    graphs = {sure: graph_of(wires, sure=sure) for sure in (True, False)}
    found = {}
    for guest, own in virtual.cards.items():
        ways: dict[bool, dict[str, Path]] = {True: {}, False: {}}
        for sure, graph in graphs.items():
            graph[guest] = [(card.other, card) for card in own if card.sure or not sure]
            for path in go([guest], graph, zones):
                end = path[-1]
                if not isinstance(end, str):
                    ways[sure].setdefault(zones[end], path)
            del graph[guest]
        lost = [
            _told(estate, virtual.sites, card.other)
            for card in own
            if card.other not in zones
            and not any(card.other in path for path in ways[False].values())
        ]
        found[guest] = Standing(
            {zone: _told_path(estate, virtual.sites, way) for zone, way in ways[True].items()},
            tuple(zone for zone in ways[False] if zone not in ways[True]),
            tuple(dict.fromkeys(lost)),
            virtual.doubts.get(guest, ()),
        )
    return found


def edges(estate: Estate, seen: Seen) -> Iterator[Edge]:
    """Yield the ways between nodes of the switches that were seen."""
    interesting = {vlan.vid for vlan in estate.vlans.values()}
    for facts in seen.values():
        interesting |= {v for p in facts.ports for v in (p.access, p.native)}
    for cable in cables(estate):
        ports = [_at(seen, end) for end in (cable.one, cable.other)]
        if ports[0] is not None and ports[1] is not None:
            yield from _over(cable.one, ports[0], (cable.other, ports[1]), frozenset(interesting))
    for name, facts in seen.items():
        yield from _routed(name, facts)


def _at(seen: Seen, end: End) -> SwitchPort | None:
    facts = seen.get(end[0])
    port = facts.port(end[1]) if facts else None
    return port if port is not None and port.switched else None


def _over(
    one: End, port: SwitchPort, there: tuple[End, SwitchPort], interesting: Ids
) -> Iterator[Edge]:
    """Yield what a link joins; a trunk also takes frames that carry the tag of its native VLAN."""
    other, opposite = there
    via = (f"{one[0]} {port.name}", f"{other[0]} {opposite.name}")
    sure = certain(port) and certain(opposite)
    tags = [tagged(p) & interesting for p in (port, opposite)]
    bare = [untagged(p) for p in (port, opposite)]
    taken = [
        bare[n] & tags[1 - n] if p.mode is PortMode.TRUNK else frozenset()
        for n, p in enumerate((port, opposite))
    ]
    for vid in sorted((tags[0] & tags[1]) | taken[0] | taken[1]):
        yield Edge((one[0], vid), (other[0], vid), via, sure)
    for out in sorted(bare[0]):
        for into in sorted(bare[1]):
            yield Edge((one[0], out), (other[0], into), via, sure)


def _routed(name: str, facts: SwitchFacts) -> Iterator[Edge]:
    """Join the networks of each VRF in which the switch forwards, or may forward."""
    first: dict[str, RoutedLeg] = {}
    for leg in facts.legs:
        if leg.shut or not leg.addresses or facts.routing.get(leg.vrf) is False:
            continue
        other = first.setdefault(leg.vrf, leg)
        if other is not leg:
            sure = facts.routing.get(leg.vrf) is True
            via = (f"{name} {other.name}", f"{name} {leg.name}")
            yield Edge(_node(name, other), _node(name, leg), via, sure)


def _node(switch: str, leg: RoutedLeg) -> Node:
    """Give a leg's VLAN, or the leg itself with its first address, which tells its network."""
    return (switch, leg.vlan) if leg.vlan is not None else (switch, leg.name)


def _zones(
    estate: Estate, seen: Seen, virtual: Mapping[str, str], ways: Iterable[Edge]
) -> Iterator[tuple[Node, str]]:
    """Yield the nodes whose zone is declared: by the VLAN on that site, or by the address."""
    here = {(site, v.vid): v for v in estate.vlans.values() for site in v.sites}
    for node in {node: None for edge in ways for node in (edge.one, edge.other)}:
        if isinstance(node, Guest):
            continue
        if isinstance(node[1], str):
            vlan = _by_address(estate, seen[node[0]].legs, node[1])
        else:
            vlan = here.get((_site(estate, virtual, node[0]), node[1]))
        if vlan is not None:
            yield node, vlan.zone


def _site(estate: Estate, virtual: Mapping[str, str], place: str) -> str:
    return virtual[place] if place in virtual else estate.switches[place].site


def _by_address(estate: Estate, legs: Iterable[RoutedLeg], name: str) -> Vlan | None:
    addresses = [a for leg in legs if leg.name == name for a in leg.addresses if "/" in a]
    for ip in (ip_interface(address).ip for address in addresses):
        for vlan in estate.vlans.values():
            if any(ip in net for net in vlan.subnets):
                return vlan
    return None


def _told_path(estate: Estate, virtual: Mapping[str, str], path: Path) -> tuple[str, ...]:
    return tuple(p if isinstance(p, str) else _told(estate, virtual, p) for p in path)


def _told(estate: Estate, virtual: Mapping[str, str], node: Node) -> str:
    if isinstance(node, Guest):
        return node.name
    switch, what = node
    if isinstance(what, str):
        return f"{switch} {what}"
    site = _site(estate, virtual, switch)
    names = [v.name for v in estate.vlans.values() if v.vid == what and site in v.sites]
    return f"VLAN {what} ({names[0] if names else '?'}) on {switch}"
