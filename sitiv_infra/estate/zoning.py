"""What is wrong between zones: addresses of two of them, flows of none, cells that contradict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sitiv_infra.estate.complaint import Complaint

if TYPE_CHECKING:
    from sitiv_infra.documents import Location
    from sitiv_infra.estate.base import Network
    from sitiv_infra.estate.model import Estate
    from sitiv_infra.estate.network import Flow


def zoning(estate: Estate) -> Iterator[Complaint]:
    """Yield what is wrong with the networks of zones, and with the matrix."""
    yield from _subnets(estate)
    yield from _zones(estate)
    yield from _unassigned(estate)
    yield from _cells(estate)
    yield from _bound(estate)


def _subnets(estate: Estate) -> Iterator[Complaint]:
    """Subnets are disjoint: sorted, one can only overlap the widest that began before it."""
    places: list[tuple[Network, str, Location]] = [
        (net, f"VLAN '{name}'", ("vlans", name, "subnets", index))
        for name, vlan in estate.vlans.items()
        for index, net in enumerate(vlan.subnets)
    ]
    places += [
        (net, f"zone '{name}'", ("zones", name, "networks", index))
        for name, zone in estate.zones.items()
        for index, net in enumerate(zone.networks)
    ]
    places.sort(key=lambda p: (p[0].version, int(p[0].network_address), p[0].prefixlen))
    widest = None
    for net, what, where in places:
        if (
            widest is not None
            and widest[0].version == net.version
            and int(net.network_address) <= int(widest[0].broadcast_address)
        ):
            yield Complaint(where, f"{net} overlaps {widest[0]} of {widest[1]}")
        else:
            widest = (net, what)


def _zones(estate: Estate) -> Iterator[Complaint]:
    """Refuse two zones of one rest, and rests that are more than that."""
    for field in ("internet", "unassigned"):
        first, *others = [n for n, z in estate.zones.items() if getattr(z, field)] or [""]
        for name in others:
            yield Complaint(("zones", name, field), f"'{first}' is it already; there is one")
    for name, zone in estate.zones.items():
        if zone.internet and zone.unassigned:
            what = "a zone is what is left of public addresses, or of the others, not both"
            yield Complaint(("zones", name, "unassigned"), what)
        if zone.rest and zone.networks:
            what = "this zone is what the others leave; name networks in a zone of their own"
            yield Complaint(("zones", name, "networks"), what)


def _unassigned(estate: Estate) -> Iterator[Complaint]:
    """Refuse VLANs and flows of addresses that should not be there."""
    lost = {name for name, zone in estate.zones.items() if zone.unassigned}
    for name, vlan in estate.vlans.items():
        if vlan.zone in lost:
            yield Complaint(("vlans", name, "zone"), "a VLAN's subnets are assigned to a zone")
    for name, flow in estate.flows.items():
        for field in ("source", "destination"):
            if getattr(flow, field) in lost:
                what = "unassigned addresses may reach nothing; declare their zone first"
                yield Complaint(("flows", name, field), what)


def _cells(estate: Estate) -> Iterator[Complaint]:
    first: dict[tuple[str, str], str] = {}
    for name, cell in estate.cells.items():
        for pair in cell.pairs:
            other = first.setdefault(pair, name)
            if other != name:
                what = f"from '{pair[0]}' to '{pair[1]}' is already '{other}'"
                yield Complaint(("cells", name), what)


def _bound(estate: Estate) -> Iterator[Complaint]:
    """Refuse flows that are bound to sites whose firewalls cannot let them pass."""
    filtered = {firewall.site for firewall in estate.firewalls.values()}
    for name, flow in estate.flows.items():
        for index, site in enumerate(flow.sites):
            where = ("flows", name, "sites", index)
            if site in flow.sites[:index]:
                yield Complaint(where, f"'{site}' is named already")
            elif site in estate.sites and site not in filtered:
                yield Complaint(
                    where, f"no firewall is declared on site '{site}' to hold this flow"
                )
        if flow.sites and filtered.issuperset(flow.sites):
            yield from _impossible(estate, flow, filtered)


def _impossible(estate: Estate, flow: Flow, filtered: set[str]) -> Iterator[Complaint]:
    """Refuse a flow whose one end is only behind the firewalls of other sites."""
    for end in (flow.source, flow.destination):
        zone = estate.zones.get(end)
        standing = [filtered.intersection(v.sites) for v in estate.vlans.values() if v.zone == end]
        # What no VLAN behind a firewall holds may lie anywhere.
        if zone is None or zone.rest or zone.networks or not standing or not all(standing):
            continue
        behind = set().union(*standing)
        if behind.isdisjoint(flow.sites):
            what = f"nothing of it could pass: '{end}' is behind the firewalls of other sites alone"
            yield Complaint(("flows", flow.name, "sites"), f"{what} ({', '.join(sorted(behind))})")
