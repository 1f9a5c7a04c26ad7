"""The lab as a whole: brought up, looked at, taken down.

What is there is asked of the kernel each time, never of notes: namespaces, mounts, groups of
processes. So a second ``up`` repairs whatever a killed one left, and ``down`` finds all of it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Estate, Machine
from sitiv_infra.lab import attached, wiring
from sitiv_infra.lab.access import Access
from sitiv_infra.lab.base import base
from sitiv_infra.lab.host import Host
from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.place import INTERNET, STATION, Place, write
from sitiv_infra.lab.process import LabError
from sitiv_infra.lab.scale import restricted
from sitiv_infra.lab.switch import Switch
from sitiv_infra.wanted import hosts
from sitiv_infra.wanted.switching import CARRIER

AT_ONCE = 6
NAMES = Path("/etc/netns")
HOST, ABSENT = "host", "absent"
# Each systemd watches files; the kernel's default ends at about twenty hosts.
WATCHING = {"max_user_instances": 8192, "max_user_watches": 524_288}
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Seen:
    """A machine of the estate, and what of it stands; ``state`` is up, down or absent."""

    machine: Machine
    kind: str
    state: str


class Twin:
    """The lab of one estate; ``tell`` is given a line of progress at each step."""

    def __init__(self, place: Place, estate: Estate, tell: Tell) -> None:
        self.place = place
        self.estate = estate
        self.tell = tell

    @classmethod
    def standing(cls, place: Place, tell: Tell) -> Twin:
        """Give the lab that was brought up under a name; LabError where there is none."""
        file = place.estate
        if not file.exists():
            raise LabError(f"no lab '{place.name}' stands here; bring it up with: sitiv lab up")
        try:
            estate = Estate.model_validate_json(file.read_bytes())
        except ValueError as error:
            told = str(error).splitlines()[0]
            again = f"sitiv lab down --name {place.name}, then up"
            raise LabError(f"{file} is no estate any more ({told}); {again}") from None
        return cls(place, estate, tell)

    def debian(self) -> list[Machine]:
        """Give the machines that are booted as hosts."""
        found = self.estate.machines.values()
        return [m for m in found if (m.os or "").startswith("debian") and m.primary_address]

    def host(self, machine: Machine) -> Host:
        """Give a machine's host; a switch's sees the switch's sockets."""
        binds = {}
        if machine.role == "switch":
            binds = {Switch(self.place, machine.site).folder: "/run/openvswitch"}
        return Host(self.place, machine.name, machine.drives, binds)

    def up(self) -> None:
        """Bring up what is not; LabError for the first thing that can't be."""
        self._check_names()
        with self.place.alone():
            image = base(self.tell)
            write(self.place.estate, self.estate.model_dump_json())
            _watch()
            self.tell("switches and links")
            self.switches(self.estate.sites)
            self._outsiders()
            machines = self.debian()
            access = Access(self.place, self.estate)
            access.prepare(machines)
            found = self.estate.machines.items()
            access.inventory(
                restricted(self.estate, {n: m for n, m in found if self.kind(m) != ABSENT})
            )
            self.tell(f"{len(machines)} hosts")
            self.power_on(self.estate.machines.values(), image)
            self._plug(wiring.switch_names(self.estate))  # cables that were laid again, too

    def _check_names(self) -> None:
        """Refuse machines that are called as something that the lab has beside them."""
        names = (Switch(self.place, site).group_name for site in wiring.switch_names(self.estate))
        for name in (STATION, INTERNET, *names):
            if name in self.estate.machines:
                raise InvalidInput(f"the lab has a '{name}' of its own; no machine may be named so")

    def _each(self, machines: Iterable[Machine], act: Callable[[Machine], None]) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in pool.map(act, machines):
                pass

    def switches(self, sites: Iterable[str]) -> None:
        """Start switches, and give them the ports that the estate wants."""
        present = {*sites, CARRIER}
        names = [name for name in wiring.switch_names(self.estate) if name in present]
        for name in names:
            Switch(self.place, name).start()
        wiring.connect(self.estate, self.place)
        self._plug(names)

    def _plug(self, names: Iterable[str]) -> None:
        cables = list(self._cables())
        for name in names:
            access = (cable.port for cable in cables if cable.site == name)
            Switch(self.place, name).ensure([*wiring.link_ports(self.estate, name), *access])

    def _cables(self) -> Iterator[wiring.Cable]:
        for machine in self.estate.machines.values():
            if self.kind(machine) != ABSENT:
                yield from wiring.machine_cables(self.estate, machine)
        yield from wiring.station_cables(self.estate)
        yield from wiring.internet_cables(self.estate)

    def kind(self, machine: Machine) -> str:
        """Say what stands for a machine: a host, a server of ours, or nothing."""
        if machine in self.debian():
            return HOST
        return attached.known(self.estate, machine) or ABSENT

    def _outsiders(self) -> None:
        """Lay the cables of the administrator's workstation and of the internet."""
        lines = [f"{a} {name}" for name, found in hosts(self.estate).items() for a in found]
        text = "\n".join(["127.0.0.1 localhost", *lines, ""])
        for name, found in (
            (STATION, wiring.station_cables(self.estate)),
            (INTERNET, wiring.internet_cables(self.estate)),
        ):
            cables = list(found)
            if cables:
                wiring.lay(self.place, cables)
                # Files that `ip netns exec` lays over those of /etc.
                folder = NAMES / self.place.namespace(name)
                write(folder / "hosts", text)
                write(folder / "resolv.conf", "")
        wiring.route_station(self.estate, self.place)

    def power_on(self, machines: Iterable[Machine], image: Path) -> None:
        """Start what is down of machines, with the files that they have, and wait for it."""
        access = Access(self.place, self.estate)
        chosen = [m for m in machines if self.kind(m) != ABSENT]
        booted = [m for m in chosen if self.kind(m) == HOST]
        self._each(booted, lambda machine: self._boot(machine, image, access))
        others = [m for m in chosen if m not in booted]
        if others:
            self.tell(f"{len(others)} servers that are no Debian hosts")
            secrets = access.secrets()
            self._each(others, lambda machine: self._attach(machine, secrets))
        self._each(booted, lambda machine: self.host(machine).wait())

    def _boot(self, machine: Machine, image: Path, access: Access) -> None:
        self._cable(machine)
        host = self.host(machine)
        if host.leader() is None:
            host.cut()  # what a boot that was killed left
            host.prepare(image, dict(access.files(machine)))
            host.boot()

    def _cable(self, machine: Machine) -> None:
        """Lay a machine's cables where they are missing, with its addresses and routes."""
        wiring.lay(self.place, list(wiring.machine_cables(self.estate, machine)))
        wiring.route(self.estate, self.place, machine)

    def _attach(self, machine: Machine, secrets: Mapping[str, str]) -> None:
        self._cable(machine)
        attached.start(self.place, self.estate, machine, secrets)

    def power_off(self, machines: Iterable[Machine]) -> None:
        """Cut the power of machines, all at once; their network goes with it."""
        for machine in machines:
            ports = [cable.port.name for cable in wiring.machine_cables(self.estate, machine)]
            Switch(self.place, machine.site).unplug(ports)
            if self.kind(machine) == HOST:
                self.host(machine).cut()
            elif self.kind(machine) != ABSENT:
                attached.stop(self.place, machine)
            Namespace(self.place.namespace(machine.name)).stop()

    def status(self) -> list[Seen]:
        """Look at every machine of the estate."""
        found = []
        for machine in self.estate.machines.values():
            kind = self.kind(machine)
            if kind == HOST:
                stands = self.host(machine).ready()
            else:
                stands = kind != ABSENT and attached.running(self.place, machine)
            state = ABSENT if kind == ABSENT else "up" if stands else "down"
            found.append(Seen(machine, kind, state))
        return found


def down(place: Place, tell: Tell) -> None:
    """Take everything of a lab's name away, whatever state it is in; there may be nothing."""
    with place.alone():
        tell("processes")
        _hang_up(place.folder)
        place.group().kill()
        for name in place.namespaces():
            Namespace(name).stop()
        for folder in NAMES.glob(place.namespace("*")):
            shutil.rmtree(folder, ignore_errors=True)
        tell("mounts and drives")
        for mount in sorted(_mounts(place.folder), reverse=True):
            _run("umount", "--lazy", mount)
        for device in _loops(place.folder):
            _run("losetup", "--detach", device)
        shutil.rmtree(place.folder, ignore_errors=True)


def _hang_up(folder: Path) -> None:
    """End the SSH connections that Ansible keeps open; one whose process is gone is none."""
    for path in folder.glob("ssh/**/*"):
        if path.is_socket():
            command = ["ssh", "-o", f"ControlPath={path}", "-O", "exit", "lab"]
            subprocess.run(command, capture_output=True, timeout=60, check=False)


def _watch() -> None:
    """Raise the kernel's limits on watched files, where they are lower than a lab needs."""
    for name, wanted in WATCHING.items():
        file = Path("/proc/sys/fs/inotify", name)
        if int(file.read_text("ascii")) < wanted:
            file.write_text(str(wanted), "ascii")


def _mounts(folder: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    points = [line.split()[4] for line in lines]
    return [point for point in points if Path(point).is_relative_to(folder)]


def _loops(folder: Path) -> list[str]:
    answer = _run("losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE")
    rows = [line.split(None, 1) for line in answer.splitlines()]
    return [row[0] for row in rows if len(row) == 2 and row[1].startswith(f"{folder}/")]


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
