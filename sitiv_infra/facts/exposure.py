"""What can be seen of the public addresses from one vantage."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import ClassVar, Literal

from sitiv_infra.facts.base import Fact, Facts, Unread
from sitiv_infra.messages import noop

NEVER_SWEPT = noop("it was not swept")


class OpenPort(Fact):
    """A port that accepted a connection; ``service`` is its usual name, not what answered."""

    address: str
    protocol: Literal["tcp", "udp"]
    port: int
    service: str | None = None


class Certificate(Fact):
    """The certificate that a port showed for a host name.

    ``distrusted`` is the cause why its chain or its name does not hold, its own dates aside; None
    when both hold. Dates are for the checks to judge.
    """

    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    distrusted: str | None = None


class Endpoint(Fact):
    """A declared TLS host that answered; ``protocol`` is what was agreed on: ``TLSv1.3``."""

    address: str
    port: int
    host: str
    protocol: str | None
    certificate: Certificate | Unread


class ExposureFacts(Facts):
    """One vantage: every open TCP port, and the certificate of each declared TLS host.

    scanned -- networks and addresses that were swept; ports -- those that were tried, as nmap
    writes them; unread -- networks that were not swept, and addresses within ``scanned`` that
    were not swept to the end: nothing is known of them but the open ports listed.
    """

    family: ClassVar[str] = "exposure"

    scanned: tuple[str, ...]
    ports: str
    open_ports: tuple[OpenPort, ...]
    endpoints: tuple[Endpoint, ...]
    unread: dict[str, Unread] = {}

    def missed(self, networks: Iterable[IPv4Network | IPv6Network]) -> dict[str, str]:
        """Give what of some networks was not swept, and why; what nothing is said of is in it."""
        causes = {place: item.unread for place, item in self.unread.items()}
        known = {*self.scanned, *self.unread}
        return {str(net): NEVER_SWEPT for net in networks if str(net) not in known} | causes

    def tried(self, port: int) -> bool:
        """Whether a port is among those that were tried."""
        ranges = (part.partition("-") for part in self.ports.split(","))
        return any(int(low) <= port <= int(high or low) for low, _, high in ranges)

    def looked_at(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether an address was swept to the end: only then is a port that isn't open closed."""
        if str(address) in self.unread:
            return False
        return any(address in ip_network(net) for net in self.scanned)
