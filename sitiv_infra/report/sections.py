"""What the page shows below its summary: domains, their checks, and each finding as plain texts.

Texts that repeat are translated once; the template only places them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from itertools import groupby

from sitiv_infra.checking import Check
from sitiv_infra.estate import Severity
from sitiv_infra.messages import Language
from sitiv_infra.report.audit import Audit, Finding, State
from sitiv_infra.report.safe import cut
from sitiv_infra.report.summary import severities
from sitiv_infra.report.words import Words
from sitiv_infra.waivers import Waiver

MOST_PASSED = 200  # subjects that are named; the data formats name all
MOST_FINDINGS = 2000  # of one check, for the same reason
LONGEST_VALUE = 200  # characters of one piece of evidence
LISTED = (State.OPEN, State.UNKNOWN, State.WAIVED)


@dataclass(frozen=True, slots=True)
class Line:
    """One finding, told; every text is safe to look at, and not yet escaped."""

    state: State
    severity: Severity
    subject: str
    where: str
    message: str
    evidence: str
    since: str
    due: str
    late: bool
    change: str
    waiver: Waiver | None


@dataclass(frozen=True, slots=True)
class Rule:
    """One check with its findings; ``left_out`` counts those that the page does not list."""

    check: Check
    title: str
    risk: str
    fix: str
    points: tuple[str, ...]
    counts: Counter[State]
    lines: tuple[Line, ...]
    left_out: int
    passed: tuple[str, ...]

    @property
    def wanting(self) -> bool:
        """Whether somebody has something to do or to find out here."""
        return bool(self.counts[State.OPEN] or self.counts[State.UNKNOWN])


@dataclass(frozen=True, slots=True)
class Section:
    """One domain: its checks, the ones with the worst open failures first."""

    name: str
    title: str
    counts: Counter[State]
    severities: list[tuple[Severity, int]]
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Told:
    """Tells findings, one by one, in one language."""

    audit: Audit
    language: Language
    words: Words

    def line(self, finding: Finding) -> Line:
        """Tell one finding."""
        verdict = finding.verdict
        message = self.language.message(verdict.message, verdict.evidence)
        return Line(
            state=finding.state,
            severity=verdict.severity,
            subject=cut(verdict.subject),
            where=self._where(verdict.members, verdict.sites),
            message=cut(message),
            evidence=_evidence(verdict.evidence),
            since=self.language.day(finding.since) if finding.since else "",
            due=self.language.date(finding.due) if finding.due else "",
            late=finding.state is State.OPEN and finding.late(self.audit.day),
            change=self.words.changes[finding.change] if finding.fresh and finding.change else "",
            waiver=self._waivers.get(verdict.waiver) if verdict.waiver else None,
        )

    def count(self, state: State) -> int:
        """Count the verdicts of one state."""
        return self._counts[state]

    @cached_property
    def _counts(self) -> Counter[State]:
        return Counter(f.state for f in self.audit.findings)

    @cached_property
    def delays(self) -> list[tuple[Severity, timedelta]]:
        """The operator's delays, the shortest first."""
        delays = self.audit.estate.operator.delays
        return [(s, getattr(delays, s.value)) for s in reversed(Severity)]

    def title(self, check: Check) -> str:
        """Give a check's title as a heading, which ends without a full stop."""
        return self.language.text(check.title).removesuffix(".")

    @cached_property
    def titles(self) -> dict[str, str]:
        """Titles of the checks that were judged, by id."""
        return {f.check.id: self.title(f.check) for f in self.audit.findings}

    @cached_property
    def _waivers(self) -> dict[str, Waiver]:
        return {state.waiver.name: state.waiver for state in self.audit.waivers}

    def _where(self, members: tuple[str, ...], sites: tuple[str, ...]) -> str:
        return " · ".join(filter(None, (self.words.members(members), self.words.sites(sites))))


def _evidence(evidence: dict[str, object]) -> str:
    """Show what was seen as ``name=value``, as the data formats hold it."""
    shown = []
    for name, value in evidence.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        shown.append(f"{cut(name, LONGEST_VALUE)}={cut(text, LONGEST_VALUE)}")
    return " · ".join(shown)


def sections(audit: Audit, language: Language, words: Words) -> list[Section]:
    """Give the domains of an audit in order, each with its checks."""
    told = Told(audit, language, words)
    ordered = sorted(audit.findings, key=lambda f: (f.verdict.domain, f.check.id))
    found = []
    for name, group in groupby(ordered, key=lambda f: f.verdict.domain):
        inside = list(group)
        rules = [
            _rule(check_findings, told)
            for _, check_findings in groupby(inside, key=lambda f: f.check.id)
        ]
        rules.sort(key=_wanting_first)
        counts = Counter(f.state for f in inside)
        worst = severities(f for f in inside if f.state is State.OPEN)
        found.append(Section(name, words.domain(name), counts, worst, tuple(rules)))
    return found


def _rule(findings: Iterable[Finding], told: Told) -> Rule:
    ordered = sorted(findings, key=_open_first)
    check, say = ordered[0].check, told.language.text
    listed = [f for f in ordered if f.state in LISTED]
    return Rule(
        check=check,
        title=told.title(check),
        risk=say(check.risk),
        fix=say(check.fix),
        points=tuple(told.words.point(p) for p in check.proves),
        counts=Counter(f.state for f in ordered),
        lines=tuple(told.line(f) for f in listed[:MOST_FINDINGS]),
        left_out=max(0, len(listed) - MOST_FINDINGS),
        passed=tuple(cut(f.verdict.subject) for f in ordered if f.state is State.PASS),
    )


def _open_first(finding: Finding) -> tuple[int, str, str]:
    since = finding.since.isoformat() if finding.since else "~"
    return list(State).index(finding.state), since, finding.verdict.subject


def _wanting_first(rule: Rule) -> tuple[int, int, str]:
    """Order checks: the worst open ones, then what was not verified, then the rest."""
    rank = rule.check.severity.rank if rule.counts[State.OPEN] else 0
    return -rank, -rule.counts[State.UNKNOWN], rule.check.id


def bar(audit: Audit) -> Sequence[tuple[str, float, float]]:
    """Give the shares of a bar as (class, start, width) in hundredths of all that was judged."""
    counts: Counter[str] = Counter()
    for finding in audit.findings:
        open_ = finding.state is State.OPEN
        counts[finding.verdict.severity.value if open_ else finding.state.value] += 1
    judged = sum(counts.values()) - counts[State.NOTHING.value]
    order = [*reversed(Severity), *State]
    shares, start = [], 0.0
    for name in order:
        if name is not State.NOTHING and counts[name.value]:
            width = 100 * counts[name.value] / judged
            shares.append((name.value, round(start, 2), round(width, 2)))
            start += width
    return shares
