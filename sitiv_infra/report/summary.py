"""What one page can say of an audit: members by domains, and the actions that help most.

Nothing here is told in a language, and nothing is averaged: a cell shows its worst verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from sitiv_infra.checking import Check
from sitiv_infra.estate import Severity
from sitiv_infra.report.audit import Audit, Finding, State
from sitiv_infra.waivers import Standing, WaiverState


@dataclass(slots=True)
class Cell:
    """The verdicts of one member in one domain; ``severity`` is the worst open one."""

    counts: Counter[State] = field(default_factory=Counter)
    severity: Severity | None = None

    def add(self, finding: Finding) -> None:
        """Count one verdict."""
        verdict = finding.verdict
        state = finding.state
        self.counts[state] += 1
        worst = self.severity.rank if self.severity else 0
        if state is State.OPEN and verdict.severity.rank > worst:
            self.severity = verdict.severity

    @property
    def state(self) -> State:
        """The worst state that any verdict has; ``NOTHING`` without verdicts."""
        return next((state for state in State if self.counts[state]), State.NOTHING)


@dataclass(frozen=True, slots=True)
class Row:
    """One member's cells by domain; ``member`` is None for what all share."""

    member: str | None
    title: str
    cells: dict[str, Cell]


@dataclass(frozen=True, slots=True)
class Action:
    """One remedy and the open failures that it would end; ``due`` is the earliest promise."""

    check: Check
    findings: tuple[Finding, ...]
    due: date | None
    late: int


def domains(audit: Audit) -> list[str]:
    """Name the domains that were judged, in order."""
    return sorted({f.verdict.domain for f in audit.findings})


def grid(audit: Audit) -> list[Row]:
    """Give members by domains: members as declared, then what no single member owns."""
    cells: dict[str | None, dict[str, Cell]] = {}
    for finding in audit.findings:
        verdict = finding.verdict
        for member in verdict.members or (None,):
            row = cells.setdefault(member, {})
            row.setdefault(verdict.domain, Cell()).add(finding)
    members = audit.estate.members
    rows = [Row(name, members[name].title, cells[name]) for name in members if name in cells]
    if None in cells:
        rows.append(Row(None, audit.estate.operator.title, cells[None]))
    return rows


def actions(audit: Audit, most: int = 5) -> list[Action]:
    """Give the remedies of the worst open failures: by severity, then late ones, then reach."""
    groups: dict[str, list[Finding]] = {}
    for finding in audit.open():
        groups.setdefault(finding.verdict.check, []).append(finding)
    found = [_action(group, audit.day) for group in groups.values()]
    found.sort(key=lambda a: (-a.check.severity.rank, -a.late, -len(a.findings), a.check.id))
    return found[:most]


def _action(group: list[Finding], day: date) -> Action:
    due = min((f.due for f in group if f.due), default=None)
    return Action(group[0].check, tuple(group), due, sum(f.late(day) for f in group))


def severities(findings: Iterable[Finding]) -> list[tuple[Severity, int]]:
    """Count findings by severity, worst first, without the severities that have none."""
    counts = Counter(f.verdict.severity for f in findings)
    return [(s, counts[s]) for s in reversed(Severity) if counts[s]]


ATTENTION = (Standing.EXPIRED, Standing.ENDING, Standing.UNMATCHED)


def attention(audit: Audit) -> list[WaiverState]:
    """Give the accepted risks that somebody must look at: ended, ending soon, matching nothing."""
    found = [state for state in audit.waivers if state.standing in ATTENTION]
    return sorted(found, key=lambda s: (ATTENTION.index(s.standing), s.waiver.until, s.waiver.name))
