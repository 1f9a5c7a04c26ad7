from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from sitiv_infra.checking import Status
from sitiv_infra.estate import Severity
from sitiv_infra.messages import Language
from sitiv_infra.report.audit import State
from sitiv_infra.report.sections import bar, sections
from sitiv_infra.report.summary import Cell, actions, attention, grid
from sitiv_infra.report.words import Words
from tests.report import factory


def test_a_cell_shows_its_worst_verdict() -> None:
    cell = Cell()
    assert cell.state is State.NOTHING
    cell.add(factory.finding(status=Status.PASS))
    assert cell.state is State.PASS
    cell.add(factory.finding(waiver="accepted"))
    assert (cell.state, cell.severity) == (State.WAIVED, None)
    cell.add(factory.finding(status=Status.UNKNOWN))
    assert cell.state is State.UNKNOWN
    cell.add(factory.finding("hypervisor.lockdown"))
    cell.add(factory.finding("backup.recent"))
    cell.add(factory.finding("storage.versioning"))
    assert (cell.state, cell.severity) == (State.OPEN, Severity.CRITICAL)
    assert cell.counts[State.OPEN] == 3


def test_a_shared_failure_shows_at_every_member_that_it_serves() -> None:
    both = factory.finding(subject="sitiv/service/ged", members=("givors", "corbas"))
    nobody = factory.finding(subject="sitiv/cluster/a", members=())
    rows = grid(factory.audit(both, nobody))
    assert [row.member for row in rows] == ["corbas", "givors", None]
    assert all(row.cells["backup"].counts[State.OPEN] == 1 for row in rows)


def test_actions_are_the_worst_then_the_latest_then_the_widest() -> None:
    late = date(2026, 11, 1)
    found = [
        *[factory.finding("storage.versioning", f"corbas/bucket/{n}") for n in range(9)],
        *[factory.finding("backup.covered", f"corbas/service/{n}") for n in range(3)],
        factory.finding("directory.krbtgt-age", "corbas/directory/a", due=late),
        factory.finding("backup.recent"),
        factory.finding("exposure.undeclared-port", waiver="accepted"),
    ]
    first = actions(factory.audit(*found))
    assert [a.check.id for a in first] == [
        "backup.recent", "directory.krbtgt-age", "backup.covered", "storage.versioning",
    ]  # fmt: skip
    assert (first[1].late, first[1].due, len(first[3].findings)) == (1, late, 9)
    assert len(actions(factory.full())) == 5


def test_attention_goes_to_what_ended_first() -> None:
    found = [state.standing.value for state in attention(factory.full())]
    assert found == ["expired", "ending", "unmatched"]


def test_the_bar_fills_what_was_judged() -> None:
    shares = bar(factory.full())
    assert [name for name, _, _ in shares] == [
        "critical", "high", "medium", "low", "unknown", "waived", "pass",
    ]  # fmt: skip
    assert abs(sum(width for _, _, width in shares) - 100) < 0.1
    assert list(bar(factory.audit())) == []


def test_the_oldest_failure_of_the_worst_check_stands_first() -> None:
    old = factory.finding(subject="givors/service/a", since=factory.NOW - timedelta(days=90))
    new = factory.finding(subject="corbas/service/b", since=factory.NOW)
    covered = factory.finding("backup.covered", status=Status.UNKNOWN, evidence={}, message="x")
    audit = factory.audit(covered, new, old)
    language = Language("en")
    (section,) = sections(audit, language, Words(language, audit))
    assert [rule.check.id for rule in section.rules] == ["backup.recent", "backup.covered"]
    assert [line.subject for line in section.rules[0].lines] == [
        old.verdict.subject,
        new.verdict.subject,
    ]


def test_many_members_are_told_by_their_number() -> None:
    words = Words(Language("fr"), factory.full())
    assert words.members(("corbas", "saint-fons")) == "Corbas, Saint-Fons"
    assert words.members(("corbas",) * 4) == "4 membres"
    assert words.members(()) == "Test"
    assert words.members(("gone",)) == "gone"
    assert words.point("nothing:1") == "nothing:1"
    assert words.domain("odd") == "Odd"
    assert words.run == "2026-11-21T0200Z"
    assert replace(words, audit=factory.audit(name="-")).run == "non conservé"
