"""What programs of a Debian machine print, as facts; ValueError, or the like, for anything else."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Literal

from sitiv_infra.facts.host import (
    Clock,
    ClockSource,
    Mount,
    Socket,
    Sshd,
    SshdSetting,
    Update,
    Updates,
)

PROGRAMS: Mapping[str, str] = MappingProxyType(
    {
        "nft": "nft",
        "sshd": "sshd -T",
        "tracking": "chronyc",
        "sources": "chronyc",
        "mounts": "findmnt",
        "packages": "dpkg-query",
        "updates": "apt-get",
        "units": "systemctl",
        "sockets": "ss",
    }
)
State = Literal["selected", "combined", "excluded", "unusable", "falseticker", "variable"]
STATES: Mapping[str, State] = MappingProxyType(
    {
        "*": "selected",
        "+": "combined",
        "-": "excluded",
        "?": "unusable",
        "x": "falseticker",
        "~": "variable",
    }
)
NOT_SYNCHRONISED = "Not synchronised"
# File systems of the kernel alone: they hold no data of a device or of the network.
UNREAL = frozenset(
    {
        "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts",
        "devtmpfs", "efivarfs", "fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore",
        "ramfs", "rpc_pipefs", "securityfs", "sysfs", "tmpfs", "tracefs",
    }
)  # fmt: skip
UPGRADE = re.compile(r"^Inst (\S+) \[[^]]*\] \((\S+) ([^)]*)\)", re.MULTILINE)
SECURITY = re.compile(r"security", re.IGNORECASE)
PROGRAM = re.compile(r'users:\(\("([^"]+)"')


def system(os_release: str) -> str:
    """Name the system as the estate does: ``debian-12``."""
    fields = dict(line.partition("=")[::2] for line in os_release.splitlines() if "=" in line)
    words = [next(iter(shlex.split(fields.get(name, ""))), "?") for name in ("ID", "VERSION_ID")]
    return "-".join(words)


def booted_at(stat: str) -> datetime:
    """Give the instant of the boot, of ``/proc/stat``."""
    seconds = next(line.split()[1] for line in stat.splitlines() if line.startswith("btime "))
    return datetime.fromtimestamp(int(seconds), UTC)


def ahead(now: datetime, asked: datetime, answered: datetime) -> float:
    """Say by how much a clock is ahead at least: it was read between two instants of ours."""
    if now > answered:
        return (now - answered).total_seconds()
    return min(0.0, (now - asked).total_seconds())


def sshd(effective: str, conditional: Mapping[str, str]) -> Sshd:
    """Read ``sshd -T``, and what stands below ``Match`` in the files."""
    options: dict[str, tuple[str, ...]] = {}
    for line in effective.splitlines():
        name, _, value = line.strip().partition(" ")
        options[name.lower()] = (*options.get(name.lower(), ()), value.strip())
    if "permitrootlogin" not in options:
        raise ValueError("not a whole list of options")
    found = (item for _, text in sorted(conditional.items()) for item in _matches(text))
    return Sshd(options=options, conditional=tuple(found))


def _matches(text: str) -> Iterator[SshdSetting]:
    match = ""
    for line in text.splitlines():
        words = line.partition("#")[0].replace("=", " ", 1).split(None, 1)
        if not words:
            continue
        name, value = words[0].lower(), words[1].strip().strip('"') if len(words) > 1 else ""
        if name == "match":
            match = value
        else:
            yield SshdSetting(match=match, option=name, value=value)


def clock_sources(listed: str) -> tuple[ClockSource, ...]:
    """Read ``chronyc -c sources``."""
    rows = [line.split(",") for line in listed.splitlines() if line]
    return tuple(
        ClockSource(name=row[2], state=STATES[row[1]], reached=int(row[5], 8).bit_count())
        for row in rows
    )


def clock(tracking: str, sources: tuple[ClockSource, ...]) -> Clock:
    """Read ``chronyc -c tracking``."""
    row = tracking.strip().split(",")
    if len(row) < 14:
        raise ValueError("not a whole line")
    return Clock(
        synchronised=row[13] != NOT_SYNCHRONISED,
        offset=float(row[4]),
        stratum=int(row[2]),
        sources=sources,
    )


def mounts(listed: str) -> tuple[Mount, ...]:
    """Read ``findmnt --json --list``, without the kernel's own file systems."""
    return tuple(
        Mount(
            target=item["target"],
            source=item["source"].partition("[")[0],
            kind=item["fstype"],
            read_only="ro" in item["options"].split(","),
            frozen="ro" in item["fs-options"].split(","),
        )
        for item in json.loads(listed)["filesystems"]
        if item["fstype"] not in UNREAL
    )


def packages(listed: str) -> dict[str, str]:
    """Read the installed packages; an empty list is none of a Debian machine."""
    rows = [line.split("\t") for line in listed.splitlines()]
    found = {name: version for name, version, state in rows if state.startswith("ii")}
    if not found:
        raise ValueError("no package")
    return found


def updates(simulated: str, lists: Iterable[Mapping[str, str]]) -> Updates:
    """Read ``apt-get --simulate dist-upgrade``, with what the lists of packages say they are."""
    offered = UPGRADE.findall(simulated)
    security = [(name, version) for name, version, origin in offered if SECURITY.search(origin)]
    dates = [
        parsedate_to_datetime(found["Date"].replace("UTC", "+0000"))
        for found in lists
        if SECURITY.search(f"{found.get('Label')} {found.get('Codename')} {found.get('Suite')}")
    ]
    return Updates(
        listed_at=max(dates, default=None),
        security=tuple(Update(package=name, version=version) for name, version in security),
        others=len(offered) - len(security),
    )


def units(listed: str) -> tuple[str, ...]:
    """Read the failed units."""
    return tuple(line.split()[0] for line in listed.splitlines() if line.strip())


def sockets(listed: str) -> tuple[Socket, ...]:
    """Read ``ss``: what listens, once for all its processes."""
    found = {_socket(line): None for line in listed.splitlines() if line.strip()}
    return tuple(found)


def _socket(line: str) -> Socket:
    words = line.split(None, 6)
    address, _, port = words[4].rpartition(":")
    program = PROGRAM.search(words[6]) if len(words) > 6 else None
    protocol: Literal["tcp", "udp"] = "tcp" if words[0] == "tcp" else "udp"
    return Socket(
        protocol=protocol, address=address.strip("[]"), port=int(port),
        program=program[1] if program else None,
    )  # fmt: skip
