"""The virtual side of layer 2: what machines' cards hang on, and how that meets real switches.

A distributed switch is one node a cluster and VLAN: its machines move among the cluster's hosts. It
never forwards from one physical port to another, so only what machines hang on is in the graph.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from sitiv_infra.estate import Cluster, Estate
from sitiv_infra.facts import HypervisorFacts, Unread
from sitiv_infra.facts.hypervisor import PortGroup, PortVlan, VirtualMachine, VirtualNic
from sitiv_infra.facts.switch import PortMode, SwitchFacts
from sitiv_infra.messages import noop
from sitiv_infra.switches.nodes import UNTAGGED, Edge, Guest, Node, certain, tagged, untagged
from sitiv_infra.vlan_ids import Ids

Seen = Mapping[str, SwitchFacts]
Vcenters = Mapping[str, HypervisorFacts]  # by the vCenter's declared name
NOTHING: Vcenters = MappingProxyType({})
UNSEEN = noop("its port group was not read")


@dataclass
class Virtual:
    """What vCenters add to the graph.

    wires -- from physical ports to virtual switches, and within private VLANs. cards -- the ways of
    every machine that runs and is no declared firewall. sites -- where each virtual switch stands.
    doubts -- what of a machine's cards could not be read.
    """

    wires: list[Edge] = field(default_factory=list)
    cards: dict[Guest, list[Edge]] = field(default_factory=dict)
    sites: dict[str, str] = field(default_factory=dict)
    doubts: dict[Guest, tuple[str, ...]] = field(default_factory=dict)


def virtual_side(estate: Estate, seen: Seen, vcenters: Vcenters) -> Virtual:
    """Read vCenters into nodes and ways."""
    found = Virtual()
    clusters: dict[str, str] = {}  # of each virtual switch, the declared cluster
    interesting = frozenset(vlan.vid for vlan in estate.vlans.values())
    for name, facts in vcenters.items():
        groups = groups_of(facts)
        for guest, machine in guests(estate, name, facts):
            cluster = cluster_of(estate, name, machine)
            site = cluster.site if cluster else estate.vcenters[name].site
            found.cards[guest] = []
            found.doubts[guest] = doubts(machine, groups)
            for nic, group, vlan in _known(machine, groups):
                place = _place(name, machine, group)
                found.sites[place] = site
                if cluster is not None:
                    clusters[place] = cluster.name
                sure = _sure(machine, nic, group)
                via = (f"{group.switch}/{group.name}",)
                found.cards[guest] += [
                    Edge(guest, (place, vid), via, sure) for vid in sorted(vids(vlan, interesting))
                ]
                found.wires += _private(place, vlan, via)
    used = {card.other for own in found.cards.values() for card in own}
    used |= {end for wire in found.wires for end in (wire.one, wire.other)}
    found.wires += _uplinks(estate, seen, clusters, used)
    return found


def doubts(machine: VirtualMachine, groups: Mapping[str, PortGroup]) -> tuple[str, ...]:
    """Say what of a machine's cards could not be read."""
    if isinstance(machine.nics, Unread):
        return (machine.nics.unread,)
    found = []
    for nic in live(machine):
        group = on(nic, groups)
        cause = group if isinstance(group, Unread) else group.vlan
        if isinstance(cause, Unread):
            found.append(f"{nic.label}: {cause.unread}")
    return tuple(found)


def _known(
    machine: VirtualMachine, groups: Mapping[str, PortGroup]
) -> Iterator[tuple[VirtualNic, PortGroup, PortVlan]]:
    for nic in live(machine):
        group = on(nic, groups)
        if isinstance(group, PortGroup) and isinstance(group.vlan, PortVlan):
            yield nic, group, group.vlan


def groups_of(facts: HypervisorFacts) -> Mapping[str, PortGroup]:
    """Give the port groups by their keys; none where they were not read."""
    return {} if isinstance(facts.portgroups, Unread) else {g.key: g for g in facts.portgroups}


def on(nic: VirtualNic, groups: Mapping[str, PortGroup]) -> PortGroup | Unread:
    """Give the port group that a card hangs on."""
    if isinstance(nic.portgroup, Unread):
        return nic.portgroup
    return groups.get(nic.portgroup or "", Unread(unread=UNSEEN))


def live(machine: VirtualMachine) -> tuple[VirtualNic, ...]:
    """Give the cards of a machine that runs that are connected to something, or may be."""
    if isinstance(machine.nics, Unread):
        return ()
    return tuple(n for n in machine.nics if n.connected is not False and n.portgroup is not None)


def guests(
    estate: Estate, vcenter: str, facts: HypervisorFacts
) -> Iterator[tuple[Guest, VirtualMachine]]:
    """Yield the machines that run, or may, and are no declared firewalls."""
    running = [m for m in facts.machines if m.powered_on is not False]
    times = Counter(m.name.casefold() for m in running)
    for number, machine in enumerate(running):
        alone = times[machine.name.casefold()] == 1
        if not (alone and is_firewall(estate, vcenter, machine)):
            yield Guest(vcenter, number, machine.name), machine


def is_firewall(estate: Estate, vcenter: str, machine: VirtualMachine) -> bool:
    """Tell whether a machine is a declared firewall that is declared to be virtual, and here."""
    declared = {name.casefold(): name for name in estate.firewalls}
    name = declared.get(machine.name.casefold(), "")
    known = estate.machines.get(name)
    if known is None or known.cluster is None:
        return False
    return estate.clusters[known.cluster].vcenter == vcenter


def cluster_of(estate: Estate, vcenter: str, machine: VirtualMachine) -> Cluster | None:
    """Give the declared cluster that a machine stands on."""
    name = machine.cluster.casefold() if isinstance(machine.cluster, str) else None
    return next(
        (c for c in estate.clusters.values() if (c.vcenter, c.name.casefold()) == (vcenter, name)),
        None,
    )


def _place(vcenter: str, machine: VirtualMachine, group: PortGroup) -> str:
    """Name a virtual switch: a host's own has the host in its name."""
    place = next((p for p in (machine.cluster, machine.host) if isinstance(p, str)), "?")
    return f"{vcenter}/{group.switch}" if _own(group) else f"{vcenter}/{place}/{group.switch}"


def _own(group: PortGroup) -> bool:
    return group.key.partition("/")[1] == "/"


def _sure(machine: VirtualMachine, nic: VirtualNic, group: PortGroup) -> bool:
    """Tell whether a card is certainly connected, in the group's VLAN."""
    return (machine.powered_on, nic.connected, group.vlan_override) == (True, True, False)


def vids(vlan: PortVlan, interesting: Ids) -> Ids:
    """Give the VLANs in which a machine stands: 0 for no tag, of a trunk the interesting ones."""
    bare = frozenset({UNTAGGED}) if vlan.bare else frozenset()
    if vlan.guest:
        return (vlan.ids & interesting) | bare
    return frozenset({vlan.primary}) if vlan.primary is not None else vlan.ids | bare


def _private(place: str, vlan: PortVlan, via: tuple[str, ...]) -> Iterator[Edge]:
    """Join a private VLAN's second id to its first: whoever has the first reaches all."""
    for vid in vlan.ids if vlan.primary is not None else ():
        if vlan.primary is not None and vid != vlan.primary:
            yield Edge((place, vid), (place, vlan.primary), via, sure=True)


def _uplinks(
    estate: Estate, seen: Seen, clusters: Mapping[str, str], used: Collection[Node]
) -> Iterator[Edge]:
    """Join the ports that lead to a cluster's hosts to the virtual switches there."""
    for name, facts in seen.items():
        for port_name, link in estate.switches[name].links.items():
            port = facts.port(port_name)
            if link.cluster is None or port is None or not port.switched:
                continue
            bare = untagged(port)
            tags = tagged(port) | (bare if port.mode is PortMode.TRUNK else frozenset())
            for place in (p for p, cluster in clusters.items() if cluster == link.cluster):
                via = (f"{name} {port.name}",)
                for vid in sorted(v for v in tags if (place, v) in used):
                    yield Edge((name, vid), (place, vid), via, certain(port))
                for vid in sorted(bare) if (place, UNTAGGED) in used else ():
                    yield Edge((name, vid), (place, UNTAGGED), via, certain(port))
