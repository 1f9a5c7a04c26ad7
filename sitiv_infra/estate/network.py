"""Zones, VLANs, allowed flows, firewalls, and what the internet may see."""

from __future__ import annotations

import re
from enum import StrEnum
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from sitiv_infra.estate.base import (
    Address,
    Day,
    Declared,
    Host,
    Name,
    Network,
    Owned,
    Part,
    Port,
    Source,
    Text,
)

SERVICE = re.compile(r"(tcp|udp)/(\d{1,5})(?:-(\d{1,5}))?|icmp")


def _service(value: str) -> str:
    match = SERVICE.fullmatch(value)
    if match is None:
        raise ValueError("a service is tcp/443, udp/5060-5061 or icmp")
    if match[2] and not 1 <= int(match[2]) <= int(match[3] or match[2]) <= 65535:
        raise ValueError("ports run from 1 to 65535, the lower one first")
    return value


FlowService = Annotated[
    str, Field(pattern=r"^((tcp|udp)/\d{1,5}(-\d{1,5})?|icmp)$"), AfterValidator(_service)
]


class Zone(Declared):
    """A security zone: machines that may talk to each other without a firewall between them.

    It is the subnets of its VLANs, and ``networks`` that are in no VLAN of ours, behind a carrier
    or a tunnel. ``internet`` is every public address that no other zone has, ``unassigned`` every
    other address that none has; so each address is in one zone.
    """

    kind: ClassVar[str] = "zone"
    title: Text
    internet: bool = False
    unassigned: bool = False
    networks: tuple[Network, ...] = ()

    @property
    def rest(self) -> bool:
        """Whether it is what the other zones leave."""
        return self.internet or self.unassigned


class Vlan(Owned):
    """A VLAN, its subnets, and the sites it stands on; ``vid`` is the 802.1Q id.

    The first site is its home. ``transit`` marks the one VLAN that joins the firewalls of all
    sites: routes between sites go over it.
    """

    kind: ClassVar[str] = "vlan"
    vid: Annotated[int, Field(ge=2, le=4094)]
    zone: Name
    sites: Annotated[tuple[Name, ...], Field(min_length=1)]
    subnets: tuple[Network, ...] = ()
    transit: bool = False

    @property
    def device(self) -> str:
        """Name of the network device of a machine's leg in this VLAN."""
        return f"vlan{self.vid}"

    @property
    def gateways(self) -> tuple[IPv4Interface | IPv6Interface, ...]:
        """First address of each subnet, with its prefix length: what the firewalls hold."""
        wide = (net for net in self.subnets if net.num_addresses > 1)
        return tuple(ip_interface(f"{net[1]}/{net.prefixlen}") for net in wide)

    @property
    def carriers(self) -> tuple[IPv4Interface | IPv6Interface, ...]:
        """Last usable address of each subnet: the carrier's router in a VLAN of the internet."""
        wide = (net for net in self.subnets if net.num_addresses > 1)
        return tuple(ip_interface(f"{net[-2]}/{net.prefixlen}") for net in wide)


class Flow(Declared):
    """Traffic that is allowed between two zones; everything else is not.

    With ``sites`` it holds at the firewalls of those alone, else at all. A packet passes only where
    every firewall on its way lets it.
    """

    kind: ClassVar[str] = "flow"
    source: Name
    destination: Name
    services: Annotated[tuple[FlowService, ...], Field(min_length=1)]
    owner_team: Text
    reason: Text
    ticket: str | None = None
    until: Day | None = None
    # Left out where it is not said, so that estates without it keep their fingerprint.
    sites: Annotated[tuple[Name, ...], Field(min_length=1)] = Field(
        default=(), exclude_if=lambda sites: not sites
    )

    def holds_at(self, site: str) -> bool:
        """Tell whether the firewalls of a site let it pass."""
        return not self.sites or site in self.sites


class Interface(Part):
    """A machine's leg in a VLAN."""

    vlan: Name
    addresses: tuple[Address, ...] = ()


class VirtualAddress(Declared):
    """Addresses that one of several machines holds by VRRP, in their order of preference.

    ``publishes`` are public addresses: the site's firewalls translate them to this one.
    """

    kind: ClassVar[str] = "virtual-address"
    site: Name
    vlan: Name
    addresses: Annotated[tuple[Address, ...], Field(min_length=1)]
    machines: Annotated[tuple[Name, ...], Field(min_length=1)]
    publishes: tuple[Address, ...] = ()


class Firewall(Source):
    """A filtering host, read by SSH with an account whose only command lists the rules."""

    kind: ClassVar[str] = "firewall"
    family: ClassVar[str] = "firewall"
    site: Name
    host: Host
    port: Port = 22
    engine: Literal["nftables"] = "nftables"

    @property
    def where(self) -> str:
        """Address that is read."""
        return f"ssh://{self.host}:{self.port}"


class Protocol(StrEnum):
    """Transport of an exposed port."""

    TCP = "tcp"
    UDP = "udp"


class Exposure(Owned):
    """A port that the internet may reach, and who decided it.

    ``backend`` is the port on which the service's machines answer the reverse proxies.
    """

    kind: ClassVar[str] = "exposure"
    address: Address
    port: Port
    protocol: Protocol = Protocol.TCP
    host: Host
    service: Name
    tls: bool = True
    backend: Port = 8080
    reason: Text
    approved_by: Text
    until: Day | None = None


class Vantage(Source):
    """A place to look at the public addresses from; ``ports`` as nmap writes them."""

    kind: ClassVar[str] = "vantage"
    family: ClassVar[str] = "exposure"
    networks: Annotated[tuple[Network, ...], Field(min_length=1)]
    ports: Annotated[str, Field(pattern=r"^\d+(-\d+)?(,\d+(-\d+)?)*$")] = "1-65535"
    packets_per_second: Annotated[int, Field(ge=10, le=10_000)] = 5000

    @property
    def where(self) -> str:
        """Networks that are scanned."""
        return ", ".join(map(str, self.networks))
