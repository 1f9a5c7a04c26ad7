from __future__ import annotations

import csv
import io
import json
from datetime import date

import jsonschema
import pytest

from sitiv_infra.checking import Status
from sitiv_infra.messages import LANGUAGES, Language
from sitiv_infra.report import jsonl, worksheet
from sitiv_infra.report.audit import Audit, Change
from sitiv_infra.report.formats import FORMATS
from tests.report import factory

FULL = factory.full()


def lines_of(audit: Audit, language: str = "fr") -> list[dict[str, object]]:
    text = FORMATS["jsonl"].encode(audit, Language(language)).decode()
    return [json.loads(line) for line in text.split("\n")[:-1]]


def rows_of(audit: Audit, language: str) -> list[list[str]]:
    raw = FORMATS["csv"].encode(audit, Language(language))
    text = raw.decode("utf-8-sig" if language == "fr" else "utf-8")
    return list(csv.reader(io.StringIO(text), delimiter=";" if language == "fr" else ","))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_line_follows_the_published_schema(language: str) -> None:
    schema = jsonl.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    found = lines_of(FULL, language)
    assert len(found) == len(FULL.findings)
    assert [e.message for line in found for e in validator.iter_errors(line)] == []


@pytest.mark.parametrize(
    "change",
    [{"status": "green"}, {"severity": 3}, {"since": "yesterday"}, {"due": 5}, {"more": 1}],
)
def test_the_schema_refuses_what_is_not_a_verdict(change: dict[str, object]) -> None:
    validator = jsonschema.Draft202012Validator(
        jsonl.schema(), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    line = lines_of(FULL)[0]
    assert validator.is_valid(line)
    if change == {"since": "yesterday"} and "date-time" not in validator.format_checker.checkers:  # type: ignore[union-attr]
        change = {"since": 5}  # the checker of instants is an extra of jsonschema
    assert not validator.is_valid(line | change)


def test_lines_are_sorted_and_hold_the_truth() -> None:
    found = lines_of(FULL, "en")
    keys = [(line["check"], line["subject"]) for line in found]
    assert keys == sorted(keys)
    line = next(x for x in found if x["change"] == "new")
    assert line == {
        "check": "backup.covered", "subject": "saint-fons/service/zimbra", "status": "fail",
        "severity": "high", "domain": "backup", "title": "Every service is copied.",
        "message": "last copy is 1 d 3 h old, promised 1 d", "template": factory.LATE,
        "evidence": factory.EVIDENCE, "members": ["saint-fons"], "sites": ["a"], "waiver": None,
        "since": "2026-11-01T02:00:00+00:00", "due": "2026-12-11", "change": "new",
        "run": "2026-11-21T0200Z", "taken_at": "2026-11-21T02:00:00+00:00",
    }  # fmt: skip


def test_lines_keep_hostile_values_whole_and_steer_no_terminal() -> None:
    text = FORMATS["jsonl"].encode(FULL, Language("fr")).decode()
    assert all(line.isprintable() or "\N{NO-BREAK SPACE}" in line for line in text.split("\n"))
    assert "\x1b" not in text
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in text
    told = [line["evidence"]["names"][0] for line in lines_of(FULL)  # type: ignore[index]
            if line["check"] == "storage.versioning" and "n" in line["evidence"]]  # type: ignore[operator] # fmt: skip
    assert sorted(told) == sorted(factory.HOSTILE)


def test_values_of_10000_characters_are_whole_in_lines() -> None:
    audit = factory.audit(factory.finding(evidence={"text": "y" * 10_000}))
    assert lines_of(audit)[0]["evidence"] == {"text": "y" * 10_000}


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1+1", "\uff201"]
)
def test_no_cell_is_a_formula(cell: str) -> None:
    assert worksheet.neutral(cell).startswith("'")
    hostile = factory.finding(subject=cell, message="{text}", evidence={"text": cell})
    for language in LANGUAGES:
        for row in rows_of(factory.audit(hostile), language)[1:]:
            assert not [c for c in row if c.startswith(worksheet.FORMULA)]


@pytest.mark.parametrize("cell", ["plain", "a=b", "1", "é", "'=x", ""])
def test_other_cells_stay_as_they_are(cell: str) -> None:
    assert worksheet.neutral(cell) == cell


def test_a_cell_is_never_longer_than_excel_takes() -> None:
    assert len(worksheet.neutral("=" + "x" * 40_000)) < 32_767


def test_french_csv_opens_in_french_excel() -> None:
    raw = FORMATS["csv"].encode(FULL, Language("fr"))
    assert raw.startswith(b"\xef\xbb\xbf\xc3\x89tat;Gravit\xc3\xa9;")
    assert b"\r\n" in raw
    heading, *rows = rows_of(FULL, "fr")
    assert len(rows) == len(FULL.findings)
    assert {len(row) for row in rows} == {len(heading)}
    row = next(r for r in rows if r[5] == "saint-fons/service/zimbra" and r[11])
    assert row[:4] == ["écart ouvert", "élevée", "Sauvegardes", "backup.covered"]
    assert row[7:12] == ["Saint-Fons", "A", "01/11/2026", "11/12/2026", "nouveau"]


def test_english_csv_is_rfc_4180_with_the_keys_of_the_lines() -> None:
    raw = FORMATS["csv"].encode(FULL, Language("en"))
    assert raw.startswith(b"status,severity,domain,check,title,")
    heading, *rows = rows_of(FULL, "en")
    assert set(heading) <= set(lines_of(FULL)[0])
    assert {row[0] for row in rows} == {"pass", "fail", "unknown", "not-applicable"}
    assert raw.count(b"\n") == raw.count(b"\r\n") == len(rows) + 1


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_format_tells_an_empty_audit(name: str, language: str) -> None:
    form = FORMATS[name]
    told = form.render(factory.audit(), Language(language))
    assert isinstance(told, bytes) is form.binary
    assert form.name == name
    assert form.ending.startswith(".")


def test_derived_views_of_an_audit() -> None:
    audit = factory.audit(
        factory.finding(change=Change.NEW, due=date(2026, 11, 20)),
        factory.finding("backup.covered", waiver="backup.covered *", change=Change.NEW),
        factory.finding("storage.versioning", status=Status.PASS),
    )
    assert audit.day == factory.TODAY
    assert [f.state.value for f in audit.findings] == ["open", "waived", "pass"]
    assert [f.check.id for f in audit.changed(Change.NEW)] == ["backup.recent"]
    assert audit.findings[0].late(audit.day)
