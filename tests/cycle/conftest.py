"""The whole declared lab, brought up and converged once for the tests of this folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sitiv_infra.cli import run
from sitiv_infra.cli.lab import environment
from sitiv_infra.estate import load
from sitiv_infra.lab import faults
from sitiv_infra.lab.place import INTERNET, STATION, Place
from sitiv_infra.lab.twin import Twin, down
from tests.servers.need import need
from tests.twin.looking import leftovers

SECONDS = 1500  # after which a playbook hangs
PATIENCE = 60.0  # seconds after which what should have come is missing
RECAP = re.compile(r"^(?P<host>\S+)\s+: (?P<counts>ok=.*)$", re.MULTILINE)


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, and fail when it does not come."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "what should have come is missing"
        time.sleep(0.2)


@dataclass(frozen=True)
class Said:
    """What a playbook ended with: its exit code, each host's counts, and all of its words."""

    code: int
    text: str
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def hosts(self, count: str) -> dict[str, int]:
        """Give the hosts with at least one task that ended so."""
        return {name: found[count] for name, found in self.counts.items() if found[count]}

    def went_well(self) -> bool:
        """Tell whether no host failed or was away."""
        return not (self.code or self.hosts("failed") or self.hosts("unreachable"))


class Cycle:
    """The lab, and the commands that its administrator gives."""

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        self.inventory = repository / "inventory/lab"
        self.place = Place("cycle")
        self.twin = Twin(self.place, load(self.inventory / "estate"), print)

    def play(
        self, playbook: str, *options: str, inventory: Path | None = None, **variables: str
    ) -> Said:
        """Apply a playbook, as the README says."""
        words = ["-i", str(inventory or self.inventory)]
        done = self._run(
            [str(Path(sys.executable).with_name("ansible-playbook")), *words],
            [*options, str(self.repository / "playbooks" / playbook)],
            {"NO_COLOR": "1", **variables},
        )
        found = {
            match["host"]: {key: int(n) for key, n in re.findall(r"(\w+)=(\d+)", match["counts"])}
            for match in RECAP.finditer(done.stdout)
        }
        return Said(done.returncode, done.stdout + done.stderr, found)

    def sitiv(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``sitiv`` beside the bastions."""
        inside = ["ip", "netns", "exec", self.place.namespace(STATION)]
        return self._run(inside, [str(Path(sys.executable).with_name("sitiv")), *words], {})

    def outside(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command where citizens are."""
        return self._run(["ip", "netns", "exec", self.place.namespace(INTERNET)], list(words), {})

    def inside(self, machine: str, script: str) -> str:
        """Run a script on a host, as somebody does who leaves no trace in the declaration."""
        host = self.twin.host(self.twin.estate.machines[machine])
        done = self._run(host.command(["sh", "-ec", script]), [], {})
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _run(
        self, first: list[str], then: list[str], variables: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*first, *then],
            cwd=self.repository,
            env={**os.environ, **environment(self.place), **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )


@pytest.fixture(scope="package")
def cycle(repository: Path) -> Iterator[Cycle]:
    """Give the lab as ``sitiv lab up`` leaves it; after the tests nothing of it is left."""
    need(
        "ip", "systemd-nspawn", "ovs-vswitchd", "ovsdb-server", "ovs-vsctl", "debootstrap",
        "losetup", "ethtool", "ssh", "ssh-keygen", "nc", "ping", "minio", "mc", "vcsim", "samba",
        root=True,
    )  # fmt: skip
    found = Cycle(repository)
    down(found.place, print)
    try:
        found.twin.up()
        yield found
    finally:
        assert run(["lab", "down", "--name", found.place.name]) == 0
        assert leftovers(found.place) == []


@pytest.fixture(scope="package")
def first(cycle: Cycle) -> Said:
    """Give what the first run of all playbooks said."""
    return cycle.play("site.yml")


@pytest.fixture
def converged(cycle: Cycle, first: Said) -> Iterator[Cycle]:
    """Give the lab after the playbooks; what a failed test has broken is healed."""
    assert first.went_well(), first.text[-8000:]
    yield cycle
    if faults.active(cycle.place):
        faults.heal(cycle.twin)
