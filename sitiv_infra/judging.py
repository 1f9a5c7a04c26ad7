"""Loading checks by path, and the judge that runs them over a snapshot.

Neither reads nor writes anything but the rules' own files: any past night can be judged again.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from string import Formatter
from types import ModuleType

from sitiv_infra.checking import (
    Check,
    Found,
    Outcome,
    Placed,
    SeenFacts,
    Status,
    Subject,
    Verdict,
    unknown,
)
from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Declared, Estate
from sitiv_infra.facts import FAMILIES
from sitiv_infra.messages import noop, plain
from sitiv_infra.snapshot import Snapshot


def built_in() -> Path:
    """Give the folder of the project's own checks: beside the package, or carried by the wheel."""
    package = Path(__file__).parent
    carried = package / "_checks"
    return carried if carried.is_dir() else package.parent / "checks"


def load_checks(folders: Iterable[Path]) -> list[Check]:
    """Load every check of the ``*.py`` files of some folders, sorted by id.

    Raises InvalidInput for a folder without checks, a file that can't be imported, an id used
    twice, or a need that no collector meets.
    """
    found: dict[str, Check] = {}
    for folder in folders:
        if not folder.is_dir():
            raise InvalidInput(f"{folder}: no such folder of checks")
        files = sorted(p for p in folder.glob("*.py") if not p.name.startswith("_"))
        if not files:
            raise InvalidInput(f"{folder}: no checks here (*.py)")
        for path in files:
            for item in vars(_module(path)).values():
                if isinstance(item, Check):
                    _add(found, item)
    return [found[name] for name in sorted(found)]


# What executing a rules' file may raise: what Python itself raises, and a wish to end.
IMPORT_ERRORS = (
    ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, ImportError,
    InvalidInput, LookupError, MemoryError, NameError, OSError, ReferenceError, RuntimeError,
    SyntaxError, SystemError, SystemExit, TypeError, ValueError,
)  # fmt: skip


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
    except IMPORT_ERRORS as error:
        what = f"{type(error).__name__}: {error}"
        raise InvalidInput(f"{path}: can't be imported: {what}") from error
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
            # A place may stand on no site, as a playbook's run.
            sites = self._estate.sites_of(place) if place is not None else ()
            sites = sites or self._estate.sites_of(thing)
            known = self._known[path] = (self._estate.members_of(thing), sites)
        return known


def _judge_one(item: Check, snapshot: Snapshot, scopes: _Scopes) -> list[Verdict]:
    facts = SeenFacts(snapshot)
    found: dict[str, Verdict] = {}
    for verdict in _answers(item, snapshot, facts, scopes):
        path = verdict.subject
        if path in found and verdict.message != RAISED:
            twice = replace(verdict, status=Status.UNKNOWN, message=TWICE)
            found[path] = replace(twice, evidence={"check": item.id})
        else:
            found[path] = verdict
    for outcome in _unseen(item, snapshot, facts, empty=not found):
        verdict = _verdict(item, outcome, scopes)
        found[verdict.subject] = verdict
    return [found[path] for path in sorted(found)]


def _verdict(item: Check, outcome: Outcome, scopes: _Scopes) -> Verdict:
    _must_be_template(outcome.message)
    members, sites = scopes(outcome.subject)
    return Verdict(
        item.id, outcome.subject.path, outcome.status, item.severity, outcome.message,
        {name: plain(value) for name, value in outcome.evidence.items()}, members, sites,
    )  # fmt: skip


@lru_cache(maxsize=10_000)
def _must_be_template(message: str) -> None:
    """Raise ValueError for a message that no report could fill."""
    list(Formatter().parse(message))


def _answers(
    item: Check, snapshot: Snapshot, facts: SeenFacts, scopes: _Scopes
) -> Iterator[Verdict]:
    """Give the check's own answers; one that is no answer is an error of the check, too."""
    raised: Exception | SystemExit
    try:
        for outcome in item(snapshot.estate, facts):
            yield _verdict(item, outcome, scopes)
    except Exception as error:  # noqa: BLE001 - one of the two places: a check that raised is data
        raised = error
    except SystemExit as error:  # it would end the audit, and with exit code 0
        raised = error
    else:
        return
    told = unknown(snapshot.estate.operator, RAISED, error=_where(raised, item.file))
    yield _verdict(item, told, scopes)


def _unseen(item: Check, snapshot: Snapshot, facts: SeenFacts, *, empty: bool) -> Iterator[Outcome]:
    """Give what a check could not see, and what stands for it when it has no subject."""
    operator = snapshot.estate.operator
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
TWICE = noop("the check '{check}' answered twice for this subject")
NOT_OBSERVED = "{source} was not observed: {cause}"


def _where(error: Exception | SystemExit, file: str) -> str:
    """Name the error and its line in the check's own file, without values that could be secret."""
    lines = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    line = f" ({Path(file).name}:{lines[-1].lineno})" if lines else ""
    return f"{type(error).__name__}: {error}{line}"
