"""The estate as a whole: every declared thing by kind and name, and ways to ask for them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from functools import cached_property
from types import MappingProxyType

from pydantic import ConfigDict

from sitiv_infra.estate.base import SHARED, Declared, Name, Network, Part, Source
from sitiv_infra.estate.matrix import Cell
from sitiv_infra.estate.network import (
    Exposure,
    Firewall,
    Flow,
    Vantage,
    VirtualAddress,
    Vlan,
    Zone,
)
from sitiv_infra.estate.organisation import Attestation, Member, Operator, Service, Site, Use
from sitiv_infra.estate.switching import Switch
from sitiv_infra.estate.systems import (
    Backup,
    Bucket,
    Cluster,
    Directory,
    Drift,
    Hosts,
    Machine,
    ObjectStore,
    PacketProof,
    ReadHost,
    Vcenter,
)


class Estate(Part):
    """What is declared; each field maps names to things, and is a key of the YAML files."""

    # cached_property needs a writable __dict__, which pydantic's frozen models keep.
    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))

    operator: Operator
    members: dict[Name, Member] = {}
    sites: dict[Name, Site] = {}
    zones: dict[Name, Zone] = {}
    vlans: dict[Name, Vlan] = {}
    cells: dict[Name, Cell] = {}
    flows: dict[Name, Flow] = {}
    firewalls: dict[Name, Firewall] = {}
    virtual_addresses: dict[Name, VirtualAddress] = {}
    services: dict[Name, Service] = {}
    machines: dict[Name, Machine] = {}
    clusters: dict[Name, Cluster] = {}
    vcenters: dict[Name, Vcenter] = {}
    object_stores: dict[Name, ObjectStore] = {}
    buckets: dict[Name, Bucket] = {}
    backups: dict[Name, Backup] = {}
    directories: dict[Name, Directory] = {}
    exposures: dict[Name, Exposure] = {}
    vantages: dict[Name, Vantage] = {}
    hosts: dict[Name, Hosts] = {}
    drifts: dict[Name, Drift] = {}
    packet_proofs: dict[Name, PacketProof] = {}
    switches: dict[Name, Switch] = {}
    attestations: dict[Name, Attestation] = {}

    @cached_property
    def uses(self) -> tuple[Use, ...]:
        """Every (member, service) pair, with the promise that holds for it."""
        return tuple(_uses(self.services.values()))

    @cached_property
    def sources(self) -> Mapping[str, Source]:
        """Every system that is observed, by its identity ``family/name``."""
        groups: tuple[Mapping[str, Source], ...] = (
            self.directories,
            self.object_stores,
            self.backups,
            self.vcenters,
            self.firewalls,
            self.vantages,
            self.read_hosts,
            self.drifts,
            self.packet_proofs,
            self.switches,
        )
        return MappingProxyType({s.source: s for group in groups for s in group.values()})

    @cached_property
    def read_hosts(self) -> Mapping[str, ReadHost]:
        """Every machine that is read over SSH, by its name; one without name or address is not."""
        found: dict[str, ReadHost] = {}
        domain = self.operator.domain
        for machine in self.machines.values():
            hosts = next((h for h in self.hosts.values() if h.takes(machine)), None)
            host = f"{machine.name}.{domain}" if domain else machine.primary_address
            if hosts is not None and host is not None:
                found[machine.name] = hosts.source(machine, host)
        return MappingProxyType(found)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the declaration: two runs of the same estate share it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def networks_of(self, zone: str, owner: str | None = None) -> tuple[Network, ...]:
        """Networks of a zone; with an owner, only those of its VLANs."""
        here = (v for v in self.vlans.values() if v.zone == zone and owner in {None, v.owner})
        beyond = self.zones[zone].networks if owner is None else ()
        return (*(net for vlan in here for net in vlan.subnets), *beyond)

    @cached_property
    def matrix(self) -> Mapping[tuple[str, str], Cell]:
        """The cell of each ordered pair of zones that one is declared for."""
        return MappingProxyType({p: cell for cell in self.cells.values() for p in cell.pairs})

    def machines_of(self, service: str) -> tuple[Machine, ...]:
        """Machines that carry a service."""
        return self._machines_by_service.get(service, ())

    @cached_property
    def _machines_by_service(self) -> Mapping[str, tuple[Machine, ...]]:
        found: dict[str, tuple[Machine, ...]] = {}
        for machine in self.machines.values():
            for service in machine.services:
                found[service] = (*found.get(service, ()), machine)
        return found

    def rpo_of(self, backup: Backup) -> timedelta:
        """Give the strictest RPO that a backup has to keep."""
        return min(self.services[name].tightest_rpo for name in backup.services)

    def source_for(self, thing: Declared, family: str) -> str | None:
        """Name the source of a family that sees a thing, or None."""
        if isinstance(thing, Source) and thing.family == family:
            return thing.source
        vcenter: str | None = None
        if isinstance(thing, Machine) and thing.cluster:
            vcenter = self.clusters[thing.cluster].vcenter
        elif isinstance(thing, Cluster):
            vcenter = thing.vcenter
        if family == ReadHost.family and isinstance(thing, Machine):
            read = self.read_hosts.get(thing.name)
            return read.source if read else None
        if family == Vcenter.family and vcenter is not None:
            return self.vcenters[vcenter].source
        if family == Vantage.family and isinstance(thing, Exposure):
            for vantage in self.vantages.values():
                if any(thing.address in net for net in vantage.networks):
                    return vantage.source
        return None

    def members_of(self, thing: Declared) -> tuple[str, ...]:
        """Members that a thing serves: its owner, or those of the services it carries."""
        if thing.owner != SHARED:
            return (thing.owner,)
        names: Iterable[str] = ()
        if isinstance(thing, Service):
            names = (thing.name,)
        elif isinstance(thing, Machine | Backup):
            names = thing.services
        elif isinstance(thing, Exposure):
            names = (thing.service,)
        return tuple(sorted({m for name in names for m in self.services[name].members}))

    def sites_of(self, thing: Declared) -> tuple[str, ...]:
        """Sites that a thing stands on."""
        if isinstance(thing, Use):
            return thing.service.sites
        if isinstance(thing, Service | Vlan):
            return thing.sites
        if isinstance(thing, Bucket):
            return tuple(sorted({self.object_stores[s].site for s in thing.stores}))
        if isinstance(thing, Backup):
            return (self.object_stores[thing.repository.store].site,)
        if isinstance(thing, Site):
            return (thing.name,)
        site = getattr(thing, "site", None)
        return (site,) if site else ()


def _uses(services: Iterable[Service]) -> Iterator[Use]:
    for service in services:
        for member in service.members:
            promise = service.overrides.get(member)
            yield Use(
                name=service.name,
                member=member,
                service=service,
                rpo=promise.rpo if promise and promise.rpo is not None else service.rpo,
                rto=promise.rto if promise and promise.rto is not None else service.rto,
            )
