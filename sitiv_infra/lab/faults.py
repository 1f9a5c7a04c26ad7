"""Faults to rehearse, and their healing: what breaks in a datacenter, done to the lab.

Each is a real one for whoever meets it: power is gone with all processes and cables at once, a
link has no carrier, a file system answers with errors. Every fault and healing is an event in
``events.jsonl``, with the time for people and the monotonic time for measuring.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Machine
from sitiv_infra.lab import wiring
from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.place import Place
from sitiv_infra.lab.process import LabError
from sitiv_infra.lab.switch import Switch
from sitiv_infra.lab.twin import Twin
from sitiv_infra.report.continuity import EVENTS, Event, append

RESOLVER = "resolver"
TABLE = "sitiv_fault"
NO_NAMES = f"""
table inet {TABLE} {{
  chain input {{
    type filter hook input priority -10; policy accept;
    meta l4proto {{ tcp, udp }} th dport 53 drop
  }}
}}
"""
SLOW = ("tbf", "rate", "4mbit", "burst", "32kbit", "latency", "200ms")
LYING_SECONDS = 600
DROP_IN = "/run/systemd/system/chrony.service.d/fault.conf"
LYING = f"""\
[Service]
Environment=LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1
Environment=FAKETIME=+{LYING_SECONDS}s FAKETIME_DONT_FAKE_MONOTONIC=1
"""


def active(place: Place) -> list[Event]:
    """Give the faults of a lab that are not healed."""
    file = place.folder / EVENTS
    found: dict[tuple[str, str], Event] = {}
    for line in file.read_text("utf-8").splitlines() if file.exists() else ():
        event = Event.model_validate_json(line)
        if event.what == "fault":
            found[event.kind, event.target] = event
        else:
            found.pop((event.kind, event.target), None)
    return list(found.values())


def make(lab: Twin, kind: str, target: str, journal: Path | None = None) -> None:
    """Make a fault; InvalidInput for a kind or a target that there is not.

    journal -- a file of events beside the lab's own.
    """
    if kind not in KINDS:
        raise InvalidInput(f"'{kind}' is no fault; there are: {', '.join(KINDS)}")
    with lab.place.alone():
        deed = KINDS[kind](lab, target)
        # Written before it is done: what fails meanwhile fails after the fault.
        _write(lab, Event.now("fault", kind, target), journal)
        deed()


def _write(lab: Twin, event: Event, journal: Path | None) -> None:
    for file in (lab.place.folder / EVENTS, journal):
        if file is not None:
            append(file, event)


Deed = Callable[[], None]


def _site(lab: Twin, target: str) -> Deed:
    """Cut the power of everything on a site, and of its switch."""
    if target not in lab.estate.sites:
        raise InvalidInput(f"no site '{target}'; there are: {', '.join(lab.estate.sites)}")
    machines = [m for m in lab.estate.machines.values() if m.site == target]

    def cut() -> None:
        Switch(lab.place, target).cut()
        lab.power_off(machines)

    return cut


def _host(lab: Twin, target: str) -> Deed:
    machine = _machine(lab, target)
    return lambda: lab.power_off([machine])


def _machine(lab: Twin, target: str) -> Machine:
    machine = lab.estate.machines.get(target)
    if machine is None or lab.kind(machine) == "absent":
        names = ", ".join(m.name for m in lab.estate.machines.values() if lab.kind(m) != "absent")
        raise InvalidInput(f"no machine '{target}' in this lab; there are: {names}")
    return machine


def _main_links(lab: Twin, target: str) -> Iterator[tuple[Namespace, str]]:
    """Yield the ends, at the first site, of links between the two main sites."""
    main = list(lab.estate.sites)[:2]
    for link in wiring.links(lab.estate):
        if {link.one, link.other} == set(main) and target in {"", str(link.number)}:
            yield Switch(lab.place, main[0]).namespace, link.device(main[0])


def _link(lab: Twin, target: str) -> Deed:
    """Take the carrier of one link between the sites: 1 or 2."""
    ends = list(_main_links(lab, target or "1"))
    if not ends:
        raise InvalidInput(f"no link '{target}' between the sites; there are: 1, 2")
    return lambda: _set_links(ends, "down")


def _set_links(ends: Iterable[tuple[Namespace, str]], state: str) -> None:
    for space, device in ends:
        space.run("ip", "link", "set", device, state)


def _slow_link(lab: Twin, target: str) -> Deed:
    """Let the links between the sites carry 4 Mbit/s."""
    ends = list(_main_links(lab, target))

    def slow() -> None:
        for space, device in ends:
            space.run("tc", "qdisc", "replace", "dev", device, "root", *SLOW)

    return slow


def _disk(lab: Twin, target: str) -> Deed:
    """Let the file system on a machine's first drive answer with errors."""
    machine = _machine(lab, target)
    if not machine.drives:
        raise InvalidInput(f"'{target}' has no drive of its own")
    mounted = _in(lab, machine, "findmnt", "-n", "-o", "TARGET", "--source", machine.drives[0])
    if not mounted:
        raise LabError(f"{machine.drives[0]} of {target} is not mounted; apply storage.yml first")

    def shut() -> None:
        _in(lab, machine, "xfs_io", "-x", "-c", "shutdown", mounted)

    return shut


def _dns(lab: Twin, target: str) -> Deed:
    """Let the resolvers of a site answer no more."""
    found = _resolvers(lab, target)

    def drop() -> None:
        for machine in found:
            Namespace(lab.place.namespace(machine.name)).run("nft", "-f", "-", text=NO_NAMES)

    return drop


def _clock(lab: Twin, target: str) -> Deed:
    """Let the time servers of a site be ten minutes ahead; there is one kernel, so one clock."""
    found = _resolvers(lab, target)

    def lie() -> None:
        for machine in found:
            _in(lab, machine, "install", "-D", "/dev/stdin", DROP_IN, text=LYING)
            _in(lab, machine, "sh", "-c", "systemctl daemon-reload; systemctl restart chrony")

    return lie


def _resolvers(lab: Twin, site: str) -> list[Machine]:
    found = [m for m in lab.debian() if m.role == RESOLVER and site in {"", m.site}]
    if not found:
        raise InvalidInput(f"no machine with the role '{RESOLVER}' on site '{site}'")
    return found


def _in(lab: Twin, machine: Machine, *words: str, text: str | None = None) -> str:
    """Run a command in a host; LabError with what it complained of."""
    done = subprocess.run(
        lab.host(machine).command(words), input=text or "", capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    if done.returncode:
        raise LabError(f"{machine.name}: {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()


KINDS: Mapping[str, Callable[[Twin, str], Deed]] = {
    "site": _site,
    "link": _link,
    "host": _host,
    "disk": _disk,
    "dns": _dns,
    "clock": _clock,
    "slow-link": _slow_link,
}


def heal(lab: Twin, journal: Path | None = None) -> list[Event]:
    """Undo every fault, and start what is down; give the faults that were undone."""
    healed = active(lab.place)
    for event in healed:
        _write(lab, Event.now("heal", event.kind, event.target), journal)
    for space, device in _main_links(lab, ""):
        if _there((space, device)):
            _set_links([(space, device)], "up")
            if "tbf" in space.run("tc", "qdisc", "show", "dev", device):
                space.run("tc", "qdisc", "del", "dev", device, "root")
    for machine in lab.debian():
        if lab.host(machine).leader() is not None:
            _heal_host(lab, machine, {e.kind for e in healed if e.target == machine.name})
    lab.up()
    return healed


def _there(end: tuple[Namespace, str]) -> bool:
    space, device = end
    return space.stands() and device in wiring.devices(space)


def _heal_host(lab: Twin, machine: Machine, kinds: set[str]) -> None:
    """Undo what was done inside a host that is up."""
    if "disk" in kinds:  # the drive is seated again, which a running system does not see
        lab.power_off([machine])
    elif machine.role == RESOLVER:
        space = Namespace(lab.place.namespace(machine.name))
        if TABLE in space.run("nft", "list", "tables"):
            space.run("nft", "delete", "table", "inet", TABLE)
        if (Path(f"/proc/{lab.host(machine).leader()}/root") / DROP_IN.lstrip("/")).exists():
            _in(lab, machine, "rm", DROP_IN)
            _in(lab, machine, "sh", "-c", "systemctl daemon-reload; systemctl restart chrony")
