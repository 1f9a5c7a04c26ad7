from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sitiv_infra import Estate, Found, Placed, SeenFacts, Verdicts, check, fail, ok
from sitiv_infra.checking import Check, Function, Status, Verdict
from sitiv_infra.errors import InvalidInput
from sitiv_infra.facts import ObjectStoreFacts
from sitiv_infra.judging import RAISED, judge, load_checks
from sitiv_infra.snapshot import Snapshot
from sitiv_infra.testing import estate_of, snapshot_of

ESTATE = estate_of("""
object_stores:
  one: {site: a, endpoint: "https://one.test", observed_from: admin}
  two: {site: b, endpoint: "https://two.test", observed_from: admin}
buckets:
  mail: {member: corbas, stores: [one, two], purpose: mail}
""")
STORE = ObjectStoreFacts(server="MinIO", buckets=(), complete=True)
ONE = {"object-store/one": STORE}
BOTH = ONE | {"object-store/two": STORE}
TEXT = """A promise.

Risk: something.

Fix: something.
"""


def placed(estate: Estate) -> Iterator[Placed]:
    for bucket in estate.buckets.values():
        for store in bucket.stores:
            yield Placed(bucket, estate.object_stores[store])


def rule(body: str = "each") -> Check:
    def judged(estate: Estate, facts: SeenFacts) -> Verdicts:
        for subject, _ in facts.each(placed(estate), ObjectStoreFacts):
            yield ok(subject, "there")
        if body == "raises":
            raise ZeroDivisionError("broken rule")
        if body == "twice":
            yield fail(placed(estate).__next__(), "again")

    judged.__doc__ = TEXT
    return check("test.rule", severity="high", needs=["object-store"])(judged)


def by_subject(verdicts: list[Verdict]) -> dict[str, Verdict]:
    return {v.subject: v for v in verdicts}


def run(item: Check, snapshot: Snapshot) -> dict[str, Verdict]:
    return by_subject(judge([item], snapshot))


def test_each_subject_is_judged_with_its_members_and_sites() -> None:
    found = run(rule(), snapshot_of(ESTATE, BOTH))
    assert {s: v.status for s, v in found.items()} == {
        "corbas/bucket/mail@one": Status.PASS,
        "corbas/bucket/mail@two": Status.PASS,
    }
    assert found["corbas/bucket/mail@two"].members == ("corbas",)
    assert found["corbas/bucket/mail@two"].sites == ("b",)


def test_a_gap_makes_its_subjects_unknown_with_the_cause_and_no_other() -> None:
    snapshot = snapshot_of(ESTATE, ONE, gaps={"object-store/two": "refused"})
    found = run(rule(), snapshot)
    assert found["corbas/bucket/mail@one"].status is Status.PASS
    dark = found["corbas/bucket/mail@two"]
    assert dark.status is Status.UNKNOWN
    assert dark.evidence == {"source": "object-store/two", "cause": "refused"}


def test_a_source_that_was_never_asked_is_unknown_too() -> None:
    found = run(rule(), snapshot_of(ESTATE, ONE))
    assert found["corbas/bucket/mail@two"].status is Status.UNKNOWN


def test_a_need_that_the_rule_did_not_ask_for_is_unknown_on_the_source() -> None:
    @check("test.lazy", severity="low", needs=["object-store"])
    def lazy(estate: Estate, facts: SeenFacts) -> Verdicts:
        """Looks at what was observed only.

        Risk: none.

        Fix: none.
        """
        del estate
        for source in facts.all(ObjectStoreFacts):
            raise AssertionError(source)
        yield from ()

    found = run(lazy, snapshot_of(ESTATE, {}))
    assert {v.status for v in found.values()} == {Status.UNKNOWN}
    assert set(found) == {"sitiv/object-store/one", "sitiv/object-store/two"}


def test_a_rule_that_raises_is_unknown_with_its_line_and_keeps_what_it_said() -> None:
    found = run(rule("raises"), snapshot_of(ESTATE, BOTH))
    assert found["corbas/bucket/mail@one"].status is Status.PASS
    broken = found["sitiv/operator/sitiv"]
    assert broken.status is Status.UNKNOWN
    assert "ZeroDivisionError: broken rule (test_checking.py:" in str(broken.evidence["error"])


def no_subject(_estate: Estate, _facts: SeenFacts) -> Verdicts:
    yield ok(None, "fine")  # type: ignore[arg-type]


def no_answer(estate: Estate, _facts: SeenFacts) -> Verdicts:
    yield estate  # type: ignore[misc]


def no_template(estate: Estate, _facts: SeenFacts) -> Verdicts:
    yield ok(estate.operator, "a brace: {")


def the_end(_estate: Estate, _facts: SeenFacts) -> Verdicts:
    raise SystemExit(0)


def nothing_at_all(_estate: Estate, _facts: SeenFacts) -> Verdicts:
    return None  # type: ignore[return-value]


def after_an_answer(estate: Estate, _facts: SeenFacts) -> Verdicts:
    yield ok(estate.operator, "fine")
    raise ValueError("broken")


@pytest.mark.parametrize(
    "function", [no_subject, no_answer, no_template, the_end, nothing_at_all, after_an_answer]
)
def test_whatever_a_rule_does_is_unknown_and_ends_nothing(function: Function) -> None:
    broken = replace(rule(), needs=(), function=function)
    found = run(broken, snapshot_of(ESTATE, BOTH))
    assert found["sitiv/operator/sitiv"].status is Status.UNKNOWN
    assert found["sitiv/operator/sitiv"].message == RAISED


def test_two_answers_for_one_subject_are_unknown() -> None:
    found = run(rule("twice"), snapshot_of(ESTATE, BOTH))
    assert found["corbas/bucket/mail@one"].status is Status.UNKNOWN
    assert found["corbas/bucket/mail@two"].status is Status.PASS


def test_a_rule_without_subject_is_not_applicable() -> None:
    empty = estate_of()
    found = run(rule(), snapshot_of(empty, {}))
    assert [v.status for v in found.values()] == [Status.NOT_APPLICABLE]


def test_the_same_snapshot_gives_the_same_verdicts() -> None:
    snapshot = snapshot_of(ESTATE, ONE)
    assert judge([rule()], snapshot) == judge([rule()], snapshot)


def test_what_was_found_hangs_below_what_was_declared() -> None:
    found = Found(ESTATE.object_stores["one"], "bucket-x")
    assert found.path == "sitiv/object-store/one/bucket-x"


RULE_FILE = '''
from sitiv_infra import check, ok

@check("{id}", severity="{severity}", needs=[{needs}], aliases=[{aliases}])
def rule(estate, facts):
    """A promise.

    Risk: one.

    Fix: one.
    """
    yield ok(estate.operator, "fine")
'''


def rule_file(folder: Path, name: str, **changed: str) -> None:
    said = {"id": f"test.{name}", "severity": "high", "needs": "", "aliases": ""} | changed
    (folder / f"{name}.py").write_text(RULE_FILE.format(**said))


def test_checks_are_loaded_by_path_and_sorted(tmp_path: Path) -> None:
    for name in ("b", "a"):
        rule_file(tmp_path, name)
    (tmp_path / "_helper.py").write_text("raise RuntimeError")
    assert [item.id for item in load_checks([tmp_path])] == ["test.a", "test.b"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"id": "test.a"}, "the id 'test.a' is already used"),
        ({"aliases": '"test.a"'}, "the id 'test.a' is already used"),
        ({"needs": '"stars"'}, "needs 'stars', not one of"),
        ({"severity": "awful"}, "can't be imported"),
    ],
)
def test_a_wrong_rule_is_refused_by_name(tmp_path: Path, change: dict[str, str], what: str) -> None:
    rule_file(tmp_path, "a")
    rule_file(tmp_path, "b", **change)
    with pytest.raises(InvalidInput, match=what):
        load_checks([tmp_path])


@pytest.mark.parametrize(
    "text", ["def f(:", "import nothing_like_this", "raise ValueError('x')", "x = 1/0"]
)
def test_a_file_that_can_not_be_imported_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(InvalidInput, match=r"bad\.py"):
        load_checks([tmp_path])


def test_a_rule_without_risk_or_fix_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(RULE_FILE.replace("Risk: one.", "One.").format(
        id="test.x", severity="low", needs="", aliases=""
    ))  # fmt: skip
    with pytest.raises(InvalidInput, match="needs a title, 'Risk"):
        load_checks([tmp_path])


def test_a_folder_without_checks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no checks here"):
        load_checks([tmp_path])
