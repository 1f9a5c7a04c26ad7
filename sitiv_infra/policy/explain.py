"""Whether some packets pass a rule base, and which rule says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

from sitiv_infra.policy.dumps import Dump
from sitiv_infra.policy.iptables_options import beginning
from sitiv_infra.policy.lists import RuleList
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.scale import Scale
from sitiv_infra.policy.space import PORTS, Box, Dimension, Intervals, Point, union
from sitiv_infra.policy.table import Table

TCP = 6


@dataclass(frozen=True)
class Question:
    """The first packets of new connections, from one network to another, for a service.

    Without a service, of every protocol.
    """

    source: IPv4Network | IPv6Network
    destination: IPv4Network | IPv6Network
    protocol: int | None = None
    ports: Intervals = PORTS

    def box(self, whole: Box) -> Box:
        """Give the packets, in the dimensions of a list."""
        sides: dict[int, Intervals] = dict(enumerate(whole))
        sides[Dimension.SOURCE] = _span(self.source)
        sides[Dimension.DESTINATION] = _span(self.destination)
        if self.protocol is not None:
            sides[Dimension.PROTOCOL] = ((self.protocol, self.protocol),)
        if self.ports != PORTS:
            sides[Dimension.DESTINATION_PORT] = self.ports
        return beginning(tuple(sides[side] for side in sorted(sides)))


class Answer(NamedTuple):
    """What becomes of a part of the packets, by which rule, and one of them.

    rule -- its number, 0 for the chain's policy; verdict -- None while it hangs on a doubt.
    """

    rule: int
    verdict: Verdict | None
    witness: Point


def explained(dump: Dump, question: Question) -> Mapping[str, tuple[Answer, ...]]:
    """Answer for each chain of the question's address family, a part of the packets each."""
    version = question.source.version
    return {
        name: tuple(_answers(rules, question))
        for name, rules in dump.lists.items()
        if name.endswith(f"IPv{version}")
    }


def _answers(rules: RuleList, question: Question) -> Iterator[Answer]:
    box = question.box(rules.whole)
    scale = Scale(rules.whole, [*rules.boxes, box])
    table = Table(rules, scale)
    lows, highs, _ = scale.table([box])
    told: set[int] = set()
    for low, high in zip(lows.T, highs.T, strict=True):
        for index, corner, _ in table.decided(low, high):
            line = None if index is None else rules.lines[table.owner[index]]
            number = line.number if line else 0
            if number not in told:
                told.add(number)
                verdict = rules.policy if line is None else None if line.doubts else line.verdict
                yield Answer(number, verdict, scale.point(corner))


def _span(network: IPv4Network | IPv6Network) -> Intervals:
    return union([(int(network.network_address), int(network.broadcast_address))])
