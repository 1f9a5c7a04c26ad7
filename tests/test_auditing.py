"""The main job on nights made by hand: what is recorded, told again, joined, renamed, forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from sitiv_infra.auditing import Rules, differences, replay, told_run
from sitiv_infra.checking import Check, SeenFacts, Status, Verdict, Verdicts, check, fail, ok
from sitiv_infra.errors import InvalidInput, RunError
from sitiv_infra.estate import Estate
from sitiv_infra.facts import ObjectStoreFacts
from sitiv_infra.report.audit import Audit, Change, exit_code
from sitiv_infra.runs import all_runs
from sitiv_infra.selection import Selection
from sitiv_infra.snapshot import Gap, Head, Observation, begin, finish, write_part
from sitiv_infra.testing import NOW, estate_of
from sitiv_infra.verifying import prove
from sitiv_infra.waivers import Standing, Waiver
from tests.nights import RULES, night, rule

ESTATE = estate_of("""
zones: {far: {title: Far}}
object_stores:
  one: {site: a, endpoint: "https://one.test", observed_from: admin}
  two: {site: b, endpoint: "https://two.test", observed_from: far}
""")
FACTS = ObjectStoreFacts(server="MinIO", buckets=(), complete=True)


@check("test.seen", severity="low", needs=["object-store"])
def seen(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Stores were seen.

    Risk: none.

    Fix: nothing.
    """
    for store, _ in facts.each(estate.object_stores.values(), ObjectStoreFacts):
        yield ok(store, "seen")


def failing(estate: Estate, facts: SeenFacts) -> Verdicts:
    del facts
    yield fail(estate.operator, "not so")


def zone(
    folder: Path, *stores: str, gaps: Sequence[str] = (), later: timedelta | None = None
) -> Path:
    """What one trust zone saw."""
    started = NOW + (later or timedelta(0))
    head = Head(started=started, finished=started, fingerprint=ESTATE.fingerprint, zones=("admin",))
    begin(folder, ESTATE, head)
    for name in stores:
        write_part(folder, Observation(f"object-store/{name}", started, FACTS))
    finish(folder, head, [Gap(source=f"object-store/{g}", cause="dark", at=NOW) for g in gaps])
    return folder


def audited(root: Path, *folders: Path, rules: Rules | None = None, keep: bool = True) -> Audit:
    return replay(root, folders, rules or Rules([seen], ()), keep=keep, key=None)


def statuses(told: Audit) -> dict[str, str]:
    return {f.verdict.subject.rpartition("/")[2]: f.verdict.status.value for f in told.findings}


def test_a_zone_that_was_not_asked_is_unknown(tmp_path: Path) -> None:
    told = audited(tmp_path / "runs", zone(tmp_path / "a", "one"))
    assert statuses(told) == {"one": "pass", "two": "unknown"}


def test_a_second_zone_is_not_lost_behind_the_run_of_the_first(tmp_path: Path) -> None:
    """Both began at the same instant, which is all that a run's name says."""
    first, second = zone(tmp_path / "a", "one"), zone(tmp_path / "b", "two")
    audited(tmp_path / "runs", first)
    told = audited(tmp_path / "runs", first, second)
    assert statuses(told) == {"one": "pass", "two": "pass"}
    assert len(all_runs(tmp_path / "runs")) == 2
    audited(tmp_path / "runs", second, first)
    assert len(all_runs(tmp_path / "runs")) == 2


def test_zones_of_two_nights_are_not_joined(tmp_path: Path) -> None:
    old = zone(tmp_path / "b", "two", later=timedelta(days=-3))
    with pytest.raises(RunError, match="another night"):
        audited(tmp_path / "runs", zone(tmp_path / "a", "one"), old)


@pytest.mark.parametrize("reverse", [False, True])
def test_the_later_part_of_a_source_counts(tmp_path: Path, *, reverse: bool) -> None:
    early = zone(tmp_path / "a", "one", "two", later=timedelta(hours=-1))
    late = zone(tmp_path / "b", "two", gaps=["one"])
    folders = [late, early] if reverse else [early, late]
    assert audited(tmp_path / "runs", *folders).taken_at == NOW
    assert not all_runs(tmp_path / "runs")[0].snapshot().gaps


def test_a_selection_hides_no_shared_gap(tmp_path: Path) -> None:
    folder = zone(tmp_path / "a", "one", gaps=["two"])
    told = audited(tmp_path, folder, rules=Rules([seen], (), Selection(members=("corbas",))))
    assert exit_code(told.findings, seen.severity) == 2
    assert [gap.source for gap in told.gaps] == ["object-store/two"]


def test_a_selection_is_not_told_of_waivers_for_the_rest(tmp_path: Path) -> None:
    waiver = Waiver(
        check="other.rule", subject="x", reason="accepted for a test", owner="o", approved_by="a",
        since=date(2026, 1, 1), until=date(2027, 1, 1),
    )  # fmt: skip
    folder = zone(tmp_path / "a", "one", "two")
    whole = audited(tmp_path, folder, rules=Rules([seen], [waiver]), keep=False)
    assert [state.standing for state in whole.waivers] == [Standing.UNMATCHED]
    part = Rules([seen], [waiver], Selection(only=("test.seen",)))
    assert audited(tmp_path, folder, rules=part, keep=False).waivers == ()


def test_a_selection_without_any_verdict_is_refused(tmp_path: Path) -> None:
    rules = Rules([seen], (), Selection(sites=("c",)))
    with pytest.raises(InvalidInput, match="--site"):
        audited(tmp_path, zone(tmp_path / "a", "one"), rules=rules)


FORMER = {("test.old-rule", "x"): Status.FAIL}
GONE = {("gone.rule", "x"): Status.FAIL}


def renamed(checks: Sequence[Check], **changes: object) -> list[Check]:
    return [replace(item, **changes) for item in checks]  # type: ignore[arg-type]


def test_a_renamed_check_is_told_under_its_new_name_with_its_history(tmp_path: Path) -> None:
    night(tmp_path, FORMER)
    run = night(tmp_path, FORMER)
    told = told_run(tmp_path, run, Rules(RULES, ()))
    (finding,) = told.findings
    assert (finding.verdict.check, finding.change) == ("test.rule", Change.SAME)
    for pattern in ("test.rule", "test.old-rule"):
        told = told_run(tmp_path, run, Rules(RULES, (), Selection(only=(pattern,))))
        assert len(told.findings) == 1


def test_a_check_that_is_gone_still_counts_in_the_nights_that_it_judged(tmp_path: Path) -> None:
    run = night(tmp_path, GONE)
    told = told_run(tmp_path, run, Rules(RULES, ()))
    assert [f.verdict.check for f in told.findings] == ["gone.rule"]
    assert exit_code(told.findings, rule.severity) == 1
    told = told_run(tmp_path, run, Rules(RULES, (), Selection(domains=("gone",))))
    assert len(told.findings) == 1


def test_a_past_night_is_told_for_declared_members_only(tmp_path: Path) -> None:
    run = night(tmp_path, GONE)
    with pytest.raises(InvalidInput, match="nobody"):
        told_run(tmp_path, run, Rules(RULES, (), Selection(members=("nobody",))))


def test_a_run_is_judged_again_by_other_rules_and_stays_as_it_was(tmp_path: Path) -> None:
    run = night(tmp_path, None)
    told = audited(tmp_path, run.folder, rules=Rules(renamed(RULES, function=failing), ()))
    assert [f.verdict.status for f in told.findings] == [Status.FAIL]
    assert [v.status for v in run.verdicts()] == [Status.PASS]
    assert prove(run, RULES).wrong == ()


def test_what_differs_follows_a_rename() -> None:
    def verdict(name: str, status: Status) -> Verdict:
        return Verdict(name, "x", status, rule.severity, "said", {})

    before, after = verdict("a.old", Status.FAIL), verdict("a.new", Status.FAIL)
    assert differences([before], [after], {"a.old": "a.new"}) == []
    mended = verdict("a.new", Status.PASS)
    assert differences([before], [mended], {"a.old": "a.new"}) == [("a.new", "x", "fail", "pass")]
