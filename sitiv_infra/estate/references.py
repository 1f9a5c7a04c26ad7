"""What no single declaration can see: names that must exist, and rules between things."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from sitiv_infra.estate.cabling import cabling
from sitiv_infra.estate.complaint import Complaint
from sitiv_infra.estate.organisation import Criticality, SiteRole
from sitiv_infra.estate.zoning import zoning

if TYPE_CHECKING:
    from sitiv_infra.documents import Location
    from sitiv_infra.estate.base import Declared
    from sitiv_infra.estate.model import Estate


def _missing(location: Location, name: str, collection: str) -> Complaint:
    return Complaint(location, unknown(name, (), collection), (collection, name))


SOURCES = (
    "firewalls", "vcenters", "object_stores", "backups", "directories", "vantages", "hosts",
    "drifts", "switches", "packet_proofs",
)  # fmt: skip

# collection, field, collection that the field names; a list field names several.
NAMES = (
    ("vlans", "zone", "zones"),
    ("vlans", "sites", "sites"),
    ("vlans", "member", "members"),
    ("cells", "sources", "zones"),
    ("cells", "destinations", "zones"),
    ("flows", "source", "zones"),
    ("flows", "destination", "zones"),
    ("flows", "sites", "sites"),
    ("firewalls", "site", "sites"),
    ("virtual_addresses", "site", "sites"),
    ("virtual_addresses", "vlan", "vlans"),
    ("virtual_addresses", "machines", "machines"),
    ("services", "zone", "zones"),
    ("services", "sites", "sites"),
    ("services", "members", "members"),
    ("machines", "site", "sites"),
    ("machines", "member", "members"),
    ("machines", "cluster", "clusters"),
    ("machines", "services", "services"),
    ("clusters", "site", "sites"),
    ("clusters", "vcenter", "vcenters"),
    ("vcenters", "site", "sites"),
    ("object_stores", "site", "sites"),
    ("buckets", "member", "members"),
    ("buckets", "stores", "object_stores"),
    ("backups", "member", "members"),
    ("backups", "services", "services"),
    ("backups", "machines", "machines"),
    ("directories", "member", "members"),
    ("exposures", "member", "members"),
    ("exposures", "service", "services"),
    ("hosts", "sites", "sites"),
    ("switches", "site", "sites"),
    ("switches", "vlan", "vlans"),
    ("switches", "member", "members"),
    ("drifts", "member", "members"),
    ("packet_proofs", "member", "members"),
    *((source, "observed_from", "zones") for source in SOURCES),
)


def complaints(estate: Estate) -> Iterator[Complaint]:
    """Yield every broken reference and rule of the estate."""
    names = {field: getattr(estate, field) for field in type(estate).model_fields}
    names.pop("operator")
    for collection, field, target in NAMES:
        yield from _named((collection, field, target), names)
    yield from _overrides(estate)
    yield from _repositories(estate)
    yield from _vlan_ids(estate)
    yield from zoning(estate)
    yield from _addresses(estate)
    yield from _virtual(estate)
    yield from _transit(estate)
    yield from _continuity(estate)
    yield from _clusters(estate)
    yield from _exposed(estate)
    yield from cabling(estate)


def unknown(name: str, known: Iterable[str], what: str) -> str:
    """Say that a name isn't declared, and the nearest that is."""
    return f"'{name}' is not among the declared {what.replace('_', ' ')}{nearest(name, known)}"


def nearest(name: str, known: Iterable[str]) -> str:
    """Give a hint at the nearest name that is declared, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def _named(
    rule: tuple[str, str, str], names: Mapping[str, Mapping[str, Declared]]
) -> Iterator[Complaint]:
    collection, field, target = rule
    known = names[target]
    for name, thing in names[collection].items():
        value = getattr(thing, field)
        if isinstance(value, tuple):
            for index, item in enumerate(value):
                if item not in known:
                    yield _missing((collection, name, field, index), item, target)
        elif value is not None and value not in known:
            yield _missing((collection, name, field), value, target)


def _overrides(estate: Estate) -> Iterator[Complaint]:
    for name, service in estate.services.items():
        for member in service.overrides:
            if member not in service.members:
                where = ("services", name, "overrides", member)
                yield Complaint(where, f"'{member}' does not use this service")


def _repositories(estate: Estate) -> Iterator[Complaint]:
    for name, backup in estate.backups.items():
        place = backup.repository
        where = ("backups", name, "repository")
        if place.store not in estate.object_stores:
            yield _missing((*where, "store"), place.store, "object_stores")
        elif place.bucket not in estate.buckets:
            yield _missing((*where, "bucket"), place.bucket, "buckets")
        elif place.store not in estate.buckets[place.bucket].stores:
            what = f"bucket '{place.bucket}' is not declared on '{place.store}'"
            yield Complaint((*where, "store"), what)


def _vlan_ids(estate: Estate) -> Iterator[Complaint]:
    first: dict[tuple[str, int], str] = {}
    for name, vlan in estate.vlans.items():
        for site in vlan.sites:
            other = first.setdefault((site, vlan.vid), name)
            if other != name:
                what = f"VLAN id {vlan.vid} is already '{other}' on site '{site}'"
                yield Complaint(("vlans", name, "vid"), what)


def _addresses(estate: Estate) -> Iterator[Complaint]:
    used: dict[object, str] = {}
    for name, machine in estate.machines.items():
        for i, leg in enumerate(machine.interfaces):
            where: Location = ("machines", name, "interfaces", i)
            vlan = estate.vlans.get(leg.vlan)
            if vlan is None:
                yield _missing((*where, "vlan"), leg.vlan, "vlans")
                continue
            if machine.site not in vlan.sites:
                what = f"VLAN '{leg.vlan}' does not stand on site '{machine.site}'"
                yield Complaint((*where, "vlan"), what)
            for j, address in enumerate(leg.addresses):
                at: Location = (*where, "addresses", j)
                if not any(address in net for net in vlan.subnets):
                    wanted = ", ".join(map(str, vlan.subnets)) or "none"
                    what = f"{address} is outside the subnets of VLAN '{leg.vlan}' ({wanted})"
                    yield Complaint(at, what)
                other = used.setdefault(address, name)
                if other != name:
                    yield Complaint(at, f"{address} is already an address of '{other}'")


def _virtual(estate: Estate) -> Iterator[Complaint]:
    """Refuse a virtual address outside its VLAN's subnets, and machines without a leg there."""
    for name, virtual in estate.virtual_addresses.items():
        vlan = estate.vlans.get(virtual.vlan)
        if vlan is None:
            continue  # said already
        for j, address in enumerate(virtual.addresses):
            if not any(address in net for net in vlan.subnets):
                what = f"{address} is outside the subnets of VLAN '{vlan.name}'"
                yield Complaint(("virtual_addresses", name, "addresses", j), what)
        for i, machine in enumerate(estate.machines.get(m) for m in virtual.machines):
            if machine is not None and vlan.name not in {leg.vlan for leg in machine.interfaces}:
                what = f"'{machine.name}' has no interface in VLAN '{vlan.name}'"
                yield Complaint(("virtual_addresses", name, "machines", i), what)


def _transit(estate: Estate) -> Iterator[Complaint]:
    first, *others = [n for n, vlan in estate.vlans.items() if vlan.transit] or [""]
    for name in others:
        what = f"'{first}' is the transit VLAN already; there is one"
        yield Complaint(("vlans", name, "transit"), what)


def _continuity(estate: Estate) -> Iterator[Complaint]:
    for name, service in estate.services.items():
        production = {
            s
            for s in service.sites
            if s in estate.sites and estate.sites[s].role is SiteRole.PRODUCTION
        }
        if service.criticality is Criticality.CRITICAL and len(production) < 2:
            what = "a critical service stands on two production sites"
            yield Complaint(("services", name, "sites"), what)


def _clusters(estate: Estate) -> Iterator[Complaint]:
    for name, machine in estate.machines.items():
        cluster = estate.clusters.get(machine.cluster) if machine.cluster else None
        if cluster is not None and cluster.site != machine.site:
            what = f"cluster '{cluster.name}' stands on site '{cluster.site}', not '{machine.site}'"
            yield Complaint(("machines", name, "cluster"), what)


def _exposed(estate: Estate) -> Iterator[Complaint]:
    """Refuse what no vantage would look at, and what is exposed twice."""
    networks = [net for vantage in estate.vantages.values() for net in vantage.networks]
    first: dict[object, str] = {}
    for name, exposure in estate.exposures.items():
        if networks and not any(exposure.address in net for net in networks):
            what = f"{exposure.address} is in no network of a vantage, so nothing would look at it"
            yield Complaint(("exposures", name, "address"), what)
        # Several hosts may share a port: a reverse proxy tells them apart by their names.
        place = f"{exposure.address} {exposure.protocol}/{exposure.port}"
        other = first.setdefault((place, exposure.host), name)
        if other != name:
            what = f"{place} for {exposure.host} is already '{other}'"
            yield Complaint(("exposures", name, "port"), what)
