"""An estate made small enough for one machine: some machines of each kind, and what needs them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from fnmatch import fnmatch

from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Cluster, Estate, Flow, Machine

# Roles that a lab keeps whole: a pair is no pair, and a quorum none, with one machine less.
WHOLE = {"firewall", "bastion", "reverse-proxy", "object-storage", "arbiter", "switch"}


def scaled(estate: Estate, most: int) -> Estate:
    """Keep at most so many machines of each site, role and zone, and everything of pairs.

    What names a machine that is left out no longer names it; what has none left is left out.
    """
    if most < 1:
        raise InvalidInput(f"--scale is the machines of each kind to keep: 1 or more, not {most}")
    seen: dict[tuple[str, ...], int] = {}
    kept: dict[str, Machine] = {}
    for machine in estate.machines.values():
        zones = [estate.vlans[leg.vlan].zone for leg in machine.interfaces]
        kind = (machine.site, machine.role, machine.member or "", *zones)
        seen[kind] = seen.get(kind, 0) + 1
        if machine.role in WHOLE or seen[kind] <= most:
            kept[machine.name] = machine
    return restricted(estate, kept)


def chosen(estate: Estate, patterns: Iterable[str]) -> Estate:
    """Keep the machines whose names match a pattern; InvalidInput where one matches none."""
    kept: dict[str, Machine] = {}
    for pattern in patterns:
        found = {n: m for n, m in estate.machines.items() if fnmatch(n, pattern)}
        if not found:
            raise InvalidInput(f"--only {pattern}: no declared machine is called so")
        kept |= found
    return restricted(estate, {n: m for n, m in estate.machines.items() if n in kept})


def restricted(estate: Estate, machines: Mapping[str, Machine]) -> Estate:
    """Give the estate with these machines only, and nothing that points at others."""
    names = set(machines)
    served = {service for machine in machines.values() for service in machine.services}
    vcenters = {n: v for n, v in estate.vcenters.items() if _host(v.host) in names}
    clusters = {n: c for n, c in estate.clusters.items() if c.vcenter in vcenters}
    firewalls = {n: f for n, f in estate.firewalls.items() if n in names}
    changes = {
        "flows": dict(_flows(estate, {firewall.site for firewall in firewalls.values()})),
        "machines": {n: _without(m, clusters) for n, m in machines.items()},
        "firewalls": firewalls,
        "virtual_addresses": {
            n: v.model_copy(update={"machines": tuple(m for m in v.machines if m in names)})
            for n, v in estate.virtual_addresses.items()
            if names & set(v.machines)
        },
        "vcenters": vcenters,
        "clusters": clusters,
        "directories": {
            n: d for n, d in estate.directories.items() if _host(d.servers[0]) in names
        },
        "backups": {
            n: b.model_copy(update={"machines": tuple(m for m in b.machines if m in names)})
            for n, b in estate.backups.items()
            if not b.machines or names & set(b.machines)
        },
        "exposures": {n: e for n, e in estate.exposures.items() if e.service in served},
    }
    return estate.model_copy(update=changes)


def _flows(estate: Estate, sites: AbstractSet[str]) -> Iterator[tuple[str, Flow]]:
    """Yield the flows that firewalls of these sites hold; what names others no longer does."""
    for name, flow in estate.flows.items():
        if not flow.sites:
            yield name, flow
        elif here := tuple(site for site in flow.sites if site in sites):
            yield name, flow.model_copy(update={"sites": here})


def _without(machine: Machine, clusters: Mapping[str, Cluster]) -> Machine:
    """Give a machine, which stands on no cluster where its own is left out."""
    if machine.cluster is None or machine.cluster in clusters:
        return machine
    return machine.model_copy(update={"cluster": None})


def _host(name: str) -> str:
    return name.partition(".")[0]
