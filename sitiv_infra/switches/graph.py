"""Zones that switches join without a firewall: at layer 2, or by routing between them.

A node is a VLAN on one switch, or a routed port of it. Two are joined by a link over which frames
of the one come out in the other: tagged alike at both ends, or without a tag, whatever VLAN each
end then takes them to be in. A switch that routes joins the networks in which it has an address, by
VRF. Links are the declared ones; what each end does is as observed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_interface

from sitiv_infra.estate import Estate, Vlan
from sitiv_infra.facts.switch import PortMode, RoutedLeg, SwitchFacts, SwitchPort
from sitiv_infra.vlan_ids import Ids
from sitiv_infra.wanted.trunks import End, cables

Node = tuple[str, int | str]  # a switch, and a VLAN's id or a routed port
Seen = Mapping[str, SwitchFacts]


@dataclass(frozen=True)
class Edge:
    """A way between two nodes; ``via`` names what it leads over, ``sure`` whether it is certain."""

    one: Node
    other: Node
    via: tuple[str, ...]
    sure: bool


@dataclass(frozen=True)
class Joined:
    """Two zones, in order, and the shortest way between them that no firewall stands on.

    ``switch`` is the one where the way begins. A way that is not ``sure`` leads over something that
    is negotiated, or not understood, or may route.
    """

    zones: tuple[str, str]
    path: tuple[str, ...]
    switch: str
    sure: bool


def joined(estate: Estate, seen: Seen) -> tuple[Joined, ...]:
    """Give every pair of zones that switches join, by a certain way where there is one."""
    ways = list(edges(estate, seen))
    zones = dict(_zones(estate, seen, ways))
    found: dict[tuple[str, str], Joined] = {}
    for sure in (True, False):
        graph: dict[Node, list[tuple[Node, Edge]]] = {}
        for edge in ways:
            if edge.sure or not sure:
                graph.setdefault(edge.one, []).append((edge.other, edge))
                graph.setdefault(edge.other, []).append((edge.one, edge))
        for zone in dict.fromkeys(zones.values()):
            start = [node for node in graph if zones.get(node) == zone]
            for met, path, switch in _from(start, graph, zones):
                one, other = sorted((zone, met))
                told = tuple(_told(estate, p) if isinstance(p, tuple) else p for p in path)
                found.setdefault((one, other), Joined((one, other), told, switch, sure))
    return tuple(found.values())


Path = tuple[Node | str, ...]


def _from(
    start: list[Node], graph: Mapping[Node, list[tuple[Node, Edge]]], zones: Mapping[Node, str]
) -> Iterator[tuple[str, Path, str]]:
    """Go from the nodes of a zone until another is met, which is not gone through.

    Yields that zone, the way to it, and the switch on which the way begins.
    """
    paths: dict[Node, Path] = {node: (node,) for node in start}
    queue = deque(start)
    while queue:
        here = queue.popleft()
        for there, edge in graph[here]:
            if there in paths:
                continue
            via = edge.via if edge.one == here else edge.via[::-1]
            paths[there] = (*paths[here], *via, there)
            if there in zones:
                first = paths[there][0]
                yield zones[there], paths[there], first[0]
            else:
                queue.append(there)


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
    sure = _certain(port) and _certain(opposite)
    tags = [_tagged(p) & interesting for p in (port, opposite)]
    bare = [_untagged(p) for p in (port, opposite)]
    taken = [
        bare[n] & tags[1 - n] if p.mode is PortMode.TRUNK else frozenset()
        for n, p in enumerate((port, opposite))
    ]
    for vid in sorted((tags[0] & tags[1]) | taken[0] | taken[1]):
        yield Edge((one[0], vid), (other[0], vid), via, sure)
    for out in sorted(bare[0]):
        for into in sorted(bare[1]):
            yield Edge((one[0], out), (other[0], into), via, sure)


def _certain(port: SwitchPort) -> bool:
    return port.mode is not PortMode.NEGOTIATED and not port.doubts


def _tagged(port: SwitchPort) -> Ids:
    return port.allowed if port.mode is PortMode.NEGOTIATED else port.tagged


def _untagged(port: SwitchPort) -> Ids:
    if port.mode is PortMode.NEGOTIATED:
        return frozenset({port.access, port.native})
    return frozenset() if port.untagged is None else frozenset({port.untagged})


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


def _zones(estate: Estate, seen: Seen, ways: list[Edge]) -> Iterator[tuple[Node, str]]:
    """Yield the nodes whose zone is declared: by the VLAN on that site, or by the address."""
    here = {(site, v.vid): v for v in estate.vlans.values() for site in v.sites}
    for node in {node: None for edge in ways for node in (edge.one, edge.other)}:
        if isinstance(node[1], str):
            vlan = _by_address(estate, seen[node[0]].legs, node[1])
        else:
            vlan = here.get((estate.switches[node[0]].site, node[1]))
        if vlan is not None:
            yield node, vlan.zone


def _by_address(estate: Estate, legs: Iterable[RoutedLeg], name: str) -> Vlan | None:
    addresses = [a for leg in legs if leg.name == name for a in leg.addresses if "/" in a]
    for ip in (ip_interface(address).ip for address in addresses):
        for vlan in estate.vlans.values():
            if any(ip in net for net in vlan.subnets):
                return vlan
    return None


def _told(estate: Estate, node: Node) -> str:
    switch, what = node
    if isinstance(what, str):
        return f"{switch} {what}"
    site = estate.switches[switch].site
    names = [v.name for v in estate.vlans.values() if v.vid == what and site in v.sites]
    return f"VLAN {what} ({names[0] if names else '?'}) on {switch}"
