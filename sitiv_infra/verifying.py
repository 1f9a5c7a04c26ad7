"""Proving a run: its files, its place in the chain, its signature, and its verdicts again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sitiv_infra.auditing import Rules, differences, judged
from sitiv_infra.checking import Check
from sitiv_infra.errors import RunError
from sitiv_infra.evidence import MANIFEST, SIGNATURE, chain_broken, signature_wrong, tampered
from sitiv_infra.runs import Run, line_of, versions
from sitiv_infra.snapshot import read_head

OTHER_WORDS = "the same status, recorded otherwise than judged again"


@dataclass(frozen=True)
class Proof:
    """What was found of one run; ``wrong`` is empty when it is what it was."""

    run: str
    files: int
    signed: bool
    verdicts: int
    wrong: tuple[str, ...]
    notes: tuple[str, ...] = ()


def prove(run: Run, checks: Sequence[Check], allowed_signers: Path | None = None) -> Proof:
    """Check one run.

    The snapshot is judged again by ``checks``. With other rules than that night's, differences
    are noted rather than wrong: the rules may have become better.
    """
    wrong = [*tampered(run.folder, run.manifest), *_mislabelled(run)]
    broken = chain_broken(run.folder, run.manifest)
    if broken:
        wrong.append(broken)
    signed = (run.folder / SIGNATURE).exists()
    notes = []
    if allowed_signers is not None:
        bad = signature_wrong(run.folder, allowed_signers)
        wrong += [bad] if bad else []
    elif signed:
        notes.append("the signature was not checked: give --allowed-signers FILE")
    verdicts = 0
    try:
        verdicts = len(run.verdicts())
        found = list(_judged_otherwise(run, checks))
    except RunError as error:
        wrong.append(str(error))
        found = []
    now, then = versions(checks), run.manifest.versions
    if all(now[name] == then.get(name) for name in ("checks", "sitiv-infra")):
        wrong += found
    elif found:
        notes.append(f"judged by other rules today: {len(found)} verdicts differ")
        notes += [line for line in found if not line.endswith(OTHER_WORDS)]
    return Proof(run.name, len(run.manifest.files), signed, verdicts, _once(wrong), tuple(notes))


def _mislabelled(run: Run) -> Iterator[str]:
    """Say what a manifest tells otherwise than the run's folder and its snapshot."""
    path, manifest = run.folder / MANIFEST, run.manifest
    if manifest.name != run.folder.resolve().name:
        yield f"{path}: is that of run {manifest.name}"
    try:
        started = read_head(run.folder).started
    except RunError as error:
        yield str(error)
    else:
        if manifest.started != started:
            yield f"{path}: began {manifest.started}, the snapshot {started}"


def _judged_otherwise(run: Run, checks: Sequence[Check]) -> Iterator[str]:
    """Say what is not as judged again: first a status, then anything else that was recorded."""
    rules = Rules(checks, run.waivers())
    again, _ = judged(run.snapshot(), rules)
    recorded = [replace(v, check=rules.aliases.get(v.check, v.check)) for v in run.verdicts()]
    told = set()
    for check, subject, before, after in differences(recorded, again, {}):
        told.add((check, subject))
        yield f"{check} {subject}: recorded {before}, judged again {after}"
    left = Counter(line_of(verdict) for verdict in again)
    for verdict in recorded:
        line = line_of(verdict)
        left[line] -= 1
        if left[line] < 0 and (verdict.check, verdict.subject) not in told:
            yield f"{verdict.check} {verdict.subject}: {OTHER_WORDS}"


def _once(texts: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
