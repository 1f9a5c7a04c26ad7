"""Accepted risks: a failure that somebody answers for, until a day that is always given.

A waiver is a property over ``fail``, not a status: an expired one lets the failure count again.
Days are those of the operator's time zone, and ``until`` is the last day that it holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from sitiv_infra.checking import Check, Status, Verdict
from sitiv_infra.documents import parse_list
from sitiv_infra.estate.base import Day, Part

WARN_BEFORE = timedelta(days=30)


class Waiver(Part):
    """One accepted risk; ``subject`` is a path, and ``*`` in it stands for any text."""

    check: str
    subject: Annotated[str, Field(pattern=r"^[^\s]+$")]
    reason: Annotated[str, Field(min_length=10)]
    owner: str
    approved_by: str
    since: Day
    until: Day
    ticket: str | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Waiver:
        if self.until < self.since:
            raise ValueError("'until' is before 'since'")
        return self

    @property
    def name(self) -> str:
        """Identity of the waiver in verdicts and reports."""
        return f"{self.check} {self.subject}"

    def matches(self, check: str, subject: str) -> bool:
        """Whether this waiver names a verdict, on whatever day."""
        if self.check != check:
            return False
        return self.subject == subject or ("*" in self.subject and _glob(subject, self.subject))


class Standing(StrEnum):
    """Where a waiver is in its life."""

    PLANNED = "planned"
    ACTIVE = "active"
    ENDING = "ending"
    EXPIRED = "expired"
    UNMATCHED = "unmatched"


@dataclass(frozen=True, slots=True)
class WaiverState:
    """A waiver on one day: its standing, and how many failures it covers or would cover."""

    waiver: Waiver
    standing: Standing
    failures: int


def load(path: Path) -> list[Waiver]:
    """Read a file of waivers; InvalidInput lists every mistake with its place."""
    return parse_list(path, Waiver) if path.exists() else []


def today(instant: datetime, timezone: str) -> date:
    """Give the day of an instant where the operator is."""
    return instant.astimezone(ZoneInfo(timezone)).date()


def apply(
    verdicts: Iterable[Verdict], waivers: Sequence[Waiver], checks: Iterable[Check], day: date
) -> tuple[list[Verdict], list[WaiverState]]:
    """Mark the failures that are accepted on a day, and say where each waiver stands."""
    current = {alias: item.id for item in checks for alias in item.aliases}
    by_check: dict[str, list[Waiver]] = {}
    for waiver in waivers:
        by_check.setdefault(current.get(waiver.check, waiver.check), []).append(waiver)
    failures: dict[str, int] = {}
    marked = []
    for verdict in verdicts:
        named = _naming(verdict, by_check)
        for waiver in named:
            failures[waiver.name] = failures.get(waiver.name, 0) + 1
        holds = next((w for w in named if w.since <= day <= w.until), None)
        marked.append(replace(verdict, waiver=holds.name) if holds else verdict)
    states = [
        WaiverState(w, _standing(w, failures.get(w.name, 0), day), failures.get(w.name, 0))
        for w in waivers
    ]
    return marked, states


def _naming(verdict: Verdict, by_check: dict[str, list[Waiver]]) -> list[Waiver]:
    if verdict.status is not Status.FAIL:
        return []
    waivers = by_check.get(verdict.check, ())
    return [w for w in waivers if w.matches(w.check, verdict.subject)]


def _standing(waiver: Waiver, failures: int, day: date) -> Standing:
    if day < waiver.since:
        return Standing.PLANNED
    if day > waiver.until:
        return Standing.EXPIRED
    if not failures:
        return Standing.UNMATCHED
    return Standing.ENDING if waiver.until - day <= WARN_BEFORE else Standing.ACTIVE


def _glob(subject: str, pattern: str) -> bool:
    """Match ``*`` only: other signs of a shell pattern are plain text in a path."""
    return fnmatchcase(subject, pattern.replace("[", "[[]").replace("?", "[?]"))
