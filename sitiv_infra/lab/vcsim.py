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
from sitiv_infra.lab.process import Server, free_port, program
from sitiv_infra.lab.vcsim_model import Cluster, Guest, Hypervisor, write_model

LISTENING = "0A"  # TCP_LISTEN in /proc/net/tcp


def as_declared(estate: Estate, vcenter: str) -> list[Cluster]:
    """Give what a vCenter would hold if all were as declared; faults are made of it."""
    clusters = []
    for cluster in estate.clusters.values():
        if cluster.vcenter != vcenter:
            continue
        guests = [Guest(m.name) for m in estate.machines.values() if m.cluster == cluster.name]
        hosts = [Hypervisor(name) for name in cluster.hosts]
        clusters.append(Cluster(cluster.name, tuple(hosts), tuple(guests), vsan=cluster.vsan))
    return clusters


@dataclass(frozen=True)
class Settings:
    """Where a simulator listens, and who may log in: an account of ``vsphere.local``.

    namespace -- name of a network namespace to listen in.
    """

    address: str = "127.0.0.1"
    port: int | None = None
    namespace: str | None = None
    account: str = "audit@vsphere.local"
    password: str = field(default="lab-vcenter-password", repr=False)


class Vcsim:
    """A running simulator; ``names`` are what its certificate is valid for beside its address."""

    def __init__(
        self,
        folder: Path,
        authority: Authority,
        clusters: Sequence[Cluster],
        settings: Settings | None = None,
        names: Sequence[str] = (),
    ) -> None:
        self.settings = settings = settings or Settings()
        self.address, self.account = settings.address, settings.account
        self.port = settings.port or free_port()
        folder.mkdir(parents=True, exist_ok=True)
        model = folder / "model"
        write_model(model, clusters)
        # vcsim reads a password from a file, so that it is in no list of processes.
        secret = folder / "password"
        secret.touch(mode=0o600)
        secret.write_text(settings.password, encoding="utf-8")
        certificate, key = authority.issue(*names, settings.address)
        command = [
            program("vcsim"), "-load", str(model), "-l", f"{settings.address}:{self.port}",
            "-tlscert", str(certificate), "-tlskey", str(key),
            "-username", settings.account.partition("@")[0], "-password", str(secret),
            "-E", "/dev/null",  # else it prints its address with the password
        ]  # fmt: skip
        log = folder / "vcsim.log"
        self.server = Server(command, log, namespace=settings.namespace)
        self.server.wait(self._listens)

    def stop(self) -> None:
        """End the simulator."""
        self.server.stop()

    def _listens(self) -> bool:
        """Look in the process's own network namespace, without opening a connection."""
        local = f":{self.port:04X}"
        for table in ("tcp", "tcp6"):
            path = Path(f"/proc/{self.server.process.pid}/net/{table}")
            try:
                rows = [line.split() for line in path.read_text(encoding="ascii").splitlines()[1:]]
            except OSError:
                return False
            if any(row[1].endswith(local) and row[3] == LISTENING for row in rows):
                return True
        return False
