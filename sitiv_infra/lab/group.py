"""A control group of processes: what a killed command left is found again, and ended whole.

A group is a directory of the kernel's cgroup file systems (version 1, 2 or both), so that no state
of ours has to be believed: who is in it runs, and nobody else.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from sitiv_infra.lab.process import LabError

ROOTS = ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified")  # version 1, and both at once
KILL_SECONDS = 20.0


@lru_cache(maxsize=1)
def _roots() -> tuple[Path, ...]:
    """Give the hierarchies that name a process's group without controlling it."""
    if Path("/sys/fs/cgroup/cgroup.controllers").exists():
        return (Path("/sys/fs/cgroup"),)
    found = tuple(Path(root) for root in ROOTS if Path(root, "cgroup.procs").exists())
    if not found:
        raise LabError("no cgroup file system; mount one on /sys/fs/cgroup")
    return found


class Group:
    """The processes of one host or switch; ``name`` is a path below the hierarchy's root."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._folders = tuple(root / name for root in _roots())

    def start(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> int:
        """Start a process in the group, detached from ours; give its id."""
        for folder in self._folders:
            folder.mkdir(parents=True, exist_ok=True)
        files = [str(folder / "cgroup.procs") for folder in self._folders]
        # The shell enters the group before it becomes the command: no child can escape.
        enter = 'for f in $1; do echo $$ > $f || exit 1; done; shift; exec "$@"'
        with log.open("ab") as stream:
            process = subprocess.Popen(
                ["/bin/sh", "-c", enter, "sh", " ".join(files), *command],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        process.returncode = 0  # it outlives us, which Python would otherwise complain of
        return process.pid

    def pids(self) -> list[int]:
        """Give the processes of the group and of the groups below it."""
        found: set[int] = set()
        for folder in self._folders:
            for path, _, _ in os.walk(folder):  # which passes over what vanishes meanwhile
                with suppress(OSError):
                    text = Path(path, "cgroup.procs").read_text(encoding="ascii")
                    found.update(map(int, text.split()))
        return sorted(found)

    def inits(self) -> list[int]:
        """Give the first processes of process-id namespaces in the group: a booted host's."""
        return [pid for pid in self.pids() if _inner_pid(pid) == 1]

    def kill(self) -> None:
        """End every process at once, as a power cut would, and remove the group."""
        ended: set[int] = set()
        what = f"processes of {self.name} do not end"
        until(KILL_SECONDS, lambda: self._killed(ended), what)
        for folder in self._folders:
            for path, _, _ in os.walk(folder, topdown=False):
                with suppress(OSError):
                    Path(path).rmdir()

    def _killed(self, ended: set[int]) -> bool:
        """Kill who is there; true when nobody is, and those that we started are reaped."""
        left = self.pids()
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        ended.update(left)
        ended -= {pid for pid in ended if _reaped(pid)}
        return not left and not ended


def _reaped(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True  # no child of ours


def _inner_pid(pid: int) -> int:
    """Give a process's id in its own namespace, 0 where it has none of its own or is gone."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("NSpid:"):
                numbers = line.split()[1:]
                return int(numbers[-1]) if len(numbers) > 1 else 0
    return 0


def until(seconds: float, holds: Callable[[], bool], complaint: str) -> None:
    """Wait until something holds; LabError with the complaint when it does not in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise LabError(f"{complaint} (after {seconds:.0f} s)")
        time.sleep(0.05)
