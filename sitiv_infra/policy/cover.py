"""Whether boxes cover a box, exactly; and a packet that they leave out.

Every comparison runs over whole arrays of ranks. The question is coNP-hard in general: a budget of
steps bounds it, and what is beyond is said to be inconclusive, never guessed. ``native`` answers
the same questions with the same steps in C, where that could be built.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sitiv_infra.policy.scale import Indices, Ranks, Scale
from sitiv_infra.policy.space import Box

BUDGET = 10_000_000  # boxes that one question may cut; synthetic and real bases need 16 a rule
Flags = NDArray[np.bool_]  # [box]


class Inconclusive(Exception):
    """The budget of steps was spent before the question was answered."""


class Answer(NamedTuple):
    """What covers a box: the boxes that were needed, by index; or a corner that none has."""

    hole: Ranks | None
    used: frozenset[int] = frozenset()


class Cover:
    """Plain boxes in their order, and questions about some of them.

    ``counts`` says how many each box has of them.
    """

    def __init__(self, scale: Scale, boxes: Iterable[Box], budget: int = BUDGET) -> None:
        self.scale = scale
        self.lows, self.highs, self.counts = scale.table(boxes)
        self.budget = budget

    @property
    def size(self) -> int:
        """How many boxes there are."""
        return int(self.lows.shape[1])

    def overlapping(self, low: Ranks, high: Ranks, end: int | None = None) -> Indices:
        """Give the boxes, of those before ``end``, that share a packet with a box."""
        first, *others = self.scale.order
        met = self.lows[first, :end] <= high[first]
        met &= self.highs[first, :end] >= low[first]
        found: Indices = met.nonzero()[0]
        for side in others:
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
        corner = self._lone_corner(low, high, among)
        if corner is not None:
            return Answer(corner)
        used: set[int] = set()
        hole = next(self._holes(low, high, among, used), None)
        return Answer(None, frozenset(used)) if hole is None else Answer(hole[0])

    def holes(self, low: Ranks, high: Ranks, among: Indices) -> Iterator[tuple[Ranks, Ranks]]:
        """Yield what boxes leave of a box, disjoint; the lowest corner of the first is a witness.

        Inconclusive beyond the budget.
        """
        return self._holes(low, high, among, set())

    def _holes(
        self, low: Ranks, high: Ranks, among: Indices, used: set[int]
    ) -> Iterator[tuple[Ranks, Ranks]]:
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

    def holding(self, low: Ranks, high: Ranks, among: Indices) -> Flags:
        """Tell which boxes of some hold a whole box."""
        return _over(self.lows[:, among], self.highs[:, among], low, high)

    def shadows(self, starts: Indices, certain: Flags) -> list[Answer | None]:
        """Say of each line whether certain boxes of lines before it cover all of its own.

        starts -- where each line's boxes begin, and their number. Without an answer, the budget was
        spent.
        """
        return [self._shadow(*ends, certain) for ends in pairwise(starts.tolist())]

    def _shadow(self, start: int, end: int, certain: Flags) -> Answer | None:
        used: set[int] = set()
        for index in range(start, end):
            low, high = self.lows[:, index], self.highs[:, index]
            among = self.overlapping(low, high, start)
            try:
                answer = self.ask(low, high, among[certain[among]])
            except Inconclusive:
                return None
            if answer.hole is not None:
                return answer
            used |= answer.used
        return Answer(None, frozenset(used))

    def deciding(self, corners: Ranks, after: Indices, held: Flags) -> Indices:
        """Give for each corner, [corner, dimension], the first box that has it.

        Of those from the place ``after`` that are ``held``; the number of boxes where there is
        none.
        """
        found = np.full(len(corners), self.size)
        for place, (corner, start) in enumerate(zip(corners, after, strict=True)):
            near = self.overlapping(corner, corner)
            near = near[(near >= start) & held[near]]
            found[place] = near[0] if near.size else self.size
        return found

    def _lone_corner(self, low: Ranks, high: Ranks, among: Indices) -> Ranks | None:
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
    """Yield what of a box lies outside another one, as at most two plain boxes a dimension."""
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
