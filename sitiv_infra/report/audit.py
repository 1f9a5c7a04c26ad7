"""What a report is told: the verdicts of one run, with what history and waivers say of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sitiv_infra.checking import Check, Status, Verdict
from sitiv_infra.estate import Estate, Severity
from sitiv_infra.policy.moves import Moves
from sitiv_infra.snapshot import Gap
from sitiv_infra.waivers import WaiverState, today


class State(StrEnum):
    """How a verdict counts for a reader, worst first; an accepted failure is not open."""

    OPEN = "open"
    UNKNOWN = "unknown"
    WAIVED = "waived"
    PASS = "pass"  # noqa: S105 - a state, not a password
    NOTHING = "not-applicable"


STATES = {
    Status.FAIL: State.OPEN,
    Status.UNKNOWN: State.UNKNOWN,
    Status.PASS: State.PASS,
    Status.NOT_APPLICABLE: State.NOTHING,
}


class Change(StrEnum):
    """How a verdict differs from the run before."""

    NEW = "new"
    BACK = "back"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict with its rule and its life.

    since -- when it began to fail, None unless it fails; due -- when the operator promised to have
    it mended; both from history and the estate's delays.
    """

    verdict: Verdict
    check: Check
    change: Change | None = None
    since: datetime | None = None
    due: date | None = None

    @property
    def state(self) -> State:
        """How this counts for a reader."""
        accepted = self.verdict.status is Status.FAIL and self.verdict.waiver is not None
        return State.WAIVED if accepted else STATES[self.verdict.status]

    @property
    def fresh(self) -> bool:
        """Whether the run before did not have this failure."""
        return self.change in {Change.NEW, Change.BACK}

    def late(self, day: date) -> bool:
        """Whether the promised day has passed."""
        return self.due is not None and self.due < day


@dataclass(frozen=True, slots=True)
class Mended:
    """A failure of the run before that is gone."""

    check: str
    subject: str
    since: datetime


@dataclass(frozen=True)
class Audit:
    """One run, ready to be told: the only thing that a format is given.

    previous -- name of the run that changes are counted against, None for the first one.
    recording -- where the snapshot is a shipped recording, its day. moves -- what firewalls let
    through otherwise than in the previous run.
    """

    name: str
    taken_at: datetime
    estate: Estate
    findings: tuple[Finding, ...]
    fixed: tuple[Mended, ...] = ()
    gaps: tuple[Gap, ...] = ()
    waivers: tuple[WaiverState, ...] = ()
    observed: int = 0
    previous: str | None = None
    recording: date | None = None
    selection: str | None = None
    moves: tuple[Moves, ...] = ()

    @property
    def day(self) -> date:
        """The day of the run where the operator is."""
        return today(self.taken_at, self.estate.operator.timezone)

    def counts(self) -> Mapping[Status, int]:
        """Verdicts by status; waived failures count as failures here."""
        return Counter(f.verdict.status for f in self.findings)

    def open(self, at_least: Severity = Severity.INFO) -> list[Finding]:
        """Failures that nobody accepted, worst first, then oldest."""
        found = [
            f for f in self.findings if f.verdict.open and f.verdict.severity.rank >= at_least.rank
        ]
        return sorted(found, key=_worst_first)

    def changed(self, change: Change) -> list[Finding]:
        """Open failures that the run before did not have, worst first."""
        return [f for f in self.open() if f.change is change]

    def unknown(self) -> list[Finding]:
        """Give what could not be judged, worst first."""
        found = [f for f in self.findings if f.verdict.status is Status.UNKNOWN]
        return sorted(found, key=_worst_first)

    def waived(self) -> list[Finding]:
        """Failures that somebody accepted, worst first."""
        found = [f for f in self.findings if f.verdict.waiver is not None]
        return sorted(found, key=_worst_first)


def _worst_first(finding: Finding) -> tuple[int, str, str, str]:
    since = finding.since.isoformat() if finding.since else "~"
    verdict = finding.verdict
    return -verdict.severity.rank, since, verdict.check, verdict.subject


def exit_code(findings: Iterable[Finding], fail_on: Severity) -> int:
    """Give 2 when something could not be judged, 1 for an open failure, else 0."""
    code = 0
    for finding in findings:
        verdict = finding.verdict
        if verdict.status is Status.UNKNOWN:
            return 2
        if verdict.open and verdict.severity.rank >= fail_on.rank:
            code = 1
    return code
