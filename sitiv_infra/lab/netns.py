"""Network namespaces: networks of their own on one machine, with any address, for root only.

A namespace's name begins with ``sitiv-``, so that what a killed run left behind is known as the
lab's own: making one again ends the processes in the old one and starts afresh.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_interface
from pathlib import Path

from sitiv_infra.lab.process import Held, LabError, program

PREFIX = "sitiv-"
FOLDER = Path("/run/netns")
NEW_NETWORK = 0x40000000  # CLONE_NEWNET of sched.h


class Namespace(Held):
    """A network namespace that is made on entry and removed, with its processes, on leaving."""

    def __init__(self, name: str, addresses: Iterable[str] = ()) -> None:
        self.name = name if name.startswith(PREFIX) else PREFIX + name
        self.addresses = tuple(addresses)

    def start(self) -> None:
        """Make the namespace, with its addresses on the loopback interface."""
        self.stop()
        _run("ip", "netns", "add", self.name)
        self.run("ip", "link", "set", "lo", "up")
        for address in self.addresses:
            self.add(address)

    def stop(self) -> None:
        """Remove the namespace if it is there, after ending the processes in it by their id."""
        if not (FOLDER / self.name).exists():
            return
        for number in _run("ip", "netns", "pids", self.name).split():
            if int(number) != os.getpid():
                with suppress(ProcessLookupError):
                    os.kill(int(number), signal.SIGKILL)
        _run("ip", "netns", "del", self.name)

    def stands(self) -> bool:
        """Tell whether it is there; the bare file of an ``add`` that was killed is not."""
        return os.path.ismount(FOLDER / self.name)

    def add(self, address: str, device: str = "lo") -> None:
        """Give a device an address; without a prefix length it stands alone."""
        interface = ip_interface(address)
        settled = ["nodad"] if interface.version == 6 else []
        self.run("ip", "address", "add", str(interface), "dev", device, *settled)

    def connect(self, device: str, other: Namespace, peer: str) -> None:
        """Lay a cable: a device here, and its peer in another namespace, both up."""
        end = ["type", "veth", "peer", "name", peer, "netns", other.name]
        self.run("ip", "link", "add", device, *end)
        self.run("ip", "link", "set", device, "up")
        other.run("ip", "link", "set", peer, "up")

    def run(self, *command: str, text: str | None = None) -> str:
        """Run a command inside and give its output; LabError holds what it complained of."""
        return _run("ip", "netns", "exec", self.name, *command, text=text)

    def filter(self, rules: str) -> None:
        """Replace the rule base of nftables inside."""
        self.run(program("nft"), "-f", "-", text=f"flush ruleset\n{rules}")

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Let this thread, and the programs that it starts, use the network of the namespace."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(FOLDER / self.name)
            try:
                yield
            finally:
                _set(home)
        finally:
            os.close(home)


def _enter(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _set(descriptor)
    finally:
        os.close(descriptor)


def _set(descriptor: int) -> None:
    """Call setns(2), which Python offers only from 3.12 on."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(descriptor, NEW_NETWORK) != 0:
        raise LabError(f"can't enter a network namespace: {os.strerror(ctypes.get_errno())}")


def _run(name: str, *arguments: str, text: str | None = None) -> str:
    """Run a program for a short while; LabError holds what it complained of."""
    command = [program(name), *arguments]
    try:
        done = subprocess.run(
            command, input=text or "", capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"{' '.join(command)}: {error}") from None
    if done.returncode:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip()[-1000:]}")
    return done.stdout
