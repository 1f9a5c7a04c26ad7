"""``sitiv diff``, ``verify``, ``history`` and ``checks``: what was, and by which rules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sitiv_infra.auditing import differences
from sitiv_infra.checking import Check
from sitiv_infra.cli import options as o
from sitiv_infra.cli.commands import group, register
from sitiv_infra.cli.rules import all_checks
from sitiv_infra.cli.tables import show
from sitiv_infra.errors import InvalidInput, RunError
from sitiv_infra.ledger import rebuild
from sitiv_infra.runs import UNFINISHED, open_run, run_folders
from sitiv_infra.verifying import prove

history = group("""The index of the runs.

Example:
  sitiv history rebuild
""")
RunFolder = Annotated[Path, typer.Argument(help="Folder of a recorded run.")]


def diff(before: RunFolder, after: RunFolder, checks: o.ChecksFolders = None) -> int:
    """Say what differs between two runs. Exit code 1 when anything does.

    Example:
      sitiv diff runs/2026-11-20T0200Z runs/2026-11-21T0200Z
    """
    names = {alias: c.id for c in all_checks(checks) for alias in c.aliases}
    first, second = open_run(before), open_run(after)
    found = differences(first.verdicts(), second.verdicts(), names)
    if found:
        show(("check", "subject", first.folder.name, second.folder.name), found)
    print(f"{len(found)} differences")
    return 1 if found else 0


def verify(
    runs: Annotated[
        list[Path] | None, typer.Argument(help="Runs; by default all of --runs.")
    ] = None,
    root: o.Runs = o.RUNS,
    checks: o.ChecksFolders = None,
    allowed_signers: Annotated[
        Path | None,
        typer.Option("--allowed-signers", help="Who may sign, as ssh-keygen reads it."),
    ] = None,
) -> int:
    """Prove runs: hashes, chain, signature, and the same verdicts when judged again.

    Exit code: 0 each is what it was; 1 one is not; 3 there is none, or wrong input.

    Examples:
      sitiv verify
      sitiv verify runs/2026-11-21T0200Z --allowed-signers signers
    """
    folders = runs or run_folders(root)
    if not folders and (root / UNFINISHED).exists():
        print(f"{root}: no run here yet; one is being made, or was stopped")
        return 0
    if not folders:
        raise InvalidInput(f"--runs {root}: no runs here, so nothing is proved")
    for folder in folders:
        if not folder.is_dir():
            raise InvalidInput(f"{folder}: no such run")
    if allowed_signers is not None and not allowed_signers.is_file():
        raise InvalidInput(f"--allowed-signers {allowed_signers}: no such file")
    rules = all_checks(checks)
    good = [_verify_one(folder, rules, allowed_signers) for folder in folders]
    return 0 if all(good) else 1


def _verify_one(folder: Path, rules: list[Check], allowed_signers: Path | None) -> bool:
    """Prove one run and say what was found; a run whose manifest is damaged is one more finding."""
    try:
        run = open_run(folder)
        proof = prove(run, rules, allowed_signers)
    except RunError as error:
        print(f"{folder.name}: NOT what it was\n  {error}")
        return False
    signed = "signed" if proof.signed else "not signed"
    verdict = "NOT what it was" if proof.wrong else "unchanged"
    print(f"{run.folder.name}: {verdict}; {proof.files} files, {proof.verdicts} verdicts, {signed}")
    for line in (*proof.wrong, *proof.notes):
        print(f"  {line}")
    return not proof.wrong


@register(history, "rebuild")
def rebuild_command(root: o.Runs = o.RUNS, checks: o.ChecksFolders = None) -> int:
    """Make the index again from the runs.

    Example:
      sitiv history rebuild
    """
    names = {alias: c.id for c in all_checks(checks) for alias in c.aliases}
    run_folders(root)
    print(f"{rebuild(root, names)} runs in the index")
    return 0


def checks_command(folders: o.ChecksFolders = None, lang: o.Lang = o.DEFAULT_LANGUAGE) -> int:
    """List the checks: id, severity, what they need and prove.

    Example:
      sitiv checks --lang en
    """
    language = o.language(lang)
    rows = [
        (item.id, item.severity.value, language.text(item.title), " ".join(item.needs) or "-",
         " ".join(item.proves))
        for item in all_checks(folders)
    ]  # fmt: skip
    show(("check", "severity", "title", "needs", "proves"), rows, whole=2, narrow=3)
    return 0
