"""What can be seen of the public addresses from one vantage."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from sitiv_infra.facts.base import Fact, Facts, Unread


class OpenPort(Fact):
    """A port that answered."""

    address: str
    protocol: Literal["tcp", "udp"]
    port: int
    banner: str | None = None


class Certificate(Fact):
    """The certificate that a port showed for a host name.

    ``trusted`` is the cause why the chain or the name does not hold, or None when both do.
    """

    address: str
    port: int
    host: str
    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    protocol: str
    distrusted: str | None


class ExposureFacts(Facts):
    """One vantage: every open port, and a certificate for each declared TLS host."""

    family: ClassVar[str] = "exposure"

    scanned: tuple[str, ...]
    ports: str
    open_ports: tuple[OpenPort, ...]
    certificates: tuple[Certificate, ...]
    unread: dict[str, Unread] = {}
