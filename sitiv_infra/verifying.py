"""Proving a run: its files, its place in the chain, its signature, and its verdicts again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sitiv_infra.auditing import Rules, differences, judged
from sitiv_infra.checking import Check
from sitiv_infra.errors import RunError
from sitiv_infra.evidence import SIGNATURE, chain_broken, signature_wrong, tampered
from sitiv_infra.runs import Run, versions


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
    wrong = list(tampered(run.folder, run.manifest))
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
    if versions(checks)["checks"] == run.manifest.versions.get("checks"):
        wrong += found
    elif found:
        notes.append(f"judged by other rules today: {len(found)} verdicts differ")
        notes += found
    return Proof(run.name, len(run.manifest.files), signed, verdicts, _once(wrong), tuple(notes))


def _judged_otherwise(run: Run, checks: Sequence[Check]) -> Iterator[str]:
    rules = Rules(checks, run.waivers())
    again, _ = judged(run.snapshot(), rules)
    for check, subject, before, after in differences(run.verdicts(), again, rules.aliases):
        yield f"{check} {subject}: recorded {before}, judged again {after}"


def _once(texts: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
