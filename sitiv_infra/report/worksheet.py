"""CSV: one verdict a row, for a spreadsheet.

In French as French Excel opens it (UTF-8 with BOM, semicolons, French headings and words), else as
RFC 4180 with the keys and words of the JSON lines. Rows end with CR LF in both.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from sitiv_infra.messages import Language, noop
from sitiv_infra.report import jsonl
from sitiv_infra.report.audit import Audit, Finding
from sitiv_infra.report.safe import cut
from sitiv_infra.report.words import Words

LONGEST_CELL = 32_000  # characters; Excel takes 32 767
# What makes a spreadsheet compute a cell (OWASP, CSV injection), with the full-width forms.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
HEADINGS = {
    "status": noop("Status"),
    "severity": noop("Severity"),
    "domain": noop("Domain"),
    "check": noop("Check"),
    "title": noop("Rule"),
    "subject": noop("Subject"),
    "message": noop("Finding"),
    "members": noop("Members"),
    "sites": noop("Sites"),
    "since": noop("Since"),
    "due": noop("Due"),
    "change": noop("Change"),
    "waiver": noop("Accepted risk"),
    "run": noop("Run"),
    "taken_at": noop("Taken at"),
}


def render(audit: Audit, language: Language) -> bytes:
    """Tell an audit as a worksheet, sorted by check and subject."""
    french = language.code == "fr"
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=";" if french else ",", lineterminator="\r\n")
    writer.writerow(language.text(h) if french else key for key, h in HEADINGS.items())
    writer.writerows(_rows(audit, language))
    return stream.getvalue().encode("utf-8-sig" if french else "utf-8")


def neutral(cell: str) -> str:
    """Make a cell that no spreadsheet takes for a formula, and that it can hold."""
    shown = cut(cell, LONGEST_CELL)
    return f"'{shown}" if cell.startswith(FORMULA) else shown


def _rows(audit: Audit, language: Language) -> Iterator[list[str]]:
    words = Words(language, audit)
    for finding in sorted(audit.findings, key=lambda f: (f.verdict.check, f.verdict.subject)):
        data = jsonl.record(audit, finding, language)
        if language.code == "fr":
            data |= _told(finding, language, words, audit)
        yield [neutral(_cell(data[key])) for key in HEADINGS]


def _cell(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "" if value is None else str(value)


def _told(finding: Finding, language: Language, words: Words, audit: Audit) -> dict[str, object]:
    """Say words and days as a French reader does; ids stay what they are."""
    verdict = finding.verdict
    declared = audit.estate.members
    members = [declared[m].title if m in declared else m for m in verdict.members]
    return {
        "status": words.states[finding.state],
        "severity": words.severities[verdict.severity],
        "domain": words.domain(verdict.domain),
        "members": ", ".join(members),
        "sites": words.sites(verdict.sites),
        "since": language.day(finding.since) if finding.since else None,
        "due": language.date(finding.due) if finding.due else None,
        "change": words.changes[finding.change] if finding.change else None,
        "taken_at": language.instant(audit.taken_at),
    }
