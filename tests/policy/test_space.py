from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sitiv_infra.policy.space import (
    EVERYTHING,
    Box,
    Dimension,
    Intervals,
    box,
    common,
    difference,
    intersection,
    split,
    union,
    without,
)

spans = st.tuples(st.integers(0, 9), st.integers(0, 9)).map(lambda p: (min(p), max(p)))
intervals = st.lists(spans, max_size=4).map(union)
some = st.lists(spans, min_size=1, max_size=3).map(union)
SIDES = (Dimension.PROTOCOL, Dimension.SOURCE, Dimension.DESTINATION_PORT)
boxes = st.tuples(some, some, some).map(lambda sides: box(dict(zip(SIDES, sides, strict=True))))


def points(sides: Intervals) -> set[int]:
    return {n for low, high in sides for n in range(low, high + 1)}


def cells(one: Box) -> set[tuple[int, int, int]]:
    first, second, third = (points(one[side]) for side in SIDES)
    return {(a, b, c) for a in first for b in second for c in third}


@given(intervals, intervals)
def test_intervals_are_sets(one: Intervals, other: Intervals) -> None:
    assert points(common(one, other)) == points(one) & points(other)
    assert points(without(one, other)) == points(one) - points(other)
    joined = union((*one, *other))
    assert points(joined) == points(one) | points(other)
    assert all(a[1] + 1 < b[0] for a, b in pairwise(joined))


@given(boxes, boxes)
def test_difference_is_exact_and_disjoint(one: Box, other: Box) -> None:
    pieces = difference(one, other)
    assert set().union(*map(cells, pieces)) == cells(one) - cells(other)
    assert sum(len(cells(p)) for p in pieces) == len(cells(one) - cells(other))
    shared = intersection(one, other)
    assert (cells(shared) if shared else set()) == cells(one) & cells(other)


@given(boxes, st.lists(boxes, max_size=4))
def test_split_is_exact_and_disjoint(one: Box, others: list[Box]) -> None:
    inside, outside = split(one, others)
    covered: set[tuple[int, int, int]] = set().union(*map(cells, others))
    assert set().union(*map(cells, inside)) == cells(one) & covered
    assert set().union(*map(cells, outside)) == cells(one) - covered
    assert sum(len(cells(p)) for p in [*inside, *outside]) == len(cells(one))


def test_nothing_is_left_of_everything() -> None:
    assert difference(EVERYTHING, EVERYTHING) == []
