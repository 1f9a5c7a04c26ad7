"""What the author of a check needs: statuses, subjects, answers, facts, and the decorator.

A check is a plain function ``(estate, facts) -> verdicts``: no input or output, no clock, no
network. Its docstring is its text: the first line is the title, then a paragraph that begins with
``Risk:`` and one that begins with ``Fix:``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Declared, Estate, Severity
from sitiv_infra.facts import Facts
from sitiv_infra.messages import noop
from sitiv_infra.snapshot import Snapshot

F = TypeVar("F", bound=Facts)
S = TypeVar("S", bound="Subject")
Evidence = dict[str, object]


class Status(StrEnum):
    """The four answers; what could not be read is never a pass (OCSF 1, 3, 2, 99)."""

    PASS = "pass"  # noqa: S105 - a status, not a password
    FAIL = "fail"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not-applicable"


class Subject(Protocol):
    """What a verdict is about."""

    @property
    def path(self) -> str:
        """Identity, stable over nights."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A declared thing as one source sees it: a bucket on a store, a flow on a firewall."""

    thing: Declared
    place: Declared

    @property
    def path(self) -> str:
        """``owner/kind/name@place``."""
        return f"{self.thing.path}@{self.place.name}"


@dataclass(frozen=True, slots=True)
class Found:
    """Something seen that nobody declared, below the declared thing where it was seen."""

    parent: Declared
    label: str

    @property
    def path(self) -> str:
        """``owner/kind/name/label``."""
        return f"{self.parent.path}/{self.label}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check says of one subject; ``evidence`` fills the message's braces."""

    status: Status
    subject: Subject
    message: str
    evidence: Evidence


Verdicts = Iterator[Outcome]


def ok(subject: Subject, message: str, **evidence: object) -> Outcome:
    """Say that a subject is as promised."""
    return Outcome(Status.PASS, subject, message, evidence)


def fail(subject: Subject, message: str, **evidence: object) -> Outcome:
    """Say that a subject is not as promised."""
    return Outcome(Status.FAIL, subject, message, evidence)


def unknown(subject: Subject, message: str, **evidence: object) -> Outcome:
    """Say that a subject could not be judged, and why."""
    return Outcome(Status.UNKNOWN, subject, message, evidence)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One check's answer for one subject; (check, subject) is its identity."""

    check: str
    subject: str
    status: Status
    severity: Severity
    message: str
    evidence: Evidence
    members: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    waiver: str | None = None

    @property
    def domain(self) -> str:
        """First word of the check's id."""
        return self.check.partition(".")[0]

    @property
    def open(self) -> bool:
        """Whether this is a failure that nobody accepted."""
        return self.status is Status.FAIL and self.waiver is None


class SeenFacts:
    """What a check may see: facts by source, and the instant that ages are counted to.

    ``each`` skips subjects whose source was not observed; the judge makes them ``unknown``.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._unobserved: list[tuple[Subject, str]] = []

    @property
    def now(self) -> datetime:
        """When the last part of the snapshot was taken, UTC."""
        return self._snapshot.taken_at

    @property
    def today(self) -> date:
        """The day of ``now`` where the operator is."""
        return self.now.astimezone(ZoneInfo(self._snapshot.estate.operator.timezone)).date()

    def age(self, instant: datetime) -> timedelta:
        """Time from an instant to the snapshot; negative for what lies ahead."""
        return self.now - instant

    def each(self, subjects: Iterable[S], kind: type[F]) -> Iterator[tuple[S, F]]:
        """Give each subject with what its source said."""
        for subject in subjects:
            source = source_of(self._snapshot.estate, subject, kind.family)
            seen = self.of(source, kind)
            if seen is None:
                self._unobserved.append((subject, source))
            else:
                yield subject, seen

    def of(self, source: str, kind: type[F]) -> F | None:
        """Give what one source said, or None where it was not observed."""
        seen = self._snapshot.observations.get(source)
        return seen.facts if seen is not None and isinstance(seen.facts, kind) else None

    def all(self, kind: type[F]) -> dict[str, F]:
        """Give what every observed source of a kind said; gaps are not in it."""
        found = self._snapshot.observations.items()
        return {source: seen.facts for source, seen in found if isinstance(seen.facts, kind)}

    def missing(self, kind: type[F]) -> list[str]:
        """Name the declared sources of a kind that were not observed."""
        seen = self._snapshot.observations
        names = self._snapshot.estate.sources
        return [s for s in names if s.startswith(f"{kind.family}/") and s not in seen]

    def cause(self, source: str) -> str:
        """Why a source was not observed."""
        gap = self._snapshot.gaps.get(source)
        return gap.cause if gap else NEVER_ASKED

    def unobserved(self) -> list[tuple[Subject, str]]:
        """Subjects that ``each`` had to skip, with their source."""
        return self._unobserved


NEVER_ASKED = noop("this source was not asked")


def source_of(estate: Estate, subject: Subject, family: str) -> str:
    """Name the source that a family of collectors reads a subject from."""
    if isinstance(subject, Placed):
        return source_of(estate, subject.place, family)
    if isinstance(subject, Found):
        return source_of(estate, subject.parent, family)
    source = estate.source_for(subject, family) if isinstance(subject, Declared) else None
    if source is None:
        raise LookupError(f"nothing of family '{family}' observes {subject.path}")
    return source


Function = Callable[[Estate, SeenFacts], Verdicts]


@dataclass(frozen=True)
class Check:
    """A rule: its function and its metadata. Made by the decorator, never by hand."""

    id: str
    severity: Severity
    needs: tuple[str, ...]
    proves: tuple[str, ...]
    aliases: tuple[str, ...]
    function: Function
    title: str
    risk: str
    fix: str
    file: str

    def __call__(self, estate: Estate, facts: SeenFacts) -> Verdicts:
        """Run the rule."""
        return self.function(estate, facts)

    @property
    def domain(self) -> str:
        """First word of the id."""
        return self.id.partition(".")[0]


def check(
    id: str,  # noqa: A002 - the word that everybody uses
    *,
    severity: str,
    needs: Iterable[str],
    proves: Iterable[str] = (),
    aliases: Iterable[str] = (),
) -> Callable[[Function], Check]:
    """Make a function a check.

    id -- ``domain.what``: stable, since waivers and history hang on it; ``aliases`` are its former
    ids. needs -- families of sources without which it says ``unknown``. proves -- points of
    frameworks, such as ``hygiene:37``.
    """

    def make(function: Function) -> Check:
        title, risk, fix = _texts(function)
        file = inspect.getsourcefile(function) or "?"
        return Check(
            id, Severity(severity), tuple(needs), tuple(proves), tuple(aliases), function,
            title, risk, fix, file,
        )  # fmt: skip

    return make


def _texts(function: Function) -> tuple[str, str, str]:
    """Read title, risk and fix from the docstring; a check without them is refused."""
    paragraphs = [" ".join(p.split()) for p in (inspect.getdoc(function) or "").split("\n\n")]
    risk = [p.removeprefix("Risk:").strip() for p in paragraphs if p.startswith("Risk:")]
    fix = [p.removeprefix("Fix:").strip() for p in paragraphs if p.startswith("Fix:")]
    if not paragraphs[0] or len(risk) != 1 or len(fix) != 1:
        raise InvalidInput(
            f"check '{function.__name__}': the docstring needs a title, 'Risk: …' and 'Fix: …'"
        )
    return paragraphs[0], risk[0], fix[0]


def worst(outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """Give one answer a subject, the worst: names of things in a vCenter need not be unique."""
    found: dict[str, Outcome] = {}
    for outcome in outcomes:
        path = outcome.subject.path
        found[path] = min(found.get(path, outcome), outcome, key=rank)
    yield from found.values()


def rank(outcome: Outcome) -> int:
    """Put the worst first: what fails, what is not known, what passes."""
    return (Status.FAIL, Status.UNKNOWN, Status.PASS).index(outcome.status)


def label(name: str) -> str:
    """Make a name fit for a path: a waiver can't name what holds a space."""
    return "_".join(name.split())
