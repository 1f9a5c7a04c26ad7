"""Nights made by hand: what the runs, the ledger and the reports are tested with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from sitiv_infra.checking import Check, SeenFacts, Status, Verdict, Verdicts, check, ok
from sitiv_infra.estate import Estate, Severity
from sitiv_infra.judging import judge
from sitiv_infra.runs import UNFINISHED, Run, record
from sitiv_infra.snapshot import Head, begin, finish, read_snapshot
from sitiv_infra.testing import NOW, estate_of
from sitiv_infra.waivers import Waiver

RESTS = """
zones:
  internet: {title: Internet, internet: true}
  unassigned: {title: Nobody's, unassigned: true}
"""
ESTATE = estate_of(RESTS, "machines: {m1: {site: a, role: application}}")
Told = Mapping[tuple[str, str], Status]


@check("test.rule", severity="high", needs=(), aliases=["test.old-rule"])
def rule(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Something holds.

    Risk: none.

    Fix: nothing.
    """
    del facts
    yield ok(estate.operator, "fine")


RULES: list[Check] = [rule]


def verdict(name: str, subject: str, status: Status, waiver: str | None = None) -> Verdict:
    return Verdict(name, subject, status, Severity.HIGH, "said", {}, ("corbas",), ("a",), waiver)


def night(
    root: Path,
    told: Told | None,
    *,
    started: datetime | None = None,
    waivers: Sequence[Waiver] = (),
    key: Path | None = None,
) -> Run:
    """Record one night with these verdicts, or as judged; each is a day after the one before."""
    number = sum(1 for p in root.glob("[0-9]*")) if root.exists() else 0
    began = started or NOW + timedelta(days=number)
    folder = root / UNFINISHED
    head = Head(started=began, fingerprint=ESTATE.fingerprint)
    begin(folder, ESTATE, head)
    finish(folder, head.model_copy(update={"finished": began}), [])
    verdicts = [verdict(*key, status) for key, status in (told or {}).items()]
    if told is None:
        verdicts = judge(RULES, read_snapshot(folder))
    return record(root, folder, verdicts, waivers, RULES, key)
