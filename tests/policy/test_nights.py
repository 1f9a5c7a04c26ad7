"""Two nights of one firewall: what it does otherwise, between zones, in a report's words."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from sitiv_infra.auditing import Rules, told_run
from sitiv_infra.estate import Estate
from sitiv_infra.facts import FirewallFacts
from sitiv_infra.messages import Language
from sitiv_infra.policy.moves import Moves, Shift
from sitiv_infra.policy.nights import NOT_READ, moves
from sitiv_infra.report import moves as words
from sitiv_infra.report import page, terminal
from sitiv_infra.report.audit import Audit
from sitiv_infra.runs import UNFINISHED, record
from sitiv_infra.snapshot import Head, Observation, begin, finish, write_part
from sitiv_infra.testing import NOW, estate_of, snapshot_of
from tests.checks.test_segmentation import (
    DATA,
    SOURCE,
    WEB,
    ZONES,
    address,
    on,
    port,
    rules,
)

WHOLE = """
zones: {unassigned: {title: Nobody's, unassigned: true}}
"""
ESTATE = estate_of(ZONES, WHOLE)
BEFORE = rules([WEB, DATA, port(443)], [WEB, DATA, port(22)])


def found(then: FirewallFacts | None, now: FirewallFacts, estate: Estate = ESTATE) -> list[Moves]:
    seen = {"firewall/fw": then} if then else {}
    return list(moves(snapshot_of(estate, seen), snapshot_of(estate, {"firewall/fw": now})))


def test_a_rule_base_that_is_written_otherwise_has_changed_nothing() -> None:
    assert found(BEFORE, BEFORE) == []
    turned = rules([WEB, DATA, port(22)], [WEB, DATA, port(443)], [WEB, DATA, port(443)])
    assert found(BEFORE, turned) == []


def test_what_opens_and_what_closes_is_told_by_zones_and_rule() -> None:
    (one,) = found(BEFORE, rules([WEB, DATA, port(443)], [WEB, DATA, port(5432)]))
    opened, closed = sorted(one.shifts, key=lambda shift: not shift.passes)
    assert opened[:4] == (True, "web", "data", ("tcp/5432",))
    assert closed[:4] == (False, "web", "data", ("tcp/22",))
    assert (opened.rule, closed.rule) == ("inet filter forward #5",) * 2
    assert opened.witness.endswith("port 5432")


def test_packets_are_cut_at_the_borders_of_zones() -> None:
    wide = [address(SOURCE, "10.0.0.0/14"), DATA, port(80)]
    (one,) = found(BEFORE, rules([WEB, DATA, port(443)], [WEB, DATA, port(22)], wide))
    ends = {(shift.source, shift.destination) for shift in one.shifts}
    assert ends == {
        ("web", "data"), ("data", "data"), ("far", "data"), ("unassigned", "data")
    }  # fmt: skip
    estate = estate_of(ZONES)
    (one,) = found(BEFORE, rules([WEB, DATA, port(443)], [WEB, DATA, port(22)], wide), estate)
    assert ("", "data") in {(shift.source, shift.destination) for shift in one.shifts}


def test_what_is_not_known_is_told_as_such() -> None:
    assert found(None, BEFORE) == [Moves("fw", cause=NOT_READ)]
    unsure = rules([WEB, DATA, port(443)], [WEB, DATA, port(22)], [on("eth7"), WEB, DATA, port(80)])
    (one,) = found(BEFORE, unsure)
    assert [shift[:4] for shift in one.shifts] == [(None, "web", "data", ("tcp/80",))]


def run(root: Path, facts: FirewallFacts, night: int) -> None:
    started = NOW + timedelta(days=night)
    folder = root / UNFINISHED
    head = Head(started=started, finished=started, fingerprint=ESTATE.fingerprint)
    begin(folder, ESTATE, head)
    write_part(folder, Observation("firewall/fw", started, facts))
    finish(folder, head, [])
    told = record(root, folder, [], [], [], None)
    audit = told_run(root, told, Rules([], []))
    if not night:
        assert audit.moves == ()
        return
    french = words.told(audit, Language("fr"))
    said = "\n".join(french).replace("\N{NO-BREAK SPACE}", " ")
    assert said == (
        "Sur fw passent désormais de « Web » vers « Data » : tcp/5432"
        " (règle inet filter forward #6, témoin tcp 10.1.0.1 > 10.2.0.1 port 5432)"
    )
    english = Language("en")
    assert "At fw now pass from Web to Data: tcp/5432" in page.render(audit, english)
    assert "What firewalls let through otherwise" in terminal.render(audit, english)


def test_a_report_tells_it_in_french_and_in_english(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    run(tmp_path, BEFORE, 0)
    more = rules([WEB, DATA, port(443)], [WEB, DATA, port(22)], [WEB, DATA, port(5432)])
    run(tmp_path, more, 1)


def test_many_changes_end_with_their_number() -> None:
    shifts = tuple(
        Shift(True, "web", "data", (f"tcp/{n}",), "", "inet filter forward #5") for n in range(30)
    )
    audit = Audit("-", NOW, ESTATE, (), moves=(Moves("fw", shifts),))
    told = words.told(audit, Language("en"))
    assert len(told) == words.MOST + 1
    assert told[-1] == "10 more"


def test_a_policy_that_opens_is_no_rule() -> None:
    (one,) = found(BEFORE, rules([WEB, DATA, port(443)], [WEB, DATA, port(22)], policy="accept"))
    assert {(shift.passes, shift.rule) for shift in one.shifts} == {(True, "")}
    audit = Audit("-", NOW, ESTATE, (), moves=(one,))
    lines = words.told(audit, Language("en"))[: words.MOST]
    assert all("no rule decides it" in line for line in lines)
