"""Counters of two nights: what they prove, also where they began anew in between."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitiv_infra import auditing
from sitiv_infra.facts import FirewallFacts
from sitiv_infra.facts.firewall import Hit
from sitiv_infra.policy.counters import carried
from sitiv_infra.runs import UNFINISHED, record
from sitiv_infra.snapshot import Head, Observation, begin, finish, write_part
from sitiv_infra.testing import NOW, estate_of
from tests.checks.test_segmentation import DATA, WEB, ZONES, port, rules

THEN, LONG_AGO = NOW - timedelta(days=1), NOW - timedelta(days=30)
RULES = rules([WEB, DATA, port(443)])


def counted(hit: Hit | None, facts: FirewallFacts = RULES) -> FirewallFacts:
    return facts.model_copy(update={"hits": {1: hit} if hit else {}})


@pytest.mark.parametrize(
    ("old", "now", "after"),
    [
        (Hit(count=3), 4, THEN),
        (Hit(count=3), 2, None),  # it began anew, perhaps with a number that was saved
        (Hit(count=3), 0, None),
        (Hit(count=3), 3, None),
        (Hit(count=0), 0, None),
        (Hit(count=0), 1, THEN),
        (Hit(count=3, after=LONG_AGO), 3, LONG_AGO),
        (Hit(count=3, after=LONG_AGO), 0, LONG_AGO),
        (Hit(count=3, after=LONG_AGO), 5, THEN),
        (None, 5, None),  # the rule was there, and was not counted
    ],
)
def test_what_two_counters_prove(old: Hit | None, now: int, after: object) -> None:
    found = carried(counted(old), THEN, counted(Hit(count=now)))
    assert found.hits[1] == Hit(count=now, after=after)


def test_a_rule_that_is_another_one_has_no_past() -> None:
    other = rules([WEB, DATA, port(22)])
    for now in (0, 5, 12):
        found = carried(counted(Hit(count=9, after=LONG_AGO)), THEN, counted(Hit(count=now), other))
        assert found.hits[1].after is None


@given(st.lists(st.one_of(st.none(), st.integers(1, 3)), max_size=12), st.integers(0, 12))
def test_no_proof_without_a_hit(events: list[int | None], look: int) -> None:
    """Packets and resets (None) in their order, and a look at the counter in between."""
    before = after = 0
    hit_since = False
    for place, event in enumerate(events):
        if place == look:
            before, hit_since = after, False
        after = 0 if event is None else after + event
        hit_since = hit_since or event is not None
    if look >= len(events):
        before, hit_since = after, False
    found = carried(counted(Hit(count=before)), THEN, counted(Hit(count=after)))
    assert found.hits[1].after is None or hit_since


def test_a_night_carries_what_the_night_before_knew(tmp_path: Path) -> None:
    estate = estate_of(ZONES)
    for number, count in enumerate((3, 5, 5)):
        started = NOW + timedelta(days=number)
        head = Head(started=started, finished=started, fingerprint=estate.fingerprint)
        folder = tmp_path / UNFINISHED
        begin(folder, estate, head)
        facts = counted(Hit(count=count))
        write_part(folder, Observation("firewall/fw", started, facts))
        finish(folder, head, [])
        auditing._carry_hits(tmp_path, folder)
        run = record(tmp_path, folder, [], [], [], None)
        kept = run.snapshot().observations["firewall/fw"].facts
        assert isinstance(kept, FirewallFacts)
        assert kept.hits[1].after == (NOW if number else None)
