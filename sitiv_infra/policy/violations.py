"""What a rule base lets through between zones against a matrix of them, whoever wrote it.

Only the zones' addresses and the cells are needed: no flows, no sites. Judged are the first packets
of connections, over all lists that forwarded packets go through.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from itertools import product
from typing import NamedTuple

import numpy as np

from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Access, Cell, Severity, Zone
from sitiv_infra.policy.addresses import VERSION_BITS
from sitiv_infra.policy.dumps import Dump
from sitiv_infra.policy.iptables_options import beginning
from sitiv_infra.policy.lists import POLICY, RuleList
from sitiv_infra.policy.matrix import new_connections, public
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.scale import Indices, Ranks, Scale
from sitiv_infra.policy.services import packets
from sitiv_infra.policy.space import (
    Box,
    Dimension,
    Intervals,
    gathered,
    split,
    union,
    without,
)
from sitiv_infra.policy.table import Table
from sitiv_infra.policy.telling import described, witness

Network = IPv4Network | IPv6Network
NOTHING = (Access.BLOCK_ALL, ())  # what a pair of zones without a cell takes


class Violation(NamedTuple):
    """Packets of one rule that a cell does not take; ``passes`` None while that is not known.

    rule -- its number in the dump, 0 for the policy of the list ``chain``.
    """

    source: str
    destination: str
    severity: Severity
    passes: bool | None
    rule: int
    chain: str
    version: int
    box: Box

    @property
    def packets(self) -> str:
        """The packets, as a person would write them."""
        return described(self.version, self.box)

    @property
    def witness(self) -> str:
        """One of them."""
        return witness(self.version, self.box)


@dataclass(frozen=True)
class Matrix:
    """The addresses of zones, by IP version, and the cells of ordered pairs of them."""

    spaces: Mapping[int, Mapping[str, Intervals]]
    cells: Mapping[tuple[str, str], Cell]

    def pairs(self, version: int) -> Iterator[tuple[str, str]]:
        """Yield the pairs that are judged; a zone to itself only where a cell says so."""
        for one in self.spaces[version]:
            for other in self.spaces[version]:
                if one != other or (one, one) in self.cells:
                    yield one, other


def matrix_of(
    zones: Mapping[str, Zone], networks: Mapping[str, Iterable[Network]], cells: Iterable[Cell]
) -> Matrix:
    """Give the matrix of zones: the internet and what is unassigned are what no other zone has."""
    spaces: dict[int, dict[str, Intervals]] = {}
    listed = {name: tuple(nets) for name, nets in networks.items()}
    for version, bits in VERSION_BITS.items():
        named = {name: _span(nets, version) for name, nets in listed.items()}
        ours = union(span for spans in named.values() for span in spans)
        for name, zone in zones.items():
            if zone.internet:
                named[name] = without(public(version), ours)
            elif zone.unassigned:
                named[name] = without(without(((0, 2**bits - 1),), public(version)), ours)
        spaces[version] = {name: held for name, held in named.items() if held}
    return Matrix(spaces, {pair: cell for cell in cells for pair in cell.pairs})


def _span(networks: Iterable[Network], version: int) -> Intervals:
    return union(
        (int(net.network_address), int(net.broadcast_address))
        for net in networks
        if net.version == version
    )


def violations(dump: Dump, matrix: Matrix) -> Iterator[Violation]:
    """Yield what passes, or may, and is not taken by its cell; one for each rule and minimal box.

    Raises InvalidInput where nothing in the dump forwards, and Inconclusive where the budget of
    steps is spent.
    """
    if not dump.forward:
        raise InvalidInput("no chain here is for forwarded packets, so zones are not told apart")
    for names in dump.forward:
        version = int(names[0][-1])
        family = _Family(version, {name: dump.lists[name] for name in names}, matrix)
        yield from family.violations()


class _Family:
    """The lists that forwarded packets of one address family go through, one after the other."""

    def __init__(self, version: int, lists: Mapping[str, RuleList], matrix: Matrix) -> None:
        self.version, self.matrix = version, matrix
        self.names = list(lists)
        self.zones = matrix.spaces[version]
        whole = next(iter(lists.values())).whole
        self.whole = beginning(whole)
        kinds = {NOTHING, *((cell.access, cell.services) for cell in matrix.cells.values())}
        refused = {kind: list(map(self._widened, _refused(version, *kind))) for kind in kinds}
        ends = [box for held in self.zones.values() for box in self._towards_and_from(held)]
        boxes = [box for rules in lists.values() for box in rules.boxes]
        self.scale = Scale(
            whole, [*boxes, *ends, *(box for some in refused.values() for box in some)]
        )
        self.refused = {kind: self.scale.table(some) for kind, some in refused.items()}
        self.ends = {
            name: (self._ranks(Dimension.SOURCE, held), self._ranks(Dimension.DESTINATION, held))
            for name, held in self.zones.items()
        }
        self.tables = [Table(rules, self.scale) for rules in lists.values()]
        self.passing = ~self.tables[0].silent & (self.tables[0].accepts | ~self.tables[0].certain)

    def violations(self) -> Iterator[Violation]:
        near = {zone: self._near(zone) for zone in self.zones}
        for source, destination in self.matrix.pairs(self.version):
            yield from self._cell(source, destination, near[source])

    def _cell(self, source: str, destination: str, near: Indices) -> Iterator[Violation]:
        cell = self.matrix.cells.get((source, destination))
        near = self._towards(near, destination)
        table = self.tables[0]
        if table.rules.policy is Verdict.DROP and not self.passing[near].any():
            return
        alike: dict[tuple[bool | None, int, int], list[Box]] = {}
        kind = (cell.access, cell.services) if cell else NOTHING
        for low, high in self._asked(kind, source, destination):
            for passes, rule, chain, found in self._passing(low, high, 0, near):
                alike.setdefault((passes, rule, chain), []).append(found)
        severity = cell.severity if cell else Severity.HIGH
        for (passes, rule, chain), boxes in alike.items():
            for one in gathered(boxes):
                chain_name = self.names[chain]
                yield Violation(
                    source, destination, severity, passes, rule, chain_name, self.version, one
                )

    def _passing(
        self, low: Ranks, high: Ranks, at: int, among: Indices | None = None
    ) -> Iterator[tuple[bool | None, int, int, Box]]:
        """Yield what a list and those after it let through, with the rule of the first."""
        table = self.tables[at]
        for index, start, end in self._decided(table, low, high, among):
            line = None if index is None else table.rules.lines[table.owner[index]]
            verdict = line.verdict if line else table.rules.policy
            passes = None if line and line.doubts else verdict is Verdict.ACCEPT
            number = line.number if line else POLICY
            if passes is False:
                continue
            if at + 1 == len(self.tables):
                yield passes, number, at, self.scale.box(start, end)
                continue
            for after, _, _, box in self._passing(start, end, at + 1):
                yield (passes and after), number, at, box

    def _decided(
        self, table: Table, low: Ranks, high: Ranks, among: Indices | None
    ) -> Iterator[tuple[int | None, Ranks, Ranks]]:
        """Cut a box into what each rule decides; what is dropped may be left out."""
        if among is None or table.rules.policy is Verdict.ACCEPT:
            return table.decided(low, high)
        near = table.cover.meeting(low, high, among) if among.size else among
        return table.taken(low, high, near[~table.silent[near]], self.passing)

    def _asked(
        self, kind: tuple[Access, tuple[str, ...]], source: str, destination: str
    ) -> Iterator[tuple[Ranks, Ranks]]:
        """Yield the plain boxes of what a cell of a kind does not take."""
        lows, highs, _ = self.refused[kind]
        for here, there in product(self.ends[source][0], self.ends[destination][1]):
            for low, high in zip(lows.T.copy(), highs.T.copy(), strict=True):
                low[Dimension.SOURCE], high[Dimension.SOURCE] = here
                low[Dimension.DESTINATION], high[Dimension.DESTINATION] = there
                yield low, high

    def _near(self, source: str) -> Indices:
        """Give the plain boxes of the first list that share a packet with what a zone sends."""
        return self._meeting(Dimension.SOURCE, np.arange(self.tables[0].cover.size), source)

    def _towards(self, near: Indices, destination: str) -> Indices:
        return self._meeting(Dimension.DESTINATION, near, destination)

    def _meeting(self, side: Dimension, near: Indices, zone: str) -> Indices:
        cover = self.tables[0].cover
        lows, highs = cover.lows[side, near], cover.highs[side, near]
        met = np.zeros(near.size, dtype=bool)
        for first, last in self.ends[zone][side is Dimension.DESTINATION]:
            met |= (lows <= last) & (highs >= first)
        return near[met]

    def _ranks(self, side: Dimension, held: Intervals) -> list[tuple[int, int]]:
        return [
            (self.scale.rank(side, low), self.scale.rank(side, high + 1) - 1) for low, high in held
        ]

    def _widened(self, piece: Box) -> Box:
        return (*piece, *self.whole[len(piece) :])

    def _towards_and_from(self, held: Intervals) -> Iterator[Box]:
        for side in (Dimension.SOURCE, Dimension.DESTINATION):
            yield (*self.whole[:side], held, *self.whole[side + 1 :])


@lru_cache(maxsize=4096)
def _refused(version: int, access: Access, services: tuple[str, ...]) -> tuple[Box, ...]:
    """Give the first packets that a cell does not take, whatever their addresses."""
    if access is Access.ALLOW_ALL:
        return ()
    everyone = ((0, 2 ** VERSION_BITS[version] - 1),)
    new = new_connections(version, everyone, everyone)
    if access is Access.BLOCK_ALL:
        return tuple(new)
    listed = [packets(text, version) for text in services]
    inside = 0 if access is Access.BLOCK_ONLY else 1
    return tuple(piece for one in new for piece in split(one, listed)[inside])
