"""Rule bases like those that networks have: read without a word, and judged as by brute force."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from sitiv_infra.policy import iptables
from sitiv_infra.policy.cleanup import clean_up
from sitiv_infra.policy.dumps import FORMS
from sitiv_infra.policy.lists import Line, RuleList
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.space import Point
from tests.policy.differential import packet
from tests.policy.linear import first, holds
from tests.policy.oracles import decided
from tests.policy.seeds import KINDS

RULES, PACKETS = 200, 250


def possible(lines: Sequence[Line], one: Point, policy: Verdict) -> frozenset[Verdict]:
    """Say what may become of a packet, where a rule in doubt may do either."""
    sure = next((n for n, a in enumerate(lines) if a.verdict and not a.doubts and holds(a, one)),
                len(lines))  # fmt: skip
    doubtful = any(a.doubts and not a.quiet and holds(a, one) for a in lines[:sure])
    return frozenset(Verdict) if doubtful else frozenset({first(lines[sure:], one, policy)})


def packets(kind: str, rules: RuleList) -> list[Point]:
    dice = random.Random(kind)
    return [packet(dice, rules) for _ in range(PACKETS)]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_found_holds_for_every_packet_of_a_sample(kind: str) -> None:
    dump = FORMS["iptables-save"](KINDS[kind](RULES, random.Random(kind)))
    found = clean_up(dump)
    assert not found.inconclusive
    (rules,) = (one for name, one in dump.lists.items() if name.startswith("FORWARD"))
    dead = {one.rule for one in found.shadowed} | {*found.inoperative}
    idle = {one.rule for one in found.redundant}
    drawn = packets(kind, rules)
    for one in drawn:
        taken = next((a for a in rules.lines if a.verdict and not a.doubts and holds(a, one)), None)
        assert taken is None or taken.number not in dead
        if taken is not None and taken.number in idle:
            rest = tuple(line for line in rules.lines if line.number != taken.number)
            assert possible(rest, one, rules.policy) <= possible(rules.lines, one, rules.policy)
    assert [verdict for _, verdict in decided(rules, drawn)] == [_fate(rules, one) for one in drawn]


def _fate(rules: RuleList, one: Point) -> Verdict | None:
    """Give what the first line says that settles a packet, or may."""
    for line in rules.lines:
        if holds(line, one) and not line.quiet and (line.verdict or line.doubts):
            return None if line.doubts else line.verdict
    return rules.policy


@pytest.mark.parametrize("kind", ["campus", "campus6"])
def test_the_list_says_what_a_walk_through_the_chains_says(kind: str) -> None:
    """The walk takes a log that is limited for a doubt, and a return in doubt for any outcome."""
    text = KINDS[kind](RULES, random.Random(kind)).replace("-m limit --limit 5/min ", "")
    whole_base = iptables.read(text)
    base = replace(whole_base, bases=tuple(b for b in whole_base.bases if b.chain == "FORWARD"))
    (rules,) = (
        one for name, one in FORMS["iptables-save"](text).lists.items() if name.startswith("FORW")
    )
    sure = 0
    for one in packets(kind, rules):
        told = possible(rules.lines, one, rules.policy)
        walked = {
            verdict
            for part in base.fates([tuple(((value, value),) for value in one)])
            for verdict in part.possible
        }
        assert len(told) > 1 or told <= walked
        sure += len(told) == len(walked) == 1
    assert sure > PACKETS // 3


@pytest.mark.parametrize("kind", ["campus", "campus6"])
def test_what_is_not_known_is_named_and_counted(kind: str) -> None:
    text = KINDS[kind](RULES, random.Random(kind))
    found = clean_up(FORMS["iptables-save"](text))
    unknown = ("--limit ", "--match-set", "--mac-source XX", "--uid-owner", "--mark ")
    lines = [line for line in text.splitlines() if " -A " in line]
    asked = [
        number for number, line in enumerate(lines, 1) if any(word in line for word in unknown)
    ]
    assert {*asked} <= {*found.undecided}
    assert all(
        any(word in doubt for doubt in doubts for word in unknown)
        for doubts in found.undecided.values()
    )
