"""A switch of the lab: Open vSwitch in userspace, in a network namespace of its own.

Ports are access ports with one VLAN, or bonds that carry the VLANs of two sites. What a port is for
stands in its ``external_ids``: ``sitiv-machine`` and ``sitiv-vlan``, or ``sitiv-link``.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sitiv_infra.lab.group import until
from sitiv_infra.lab.netns import FOLDER, Namespace
from sitiv_infra.lab.place import Place
from sitiv_infra.lab.process import LabError, program

BRIDGE = "br0"
SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
START_SECONDS = 20.0
# For every packet the switch waits anew for all of its ports, an allocation each. glibc keeps
# seven of a size at hand; with more, the switch needs a quarter less of its own time (40 ports).
MALLOC = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=1024"}


@dataclass(frozen=True)
class Port:
    """A port: one device, or several that are one link.

    ``tag`` for an access port, ``trunks`` for one that carries several VLANs. ``settings`` are
    further columns of Open vSwitch's Port table.
    """

    name: str
    devices: tuple[str, ...]
    tag: int | None = None
    trunks: tuple[int, ...] = ()
    ids: Mapping[str, str] = field(default_factory=dict)
    settings: tuple[str, ...] = ()

    def columns(self) -> list[str]:
        """Write what the port is, as ``ovs-vsctl`` reads it."""
        found = [f"tag={self.tag}"] if self.tag is not None else []
        if self.trunks:
            found.append(f"trunks=[{','.join(map(str, self.trunks))}]")
        found += [f'external_ids:{key}="{value}"' for key, value in self.ids.items()]
        return [*found, *self.settings]


@dataclass(frozen=True)
class Switch:
    """The switch of one site, or the carrier's."""

    place: Place
    site: str

    @property
    def folder(self) -> Path:
        """Give the folder of its database, sockets and logs: ``/run/openvswitch`` of its host."""
        return self.place.folder / "switches" / self.site

    @property
    def namespace(self) -> Namespace:
        """Give the namespace that holds the switch's ends of cables."""
        return Namespace(self.place.namespace(f"switch-{self.site}"))

    @property
    def group_name(self) -> str:
        """Name the group of its processes."""
        return f"switch-{self.site}"

    def running(self) -> bool:
        """Tell whether the switch forwards."""
        return len(self.place.group(self.group_name).pids()) >= 2  # database and switch

    def start(self) -> None:
        """Start what does not run; ports of an earlier life are known from the database."""
        if not self.namespace.stands():
            self.namespace.start()
        if not self.running():
            self._launch()
        bridge = ["--", "set", "bridge", BRIDGE, "datapath_type=netdev"]
        self.ask("--may-exist", "add-br", BRIDGE, *bridge, "other_config:mac-aging-time=3600")

    def _launch(self) -> None:
        self.place.group(self.group_name).kill()
        self._socket.unlink(missing_ok=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        database = self._database()
        group = self.place.group(self.group_name)
        environment = {name: str(self.folder) for name in ("OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR")}
        log = self.folder / "switch.log"
        server = [program("ovsdb-server"), str(database), f"--remote=punix:{self._socket}"]
        group.start([*server, f"--pidfile={self.folder}/ovsdb-server.pid"], log, environment)
        late = f"the switch of {self.site} does not start, see {log}"
        until(START_SECONDS, self._socket.exists, late)
        switch = [program("ovs-vswitchd"), f"unix:{self._socket}"]
        # A switch forwards in hardware: however busy the hosts are, it is not late.
        inside = ["nsenter", f"--net={FOLDER / self.namespace.name}", "nice", "--adjustment=-20"]
        pidfile = f"--pidfile={self.folder}/ovs-vswitchd.pid"
        group.start([*inside, *switch, pidfile], log, {**environment, **MALLOC})

    def _database(self) -> Path:
        """Give the switch's configuration, made when there is none.

        Half of a file is never found under its name, whoever was killed when: the server would
        refuse it for ever.
        """
        database, fresh = self.folder / "conf.db", self.folder / "conf.db.new"
        if not database.exists():
            fresh.unlink(missing_ok=True)
            _run(program("ovsdb-tool"), "create", str(fresh), str(SCHEMA))
            fresh.replace(database)
        return database

    @property
    def _socket(self) -> Path:
        return self.folder / "db.sock"

    def cut(self) -> None:
        """Cut the power: cables that end here lose their carrier."""
        self.place.group(self.group_name).kill()
        self._socket.unlink(missing_ok=True)
        self.namespace.stop()

    def ask(self, *words: str) -> str:
        """Run ``ovs-vsctl`` and give its answer."""
        return _run(
            program("ovs-vsctl"), f"--db=unix:{self._socket}", "--retry",
            f"--timeout={START_SECONDS:.0f}", *words,
        )  # fmt: skip

    def unplug(self, names: Iterable[str]) -> None:
        """Forget ports; a device that comes back under the same name would not be listened to."""
        words = [word for name in names for word in ("--", "--if-exists", "del-port", BRIDGE, name)]
        if words and self.running():
            self.ask(*words[1:])

    def ensure(self, ports: Iterable[Port]) -> None:
        """Add the ports that are missing, and take away those that nobody wants.

        One whose device was made again is taken away and added, or it would stay deaf: Open vSwitch
        goes on with the device that it opened.
        """
        wanted = {port.name: port for port in ports}
        deaf = self._deaf()
        found = set(self.ask("list-ports", BRIDGE).split())
        kept = {name for name in found & wanted.keys() if not deaf & set(wanted[name].devices)}
        self.unplug(sorted(found - kept))
        self.plug(port for name, port in wanted.items() if name not in kept)

    def plug(self, ports: Iterable[Port]) -> None:
        """Add ports to those that there are."""
        words: list[str] = []
        for port in ports:
            kind = "add-port" if len(port.devices) == 1 else "add-bond"
            names = [] if kind == "add-port" else [port.name]
            words += ["--", kind, BRIDGE, *names, *port.devices, *port.columns()]
        if words:
            self.ask(*words[1:])

    def _deaf(self) -> set[str]:
        """Name the devices here that nobody listens to: it would have made them promiscuous."""
        listed = json.loads(self.namespace.run("ip", "-json", "link", "show"))
        return {item["ifname"] for item in listed if "PROMISC" not in item["flags"]}


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(command[:4])} …: {done.stderr.strip()}")
    return done.stdout.strip()
