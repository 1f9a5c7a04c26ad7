"""The engines: cases known by construction, one engine against the other, and a BDD over both."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitiv_infra.errors import InvalidInput
from sitiv_infra.policy import native
from sitiv_infra.policy.anomalies import anomalies
from sitiv_infra.policy.compare import compare
from sitiv_infra.policy.cover import Cover, Inconclusive
from sitiv_infra.policy.lists import Line, RuleList
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.scale import Scale
from sitiv_infra.policy.space import Box, union
from sitiv_infra.policy.table import Table
from tests.policy import differential
from tests.policy.conftest import NEEDED
from tests.policy.diagrams import Diagrams, judged
from tests.servers.need import require

pytestmark = pytest.mark.usefixtures("engine")
SIDE = 96
PLANE: Box = (((0, SIDE - 1),), ((0, SIDE - 1),), ((0, 9),))
CELLS: list[Box] = [
    (((x, x),), ((y, y),), ((0, 9),)) for x in range(SIDE) for y in range(SIDE)
]  # fmt: skip


def ruled(boxes: list[Box], whole: Box = PLANE) -> RuleList:
    """Give rules that accept a box each; the policy drops."""
    lines = [Line(n, str(n), Verdict.ACCEPT, (box,)) for n, box in enumerate(boxes, 1)]
    return RuleList(tuple(lines), Verdict.DROP, whole)


def test_a_shadow_that_only_all_rules_together_cast() -> None:
    halves: list[Box] = [(((0, 50),), *PLANE[1:]), (((40, SIDE - 1),), *PLANE[1:])]
    found = anomalies(ruled([*halves, PLANE]))
    assert [(one.number, one.blockers) for one in found.shadowed] == [(3, (1, 2))]


def test_a_grid_covers_and_with_one_cell_less_that_is_the_hole() -> None:
    dice = random.Random(1)
    cells = dice.sample(CELLS, len(CELLS))
    (dead,) = anomalies(ruled([*cells, PLANE])).shadowed
    assert dead.number == len(cells) + 1
    assert len(dead.blockers) == len(cells)
    gone = cells.pop()
    found = anomalies(ruled([*cells, PLANE]))
    assert not found.shadowed
    x, y, _ = found.reached[len(cells) + 1]
    assert (((x, x),), ((y, y),), ((0, 9),)) == gone


def test_what_needs_more_steps_than_the_budget_is_inconclusive() -> None:
    rules = ruled([*CELLS, PLANE])
    table = Table(rules, budget=1000)
    found = anomalies(rules, table)
    assert found.inconclusive == [len(CELLS) + 1]
    assert not found.shadowed
    assert len(CELLS) + 1 not in found.reached
    lows, highs = (side[:, 0] for side in table.scale.table([PLANE])[:2])
    with pytest.raises(Inconclusive):
        table.cover.ask(lows, highs, np.arange(len(CELLS)))
    with pytest.raises(Inconclusive):
        list(table.cover.holes(lows, highs, np.arange(len(CELLS))))
    assert compare(ruled([PLANE]), ruled(CELLS), budget=1000).equal is not True


def pigeons(count: int) -> tuple[Box, list[Box]]:
    """Give a space where each dimension chooses one of too few holes, and a box for each clash.

    The boxes cover it, by the pigeonhole principle, which has no short proof by cutting.
    """
    every = ((0, count - 2),)
    boxes: list[Box] = [
        tuple(((hole, hole),) if side in two else every for side in range(count))
        for two in combinations(range(count), 2)
        for hole in range(count - 1)
    ]
    return (every,) * count, boxes


def test_wide_boxes_in_many_dimensions_cover_or_are_inconclusive() -> None:
    whole, boxes = pigeons(6)
    assert [one.number for one in anomalies(ruled([*boxes, whole], whole)).shadowed] == [76]
    (*_, witness) = anomalies(ruled([*boxes[1:], whole], whole)).reached.values()
    assert witness[:2] == (0, 0)
    assert sorted(witness[2:]) == [1, 2, 3, 4]
    whole, boxes = pigeons(12)
    rules = ruled([*boxes, whole], whole)
    found = anomalies(rules, Table(rules, budget=2000))
    assert len(boxes) + 1 in found.inconclusive
    assert not found.shadowed


@pytest.mark.parametrize("seed", range(40))
def test_random_bases_agree_with_the_interpreter(seed: int) -> None:
    assert list(differential.disagreements(random.Random(seed), 25)) == []


def test_an_engine_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for asked, built in (("fortran", native.built), ("c", None)):
        monkeypatch.setenv(native.ENGINE, asked)
        monkeypatch.setattr(native, "built", built)
        with pytest.raises(InvalidInput, match=f"SITIV_COVER={asked}"):
            native.cover(Scale(SPACE, []), [])


# ---- one engine against the other: the same steps, so the same answers ------------------------

SIZE = 12
ends = st.tuples(st.integers(0, SIZE), st.integers(0, SIZE)).map(lambda e: (min(e), max(e)))
plain = st.tuples(*[ends.map(lambda end: (end,))] * 4)
SPACE: Box = (((0, SIZE),),) * 4


def both(boxes: list[Box], budget: int) -> tuple[Cover, Cover]:
    scale = Scale(SPACE, boxes)
    require(native.built is not None, NEEDED)
    return Cover(scale, boxes, budget), native.Native(scale, boxes, budget)


def outcome(ask: Callable[[], object]) -> object:
    try:
        return ask()
    except Inconclusive:
        return "inconclusive"


@given(st.lists(plain, max_size=90), plain, st.sampled_from([1, 2, 9, 1000]), st.integers(0, 90))
def test_both_engines_say_the_same(boxes: list[Box], asked: Box, budget: int, end: int) -> None:
    covers = both([*boxes, asked], budget)
    low, high = covers[0].lows[:, -1], covers[0].highs[:, -1]
    last = min(end, len(boxes))
    near, also = (one.overlapping(low, high, last) for one in covers)
    assert near.tolist() == also.tolist()

    def holes(cover: Cover) -> object:
        return [(a.tolist(), b.tolist()) for a, b in cover.holes(low, high, near)]

    def answer(cover: Cover) -> object:
        found = cover.ask(low, high, near)
        return None if found.hole is None else found.hole.tolist(), found.used

    assert outcome(lambda: holes(covers[0])) == outcome(lambda: holes(covers[1]))
    assert outcome(lambda: answer(covers[0])) == outcome(lambda: answer(covers[1]))


@given(st.lists(plain, max_size=90), st.randoms(use_true_random=False))
def test_also_over_whole_lists(boxes: list[Box], dice: random.Random) -> None:
    covers = both(boxes, 3)
    starts = np.array(sorted({0, len(boxes), *dice.sample(range(len(boxes) + 1), len(boxes) // 2)}))
    held = np.array([dice.random() < 0.8 for _ in boxes], dtype=bool)
    one, other = (
        [
            answer and (answer.hole is not None and answer.hole.tolist(), answer.used)
            for answer in cover.shadows(starts, held)
        ]
        for cover in covers
    )
    assert one == other
    corners = np.ascontiguousarray(covers[0].lows.T)
    after = np.array([dice.randrange(len(boxes)) for _ in boxes], dtype=np.intp)
    first, second = (cover.deciding(corners, after, held).tolist() for cover in covers)
    assert first == second


# ---- a third opinion: binary decision diagrams --------------------------------------------------

BITS = 5
BDD_SPACE: Box = (((0, 2**BITS - 1),),) * 3
spans = st.tuples(*[st.integers(0, 2**BITS - 1)] * 2).map(lambda e: (min(e), max(e)))
spread = st.tuples(*[st.lists(spans, min_size=1, max_size=2).map(union)] * 3)
listed = st.lists(st.tuples(spread, st.sampled_from(list(Verdict))), max_size=14).map(
    lambda drawn: RuleList(
        tuple(Line(n, "", verdict, (box,)) for n, (box, verdict) in enumerate(drawn, 1)),
        Verdict.DROP,
        BDD_SPACE,
    )
)


@given(listed, listed)
@settings(deadline=None)
def test_diagrams_agree(rules: RuleList, other: RuleList) -> None:
    found, wanted = anomalies(rules), judged(rules)
    assert {one.number for one in found.shadowed} == wanted.shadowed
    assert {one.number for one in found.redundant} == wanted.redundant
    diagrams = Diagrams([BITS] * 3)
    accepted, others = diagrams.accepted(rules.lines), diagrams.accepted(other.lines)
    told = compare(rules, other)
    assert told.equal is (accepted == others)
    parting = diagrams.any(diagrams.box(one.box) for one in told.partings)
    assert parting == diagrams.bdd.apply("xor", accepted, others)


# ---- manners of the C half ----------------------------------------------------------------------


@pytest.fixture
def boxes() -> native.Native:
    require(native.built is not None, NEEDED)
    return native.Native(Scale(SPACE, [SPACE]), [SPACE, SPACE])


GOOD = np.zeros(4, dtype=np.int32)
STARTS = np.array([0, 2])


@pytest.mark.parametrize(
    ("name", "arguments", "error"),
    [
        ("overlapping", (GOOD[:3], GOOD, 2), ValueError),
        ("overlapping", (GOOD.astype(np.int64), GOOD, 2), TypeError),
        ("overlapping", (GOOD.astype(np.float32), GOOD, 2), TypeError),
        ("overlapping", (np.zeros(8, dtype=np.int32)[::2], GOOD, 2), ValueError),
        ("overlapping", (GOOD, GOOD, 2**70), OverflowError),
        ("overlapping", (None, GOOD, 2), TypeError),
        ("ask", (GOOD, GOOD, np.array([2]), 9, Inconclusive), IndexError),
        ("ask", (GOOD, GOOD, np.array([-1]), 9, Inconclusive), IndexError),
        ("holes", (GOOD, GOOD, np.array([2]), 9, Inconclusive), IndexError),
        ("holes", (GOOD, GOOD, GOOD, 9, Inconclusive), TypeError),
        ("shadows", (np.array([0, 3]), np.ones(2, dtype=bool), 9), ValueError),
        ("shadows", (np.array([0, 2, 1, 2]), np.ones(2, dtype=bool), 9), ValueError),
        ("shadows", (np.array([], dtype=np.intp), np.ones(2, dtype=bool), 9), ValueError),
        ("shadows", (STARTS, np.ones(1, dtype=bool), 9), ValueError),
        ("deciding", (np.zeros((2, 4), dtype=np.int32), STARTS[:1], np.ones(2, bool)), ValueError),
    ],
)
def test_arrays_of_another_make_are_refused(
    boxes: native.Native, name: str, arguments: tuple[object, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        getattr(boxes._boxes, name)(*arguments)


@pytest.mark.parametrize("order", [(), (0, 1, 2, 4), (0, 1, 2, 2), (0, 0), (-1,), tuple(range(40))])
def test_an_order_that_is_none_is_refused(boxes: native.Native, order: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"order|lows"):
        native.built.Boxes(boxes.lows, boxes.highs, order)


def test_a_search_can_be_stopped() -> None:
    class Stopped(Exception):
        pass

    def stop(_number: int, _frame: object) -> None:
        raise Stopped

    whole, boxes = pigeons(14)
    cover = native.cover(Scale(whole, boxes), [*boxes, whole], budget=10**12)
    low, high = cover.lows[:, -1], cover.highs[:, -1]
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(Stopped):
            cover.ask(low, high, np.arange(len(boxes)))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
