"""The decorator that makes a function a check, and the judge that runs them.

A check is a plain function ``(estate, facts) -> verdicts``: no input or output, no clock, no
network. Its docstring is its text: the first line is the title, then a paragraph that begins with
``Risk:`` and one that begins with ``Fix:``.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Protocol, TypeVar

from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Declared, Estate, Severity
from sitiv_infra.facts import FAMILIES, Facts
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
        """When the snapshot was begun, UTC."""
        return self._snapshot.taken_at

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


NEVER_ASKED = "this source was not asked"


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


def load_checks(folders: Iterable[Path]) -> list[Check]:
    """Load every check of the ``*.py`` files of some folders, sorted by id.

    Raises InvalidInput for a folder without checks, a file that can't be imported, an id used
    twice, or a need that no collector meets.
    """
    found: dict[str, Check] = {}
    for folder in folders:
        files = sorted(p for p in folder.glob("*.py") if not p.name.startswith("_"))
        if not files:
            raise InvalidInput(f"{folder}: no checks here (*.py)")
        for path in files:
            for item in vars(_module(path)).values():
                if isinstance(item, Check):
                    _add(found, item)
    return [found[name] for name in sorted(found)]


def _module(path: Path) -> ModuleType:
    name = (
        f"sitiv_checks_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}_{path.stem}"
    )
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InvalidInput(f"{path}: can't be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (ImportError, SyntaxError, NameError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(f"{path}: can't be imported: {error}") from error
    return module


def _add(found: dict[str, Check], item: Check) -> None:
    for name in (item.id, *item.aliases):
        other = found.get(name)
        if other is not None:
            raise InvalidInput(f"{item.file}: the id '{name}' is already used in {other.file}")
    for need in item.needs:
        if need not in FAMILIES:
            known = ", ".join(sorted(FAMILIES))
            raise InvalidInput(f"{item.file}: {item.id} needs '{need}', not one of {known}")
    found[item.id] = item


def judge(checks: Iterable[Check], snapshot: Snapshot) -> list[Verdict]:
    """Run checks over a snapshot: the same snapshot always gives the same verdicts."""
    scopes = _Scopes(snapshot.estate)
    return [verdict for item in checks for verdict in _judge_one(item, snapshot, scopes)]


class _Scopes:
    """Members and sites of subjects, worked out once each."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self._known: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}

    def __call__(self, subject: Subject) -> tuple[tuple[str, ...], tuple[str, ...]]:
        thing: object = subject
        place: Declared | None = None
        if isinstance(subject, Placed):
            thing, place = subject.thing, subject.place
        elif isinstance(subject, Found):
            thing = subject.parent
        if not isinstance(thing, Declared):
            return (), ()
        path = subject.path
        known = self._known.get(path)
        if known is None:
            sites = self._estate.sites_of(place if place is not None else thing)
            known = self._known[path] = (self._estate.members_of(thing), sites)
        return known


def _judge_one(item: Check, snapshot: Snapshot, scopes: _Scopes) -> list[Verdict]:
    facts = SeenFacts(snapshot)
    found: dict[str, Verdict] = {}
    outcomes = iter(_outcomes(item, snapshot, facts))
    for outcome in outcomes:
        path = outcome.subject.path
        if path in found:
            outcome = unknown(  # noqa: PLW2901 - the second answer replaces the first
                outcome.subject,
                "the check '{check}' answered twice for this subject",
                check=item.id,
            )
        members, sites = scopes(outcome.subject)
        found[path] = Verdict(
            item.id, path, outcome.status, item.severity, outcome.message, outcome.evidence,
            members, sites,
        )  # fmt: skip
    return [found[path] for path in sorted(found)]


def _outcomes(item: Check, snapshot: Snapshot, facts: SeenFacts) -> Iterator[Outcome]:
    """Give the check's own answers, then what it could not see."""
    operator = snapshot.estate.operator
    empty = True
    try:
        for outcome in item(snapshot.estate, facts):
            empty = False
            yield outcome
    except Exception as error:  # noqa: BLE001 - one of the two places: a check that raised is data
        empty = False
        yield unknown(operator, RAISED, error=_where(error, item.file))
    told: set[str] = set()
    for subject, source in facts.unobserved():
        empty = False
        told.add(source)
        yield unknown(subject, NOT_OBSERVED, source=source, cause=facts.cause(source))
    for source, declared in snapshot.estate.sources.items():
        needed = source.partition("/")[0] in item.needs
        if needed and source not in snapshot.observations and source not in told:
            empty = False
            yield unknown(declared, NOT_OBSERVED, source=source, cause=facts.cause(source))
    if empty:
        yield Outcome(
            Status.NOT_APPLICABLE, operator, "nothing declared for this check to judge", {}
        )


RAISED = "the check raised an error: {error}"
NOT_OBSERVED = "{source} was not observed: {cause}"


def _where(error: Exception, file: str) -> str:
    """Name the error and its line in the check's own file, without values that could be secret."""
    lines = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    line = f" ({Path(file).name}:{lines[-1].lineno})" if lines else ""
    return f"{type(error).__name__}: {error}{line}"
