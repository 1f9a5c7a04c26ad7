"""Ranks of values among all ends of intervals: 128-bit addresses become 32-bit numbers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count, product

import numpy as np
from numpy.typing import NDArray

from sitiv_infra.policy.space import Box, Intervals, Point

WHOLE = 2  # ends, of a dimension in which no box is limited: where it begins, and what follows it
LARGEST = 2**62  # beyond, numbers are Python's own
Ranks = NDArray[np.int32]  # of a corner, [dimension]; of boxes, [dimension, box]


class Scale:
    """Ranks of all ends of intervals, a dimension each; ``whole`` is the box of everything."""

    def __init__(self, whole: Box, boxes: Iterable[Box]) -> None:
        self.whole = whole
        self.cuts = [_ends(sides) for sides in zip(whole, *boxes, strict=True)]
        # The dimensions in which boxes differ, those in which they do most first; at least one.
        ordered = sorted(range(len(whole)), key=lambda side: -len(self.cuts[side]))
        self.order = [side for side in ordered if len(self.cuts[side]) > WHOLE] or ordered[:1]
        self._ranks = [dict(zip(cuts, count(), strict=False)) for cuts in self.cuts]

    def point(self, ranks: Sequence[int] | Ranks) -> Point:
        """Give the packet at a corner of ranks."""
        return tuple(cuts[int(rank)] for cuts, rank in zip(self.cuts, ranks, strict=True))

    def points(self, corners: Ranks) -> list[Point]:
        """Give the packets at many corners, [corner, dimension]."""
        columns = [
            np.array(cuts, dtype=object)[ranks].tolist()
            for cuts, ranks in zip(self.cuts, corners.T, strict=True)
        ]
        return list(zip(*columns, strict=True))

    def box(self, low: Ranks, high: Ranks) -> Box:
        """Give the packets between two corners of ranks."""
        ends = zip(self.cuts, low, high, strict=True)
        return tuple(((cuts[int(one)], cuts[int(other) + 1] - 1),) for cuts, one, other in ends)

    def table(self, boxes: Iterable[Box]) -> tuple[Ranks, Ranks]:
        """Give lows and highs of the plain boxes of boxes as arrays, [dimension, box].

        Plain boxes have one interval a dimension. Ends must be among those that the scale was made
        of.
        """
        rows = [row for box in boxes for row in product(*box)]
        lows = np.zeros((len(self.cuts), len(rows)), dtype=np.int32)
        highs = np.zeros_like(lows)
        spans = list(zip(*rows, strict=True))
        for side in self.order if rows else ():
            ranks = self._ranks[side]
            lows[side] = [ranks[low] for low, _ in spans[side]]
            highs[side] = [ranks[high + 1] for _, high in spans[side]]
        highs[self.order] -= 1
        return lows, highs

    def rank(self, side: int, cut: int) -> int:
        """Give the rank of where an interval begins, or of what follows one."""
        return self._ranks[side][cut]

    def around(self, box: Box) -> Iterator[tuple[Ranks, Ranks]]:
        """Give ranks that hold the plain boxes of a box whose ends the scale need not have.

        A box of the scale shares a packet with it just where it shares a rank with these.
        """
        for spans in product(*box):
            ends = list(zip(self.cuts, spans, strict=True))
            low = [bisect_right(cuts, low) - 1 for cuts, (low, _) in ends]
            high = [bisect_right(cuts, high) - 1 for cuts, (_, high) in ends]
            yield np.array(low, dtype=np.int32), np.array(high, dtype=np.int32)


def _ends(sides: tuple[Intervals, ...]) -> list[int]:
    """Give where intervals begin, and where what follows them does; first comes the whole side."""
    distinct = dict(zip(map(id, sides), sides, strict=True))  # most are one object: all values
    spans = list(chain.from_iterable(distinct.values()))
    ends = np.array(spans, dtype=np.int64 if sides[0][-1][1] < LARGEST else object)
    ends[:, 1] += 1
    found: list[int] = np.unique(ends).tolist()
    return found
