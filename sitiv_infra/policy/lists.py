"""A first-match list of rules, as plain boxes of ranks.

Judged is the first packet of a new connection. A rule that was not wholly understood may match less
than its boxes: it is looked for in the shadow of others, but casts none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sitiv_infra.policy.cover import BUDGET, Cover, Point, Ranks, Scale
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.space import EVERYTHING, Box


class Line(NamedTuple):
    """A rule: its number in the dump, from 1; what it may match; and what it does then.

    A rule that settles nothing, such as one that jumps or logs, has no verdict. ``doubts`` say why
    a rule may match less, or do something else; ``meaning`` what they hang on in this dump.
    """

    number: int
    text: str
    verdict: Verdict | None
    boxes: tuple[Box, ...]
    doubts: tuple[str, ...] = ()
    meaning: str = ""


@dataclass(frozen=True)
class RuleList:
    """Rules in their order, and what becomes of the packets that none of them matches."""

    lines: tuple[Line, ...]
    policy: Verdict
    whole: Box = EVERYTHING

    @property
    def boxes(self) -> list[Box]:
        """All boxes of all rules."""
        return [box for line in self.lines for box in line.boxes]


class Table:
    """The plain boxes of a list: where each line's stand, and what their lines do.

    scale -- of the list's boxes, and of those that are asked about.
    """

    def __init__(self, rules: RuleList, scale: Scale | None = None, budget: int = BUDGET) -> None:
        self.rules = rules
        self.scale = scale or Scale(rules.whole, rules.boxes)
        self.cover = Cover(self.scale, rules.boxes, budget)
        counts = [sum(_plain(box) for box in line.boxes) for line in rules.lines]
        self.starts = np.cumsum([0, *counts])
        self.owner = np.repeat(np.arange(len(counts)), counts)
        self.certain = self._by_box(line.verdict and not line.doubts for line in rules.lines)
        self.silent = self._by_box(not (line.verdict or line.doubts) for line in rules.lines)
        self.accepts = self._by_box(line.verdict is Verdict.ACCEPT for line in rules.lines)

    def _by_box(self, told: Iterable[object]) -> NDArray[np.bool_]:
        return np.fromiter(map(bool, told), dtype=bool, count=len(self.rules.lines))[self.owner]

    def of(self, place: int) -> Iterable[tuple[Ranks, Ranks]]:
        """Give the plain boxes of the line at a place."""
        for index in range(self.starts[place], self.starts[place + 1]):
            yield self.cover.lows[:, index], self.cover.highs[:, index]

    def numbers(self, indices: Iterable[int]) -> tuple[int, ...]:
        """Give the numbers of the lines that boxes belong to."""
        owners = {int(self.owner[index]) for index in indices}
        return tuple(self.rules.lines[owner].number for owner in sorted(owners))

    def decided(
        self, low: Ranks, high: Ranks, skipped: frozenset[int] = frozenset()
    ) -> Iterator[tuple[int | None, Ranks, Ranks]]:
        """Cut a box into what each plain box decides first, or may, and what none does.

        skipped -- places of lines that are left out.
        """
        near = self.cover.overlapping(low, high)
        near = near[~self.silent[near]]
        if skipped:
            near = near[~np.isin(self.owner[near], list(skipped))]
        for place, index in enumerate(near.tolist()):
            lows, highs = self.cover.lows[:, index], self.cover.highs[:, index]
            inner = np.maximum(low, lows), np.minimum(high, highs)
            before = self.cover.meeting(*inner, near[:place])
            for piece in self.cover.holes(*inner, before, set()):
                yield index, *piece
        for piece in self.cover.holes(low, high, near, set()):
            yield None, *piece

    def holding(self, corner: Ranks) -> NDArray[np.intp]:
        """Give the boxes that have a packet, in their order."""
        return self.cover.overlapping(corner, corner)


def _plain(box: Box) -> int:
    return prod(len(side) for side in box)


def first(lines: Sequence[Line], packet: Point, policy: Verdict) -> Verdict:
    """Say what becomes of one packet, rule by rule: what everything else is held against."""
    for line in lines:
        if line.verdict is not None and any(
            all(
                any(low <= value <= high for low, high in side)
                for value, side in zip(packet, box, strict=True)
            )
            for box in line.boxes
        ):
            return line.verdict
    return policy
