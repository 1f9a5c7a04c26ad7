"""What there is of a lab, asked of the kernel, and whether frames get where they should."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from sitiv_infra.lab import wiring
from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.place import Place
from sitiv_infra.lab.switch import Switch
from sitiv_infra.lab.twin import Twin

LAB = Path(__file__).parents[2] / "inventory" / "lab"
ONLY = ("sw-*", "fw-a*", "fw-b1", "bastion-*", "store-a1")


def quiet(text: str) -> None:
    """Hear of progress, and say nothing."""


def states(lab: Twin) -> dict[str, str]:
    """Tell how each machine is."""
    return {seen.machine.name: seen.state for seen in lab.status()}


def all_up(lab: Twin) -> None:
    """Check that every machine is up, and runs programs."""
    assert set(states(lab).values()) == {"up"}
    for name in ("sw-a1", "fw-b1", "store-a1"):
        host = lab.host(lab.estate.machines[name])
        done = subprocess.run(host.command(["hostname"]), capture_output=True, check=True)
        assert done.stdout.decode().strip() == name


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
