"""Ranks of values among all ends of intervals: 128-bit addresses become 32-bit numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from sitiv_infra.policy.space import Box, Intervals, Point

Ranks = NDArray[np.int32]  # of a corner, [dimension]; of boxes, [dimension, box]


class Scale:
    """Ranks of all ends of intervals, a dimension each; ``whole`` is the box of everything."""

    def __init__(self, whole: Box, boxes: Iterable[Box]) -> None:
        given = [whole, *boxes]
        self.whole = whole
        self.cuts = [_ends(box[side] for box in given) for side in range(len(whole))]
        # The dimensions, those in which boxes differ most first.
        self.order = sorted(range(len(whole)), key=lambda side: -len(self.cuts[side]))
        self._ranks = [{cut: rank for rank, cut in enumerate(cuts)} for cuts in self.cuts]

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
        spans = [row for box in boxes for row in product(*box)]
        lows = np.empty((len(self.cuts), len(spans)), dtype=np.int32)
        highs = np.empty_like(lows)
        for side, ranks in enumerate(self._ranks):
            lows[side] = [ranks[row[side][0]] for row in spans]
            highs[side] = [ranks[row[side][1] + 1] - 1 for row in spans]
        return lows, highs


def _ends(sides: Iterable[Intervals]) -> list[int]:
    """Give where intervals begin, and where what follows them does."""
    spans = {span for side in sides for span in side}
    return sorted({low for low, _ in spans} | {high + 1 for _, high in spans})
