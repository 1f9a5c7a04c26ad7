"""What there is of a lab, asked of the kernel, and whether frames get where they should."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from sitiv_infra.lab import wiring
from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.place import Place
from sitiv_infra.lab.switch import Switch
from sitiv_infra.lab.twin import Twin

ONLY = ("sw-*", "fw-a*", "fw-b1", "bastion-*", "store-a1")
EXPERIMENTAL = 0x88B5  # an EtherType for local use (IEEE 802)
BROADCAST = b"\xff" * 6
SECONDS = 30.0  # after which a frame that should have come is missing
CALM = 0.5  # in which a frame that should not come would have come

End = tuple[str, str]  # namespace and device


def quiet(text: str) -> None:
    """Hear of progress, and say nothing."""


def leftovers(place: Place) -> list[str]:
    """Name everything that a lab has on this machine, but its lock."""
    found = [f"namespace {name}" for name in place.namespaces()]
    found += [str(p) for p in Path("/etc/netns").glob(place.namespace("*"))]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found += [f"mount {line.split()[4]}" for line in mounts if f"{place.folder}/" in line]
    found += [f"cgroup {p}" for p in Path("/sys/fs/cgroup").glob(f"*/{place.group().name}")]
    files = Path("/sys/block").glob("loop*/loop/backing_file")
    found += [f"loop {p}" for p in files if f"{place.folder}/" in _text(p)]
    found += [f"process {pid}: {words}" for pid, words in _processes(place)]
    return found + ([str(place.folder)] if place.folder.exists() else [])


def _processes(place: Place) -> Iterator[tuple[int, str]]:
    signs = (f"{place.folder}/", f"/{place.group().name}/", place.namespace(""))
    for folder in Path("/proc").glob("[0-9]*"):
        words = _text(folder / "cmdline").replace("\0", " ")
        told = words + _text(folder / "cgroup")
        ended = not words  # and waits for whoever started it
        if not ended and int(folder.name) != os.getpid() and any(sign in told for sign in signs):
            yield int(folder.name), words


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(errors="replace")
    return ""


def picture(twin: Twin) -> dict[str, object]:
    """Give what a second ``up`` must not change: processes, networks, ports, keys."""
    place = twin.place
    found: dict[str, object] = {}
    for name in [*twin.estate.machines, *(f"switch-{s}" for s in _switches(twin))]:
        found[f"pids {name}"] = _lasting(place.group(name).pids())
    for name in place.namespaces():
        found[f"network {name}"] = json.loads(Namespace(name).run("ip", "-json", "address"))
        found[f"routes {name}"] = Namespace(name).run("ip", "route")
    for site in _switches(twin):
        found[f"ports {site}"] = Switch(place, site).ask(
            "--columns=name,tag,trunks,external_ids,_uuid", "list", "port"
        )
    for folder in ("ssh", "pki"):
        for path in sorted((place.folder / folder).rglob("*")):
            if path.is_file():
                found[str(path)] = path.read_bytes()
    return found


def _lasting(pids: Iterable[int]) -> list[int]:
    """Leave out a host's own short-lived processes: those of its system's manager stay."""
    return [pid for pid in pids if _text(Path(f"/proc/{pid}/comm")).strip() in LASTING]


LASTING = {"systemd", "systemd-nspawn", "sshd", "ovs-vswitchd", "ovsdb-server", "dbus-daemon"}


def _switches(twin: Twin) -> list[str]:
    return wiring.switch_names(twin.estate)


def ping(place: Place, machine: str, address: str) -> bool:
    """Tell whether a machine reaches an address."""
    words = ["ip", "netns", "exec", place.namespace(machine), "ping", "-c1", "-W2", address]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@contextmanager
def listening(place: Place) -> Iterator[dict[End, socket.socket]]:
    """Listen for frames on every device that hangs on a switch's access port."""
    with ExitStack() as stack:
        found: dict[End, socket.socket] = {}
        for name in place.namespaces():
            space = Namespace(name)
            with space.inside():
                for device in sorted(wiring.devices(space)):
                    if device.startswith("vlan"):
                        ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, EXPERIMENTAL)
                        stack.enter_context(ear)
                        ear.bind((device, EXPERIMENTAL))
                        found[name, device] = ear
        yield found


def arrivals(
    ears: Mapping[End, socket.socket], expected: Mapping[End, Iterable[End]]
) -> dict[End, dict[End, int]]:
    """Broadcast from several devices until all is heard that should be, then once more.

    Gives, by sender, how often that last frame was heard at each device.
    """
    missing = {(sender, end) for sender, ends in expected.items() for end in ends}
    tokens = {os.urandom(8): sender for sender in expected}
    end = time.monotonic() + SECONDS
    while missing and time.monotonic() < end:
        _send(ears, tokens)
        heard = _heard(ears, tokens, 0.3)
        missing -= {(sender, ear) for sender, found in heard.items() for ear in found}
    _heard(ears, tokens, CALM)  # the last of those
    tokens = {os.urandom(8): sender for sender in expected}
    _send(ears, tokens)
    return _heard(ears, tokens, CALM)


def _send(ears: Mapping[End, socket.socket], tokens: Mapping[bytes, End]) -> None:
    kind = EXPERIMENTAL.to_bytes(2, "big")
    for token, sender in tokens.items():
        ear = ears[sender]
        own = ear.getsockname()[4]
        ear.send((BROADCAST + own + kind + token).ljust(60, b"\0"))
        time.sleep(0.005)  # a switch in userspace loses what comes in one burst


def _heard(
    ears: Mapping[End, socket.socket], tokens: Mapping[bytes, End], seconds: float
) -> dict[End, dict[End, int]]:
    """Count the frames of each sender, by where they came, for some time."""
    ends = {ear: end for end, ear in ears.items()}
    found: dict[End, dict[End, int]] = {sender: {} for sender in tokens.values()}
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        for ear in select.select(list(ends), [], [], left)[0]:
            token = ear.recv(2048)[14:22]
            if token in tokens:
                here = found[tokens[token]]
                here[ends[ear]] = here.get(ends[ear], 0) + 1
    return found
