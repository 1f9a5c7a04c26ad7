"""What packets did between all VLANs, each followed by its number."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal

from sitiv_infra.facts.base import Fact, Facts


class Fate(StrEnum):
    """What packets did that they should not have done."""

    UNDECLARED = "undeclared"  # they passed, and no flow lets them
    REFUSED = "refused"  # a flow lets them pass, and a rule did not
    STUCK = "stuck"  # a firewall accepts them, and has no way on
    ASTRAY = "astray"  # they came out in another VLAN
    UNSEEN = "unseen"  # no firewall saw them
    LOST = "lost"  # a firewall sent them on, and they did not arrive


class Finding(Fact):
    """Packets that fared alike, and otherwise than is declared.

    source, destinations -- VLANs; no source where it does not matter. firewall, rule -- where that
    was decided, and by what; device -- by which it was sent on. flow -- that lets them pass. count
    -- how many; witness -- the first of them.
    """

    fate: Fate
    source: str = ""
    firewall: str = ""
    rule: str = ""
    device: str = ""
    flow: str = ""
    destinations: tuple[str, ...]
    count: int
    witness: str


class PacketFacts(Facts):
    """A whole proof: every packet was delivered, dropped by a firewall, or is lost.

    counted -- by how many packets the firewalls' own counters of what they refuse have grown.
    misplaced -- sentences on machines in wrong VLANs. left_out -- subnets that nothing was sent to.
    unsent -- flows, with VLANs, that pass or not as one site or another leads: nothing was sent.
    """

    family: ClassVar[str] = "packets"

    ended: datetime
    packets: int
    delivered: int
    dropped: int
    lost: int
    counted: int
    findings: tuple[Finding, ...] = ()
    misplaced: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    unsent: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Tell whether all packets obeyed, and firewalls counted what was seen to stay in them."""
        return not self.findings and not self.misplaced and self.counted >= self.dropped


class PacketRecord(Fact):
    """A proof as it is kept in a file, with the fingerprint of the estate that it is of."""

    format: Literal[1] = 1
    estate: str
    facts: PacketFacts
