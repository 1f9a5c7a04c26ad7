"""Real servers for every source of an estate, in one network namespace that holds its addresses.

    with Stage(estate, plan, folder) as stage:
        stage.sitiv("audit", "--estate", …)

The estate is read unchanged: names resolve through the namespace's own hosts file, and each server
has the address that the estate gives it. The servers run in a second process of this module, inside
the namespace (see stage_servers). Needs root.
"""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sitiv_infra.estate import Estate
from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.plan import Plan, rule_base
from sitiv_infra.lab.process import Held, LabError

NAME = "stage"
HOSTS = Path("/etc/netns")
READY = b"ready\n"
SERVERS = "sitiv_infra.lab.stage_servers"


@dataclass(frozen=True)
class Order:
    """What the inner process is told to start."""

    estate: Estate
    plan: Plan
    folder: Path
    namespaces: Mapping[str, str]


class Stage(Held):
    """An estate's servers, from entry to leaving; ``environment`` is what ``sitiv`` needs."""

    def __init__(self, estate: Estate, plan: Plan, folder: Path, name: str = NAME) -> None:
        self.estate = estate
        self.plan = plan
        self.folder = folder
        self.name = name
        self._stack = ExitStack()
        self._inner: subprocess.Popen[bytes] | None = None
        self.environment = {
            "SITIV_SECRETS_FILE": str(folder / "secrets.yml"),
            "SITIV_CA_FILE": str(folder / "pki" / "ca.pem"),
            "SITIV_KNOWN_HOSTS": str(folder / "known_hosts"),
        }

    def start(self) -> None:
        """Start everything; LabError when a server does not come up."""
        self.folder.mkdir(parents=True, exist_ok=True)
        names = addresses(self.estate)
        extra = {port.address for port in self.plan.ports}
        space = Namespace(self.name, sorted({address for _, address in names} | extra))
        self._hosts(space.name, names)
        self.space = self._stack.enter_context(space)
        for network in (net for v in self.estate.vantages.values() for net in v.networks):
            # Every public address is this machine's: a port that nobody serves is closed.
            space.run("ip", "route", "add", "local", str(network), "dev", "lo")
        firewalls = {}
        for firewall in self.estate.firewalls:
            own = self._stack.enter_context(Namespace(f"{self.name}-{firewall}"))
            by_hand = self.plan.by_hand.get(firewall, ())
            own.filter(rule_base(self.plan.sets[firewall], by_hand))
            firewalls[firewall] = own.name
        order = Order(self.estate, self.plan, self.folder, firewalls)
        file = self.folder / "order.pickle"
        file.write_bytes(pickle.dumps(order))
        command = ["ip", "netns", "exec", space.name, sys.executable, "-m", SERVERS, str(file)]
        self._inner = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._inner.stdout is not None  # noqa: S101 - it is a pipe
        if self._inner.stdout.readline() != READY:
            raise LabError("the stage's servers did not start; the reason is above")

    def _hosts(self, space: str, names: Sequence[tuple[str, str]]) -> None:
        """Write the files that ``ip netns exec`` lays over those of /etc."""
        folder = HOSTS / space
        folder.mkdir(parents=True, exist_ok=True)
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in names)]
        (folder / "hosts").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / "resolv.conf").write_text("", encoding="utf-8")
        accounts = {str(f.account) for f in self.estate.firewalls.values()}
        # The firewalls' audit accounts; nft asks for root, which sshd's forced command confines.
        users = "".join(f"{name}:x:0:0::/root:/bin/sh\n" for name in sorted(accounts))
        passwd = Path("/etc/passwd").read_text(encoding="utf-8")
        (folder / "passwd").write_text(passwd + users, encoding="utf-8")

    def stop(self) -> None:
        """Stop everything and leave nothing behind."""
        if self._inner is not None and self._inner.stdin is not None:
            self._inner.stdin.close()  # the inner process ends its servers when it reads the end
            try:
                self._inner.wait(60)
            except subprocess.TimeoutExpired:
                self._inner.kill()
                self._inner.wait()
            if self._inner.stdout is not None:
                self._inner.stdout.close()
        self._stack.close()

    def tell(self, *words: str) -> None:
        """Tell the inner process: ``stop SOURCE`` ends that source's server."""
        assert self._inner is not None  # noqa: S101 - only between entry and leaving
        assert self._inner.stdin is not None  # noqa: S101
        assert self._inner.stdout is not None  # noqa: S101
        self._inner.stdin.write(" ".join(words).encode() + b"\n")
        self._inner.stdin.flush()
        if self._inner.stdout.readline() != READY:
            raise LabError(f"the stage could not do: {' '.join(words)}")

    def sitiv(
        self, *arguments: object, seconds: float = 600, **environment: str
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the ``sitiv`` command inside, as a user would."""
        command = ["ip", "netns", "exec", self.space.name]
        command += [str(Path(sys.executable).parent / "sitiv"), *map(str, arguments)]
        return subprocess.run(
            command,
            env={**os.environ, **self.environment, **environment},
            capture_output=True,
            timeout=seconds,
            check=False,
        )


def addresses(estate: Estate) -> list[tuple[str, str]]:
    """Give (name, address) of every host that a source or an exposure of an estate uses.

    A host's name is its machine's and a domain: the machine's first address is the host's.
    """
    return list(dict.fromkeys(_addresses(estate)))


def _addresses(estate: Estate) -> Iterator[tuple[str, str]]:
    hosts = [f.host for f in estate.firewalls.values()]
    hosts += [v.host for v in estate.vcenters.values()]
    hosts += [s for d in estate.directories.values() for s in d.servers]
    hosts += [
        s.endpoint.removeprefix("https://").partition(":")[0] for s in estate.object_stores.values()
    ]
    for host in hosts:
        machine = estate.machines.get(host.partition(".")[0])
        if machine is None or machine.primary_address is None:
            raise LabError(f"no declared machine with an address is called '{host}'")
        yield host, machine.primary_address
    for exposure in estate.exposures.values():
        yield exposure.host, str(exposure.address)
