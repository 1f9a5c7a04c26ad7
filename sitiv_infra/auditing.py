"""The main job: observe (or take a snapshot), judge, record, and hand the result to a report."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

from sitiv_infra.checking import Check, Status, Verdict
from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Estate
from sitiv_infra.evidence import MANIFEST
from sitiv_infra.facts import FirewallFacts
from sitiv_infra.judging import judge
from sitiv_infra.ledger import Ended, Key, Life, history
from sitiv_infra.messages import noop
from sitiv_infra.observe import Observing, discard_stale, observe
from sitiv_infra.policy.counters import carried
from sitiv_infra.policy.moves import Moves
from sitiv_infra.policy.nights import moves
from sitiv_infra.report.audit import Audit, Change, Finding, Mended
from sitiv_infra.runs import UNFINISHED, Run, all_runs, locked, open_run, record
from sitiv_infra.selection import Selection
from sitiv_infra.snapshot import Snapshot, begin, finish, merge, read_snapshot, write_part
from sitiv_infra.waivers import Waiver, WaiverState, apply, today


@dataclass(frozen=True)
class Rules:
    """What snapshots are judged by."""

    checks: Sequence[Check]
    waivers: Sequence[Waiver]
    selection: Selection = field(default_factory=Selection)

    @property
    def aliases(self) -> dict[str, str]:
        """Former check ids to current ones."""
        return {alias: item.id for item in self.checks for alias in item.aliases}


@dataclass(frozen=True)
class Lives:
    """What history says of a run's failures."""

    open: Mapping[Key, Life]
    ended: Sequence[Ended] = ()
    previous: str | None = None
    moves: Sequence[Moves] = ()


NO_HISTORY = Lives({})
NOT_RECORDED = "-"
Judged = tuple[list[Verdict], list[WaiverState]]


def judged(snapshot: Snapshot, rules: Rules) -> Judged:
    """Judge a snapshot by the wanted checks, and mark what is accepted on its day."""
    rules.selection.validate(snapshot.estate)
    wanted = rules.selection.checks(rules.checks)
    verdicts = [v for v in judge(wanted, snapshot) if rules.selection.wants(v)]
    return _accepted(verdicts, rules.waivers, rules, day_of(snapshot))


def _accepted(
    verdicts: Sequence[Verdict], waivers: Sequence[Waiver], rules: Rules, day: date
) -> Judged:
    """Mark what is accepted; of a part of an audit, a waiver for the rest has nothing to say."""
    marked, states = apply(verdicts, waivers, rules.checks, day)
    return marked, [state for state in states if state.failures or not rules.selection]


def day_of(snapshot: Snapshot) -> date:
    """Give the operator's day that a snapshot was taken on."""
    return today(snapshot.taken_at, snapshot.estate.operator.timezone)


def told(
    name: str, snapshot: Snapshot, result: Judged, rules: Rules, lives: Lives = NO_HISTORY
) -> Audit:
    """Put together what a report is told."""
    by_id = {item.id: item for item in rules.checks}
    verdicts, states = result
    findings = [
        _finding(v, by_id.get(v.check) or forgotten(v), snapshot.estate, lives) for v in verdicts
    ]
    if rules.selection and not findings:
        raise InvalidInput(f"{rules.selection}: nothing is left; that is no good news")
    return Audit(
        name=name,
        taken_at=snapshot.taken_at,
        estate=snapshot.estate,
        findings=tuple(findings),
        fixed=tuple(Mended(e.check, e.subject, e.since) for e in lives.ended),
        gaps=tuple(snapshot.gaps.values()),
        waivers=tuple(states),
        observed=len(snapshot.observations),
        previous=lives.previous,
        recording=snapshot.head.recording,
        selection=str(rules.selection) or None,
        moves=tuple(lives.moves),
    )


def forgotten(verdict: Verdict) -> Check:
    """Stand in for a check that judged a past night and is no longer here: it still counts."""
    return Check(
        verdict.check, verdict.severity, (), (), (), lambda _estate, _facts: iter(()),
        FORGOTTEN, FORGOTTEN_RISK, FORGOTTEN_FIX, "",
    )  # fmt: skip


FORGOTTEN = noop("A check of that night, which is not among those of today.")
FORGOTTEN_RISK = noop("not known today.")
FORGOTTEN_FIX = noop("give its folder with --checks.")


def _finding(verdict: Verdict, item: Check, estate: Estate, lives: Lives) -> Finding:
    life = lives.open.get((verdict.check, verdict.subject))
    if verdict.status is not Status.FAIL or life is None:
        return Finding(verdict, item)
    change = Change.SAME
    if life.opened_now:
        change = Change.BACK if life.again else Change.NEW
    delay = getattr(estate.operator.delays, verdict.severity.value)
    due = today(life.since + delay, estate.operator.timezone)
    return Finding(verdict, item, change, life.since, due)


def live(
    root: Path, estate: Estate, rules: Rules, how: Observing, *, key: Path | None, keep: bool = True
) -> Audit:
    """Audit an estate as it is now, and record the run; a selection is told but not recorded."""
    if rules.selection or not keep:
        return _live_unrecorded(estate, rules, how)
    with locked(root):
        all_runs(root)  # one that can't be read is said now, not after the sources were read
        folder = root / UNFINISHED
        discard_stale(folder, estate, datetime.now(UTC))
        observe(folder, estate, how)
        _carry_hits(root, folder)
        run = _record(root, folder, rules, key)
    return told_run(root, run, rules)


def _carry_hits(root: Path, folder: Path) -> None:
    """Note which rules of firewalls were hit since the last run, before this one is recorded."""
    runs = all_runs(root)
    before = runs[-1].snapshot().observations if runs else {}
    for source, seen in read_snapshot(folder).observations.items():
        old = before.get(source)
        if isinstance(seen.facts, FirewallFacts) and old and isinstance(old.facts, FirewallFacts):
            facts = carried(old.facts, old.taken_at, seen.facts)
            write_part(folder, replace(seen, facts=facts))


def _live_unrecorded(estate: Estate, rules: Rules, how: Observing) -> Audit:
    rules.selection.validate(estate)
    sources = rules.selection.sources(estate, rules.selection.checks(rules.checks))
    with tempfile.TemporaryDirectory(prefix="sitiv-") as scratch:
        folder = Path(scratch)
        observe(folder, estate, how, only=sources)
        snapshot = read_snapshot(folder)
    return told(NOT_RECORDED, snapshot, judged(snapshot, rules), rules)


def _record(root: Path, folder: Path, rules: Rules, key: Path | None) -> Run:
    verdicts, _ = judged(read_snapshot(folder), rules)
    return record(root, folder, verdicts, rules.waivers, rules.checks, key)


def told_run(root: Path, run: Run, rules: Rules) -> Audit:
    """Tell a recorded run: the verdicts of that night, with what history says of them."""
    snapshot = run.snapshot()
    rules.selection.validate(snapshot.estate)
    recorded = [replace(v, check=rules.aliases.get(v.check, v.check)) for v in run.verdicts()]
    here = {item.id for item in rules.checks}
    others = {v.check: forgotten(v) for v in recorded if v.check not in here}
    wanted = {item.id for item in rules.selection.checks([*rules.checks, *others.values()])}
    kept = [v for v in recorded if v.check in wanted and rules.selection.wants(v)]
    result = _accepted(kept, run.waivers(), rules, day_of(snapshot))
    return told(run.name, snapshot, result, rules, _lives(root, run, rules))


def _lives(root: Path, run: Run, rules: Rules) -> Lives:
    if run.folder.parent.resolve() != root.resolve():
        return NO_HISTORY
    with history(root, rules.aliases) as index:
        before = run.manifest.previous
        ended = [e for e in index.ended(run) if not rules.selection]
        lives = Lives(index.lives(run), ended, before.name if before else None)
    folder = root / lives.previous if lives.previous else None
    if rules.selection or folder is None or not folder.is_dir():  # it may be kept elsewhere
        return lives
    return replace(lives, moves=tuple(moves(open_run(folder).snapshot(), run.snapshot())))


def replay(
    root: Path,
    folders: Sequence[Path],
    rules: Rules,
    *,
    keep: bool,
    key: Path | None,
    ours: bool = False,
) -> Audit:
    """Judge what was observed before: a recorded run again, or snapshots for the first time.

    Snapshots of several trust zones are joined. They are recorded as a run in ``root`` when
    ``keep`` is set and nothing is left out; a snapshot that is recorded already is not twice.
    A run is judged with the waivers of its night, or with ``rules.waivers`` when they are ``ours``.
    """
    for folder in folders:
        if not folder.is_dir():
            raise InvalidInput(f"--from {folder}: no such folder")
    if len(folders) == 1 and (folders[0] / MANIFEST).exists():
        run = open_run(folders[0])
        snapshot = run.snapshot()
        lives = _lives(run.folder.parent, run, rules)
        by = rules if ours else replace(rules, waivers=run.waivers())
        return told(run.name, snapshot, judged(snapshot, by), by, lives)
    snapshot = merge(list(folders))
    if not keep or rules.selection:
        return told(NOT_RECORDED, snapshot, judged(snapshot, rules), rules)
    with locked(root):
        kept = _recorded(root, snapshot)
        run = kept or _record(root, _copy(root, snapshot), rules, key)
    # One that was recorded before is judged by the rules of now: they may have changed.
    return told(run.name, snapshot, judged(snapshot, rules), rules, _lives(root, run, rules))


def _recorded(root: Path, snapshot: Snapshot) -> Run | None:
    """Find the run that was made from a snapshot, all of it and nothing else."""
    return next((run for run in all_runs(root) if _holds(run, snapshot)), None)


def _holds(run: Run, snapshot: Snapshot) -> bool:
    if run.manifest.started != snapshot.head.started:
        return False
    kept = run.snapshot()
    return (kept.estate.fingerprint, kept.observations, kept.gaps) == (
        snapshot.estate.fingerprint, snapshot.observations, snapshot.gaps,
    )  # fmt: skip


def _copy(root: Path, snapshot: Snapshot) -> Path:
    """Write a joined snapshot where runs are made."""
    folder = root / UNFINISHED
    if folder.exists():
        shutil.rmtree(folder)
    begin(folder, snapshot.estate, snapshot.head)
    for seen in snapshot.observations.values():
        write_part(folder, seen)
    finish(folder, snapshot.head, snapshot.gaps.values())
    return folder


Difference = tuple[str, str, str, str]


def differences(
    before: Iterable[Verdict], after: Iterable[Verdict], aliases: Mapping[str, str]
) -> list[Difference]:
    """Give what differs between two lists of verdicts: (check, subject, status, status).

    aliases -- former check ids to current ones.
    """
    first = {(aliases.get(v.check, v.check), v.subject): shown_status(v) for v in before}
    second = {(aliases.get(v.check, v.check), v.subject): shown_status(v) for v in after}
    return [
        (*key, first.get(key, ABSENT), second.get(key, ABSENT))
        for key in sorted(first.keys() | second.keys())
        if first.get(key, ABSENT) != second.get(key, ABSENT)
    ]


ABSENT = "absent"


def shown_status(verdict: Verdict) -> str:
    """Give a status, with ``waived`` for a failure that is accepted."""
    return "waived" if verdict.waiver is not None else verdict.status.value
