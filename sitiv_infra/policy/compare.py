"""Where two first-match lists part: boxes of packets with another fate, exactly.

Only a packet that a rule matches which was added, removed or moved can fare otherwise: no other is
looked at, so that a change of one rule in ten thousand is judged in a moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import product, takewhile
from typing import NamedTuple

from sitiv_infra.policy.cover import BUDGET, Inconclusive
from sitiv_infra.policy.lists import POLICY, Line, RuleList
from sitiv_infra.policy.native import cover
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.scale import Ranks, Scale
from sitiv_infra.policy.space import Box, Intervals, Point
from sitiv_infra.policy.table import Table

NOTHING: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())
FEW = 16  # changed boxes: beyond, arrays are faster than looking at each


class Parting(NamedTuple):
    """Packets of one box that fare otherwise, by which rules, and one of them.

    Without verdicts, a rule on the way was not wholly understood.
    """

    box: Box
    witness: Point
    old: tuple[int, Verdict | None]
    new: tuple[int, Verdict | None]

    @property
    def certain(self) -> bool:
        """Whether both fates are known."""
        return self.old[1] is not None and self.new[1] is not None


@dataclass(frozen=True)
class Comparison:
    """Disjoint boxes of packets that two lists treat otherwise, and whether all were found."""

    partings: tuple[Parting, ...]
    conclusive: bool = True

    @property
    def equal(self) -> bool | None:
        """Whether every packet fares the same; None where that is not known."""
        if any(parting.certain for parting in self.partings):
            return False
        return None if self.partings or not self.conclusive else True


def compare(old: RuleList, new: RuleList, budget: int = BUDGET, most: int = 1000) -> Comparison:
    """Find what becomes of packets otherwise; at most so many boxes of them.

    Both lists are of one address family and have the same dimensions.
    """
    found: list[Parting] = []
    try:
        for parting in _Two(old, new, budget).partings():
            if len(found) == most:
                return Comparison(tuple(found), conclusive=False)
            found.append(parting)
    except Inconclusive:
        return Comparison(tuple(found), conclusive=False)
    return Comparison(tuple(found))


class _Side:
    """One of the lists, as boxes of the common scale."""

    def __init__(self, rules: RuleList, scale: Scale, budget: int) -> None:
        self.rules = rules
        self.table = Table(rules, scale, budget)

    def line(self, index: int | None) -> Line | None:
        """Give the rule that a box is of; None for the policy."""
        return None if index is None else self.rules.lines[self.table.owner[index]]

    def fate(self, index: int | None) -> tuple[int, Verdict | None]:
        """Say which rule a box is of, and what that does; the policy where there is no box."""
        line = self.line(index)
        if line is None:
            return POLICY, self.rules.policy
        return line.number, None if line.doubts else line.verdict


class _Two:
    def __init__(self, old: RuleList, new: RuleList, budget: int) -> None:
        self.regions = list(_changed(old, new))
        if old.policy is not new.policy:
            self.regions.append(old.whole)
        old, new = (_concerned(rules, self.regions) for rules in (old, new))
        self.scale = Scale(old.whole, [*old.boxes, *new.boxes, *self.regions])
        self.budget = budget
        self.old, self.new = (_Side(rules, self.scale, budget) for rules in (old, new))

    def partings(self) -> Iterator[Parting]:
        """Walk through the packets that a change concerns, each of them once."""
        asked = cover(self.scale, self.regions, self.budget)
        for index in range(asked.size):
            low, high = asked.lows[:, index], asked.highs[:, index]
            before = asked.overlapping(low, high, index)
            for piece in asked.holes(low, high, before):
                yield from self._within(*piece)

    def _within(
        self, low: Ranks, high: Ranks, skipped: tuple[frozenset[int], frozenset[int]] = NOTHING
    ) -> Iterator[Parting]:
        for ours, *piece in self.old.table.decided(low, high, skipped[0]):
            for theirs, start, end in self.new.table.decided(piece[0], piece[1], skipped[1]):
                old, new = self.old.fate(ours), self.new.fate(theirs)
                if None not in {old[1], new[1]} and old[1] is new[1]:
                    continue
                if self._doubted_alike(ours, theirs):
                    yield from self._within(start, end, self._also(skipped, ours, theirs))
                else:
                    yield Parting(self.scale.box(start, end), self.scale.point(start), old, new)

    def _doubted_alike(self, ours: int | None, theirs: int | None) -> bool:
        """Whether both lists have the same rule there, which may match or not."""
        one, other = self.old.line(ours), self.new.line(theirs)
        return (
            one is not None and other is not None and bool(one.doubts) and _key(one) == _key(other)
        )

    def _also(
        self, skipped: tuple[frozenset[int], frozenset[int]], ours: int | None, theirs: int | None
    ) -> tuple[frozenset[int], frozenset[int]]:
        """Where such a rule matches, packets fare the same; look at them as if it did not."""
        one, other = int(self.old.table.owner[ours]), int(self.new.table.owner[theirs])
        return skipped[0] | {one}, skipped[1] | {other}


def _key(line: Line) -> tuple[object, ...]:
    doubts = tuple(doubt.partition(": ")[2] for doubt in line.doubts) if line.doubts else ()
    return line.boxes, line.verdict, doubts, line.meaning


def _concerned(rules: RuleList, regions: Sequence[Box]) -> RuleList:
    """Leave out the rules that share no packet with a few regions: most, where little changed."""
    if len(regions) > FEW:
        return rules
    near = (
        line for line in rules.lines if any(_meet(*two) for two in product(line.boxes, regions))
    )
    return replace(rules, lines=tuple(near))


def _meet(one: Box, other: Box) -> bool:
    return all(map(_touch, one, other))


def _touch(one: Intervals, other: Intervals) -> bool:
    if one[0][0] > other[-1][1] or other[0][0] > one[-1][1]:
        return False
    return any(low <= end and start <= high for low, high in one for start, end in other)


def _changed(old: RuleList, new: RuleList) -> Iterator[Box]:
    """Yield the boxes of rules that are in one list only, or stand elsewhere in it."""
    one, other = _deciding(old), _deciding(new)
    same = _alike(one, other)
    one, other = one[same:], other[same:]
    rest = _alike(one[::-1], other[::-1])
    one, other = one[: len(one) - rest], other[: len(other) - rest]
    keys = [_key(line) for line in one], [_key(line) for line in other]
    for kind, a, b, c, d in SequenceMatcher(None, *keys, autojunk=False).get_opcodes():
        if kind != "equal":
            yield from (box for line in (*one[a:b], *other[c:d]) for box in line.boxes)


def _deciding(rules: RuleList) -> list[Line]:
    return [
        line
        for line in rules.lines
        if line.boxes and not line.quiet and (line.verdict or line.doubts)
    ]


def _alike(one: Sequence[Line], other: Sequence[Line]) -> int:
    """Count the rules at the beginning that are the same in both."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: _key(pair[0]) == _key(pair[1]), pairs))
