"""What the probe asks: the published addresses of an estate's services, and nothing else."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address

from sitiv_infra.estate import Estate, Exposure
from sitiv_infra.lab.netns import FOLDER, PREFIX
from sitiv_infra.lab.process import LabError

HTTP, HTTPS = 80, 443
DOCUMENTS = ("guichet",)  # services of the lab that take documents, unless told otherwise
REPEATS = 16


@dataclass(frozen=True)
class Door:
    """One published address of a service, and the name that is asked for there."""

    host: str
    address: str
    port: int
    tls: bool

    def __str__(self) -> str:
        """Give address and port, as a URL writes them."""
        v6 = ip_address(self.address).version == 6
        return f"[{self.address}]:{self.port}" if v6 else f"{self.address}:{self.port}"

    @property
    def authority(self) -> str:
        """What the header Host says."""
        usual = HTTPS if self.tls else HTTP
        return self.host if self.port == usual else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Target:
    """A service and its doors; ``documents`` tells whether the probe may write to it."""

    service: str
    doors: tuple[Door, ...]
    documents: bool = False


def targets(estate: Estate, documents: Collection[str] = DOCUMENTS) -> list[Target]:
    """Give the published services of an estate that speak HTTP, in the order of their names.

    Documents are only written over TLS; a service that takes them is asked over TLS alone.
    """
    doors: dict[str, list[Door]] = {}
    for exposure in estate.exposures.values():
        writes = exposure.service in documents
        if _speaks_http(exposure) and (exposure.tls or not writes):
            door = Door(exposure.host, str(exposure.address), exposure.port, exposure.tls)
            doors.setdefault(exposure.service, []).append(door)
    return [
        Target(service, tuple(dict.fromkeys(found)), service in documents)
        for service, found in sorted(doors.items())
    ]


def _speaks_http(exposure: Exposure) -> bool:
    return exposure.protocol == "tcp" and (exposure.tls or exposure.port == HTTP)


def refuse_outside() -> None:
    """Raise LabError unless this process is in a network namespace of a lab.

    The declared addresses are public ones: from anywhere else they could be real.
    """
    own = os.stat("/proc/self/ns/net")  # noqa: PTH116 - the namespace, not the link to it
    for space in FOLDER.glob(f"{PREFIX}*") if FOLDER.exists() else ():
        other = space.stat()
        if (own.st_dev, own.st_ino) == (other.st_dev, other.st_ino):
            return
    raise LabError("the probe only runs inside a lab: sitiv lab shell internet -- …")


def content(name: str) -> bytes:
    """Give the content of a document, which follows from its name: any change is seen."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f"{name}\n{digest * REPEATS}\n".encode()
