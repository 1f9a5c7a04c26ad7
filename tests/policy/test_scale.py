"""Boxes as ranks: what the arrays hold, asked of plain Python."""

from __future__ import annotations

from bisect import bisect_left
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitiv_infra.policy.scale import LARGEST, Scale
from sitiv_infra.policy.space import Box, Intervals, union

SMALL: Intervals = ((0, 40),)
LARGE: Intervals = ((0, 4 * LARGEST),)  # beyond what one number of an array holds
WHOLE: Box = (SMALL, LARGE, SMALL)


def sides(step: int) -> st.SearchStrategy[Intervals]:
    ends = st.tuples(st.integers(0, 39), st.integers(0, 3))
    spans = st.lists(ends, min_size=1, max_size=3)
    return spans.map(lambda some: union((a * step, (a + b + 1) * step - 1) for a, b in some))


BOXES = st.lists(st.tuples(sides(1), sides(LARGEST // 20), st.just(SMALL)), max_size=6)


@given(BOXES)
def test_plain_boxes_are_the_products_of_intervals_in_their_order(boxes: list[Box]) -> None:
    listed = tuple(
        tuple(tuple((low, min(high, 40)) for low, high in side) if place == 0 else side
              for place, side in enumerate(one))
        for one in boxes
    )  # fmt: skip
    scale = Scale(WHOLE, listed)
    for asked in (listed, list(listed)):  # the very tuple is not looked at again
        lows, highs, counts = scale.table(asked)
        rows = [list(product(*one)) for one in listed]
        assert counts.tolist() == [len(some) for some in rows]
        plain = [row for some in rows for row in some]
        assert len(plain) == lows.shape[1]
        for place, row in enumerate(plain):
            ranks = [
                (bisect_left(cuts, low), bisect_left(cuts, high + 1) - 1)
                for cuts, (low, high) in zip(scale.cuts, row, strict=True)
            ]
            found = zip(lows[:, place].tolist(), highs[:, place].tolist(), strict=True)
            assert list(found) == ranks
            assert scale.box(lows[:, place], highs[:, place]) == tuple((span,) for span in row)


def test_an_interval_that_ends_elsewhere_is_refused() -> None:
    scale = Scale(WHOLE, [(((3, 7),), LARGE, SMALL)])
    for side in (((3, 6),), ((4, 7),), ((0, 99),)):
        with pytest.raises(ValueError, match="ends where none"):
            scale.table([(side, LARGE, SMALL)])
