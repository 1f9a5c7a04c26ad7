"""Starting a server, waiting until it answers, and ending it by its process id."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from sitiv_infra.errors import SitivError

LISTENING = "0A"  # TCP_LISTEN in /proc/net/tcp


class LabError(SitivError):
    """A server of the lab is missing, or did not start; the message holds the end of its log."""


def cache() -> Path:
    """Give the folder outside the checkout where built servers are kept."""
    base = os.environ.get("SITIV_CACHE") or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folder = Path(base).expanduser() / "sitiv-infra"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def program(name: str) -> str:
    """Find a program: first among the built servers, then on the path."""
    built = cache() / "bin" / name
    found = str(built) if built.exists() else shutil.which(name)
    if found is None and Path("/usr/sbin", name).exists():
        found = f"/usr/sbin/{name}"
    if found is None:
        raise LabError(f"'{name}' is not installed; run as root: make servers")
    return found


class Held(ABC):
    """Something that stands while a ``with`` block runs; ``stop`` may be called at any time."""

    @abstractmethod
    def start(self) -> None:
        """Make it stand; LabError when it does not."""

    @abstractmethod
    def stop(self) -> None:
        """End it, and leave nothing behind."""

    def __enter__(self) -> Self:
        """Start."""
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()


class Serving(Protocol):
    """A process that serves, however it is held: by us, or by nobody."""

    @property
    def pid(self) -> int:
        """Its id."""

    def wait(self, ready: Callable[[], bool], seconds: float = 30) -> None:
        """Wait until it serves; LabError with its log's end when it does not."""

    def stop(self) -> None:
        """End it and its children: politely, then not."""

    def kill(self) -> None:
        """End it and its children at once."""


class Serve(Protocol):
    """Starts a process that serves: ``Server`` is one, that ends with us if it is told to."""

    def __call__(
        self, command: Sequence[str], log: Path, *, namespace: str | None = None
    ) -> Serving:
        """Start it, in a network namespace where one is named."""


class Server:
    """A process of its own group, its log in a file; ``stop`` ends the group."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        namespace: str | None = None,
    ) -> None:
        inside = ["ip", "netns", "exec", namespace] if namespace else []
        self.log = log
        with log.open("ab") as stream:
            self.process = subprocess.Popen(
                [*inside, *command],
                stdout=stream,
                stderr=stream,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Id of the process, and of its group."""
        return self.process.pid

    def wait(self, ready: Callable[[], bool], seconds: float = 30) -> None:
        """Wait until ``ready`` holds; LabError with the log's end when it does not."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise LabError(f"ended with {self.process.returncode}: {self._last()}")
            if ready():
                return
            time.sleep(0.05)
        self.stop()
        raise LabError(f"not ready after {seconds:.0f} s: {self._last()}")

    def stop(self, seconds: float = 10) -> None:
        """End the process and its children: politely, then not."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is not None:
                return
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(seconds)
            except ProcessLookupError:
                return
            except subprocess.TimeoutExpired:
                continue

    def kill(self) -> None:
        """End what is left of the group, at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def _last(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]


def answers(host: str, port: int) -> bool:
    """Tell whether a TCP port accepts a connection."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def listens(pid: int, port: int, namespace: str | None = None) -> bool:
    """Tell whether a TCP port is open in the network of a process, without connecting to it.

    namespace -- where the process is to be: on its way there it still sees the network it left.
    """
    if namespace is not None and not _entered(pid, namespace):
        return False
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()
        except OSError:
            return False
        rows = (line.split() for line in lines[1:])
        if any(row[1].endswith(f":{port:04X}") and row[3] == LISTENING for row in rows):
            return True
    return False


def _entered(pid: int, namespace: str) -> bool:
    try:
        return Path(f"/proc/{pid}/ns/net").samefile(f"/run/netns/{namespace}")
    except OSError:
        return False


def free_port(host: str = "127.0.0.1") -> int:
    """Give a TCP port that nothing listens on now."""
    with socket.create_server((host, 0)) as server:
        return int(server.getsockname()[1])
