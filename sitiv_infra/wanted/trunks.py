"""Which VLANs each port of a declared switch carries: exactly those that are needed behind it.

A VLAN is needed on a link between two switches when the link lies on some way between two places
that need the VLAN, and no way leads through a switch of a site where the VLAN does not stand. Links
that close a ring are on such a way too: whichever of them spanning tree blocks, the others carry.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sitiv_infra.estate import Estate, Link, Switch
from sitiv_infra.vlan_ids import Ids
from sitiv_infra.wanted.addressing import legs

End = tuple[str, str]  # a switch and its port


@dataclass(frozen=True)
class WantedPort:
    """A port: an access port of one VLAN, or a trunk where ``access`` is None.

    ``native`` is the id of frames without a tag, which is not among those allowed.
    """

    name: str
    leads_to: str
    access: int | None = None
    allowed: Ids = frozenset()
    native: int | None = None


@dataclass(frozen=True)
class Cable:
    """A link between two switches."""

    one: End
    other: End


def cables(estate: Estate) -> tuple[Cable, ...]:
    """Give every link between switches once, whichever of its ends declares it."""
    found = {
        tuple(sorted([(switch.name, port), (link.switch, link.port or "")]))
        for switch in estate.switches.values()
        for port, link in switch.links.items()
        if link.switch is not None
    }
    return tuple(Cable(one, other) for one, other in sorted(found))


def behind(estate: Estate, link: Link) -> frozenset[str]:
    """Name the VLANs of what hangs on a port, without those of a switch there."""
    names = set(link.vlans)
    if link.machine is not None:
        names |= {leg.vlan.name for leg in legs(estate, estate.machines[link.machine])}
    if link.cluster is not None:
        for machine in estate.machines.values():
            if machine.cluster == link.cluster:
                names |= {leg.vlan.name for leg in legs(estate, machine)}
    return frozenset(names)


def ports(estate: Estate) -> Mapping[str, tuple[WantedPort, ...]]:
    """Give the wanted ports of every switch, by its name, in the order of their names."""
    found: dict[str, list[WantedPort]] = {name: [] for name in estate.switches}
    for cable, names in needed(estate).items():
        vids = frozenset(estate.vlans[name].vid for name in names)
        for end, other in ((cable.one, cable.other), (cable.other, cable.one)):
            switch = estate.switches[end[0]]
            found[switch.name].append(_trunk(switch, end[1], other[0], vids))
    for switch in estate.switches.values():
        found[switch.name] += _ends(estate, switch)
    return {name: tuple(sorted(each, key=lambda p: p.name)) for name, each in found.items()}


def _ends(estate: Estate, switch: Switch) -> Iterator[WantedPort]:
    """Give the ports that lead to no other switch."""
    for name, link in switch.links.items():
        if link.switch is None:
            vids = frozenset(estate.vlans[vlan].vid for vlan in behind(estate, link))
            told = link.machine or link.cluster or ", ".join(link.vlans)
            if len(vids) == 1 and link.cluster is None:
                yield WantedPort(name, told, access=min(vids))
            else:
                yield _trunk(switch, name, told, vids)


def _trunk(switch: Switch, name: str, leads_to: str, allowed: Ids) -> WantedPort:
    return WantedPort(name, leads_to, allowed=allowed, native=switch.native)


def needed(estate: Estate) -> Mapping[Cable, frozenset[str]]:
    """Name the VLANs that each link between switches has to carry."""
    found: dict[Cable, set[str]] = {cable: set() for cable in cables(estate)}
    alike: dict[tuple[frozenset[str], frozenset[str]], list[Cable]] = {}
    places = _places(estate)
    for vlan in estate.vlans.values():
        asked = frozenset(places.get(vlan.name, ())), frozenset(vlan.sites)
        if asked not in alike:
            standing = {s.name for s in estate.switches.values() if s.site in vlan.sites}
            usable = [c for c in found if {c.one[0], c.other[0]} <= standing]
            alike[asked] = [c for c in usable if _between(c, usable, asked[0])]
        for cable in alike[asked]:
            found[cable].add(vlan.name)
    return {cable: frozenset(names) for cable, names in found.items()}


def _places(estate: Estate) -> Mapping[str, set[str]]:
    """Name by VLAN the switches that have something in it, themselves included."""
    found: dict[str, set[str]] = {}
    for switch in estate.switches.values():
        names = {switch.vlan} if switch.vlan else set()
        for link in switch.links.values():
            names |= behind(estate, link)
        for name in names:
            found.setdefault(name, set()).add(switch.name)
    return found


def _between(cable: Cable, usable: list[Cable], places: frozenset[str]) -> bool:
    """Tell whether a link lies on a way between two places that passes no switch twice.

    It does when, without the link, its two ends reach two different places by ways that share no
    switch: a flow of two, each switch letting one through (Menger's theorem). Two searches for an
    augmenting path find it.
    """
    ways: dict[str, set[str]] = {}
    for other in usable:
        if other is not cable:
            ways.setdefault(other.one[0], set()).add(other.other[0])
            ways.setdefault(other.other[0], set()).add(other.one[0])
    ends = (cable.one[0], cable.other[0])
    if ends[0] == ends[1]:
        return False
    graph: dict[Node, set[Node]] = {START: {(end, IN) for end in ends}}
    for name in {*ways, *ends}:
        graph.setdefault((name, IN), set()).add((name, OUT))
        graph[name, OUT] = {(other, IN) for other in ways.get(name, ())}
        if name in places:
            graph[name, OUT].add(STOP)
    return _augmented(graph) and _augmented(graph)


Node = tuple[str, str]
IN, OUT = "in", "out"
START, STOP = ("", "start"), ("", "stop")


def _augmented(graph: dict[Node, set[Node]]) -> bool:
    """Send one unit along a shortest way and turn its edges around; False when there is none."""
    came: dict[Node, Node] = {START: START}
    queue = deque([START])
    while queue and STOP not in came:
        here = queue.popleft()
        for there in sorted(graph.get(here, ())):
            if there not in came:
                came[there] = here
                queue.append(there)
    if STOP not in came:
        return False
    there = STOP
    while there != START:
        here = came[there]
        graph[here].discard(there)
        graph.setdefault(there, set()).add(here)
        there = here
    return True
