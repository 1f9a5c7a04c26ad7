"""Port groups against the estate: their VLANs, their machines, and the ports below them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sitiv_infra.estate import Estate, Link, Machine, Vcenter
from sitiv_infra.facts import HypervisorFacts, SwitchFacts, Unread
from sitiv_infra.facts.hypervisor import PortGroup, PortVlan, VirtualMachine
from sitiv_infra.switches.against import Deviation
from sitiv_infra.switches.virtual import (
    Vcenters,
    cluster_of,
    doubts,
    groups_of,
    is_firewall,
    on,
    vids,
)
from sitiv_infra.vlan_ids import Ids
from sitiv_infra.wanted.addressing import legs


@dataclass(frozen=True)
class Connected:
    """VLANs of a machine's cards against its declared ones; 0 is what has no tag.

    any -- whether a card hangs on anything. doubts -- what of its cards could not be read.
    """

    extra: Ids = frozenset()
    lacking: Ids = frozenset()
    any: bool = False
    doubts: tuple[str, ...] = ()


def connected(
    estate: Estate, machine: Machine, seen: HypervisorFacts, guest: VirtualMachine
) -> Connected:
    """Hold the cards of a machine against its declaration, be it on or off."""
    declared = frozenset(leg.vlan.vid for leg in legs(estate, machine))
    groups = groups_of(seen)
    here: set[int] = set()
    cards = () if isinstance(guest.nics, Unread) else guest.nics
    cards = tuple(nic for nic in cards if nic.portgroup is not None)
    for nic in cards:
        group = on(nic, groups)
        vlan = None if isinstance(group, Unread) else group.vlan
        if isinstance(vlan, PortVlan) and vlan.guest and machine.name in estate.firewalls:
            here |= vlan.ids & declared
        elif isinstance(vlan, PortVlan):
            here |= vids(vlan, _ids(estate, machine.site))
    return Connected(
        frozenset(here) - declared, declared - here, bool(cards), doubts(guest, groups)
    )


def _ids(estate: Estate, site: str) -> Ids:
    return frozenset(vlan.vid for vlan in estate.vlans.values() if site in vlan.sites)


def members(
    estate: Estate, vcenter: str, seen: HypervisorFacts
) -> Mapping[str, dict[str, list[str]]]:
    """Name, by port group, the declared firewalls and the other machines with a card on it."""
    found: dict[str, dict[str, list[str]]] = {}
    for machine in seen.machines:
        kind = "firewalls" if is_firewall(estate, vcenter, machine) else "others"
        for nic in () if isinstance(machine.nics, Unread) else machine.nics:
            if isinstance(nic.portgroup, str):
                names = found.setdefault(nic.portgroup, {}).setdefault(kind, [])
                names += [machine.name] if machine.name not in names else []
    return found


def sites(estate: Estate, vcenter: Vcenter) -> frozenset[str]:
    """Give the sites on which a vCenter has clusters, or its own."""
    own = {c.site for c in estate.clusters.values() if c.vcenter == vcenter.name}
    return frozenset(own) or frozenset({vcenter.site})


def uplinks(
    estate: Estate, switch: str, seen: SwitchFacts, vcenters: Vcenters
) -> Iterator[Deviation]:
    """Yield the ports to hosts that do not carry what the port groups behind them need.

    Too much is what no port group there has, and nobody declared for the port; too little is what
    machines or hosts stand in.
    """
    for name, link in estate.switches[switch].links.items():
        cluster = estate.clusters.get(link.cluster or "")
        port = seen.port(name)
        if cluster is None or cluster.vcenter not in vcenters:
            continue
        used, known = _behind(estate, cluster.name, cluster.vcenter, vcenters[cluster.vcenter])
        known |= _told(estate, link)
        carried = port.vlans if port is not None and port.switched else frozenset()
        extra, lacking = carried - known, used - carried
        if extra or lacking:
            yield Deviation(name, port.line if port else 0, extra, lacking)


def _told(estate: Estate, link: Link) -> Ids:
    return frozenset(estate.vlans[name].vid for name in link.vlans)


def _behind(estate: Estate, cluster: str, vcenter: str, facts: HypervisorFacts) -> tuple[Ids, Ids]:
    """Give the VLANs that machines or hosts of a cluster stand in, and all of its port groups."""
    groups = groups_of(facts)
    here = _ids(estate, estate.clusters[cluster].site)
    hosts = {h.name for h in facts.hosts if _same(h.cluster, cluster)}
    keys = {
        nic.portgroup
        for machine in facts.machines
        if cluster_of(estate, vcenter, machine) == estate.clusters[cluster]
        for nic in (() if isinstance(machine.nics, Unread) else machine.nics)
    }
    for host in facts.hosts:
        if host.name in hosts and not isinstance(host.adapters, Unread):
            keys |= set(host.adapters)
    known: set[int] = set()
    used: set[int] = set()
    for group in groups.values():
        if group.uplink is True or isinstance(group.vlan, Unread):
            continue
        if isinstance(group.hosts, Unread) or not hosts.isdisjoint(group.hosts):
            wire = group.vlan.ids & here if group.vlan.guest else group.vlan.ids
            wire |= frozenset({group.vlan.primary}) if group.vlan.primary else frozenset()
            known |= wire
            used |= wire if group.key in keys and not group.vlan.guest else frozenset()
    return frozenset(used), frozenset(known)


def unclear(estate: Estate, switch: str, vcenters: Vcenters) -> Iterator[str]:
    """Yield what keeps the ports of a switch to hosts from being judged."""
    for link in estate.switches[switch].links.values():
        cluster = estate.clusters.get(link.cluster or "")
        if cluster is None:
            continue
        facts = vcenters.get(cluster.vcenter)
        if facts is None:
            yield cluster.vcenter
            continue
        if isinstance(facts.portgroups, Unread):
            yield f"{cluster.vcenter}: {facts.portgroups.unread}"
        yield from (g.name for g in groups_of(facts).values() if _blank(g))
        yield from (
            h.name for h in facts.hosts
            if isinstance(h.adapters, Unread) and _same(h.cluster, cluster.name)
        )  # fmt: skip
        yield from (m.name for m in facts.machines if isinstance(m.nics, Unread))


def _blank(group: PortGroup) -> bool:
    return group.uplink is not True and isinstance(group.vlan, Unread)


def _same(name: str | Unread | None, cluster: str) -> bool:
    return isinstance(name, str) and name.casefold() == cluster.casefold()
