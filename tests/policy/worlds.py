"""Small worlds of packets, and an interpreter that asks a list of rules about each of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from sitiv_infra.policy.iptables_options import device
from sitiv_infra.policy.lists import Line, RuleList
from sitiv_infra.policy.rules import BOTH, Verdict
from sitiv_infra.policy.space import Box

SOME_MAC = 0


class Packet(NamedTuple):
    """The first packet of a connection; of ICMP, the ports are type and code."""

    protocol: int
    source: str
    destination: str
    by: int
    to: int
    comes: str = "lan"
    leaves: str = "wan"

    @property
    def point(self) -> tuple[int, ...]:
        """The packet as the dimensions of a box."""
        ends = (int(ip_address(self.source)), int(ip_address(self.destination)))
        devices = (device(name)[0][0] for name in (self.comes, self.leaves))
        return (self.protocol, *ends, self.by, self.to, SOME_MAC, *devices)


def holds(boxes: Iterable[Box], point: Sequence[int]) -> bool:
    """Whether a packet lies in one of the boxes."""
    return any(
        all(any(low <= v <= high for low, high in s) for v, s in zip(point, box, strict=True))
        for box in boxes
    )


def fates(rules: RuleList, packet: Packet) -> frozenset[Verdict]:
    """Say what may become of a packet: both, where a rule on the way may match or not."""
    possible: frozenset[Verdict] = frozenset()
    for line in rules.lines:
        if not holds(line.boxes, packet.point):
            continue
        if line.verdict is None and line.doubts:
            return BOTH
        if line.verdict is not None:
            possible |= {line.verdict}
            if not line.doubts:
                return possible
    return possible | {rules.policy}


def matching(lines: Iterable[Line], packet: Packet) -> list[tuple[int, bool]]:
    """Give the numbers of the rules that have a packet, and whether that is certain."""
    return [(one.number, not one.doubts) for one in lines if holds(one.boxes, packet.point)]
