"""A vCenter of the lab: VMware's own simulator (govmomi's vcsim) with an inventory of our choice.

The inventory is written as the XML that vcsim loads, because vcsim can't change everything that a
test needs: it has no lockdown, no service to stop, no host to lose. It starts in a tenth of a
second. The collector's own calls (login, views, properties, paging) are served by vcsim's code.

What it can't show: vSAN beyond on or off (no health, no resync, no data path), roles and
privileges (an account sees all), the events and delays of a real vCenter, and what vCenter refuses
but vcsim allows, such as paths below a property's declared type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sitiv_infra.estate import Estate
from sitiv_infra.lab.pki import Authority
from sitiv_infra.lab.process import Held, Serve, Server, Serving, free_port, listens, program
from sitiv_infra.lab.vcsim_model import Cluster, Guest, Hypervisor, write_model
from sitiv_infra.lab.vcsim_networks import DistributedGroup, HostGroup, Switch
from sitiv_infra.wanted.addressing import legs
from sitiv_infra.wanted.hypervisors import switches as wanted_switches


def as_declared(estate: Estate, vcenter: str) -> list[Cluster]:
    """Give what a vCenter would hold if all were as declared; faults are made of it."""
    clusters = []
    management = _management(estate, vcenter)
    for cluster in estate.clusters.values():
        if cluster.vcenter != vcenter:
            continue
        guests = [
            Guest(m.name, nics=tuple(leg.vlan.name for leg in legs(estate, m)))
            for m in estate.machines.values()
            if m.cluster == cluster.name
        ]
        hosts = [Hypervisor(name, groups=management) for name in cluster.hosts]
        clusters.append(Cluster(cluster.name, tuple(hosts), tuple(guests), vsan=cluster.vsan))
    return clusters


def _management(estate: Estate, vcenter: str) -> tuple[HostGroup, ...]:
    """Give the port group that hosts are managed in: in the VLAN where their vCenter stands."""
    machine = estate.machines.get(estate.vcenters[vcenter].host.partition(".")[0])
    if machine is None or not machine.interfaces:
        return ()
    return (HostGroup("Management Network", estate.vlans[machine.interfaces[0].vlan].vid),)


def networks_as_declared(estate: Estate, vcenter: str) -> list[Switch]:
    """Give the distributed switches that a vCenter would hold if all were as declared."""
    uplinks = DistributedGroup("uplinks", (0, 4094), uplink=True)
    return [
        Switch(
            wanted.name,
            (uplinks, *(DistributedGroup(g.name, g.vid) for g in wanted.portgroups)),
        )
        for wanted in wanted_switches(estate, estate.vcenters[vcenter])
    ]


@dataclass(frozen=True)
class Settings:
    """Where a simulator listens, and who may log in: an account of ``vsphere.local``.

    namespace -- name of a network namespace to listen in. others -- more addresses: it then listens
    on all that the namespace has.
    """

    address: str = "127.0.0.1"
    port: int | None = None
    namespace: str | None = None
    others: tuple[str, ...] = ()
    account: str = "audit@vsphere.local"
    password: str = field(default="lab-vcenter-password", repr=False)


class Vcsim(Held):
    """A simulator; ``names`` are what its certificate is valid for beside its addresses.

    serve -- how its process is started: as our own, unless told otherwise.
    """

    def __init__(  # noqa: PLR0913 - what a simulator is told when it is made
        self,
        folder: Path,
        authority: Authority,
        clusters: Sequence[Cluster],
        settings: Settings | None = None,
        names: Sequence[str] = (),
        *,
        switches: Sequence[Switch] = (),
        serve: Serve = Server,
    ) -> None:
        self.folder = folder
        self.settings = settings = settings or Settings()
        self.address, self.account = settings.address, settings.account
        self.port = settings.port or free_port()
        self.server: Serving | None = None
        self._authority, self._clusters, self._names = authority, tuple(clusters), tuple(names)
        self._switches, self._serve = tuple(switches), serve

    @property
    def log(self) -> Path:
        """What it complained of."""
        return self.folder / "vcsim.log"

    def start(self) -> None:
        """Start, with the inventory that was given, and wait until the port is open."""
        settings = self.settings
        self.folder.mkdir(parents=True, exist_ok=True)
        model = self.folder / "model"
        write_model(model, self._clusters, self._switches)
        # vcsim reads a password from a file, so that it is in no list of processes.
        secret = self.folder / "password"
        secret.touch(mode=0o600)
        secret.write_text(settings.password, encoding="utf-8")
        valid_for = [*self._names, settings.address, *settings.others]
        certificate, key = self._authority.issue(*valid_for)
        # An address of its own, or every address that its namespace has.
        listen = f"[::]:{self.port}" if settings.others else f"{settings.address}:{self.port}"
        command = [
            program("vcsim"), "-load", str(model), "-l", listen,
            "-tlscert", str(certificate), "-tlskey", str(key),
            "-username", settings.account.partition("@")[0], "-password", str(secret),
            "-E", "/dev/null",  # else it prints its address with the password
        ]  # fmt: skip
        server = self._serve(command, self.log, namespace=settings.namespace)
        self.server = server
        server.wait(lambda: listens(server.pid, self.port, settings.namespace))

    def stop(self) -> None:
        """End the simulator."""
        if self.server is not None:
            self.server.stop()
