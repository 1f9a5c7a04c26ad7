"""Where a lab keeps its things, and what they are called; several labs stand side by side."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from sitiv_infra.errors import InvalidInput
from sitiv_infra.lab.group import Group
from sitiv_infra.lab.netns import FOLDER, PREFIX
from sitiv_infra.lab.process import LabError

ROOT = Path("/var/lib/sitiv-lab")
NAME = re.compile(r"[a-z][a-z0-9]{0,9}")
LONGEST_DEVICE = 15  # IFNAMSIZ of Linux, without its end
STATION = "station"
INTERNET = "internet"


@dataclass(frozen=True)
class Place:
    """One lab by its name: folder, namespaces, groups of processes."""

    name: str

    def __post_init__(self) -> None:
        """Refuse a name that can't be part of others."""
        if NAME.fullmatch(self.name) is None:
            raise InvalidInput(f"'{self.name}' is no name of a lab: a-z, 0-9, 10 signs at most")

    @property
    def folder(self) -> Path:
        """Everything that the lab writes, but the cached base."""
        return ROOT / self.name

    @property
    def estate(self) -> Path:
        """What the lab was made of: the declared estate, or what was kept of it."""
        return self.folder / "estate.json"

    def host_folder(self, host: str) -> Path:
        """Give the folder of one host."""
        return self.folder / "hosts" / host

    def namespace(self, what: str) -> str:
        """Name the network namespace of a host, of a switch, of the station or the internet."""
        return f"{PREFIX}{self.name}-{what}"

    def namespaces(self) -> list[str]:
        """Name the lab's network namespaces that there are."""
        if not FOLDER.exists():
            return []
        return sorted(p.name for p in FOLDER.glob(self.namespace("*")))

    def group(self, what: str = "") -> Group:
        """Give the group of processes of a host or switch; without one, of the whole lab."""
        return Group(f"{PREFIX}{self.name}/{what}".rstrip("/"))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lab, so that no two commands change it; a killed command lets go."""
        if os.geteuid() != 0:
            raise LabError("a lab is made of namespaces and mounts: only root may change it (sudo)")
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(ROOT / f"{self.name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabError(f"another command is changing the lab '{self.name}'; wait") from None
        else:
            yield
        finally:
            os.close(descriptor)


def device_name(*parts: str) -> str:
    """Make a network device's name of words; long ones are shortened and stay apart."""
    plain = ".".join(parts)
    if len(plain) <= LONGEST_DEVICE:
        return plain
    return f"{plain[: LONGEST_DEVICE - 7]}{crc32(plain.encode()):07x}"[:LONGEST_DEVICE]


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.touch(mode=mode)
    fresh.chmod(mode)
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
