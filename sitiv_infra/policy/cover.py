"""Whether boxes cover a box, exactly; and a packet that they leave out.

Values are replaced by their ranks among all ends of intervals, so 128-bit addresses are 32-bit
numbers here and every comparison runs over whole arrays. The question is coNP-hard in general: a
budget of steps bounds it, and what is beyond is said to be inconclusive, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from sitiv_infra.policy.space import Box

BUDGET = 10_000_000  # boxes that one question may cut; synthetic and real bases need 16 a rule
Indices = NDArray[np.intp]
Ranks = NDArray[np.int32]  # of a corner, [dimension]; of boxes, [dimension, box]
Point = tuple[int, ...]


class Inconclusive(Exception):
    """The budget of steps was spent before the question was answered."""


@dataclass(frozen=True)
class Answer:
    """What covers a box: the boxes that were needed, by index; or a corner that none has."""

    hole: Ranks | None
    used: frozenset[int] = frozenset()


class Scale:
    """Ranks of all ends of intervals, a dimension each; ``whole`` is the box of everything."""

    def __init__(self, whole: Box, boxes: Iterable[Box]) -> None:
        ends: list[set[int]] = [set() for _ in whole]
        for box in (whole, *boxes):
            for cuts, side in zip(ends, box, strict=True):
                for low, high in side:
                    cuts.add(low)
                    cuts.add(high + 1)
        self.whole = whole
        self.cuts = [sorted(cuts) for cuts in ends]
        self._ranks = [{cut: rank for rank, cut in enumerate(cuts)} for cuts in self.cuts]

    @property
    def order(self) -> list[int]:
        """The dimensions, those in which boxes differ most first."""
        return sorted(range(len(self.cuts)), key=lambda side: -len(self.cuts[side]))

    def rows(self, box: Box) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Yield the plain boxes of a box, one interval a dimension, as ranks: lows, and highs.

        Their ends must be among those that the scale was made of.
        """
        sides = [
            [(ranks[low], ranks[high + 1] - 1) for low, high in side]
            for ranks, side in zip(self._ranks, box, strict=True)
        ]
        for spans in product(*sides):
            yield tuple(low for low, _ in spans), tuple(high for _, high in spans)

    def point(self, ranks: Sequence[int] | Ranks) -> Point:
        """Give the packet at a corner of ranks."""
        return tuple(cuts[int(rank)] for cuts, rank in zip(self.cuts, ranks, strict=True))

    def box(self, low: Ranks, high: Ranks) -> Box:
        """Give the packets between two corners of ranks."""
        ends = zip(self.cuts, low, high, strict=True)
        return tuple(((cuts[int(one)], cuts[int(other) + 1] - 1),) for cuts, one, other in ends)

    def table(self, boxes: Iterable[Box]) -> tuple[Ranks, Ranks]:
        """Give lows and highs of the plain boxes of boxes as arrays, [dimension, box]."""
        rows = [row for box in boxes for row in self.rows(box)]
        both = np.array(rows, dtype=np.int32).reshape(len(rows), 2, len(self.cuts))
        lows, highs = both.transpose(1, 2, 0)
        return np.ascontiguousarray(lows), np.ascontiguousarray(highs)


class Cover:
    """Plain boxes in their order, and questions about some of them."""

    def __init__(self, scale: Scale, boxes: Iterable[Box], budget: int = BUDGET) -> None:
        self.scale = scale
        self.lows, self.highs = scale.table(boxes)
        self.budget = budget
        self._order = scale.order

    def overlapping(self, low: Ranks, high: Ranks, end: int | None = None) -> Indices:
        """Give the boxes, of those before ``end``, that share a packet with a box."""
        first = self._order[0]
        met = self.lows[first, :end] <= high[first]
        met &= self.highs[first, :end] >= low[first]
        found: Indices = met.nonzero()[0]
        for side in self._order[1:]:
            if not found.size:
                break
            met = self.lows[side][found] <= high[side]
            met &= self.highs[side][found] >= low[side]
            found = found[met]
        return found

    def ask(self, low: Ranks, high: Ranks, among: Indices) -> Answer:
        """Say whether boxes cover a box; Inconclusive beyond the budget.

        among -- boxes by index, each of which overlaps the box.
        """
        corner = self.lone_corner(low, high, among)
        if corner is not None:
            return Answer(corner)
        used: set[int] = set()
        hole = next(self.holes(low, high, among, used), None)
        return Answer(None, frozenset(used)) if hole is None else Answer(hole[0])

    def holes(
        self, low: Ranks, high: Ranks, among: Indices, used: set[int]
    ) -> Iterator[tuple[Ranks, Ranks]]:
        """Yield what boxes leave of a box, disjoint; the lowest corner of the first is a witness.

        Note in ``used`` which boxes were needed.
        """
        waiting = [(low, high, among)]
        for _ in range(self.budget):
            if not waiting:
                return
            low, high, among = waiting.pop()
            if not among.size:
                yield low, high
                continue
            lows, highs = self.lows[:, among], self.highs[:, among]
            whole = _over(lows, highs, low, high)
            if whole.any():
                used.add(int(among[whole.argmax()]))
                continue
            best = int(_shared(lows, highs, low, high).argmax())
            used.add(int(among[best]))
            pieces = _outside(low, high, lows[:, best], highs[:, best])
            waiting += [(*piece, self.meeting(*piece, among)) for piece in pieces]
        raise Inconclusive

    def meeting(self, low: Ranks, high: Ranks, among: Indices) -> Indices:
        """Give the boxes of some that share a packet with a box."""
        lows, highs = self.lows[:, among], self.highs[:, among]
        return among[_every((lows <= high[:, None]) & (highs >= low[:, None]))]

    def lone_corner(self, low: Ranks, high: Ranks, among: Indices) -> Ranks | None:
        """Give a corner of a box that no box has, if one of two is so: that settles most."""
        lows, highs = self.lows[:, among], self.highs[:, among]
        for corner in (low, high):
            if not _over(lows, highs, corner, corner).any():
                return corner
        return None


def _over(lows: Ranks, highs: Ranks, low: Ranks, high: Ranks) -> NDArray[np.bool_]:
    """Tell which boxes hold a whole box."""
    return _every((lows <= low[:, None]) & (highs >= high[:, None]))


def _every(held: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell of which boxes something holds in all dimensions."""
    found: NDArray[np.bool_] = np.all(held, axis=0)
    return found


def _shared(lows: Ranks, highs: Ranks, low: Ranks, high: Ranks) -> NDArray[np.float64]:
    """Give how much of a box each box shares: the largest first leaves the fewest pieces."""
    spans = np.minimum(highs, high[:, None]) - np.maximum(lows, low[:, None]) + 1.0
    shared: NDArray[np.float64] = spans.prod(axis=0)
    return shared


def _outside(
    low: Ranks, high: Ranks, cut_low: Ranks, cut_high: Ranks
) -> Iterator[tuple[Ranks, Ranks]]:
    """Yield what of a box lies outside another one, as at most ten plain boxes."""
    low, high = low.copy(), high.copy()
    for side in range(low.size):
        if cut_low[side] > low[side]:
            below = high.copy()
            below[side] = cut_low[side] - 1
            yield low.copy(), below
            low[side] = cut_low[side]
        if cut_high[side] < high[side]:
            above = low.copy()
            above[side] = cut_high[side] + 1
            yield above, high.copy()
            high[side] = cut_high[side]
