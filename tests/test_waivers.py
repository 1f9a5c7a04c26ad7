from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from sitiv_infra.checking import Status
from sitiv_infra.errors import InvalidInput
from sitiv_infra.waivers import Standing, Waiver, apply, load, today
from tests.nights import RULES, verdict

DAY = date(2026, 11, 21)


def waiver(**changed: object) -> Waiver:
    said = {
        "check": "test.rule",
        "subject": "corbas/bucket/x",
        "reason": "replaced in spring",
        "owner": "hosting team",
        "approved_by": "RSSI",
        "since": date(2026, 1, 1),
        "until": date(2027, 6, 30),
    }
    return Waiver.model_validate(said | changed)


def standing(given: Waiver, day: date = DAY, status: Status = Status.FAIL) -> tuple[bool, Standing]:
    """Whether a failure of corbas/bucket/x is accepted on a day, and where the waiver stands."""
    verdicts, states = apply([verdict("test.rule", "corbas/bucket/x", status)], [given], RULES, day)
    return verdicts[0].waiver is not None, states[0].standing


@pytest.mark.parametrize(
    ("day", "accepted", "expected"),
    [
        (date(2025, 12, 31), False, Standing.PLANNED),
        (date(2026, 1, 1), True, Standing.ACTIVE),
        (date(2027, 5, 30), True, Standing.ACTIVE),
        (date(2027, 5, 31), True, Standing.ENDING),
        (date(2027, 6, 30), True, Standing.ENDING),
        (date(2027, 7, 1), False, Standing.EXPIRED),
    ],
)
def test_a_waiver_holds_from_its_first_to_its_last_day(
    day: date, *, accepted: bool, expected: Standing
) -> None:
    assert standing(waiver(), day) == (accepted, expected)


@pytest.mark.parametrize("status", [Status.PASS, Status.UNKNOWN, Status.NOT_APPLICABLE])
def test_only_a_failure_is_accepted(status: Status) -> None:
    assert standing(waiver(), status=status) == (False, Standing.UNMATCHED)


@pytest.mark.parametrize(
    ("subject", "accepted"),
    [
        ("corbas/*", True),
        ("*/bucket/x", True),
        ("corbas/bucket/?", False),
        ("corbas/bucket/[xy]", False),
        ("corbas/bucket", False),
        ("CORBAS/*", False),
    ],
)
def test_only_a_star_stands_for_other_text(subject: str, *, accepted: bool) -> None:
    assert standing(waiver(subject=subject))[0] is accepted


def test_a_waiver_of_a_former_id_still_holds() -> None:
    assert standing(waiver(check="test.old-rule")) == (True, Standing.ACTIVE)


def test_days_are_those_of_the_operator() -> None:
    late = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)
    assert today(late, "Europe/Paris") == date(2026, 11, 22)
    assert today(datetime(2026, 7, 1, 22, 0, tzinfo=UTC), "Europe/Paris") == date(2026, 7, 2)


GOOD = """\
- check: test.rule
  subject: corbas/*
  reason: replaced in spring
  owner: hosting team
  approved_by: RSSI
  since: 2026-01-01
  until: 2027-06-30
"""


@pytest.mark.parametrize(
    ("old", "new", "place", "what"),
    [
        ("  until: 2027-06-30\n", "", "1:3", "'until' is missing"),
        ("until: 2027-06-30", "until:", "7:9", "valid date"),
        ("2027-06-30", "2025-06-30", "1:3", "before 'since'"),
        ("2027-06-30", "30/06/2027", "7:10", "a day is written"),
        ("owner:", "owners:", "4:3", "unknown key 'owners'"),
        ("reason: replaced in spring", "reason: later", "3:11", "at least 10"),
    ],
)
def test_a_wrong_waiver_is_named_with_its_place(
    tmp_path: Path, old: str, new: str, place: str, what: str
) -> None:
    file = tmp_path / "waivers.yml"
    file.write_text(GOOD.replace(old, new))
    with pytest.raises(InvalidInput) as caught:
        load(file)
    text = str(caught.value)
    assert f"{file}:{place}: " in text
    assert what.lower() in text.lower()


def test_a_good_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "waivers.yml"
    file.write_text(GOOD)
    assert load(file)[0].until == date(2027, 6, 30)


def test_no_file_is_no_waiver(tmp_path: Path) -> None:
    assert load(tmp_path / "none.yml") == []
