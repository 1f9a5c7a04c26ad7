"""First-match lists against a linear interpreter that walks every packet of a small space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitiv_infra.policy.anomalies import anomalies
from sitiv_infra.policy.compare import compare
from sitiv_infra.policy.lists import Line, RuleList
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.space import Box, union
from sitiv_infra.policy.what_if import WhatIf
from tests.policy.linear import first, holds

pytestmark = pytest.mark.usefixtures("engine")

SIZE, SIDES = 4, 3  # 64 packets
WHOLE: Box = (((0, SIZE - 1),),) * SIDES
PACKETS = list(product(range(SIZE), repeat=SIDES))

spans = st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1)).map(
    lambda ends: (min(ends), max(ends))
)
sides = st.lists(spans, min_size=1, max_size=2).map(union)
boxes = st.tuples(*[sides] * SIDES)
verdicts = st.sampled_from([Verdict.ACCEPT, Verdict.DROP])
rules = st.tuples(st.lists(boxes, max_size=2).map(tuple), st.one_of(verdicts, st.none()))


@st.composite
def lists(draw: st.DrawFn) -> RuleList:
    """Draw a list; a rule without a verdict settles nothing."""
    drawn = draw(st.lists(rules, max_size=8))
    lines = [Line(n, f"rule {n}", verdict, held) for n, (held, verdict) in enumerate(drawn, 1)]
    return RuleList(tuple(lines), draw(verdicts), WHOLE)


def reaching(rules: RuleList, place: int) -> set[tuple[int, ...]]:
    """Give the packets that a rule matches and no deciding rule before it does."""
    before = [line for line in rules.lines[:place] if line.verdict]
    mine = rules.lines[place]
    return {p for p in PACKETS if holds(mine, p) and not any(holds(line, p) for line in before)}


@given(lists())
def test_rules_in_the_shadow_of_others_are_those_that_no_packet_reaches(rules: RuleList) -> None:
    found = anomalies(rules)
    dead = {one.number: one for one in found.shadowed}
    for place, line in enumerate(rules.lines):
        reached = reaching(rules, place)
        assert (line.number in found.inoperative) == (not line.boxes)
        assert (line.number in found.reached) == bool(reached)
        assert (line.number in dead) == (bool(line.boxes) and not reached)
        if reached:
            assert found.reached[line.number] in reached
    for number, one in dead.items():
        blockers = [line for line in rules.lines if line.number in one.blockers]
        assert all(line.verdict and line.number < number for line in blockers)
        mine = [p for p in PACKETS if holds(rules.lines[number - 1], p)]
        assert all(any(holds(line, p) for line in blockers) for p in mine)
        assert one.witness in mine


@given(lists())
def test_a_rule_is_redundant_when_nothing_changes_without_it(rules: RuleList) -> None:
    found = anomalies(rules)
    named = {one.number for one in found.redundant}
    for place, line in enumerate(rules.lines):
        without = (*rules.lines[:place], *rules.lines[place + 1 :])
        same = all(
            first(rules.lines, p, rules.policy) is first(without, p, rules.policy) for p in PACKETS
        )
        expected = same and bool(reaching(rules, place)) and line.verdict is not None
        assert (line.number in named) == expected


@given(lists(), lists())
def test_two_lists_part_where_an_interpreter_says_so(old: RuleList, new: RuleList) -> None:
    told = compare(old, new)
    parting = {
        p for p in PACKETS if first(old.lines, p, old.policy) is not first(new.lines, p, new.policy)
    }
    boxes = [
        {
            p
            for p in PACKETS
            if all(s[0][0] <= v <= s[0][1] for v, s in zip(p, one.box, strict=True))
        }
        for one in told.partings
    ]
    assert told.conclusive
    assert told.equal is not bool(parting)
    assert sum(map(len, boxes)) == len(parting)
    assert set().union(*boxes) == parting
    for one in told.partings:
        assert one.old[1] is first(old.lines, one.witness, old.policy)
        assert one.new[1] is first(new.lines, one.witness, new.policy)


@given(lists(), st.sets(st.integers(0, 7), max_size=2), lists(), st.integers(0, 8))
def test_a_change_of_a_few_rules_is_what_two_whole_lists_make_of_it(
    rules: RuleList, gone: set[int], others: RuleList, place: int
) -> None:
    gone = {one for one in gone if one < len(rules.lines)}
    more = tuple(line._replace(number=line.number + 100) for line in others.lines[:2])
    kept = [(n, line) for n, line in enumerate(rules.lines) if n not in gone]
    head = tuple(line for n, line in kept if n < place)
    tail = tuple(line for n, line in kept if n >= place)
    new = replace(rules, lines=(*head, *more, *tail))
    found = WhatIf(rules).changed(gone, more, place)
    assert found.conclusive
    parted = {p: one for one in found.partings for p in PACKETS if within(one.box, p)}
    for packet in PACKETS:
        before, after = (first(some.lines, packet, some.policy) for some in (rules, new))
        assert (packet in parted) == (before is not after)
        if packet in parted:
            one = parted[packet]
            assert (one.old, one.new) == (by(rules, packet), by(new, packet))


def within(box: Box, packet: Sequence[int]) -> bool:
    return all(
        any(low <= value <= high for low, high in side)
        for side, value in zip(box, packet, strict=True)
    )


def by(rules: RuleList, packet: tuple[int, ...]) -> tuple[int, Verdict]:
    """Give the rule that decides a packet, 0 for the policy, and what it does."""
    deciding = (line for line in rules.lines if line.verdict and holds(line, packet))
    line = next(deciding, None)
    return (line.number, line.verdict or rules.policy) if line else (0, rules.policy)


@given(lists())
def test_a_rule_that_is_not_understood_casts_no_shadow(rules: RuleList) -> None:
    doubtful = tuple(line._replace(doubts=("a limit",)) for line in rules.lines)
    found = anomalies(RuleList(doubtful, rules.policy, WHOLE))
    assert found.shadowed == found.redundant == found.correlated == []


@given(lists(), lists(), st.integers(0, 7))
def test_a_doubt_is_neither_equal_nor_not(old: RuleList, new: RuleList, place: int) -> None:
    doubtful = list(old.lines)
    absent = [line for at, line in enumerate(old.lines) if at != place]
    if place < len(doubtful):
        doubtful[place] = doubtful[place]._replace(doubts=("a limit",))
    told = compare(RuleList(tuple(doubtful), old.policy, WHOLE), new)
    readings = [
        all(first(lines, p, old.policy) is first(new.lines, p, new.policy) for p in PACKETS)
        for lines in (old.lines, absent)
    ]
    assert told.equal is not True or readings == [True, True]
    assert told.equal is not False or readings == [False, False]


@given(lists(), st.integers(0, 7))
def test_the_same_doubt_in_both_lists_is_equal(rules: RuleList, place: int) -> None:
    lines = list(rules.lines)
    if place < len(lines):
        lines[place] = lines[place]._replace(doubts=("a limit",))
    same = RuleList(tuple(lines), rules.policy, WHOLE)
    assert compare(same, RuleList(tuple(lines), rules.policy, WHOLE)).equal
