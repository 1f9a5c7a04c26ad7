from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitiv_infra.checking import Status
from sitiv_infra.errors import RunError
from sitiv_infra.ledger import FILE, OPERATOR, history, rebuild
from sitiv_infra.runs import all_runs
from sitiv_infra.testing import NOW
from tests.nights import ESTATE, night

FAIL, PASS, UNKNOWN = Status.FAIL, Status.PASS, Status.UNKNOWN
RULE = "test.rule"
DAY = timedelta(days=1)


def key(subject: str) -> tuple[str, str]:
    return RULE, subject


def test_the_operator_is_where_the_judge_says_so() -> None:
    assert ESTATE.operator.path == OPERATOR


def test_new_then_same_then_mended_then_back(tmp_path: Path) -> None:
    runs = [night(tmp_path, {key("x"): s}) for s in (PASS, FAIL, FAIL, PASS, FAIL)]
    with history(tmp_path) as index:
        assert key("x") not in index.lives(runs[0])
        new, same, back = (index.lives(runs[n])[key("x")] for n in (1, 2, 4))
        assert (new.opened_now, new.again, new.since) == (True, False, NOW + DAY)
        assert (same.opened_now, same.since) == (False, NOW + DAY)
        assert [(e.subject, e.since) for e in index.ended(runs[3])] == [("x", NOW + DAY)]
        assert (back.opened_now, back.again, back.since) == (True, True, NOW + 4 * DAY)


@pytest.mark.parametrize(
    ("blind", "name"),
    [
        ("c/bucket/x@store", "itself"),
        ("c/bucket/x", "what it is placed on"),
        (OPERATOR, "a check that raised"),
    ],
)
def test_what_could_not_be_judged_is_neither_mended_nor_new(
    tmp_path: Path, blind: str, name: str
) -> None:
    subject = "c/bucket/x@store"
    night(tmp_path, {key(subject): FAIL})
    dark = night(tmp_path, {key(blind): UNKNOWN})
    after = night(tmp_path, {key(subject): FAIL})
    with history(tmp_path) as index:
        assert index.ended(dark) == [], name
        life = index.lives(after)[key(subject)]
    assert (life.since, life.opened_now) == (NOW, False)


def test_a_removed_subject_is_mended_but_a_removed_check_is_not(tmp_path: Path) -> None:
    night(tmp_path, {key("x"): FAIL, ("other.rule", "y"): FAIL})
    after = night(tmp_path, {key("z"): PASS})
    with history(tmp_path) as index:
        assert [e.subject for e in index.ended(after)] == ["x"]
        assert ("other.rule", "y") in index.lives(after)


def test_a_renamed_check_keeps_its_history(tmp_path: Path) -> None:
    night(tmp_path, {("test.old-rule", "x"): FAIL})
    with history(tmp_path):
        pass
    after = night(tmp_path, {key("x"): FAIL})
    with history(tmp_path, {"test.old-rule": RULE}) as index:
        assert index.lives(after)[key("x")].since == NOW
    mended = night(tmp_path, {key("x"): PASS})
    with history(tmp_path, {"test.old-rule": RULE}) as index:
        assert [e.check for e in index.ended(mended)] == [RULE]


def test_order_is_that_of_recording_even_when_the_clock_jumped(tmp_path: Path) -> None:
    night(tmp_path, {key("x"): FAIL}, started=NOW)
    early = night(tmp_path, {key("x"): PASS}, started=NOW - 300 * DAY)
    with history(tmp_path) as index:
        assert len(index.ended(early)) == 1


def test_two_runs_of_one_minute_have_two_names(tmp_path: Path) -> None:
    names = [night(tmp_path, {key("x"): PASS}, started=NOW).name for _ in range(2)]
    assert names == ["2026-11-21T0200Z", "2026-11-21T0200Z-2"]


@pytest.mark.parametrize("damage", [b"garbage", b""])
def test_a_damaged_index_is_made_again(tmp_path: Path, damage: bytes) -> None:
    run = night(tmp_path, {key("x"): FAIL})
    (tmp_path / FILE).write_bytes(damage)
    with history(tmp_path) as index:
        assert key("x") in index.lives(run)


def test_an_index_that_can_not_be_written_is_made_in_memory(tmp_path: Path) -> None:
    run = night(tmp_path, {key("x"): FAIL})
    (tmp_path / FILE).mkdir()
    with history(tmp_path) as index:
        assert key("x") in index.lives(run)
    with pytest.raises(RunError, match=FILE):
        rebuild(tmp_path)


def test_an_index_in_use_is_not_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sitiv_infra.ledger.BUSY_SECONDS", 0)
    night(tmp_path, {key("x"): FAIL})
    rebuild(tmp_path)
    run = night(tmp_path, {key("x"): FAIL})
    with closing(sqlite3.connect(tmp_path / FILE)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with history(tmp_path) as index:
            assert index.lives(run)[key("x")].since == NOW
        other.execute("DELETE FROM lives")
        other.commit()


def test_a_run_that_is_gone_leaves_the_index(tmp_path: Path) -> None:
    first = night(tmp_path, {key("x"): FAIL})
    last = night(tmp_path, {key("x"): PASS})
    rebuild(tmp_path)
    shutil.rmtree(last.folder)
    with history(tmp_path) as index:
        assert index.count() == 1
        assert index.lives(first)[key("x")].since == NOW


def test_two_processes_may_add_the_same_run(tmp_path: Path) -> None:
    night(tmp_path, {key("x"): FAIL})
    rebuild(tmp_path)
    night(tmp_path, {key("x"): FAIL})
    runs = all_runs(tmp_path)
    with history(tmp_path) as first:
        first.catch_up(runs)
        assert first.count() == 2


def test_an_index_of_other_runs_is_made_again(tmp_path: Path) -> None:
    night(tmp_path / "one", {key("x"): FAIL})
    with history(tmp_path / "one"):
        pass
    other = night(tmp_path / "two", {key("y"): FAIL}, started=NOW + DAY)
    (tmp_path / "one" / FILE).rename(tmp_path / "two" / FILE)
    with history(tmp_path / "two") as index:
        assert list(index.lives(other)) == [key("y")]


STATES = st.lists(
    st.dictionaries(st.sampled_from("abc"), st.sampled_from([FAIL, PASS, UNKNOWN])),
    min_size=1,
    max_size=6,
)


@settings(max_examples=40, deadline=None)
@given(STATES)
def test_lives_follow_a_plain_model_and_rebuilding_changes_nothing(
    nights: list[dict[str, Status]],
) -> None:
    """One failing stretch a subject: begun by fail, ended by anything but fail and unknown."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        open_since: dict[str, int] = {}
        for number, told in enumerate(nights):
            run = night(root, {key(s): status for s, status in told.items()} | {key("ran"): PASS})
            for subject in "abc":
                status = told.get(subject)
                if status is FAIL:
                    open_since.setdefault(subject, number)
                elif status is not UNKNOWN:
                    open_since.pop(subject, None)
            with history(root) as index:
                lives = {s: life.since for (_, s), life in index.lives(run).items()}
            assert lives == {s: NOW + n * DAY for s, n in open_since.items()}
        before = _dump(root)
        assert rebuild(root) == len(nights)
        assert _dump(root) == before


def _dump(root: Path) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(root / FILE)
    try:
        return [
            row
            for table in ("runs", "lives", "tally")
            for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3")
        ]
    finally:
        connection.close()
