"""What a switch is configured to do at layer 2, and where it is a router besides."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, PlainSerializer

from sitiv_infra.facts.base import Fact, Facts
from sitiv_infra.vlan_ids import ALL, Ids, read, written

VlanSet = Annotated[
    Ids,
    BeforeValidator(lambda value: read(value) if isinstance(value, str) else value),
    PlainSerializer(written, return_type=str),
]
UNTAGGED = 0  # Open vSwitch's trunks carry what has no tag as a network of its own


class PortMode(StrEnum):
    """What a port is: ``negotiated`` is a trunk as soon as the other end says so (DTP)."""

    ACCESS = "access"
    TRUNK = "trunk"
    NEGOTIATED = "negotiated"
    ROUTED = "routed"


class Doubt(Fact):
    """A line of the configuration that is not known here and could change layer 2.

    ``words`` are its first two alone: what follows may be a secret.
    """

    line: int
    words: str


class SwitchPort(Fact):
    """A port, or a channel of several; ``line`` is where its part of the configuration begins.

    native -- VLAN of frames without a tag on a trunk; with ``native_tagged`` none are taken.
    allowed -- VLANs of a trunk, all when nothing is said. voice -- a second VLAN, tagged, of an
    access port. negotiates -- DTP is on. edge, guard -- portfast and BPDU guard are in force.
    deaf -- a filter hides spanning tree from it. channel -- the channel that it is a part of, whose
    configuration is the one in force. bare -- nothing is said of it but ``shutdown``.
    """

    name: str
    line: int = 0
    mode: PortMode
    access: int = 1
    native: int = 1
    native_tagged: bool = False
    allowed: VlanSet = ALL
    voice: int | None = None
    shut: bool = False
    negotiates: bool = False
    edge: bool = False
    guard: bool = False
    deaf: bool = False
    storm_control: bool = False
    channel: str | None = None
    description: str | None = None
    bare: bool = False
    doubts: tuple[Doubt, ...] = ()

    @property
    def switched(self) -> bool:
        """Whether it forwards frames by VLAN: neither shut, routed, nor part of a channel."""
        return not self.shut and self.mode is not PortMode.ROUTED and self.channel is None

    @property
    def untagged(self) -> int | None:
        """VLAN of the frames without a tag that it takes."""
        if self.mode is PortMode.ACCESS:
            return self.access
        if self.mode is not PortMode.TRUNK or self.native_tagged:
            return None
        return self.native if self.native in self.allowed or self.native == UNTAGGED else None

    @property
    def tagged(self) -> Ids:
        """VLANs of the frames with a tag that it takes."""
        if self.mode is PortMode.TRUNK:
            return self.allowed if self.native_tagged else self.allowed - {self.native}
        return frozenset() if self.voice is None else frozenset({self.voice})

    @property
    def vlans(self) -> Ids:
        """All VLANs that it carries, or may come to carry where it negotiates."""
        if self.mode is PortMode.NEGOTIATED:
            return self.allowed | {self.access}
        return self.tagged | ({self.untagged} if self.untagged is not None else set())


class RoutedLeg(Fact):
    """An interface with which the switch itself stands in a network.

    vlan -- None for a routed port. addresses -- with prefix length, or ``dhcp``.
    """

    name: str
    line: int = 0
    vlan: int | None = None
    addresses: tuple[str, ...] = ()
    vrf: str = ""
    shut: bool = False
    doubts: tuple[Doubt, ...] = ()


class VlanState(Fact):
    """A VLAN that exists on the switch; one that is not ``active`` forwards nothing."""

    id: int
    name: str | None = None
    active: bool = True


class SwitchFacts(Facts):
    """One switch as it is configured; no password or key of it is kept.

    vlans -- those that it says; ``vlans_whole`` tells whether there are no others (VTP keeps its
    own elsewhere). routing -- whether it forwards packets, by VRF, the default one being ``""``;
    a VRF that is not there is not known. vtp -- mode of VTP, None where there is no such thing.
    """

    family: ClassVar[str] = "switch"

    platform: str
    hostname: str | None = None
    ports: tuple[SwitchPort, ...]
    vlans: tuple[VlanState, ...] = ()
    vlans_whole: bool = True
    legs: tuple[RoutedLeg, ...] = ()
    routing: dict[str, bool] = {}
    vtp: str | None = None
    doubts: tuple[Doubt, ...] = ()

    def port(self, name: str) -> SwitchPort | None:
        """Give a port by its name; a part of a channel gives the channel."""
        ports = {p.name.casefold(): p for p in self.ports}
        found = ports.get(name.casefold())
        return ports.get(found.channel.casefold(), found) if found and found.channel else found
