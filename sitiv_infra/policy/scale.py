"""Ranks of values among all ends of intervals: 128-bit addresses become 32-bit numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from sitiv_infra.policy.space import Box, Point

Ranks = NDArray[np.int32]  # of a corner, [dimension]; of boxes, [dimension, box]


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
        # The dimensions, those in which boxes differ most first.
        self.order = sorted(range(len(ends)), key=lambda side: -len(ends[side]))
        self._ranks = [{cut: rank for rank, cut in enumerate(cuts)} for cuts in self.cuts]

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
        """Give lows and highs of the plain boxes of boxes as arrays, [dimension, box]."""
        rows = [row for box in boxes for row in self.rows(box)]
        both = np.array(rows, dtype=np.int32).reshape(len(rows), 2, len(self.cuts))
        lows, highs = both.transpose(1, 2, 0)
        return np.ascontiguousarray(lows), np.ascontiguousarray(highs)
