"""Ranks of values among all ends of intervals: 128-bit addresses become 32-bit numbers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, product
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sitiv_infra.policy.space import Box, Interval, Intervals, Point

WHOLE = 2  # ends, of a dimension in which no box is limited: where it begins, and what follows it
FEW = 64  # boxes: putting them in order first takes longer than it saves
LARGEST = 2**62  # beyond, numbers are Python's own
Ranks = NDArray[np.int32]  # of a corner, [dimension]; of boxes, [dimension, box]
Indices = NDArray[np.intp]
Values = NDArray[np.int64 | np.object_]


class Plain(NamedTuple):
    """Boxes with one interval a dimension, [dimension, box], and how many each box has of them."""

    lows: Ranks
    highs: Ranks
    counts: Indices


class Scale:
    """Ranks of all ends of intervals, a dimension each; ``whole`` is the box of everything."""

    def __init__(self, whole: Box, boxes: Iterable[Box]) -> None:
        self.whole = whole
        self._boxes = tuple(boxes)
        self._columns = self._columns_of(self._boxes)
        self._ends = [column.cuts(*side) for column, side in zip(self._columns, whole, strict=True)]
        self.cuts: list[list[int]] = [ends.tolist() for ends in self._ends]
        # The dimensions in which boxes differ, those in which they do most first; at least one.
        ordered = sorted(range(len(whole)), key=lambda side: -len(self.cuts[side]))
        self.order = [side for side in ordered if len(self.cuts[side]) > WHOLE] or ordered[:1]

    def point(self, ranks: Sequence[int] | Ranks) -> Point:
        """Give the packet at a corner of ranks."""
        return tuple(cuts[int(rank)] for cuts, rank in zip(self.cuts, ranks, strict=True))

    def points(self, corners: Ranks) -> list[Point]:
        """Give the packets at many corners, [corner, dimension]."""
        columns = [ends[ranks].tolist() for ends, ranks in zip(self._ends, corners.T, strict=True)]
        return list(zip(*columns, strict=True))

    def box(self, low: Ranks, high: Ranks) -> Box:
        """Give the packets between two corners of ranks."""
        ends = zip(self.cuts, low, high, strict=True)
        return tuple(((cuts[int(one)], cuts[int(other) + 1] - 1),) for cuts, one, other in ends)

    def table(self, boxes: Iterable[Box]) -> Plain:
        """Give the plain boxes of boxes, in the order of ``itertools.product``.

        Raises ValueError where an interval ends elsewhere than those that the scale was made of. Of
        the very tuple of boxes that it was made of, nothing is looked at again.
        """
        known = boxes is self._boxes
        columns = self._columns if known else self._columns_of(tuple(boxes))
        many = np.array([column.counts for column in columns])
        counts: Indices = many.prod(axis=0)
        owner = np.repeat(np.arange(len(counts)), counts)
        place = np.arange(len(owner)) - np.repeat(counts.cumsum() - counts, counts)
        lows = np.empty((len(columns), len(owner)), dtype=np.int32)
        highs = np.empty_like(lows)
        for side in reversed(range(len(columns))):  # the last one's intervals change first
            column, ends = columns[side], self._ends[side]
            here = many[side][owner]
            at = column.starts[owner] + place % here
            place //= here
            lows[side] = _ranks(ends, column.begins)[at]
            highs[side] = _ranks(ends, column.ends)[at] - 1
        return Plain(lows, highs, counts)

    def _columns_of(self, boxes: tuple[Box, ...]) -> list[_Column]:
        sides = list(zip(*boxes, strict=True)) or [()] * len(self.whole)
        return [_Column(*each) for each in zip(sides, map(_kind, self.whole), strict=True)]

    def rank(self, side: int, cut: int) -> int:
        """Give the rank of where an interval begins, or of what follows one."""
        return bisect_left(self.cuts[side], cut)

    def around(self, box: Box) -> Iterator[tuple[Ranks, Ranks]]:
        """Give ranks that hold the plain boxes of a box whose ends the scale need not have.

        A box of the scale shares a packet with it just where it shares a rank with these.
        """
        for spans in product(*box):
            ends = list(zip(self.cuts, spans, strict=True))
            low = [bisect_right(cuts, low) - 1 for cuts, (low, _) in ends]
            high = [bisect_right(cuts, high) - 1 for cuts, (_, high) in ends]
            yield np.array(low, dtype=np.int32), np.array(high, dtype=np.int32)


class _Column:
    """One dimension of boxes: where intervals begin, and what follows each; where each box's are.

    Most boxes share what they say of a dimension, as one object: it is looked at once.
    """

    def __init__(self, sides: Sequence[Intervals], kind: DTypeLike) -> None:
        distinct, of = sides, np.arange(len(sides))
        if len(sides) > FEW:
            known = np.fromiter(map(id, sides), dtype=np.int64, count=len(sides))
            _, first, of = np.unique(known, return_index=True, return_inverse=True)
            distinct = [sides[place] for place in first.tolist()]
        counts = np.fromiter(map(len, distinct), dtype=np.intp, count=len(distinct))
        self.counts: Indices = counts[of]
        self.starts: Indices = (counts.cumsum() - counts)[of]
        spans = np.fromiter(chain.from_iterable(chain.from_iterable(distinct)), dtype=kind)
        self.begins: Values = spans[::2]
        self.ends: Values = spans[1::2] + 1

    def cuts(self, *whole: Interval) -> Values:
        """Give all ends in their order, once each, with those of the whole dimension."""
        outer = [whole[0][0], whole[-1][1] + 1]
        return _distinct(np.concatenate([self.begins, self.ends, outer]))[0]


def _kind(side: Intervals) -> DTypeLike:
    return np.int64 if side[-1][1] < LARGEST else object


def _distinct(values: Values) -> tuple[Values, Indices]:
    """Give values in their order, once each, and where each of them stands there.

    Without the second, NumPy makes a table of hashes, which takes ten times as long.
    """
    return np.unique(values, return_inverse=True)


def _ranks(cuts: Values, values: Values) -> Indices:
    wanted, where = _distinct(values) if len(values) > FEW else (values, None)
    found: Indices = np.searchsorted(cuts, wanted)
    if not np.array_equal(cuts.take(found, mode="clip"), wanted):
        raise ValueError("an interval ends where none of the scale's does")
    return found if where is None else found[where]
