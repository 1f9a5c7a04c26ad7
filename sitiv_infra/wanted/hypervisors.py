"""What each vCenter is to hold: its clusters, and a distributed switch with its site's VLANs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sitiv_infra.estate import Cluster, Estate, Machine, Vcenter


@dataclass(frozen=True)
class WantedCluster:
    """A cluster, and whether HA and DRS are on."""

    name: str
    ha: bool
    drs: bool


@dataclass(frozen=True)
class Portgroup:
    """A network that machines are connected to: one VLAN, called by its declared name."""

    name: str
    vid: int


@dataclass(frozen=True)
class WantedSwitch:
    """A distributed switch: what the machines of a site's clusters can be connected to."""

    name: str
    portgroups: tuple[Portgroup, ...]


@dataclass(frozen=True)
class WantedVcenter:
    """All that a vCenter is to hold, and how it is reached."""

    name: str
    host: str
    port: int
    account: str | None
    credential: str | None
    clusters: tuple[WantedCluster, ...]
    switches: tuple[WantedSwitch, ...]


def vcenter(estate: Estate, machine: Machine) -> WantedVcenter | None:
    """Give what is wanted of the vCenter that a machine is, None when it is none."""
    for found in estate.vcenters.values():
        if found.host.partition(".")[0] == machine.name:
            return _wanted(estate, found)
    return None


def _wanted(estate: Estate, found: Vcenter) -> WantedVcenter:
    clusters = _clusters(estate, found)
    return WantedVcenter(
        name=found.name,
        host=found.host,
        port=found.port,
        account=found.account,
        credential=found.credential,
        clusters=tuple(WantedCluster(c.name, c.ha, c.drs) for c in clusters),
        switches=tuple(switches(estate, found)),
    )


def _clusters(estate: Estate, found: Vcenter) -> list[Cluster]:
    return [c for c in estate.clusters.values() if c.vcenter == found.name]


def switches(estate: Estate, found: Vcenter) -> Iterator[WantedSwitch]:
    """Yield one switch: a vCenter that manages several sites stretches it, as names are unique."""
    sites = list(dict.fromkeys(cluster.site for cluster in _clusters(estate, found)))
    vlans = [vlan for vlan in estate.vlans.values() if set(vlan.sites) & set(sites)]
    if sites:
        name = f"site-{sites[0]}" if len(sites) == 1 else found.name
        yield WantedSwitch(name, tuple(Portgroup(v.name, v.vid) for v in vlans))
