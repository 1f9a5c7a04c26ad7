"""``sitiv diff``, ``verify``, ``history`` and ``checks``: what was, and by which rules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sitiv_infra.auditing import differences
from sitiv_infra.cli import options as o
from sitiv_infra.frameworks import title_of
from sitiv_infra.ledger import rebuild
from sitiv_infra.runs import all_runs, open_run
from sitiv_infra.verifying import prove

history = typer.Typer(no_args_is_help=True, help="The index of the runs.")
RunFolder = Annotated[Path, typer.Argument(help="Folder of a recorded run.")]


def diff(before: RunFolder, after: RunFolder, checks: o.ChecksFolders = None) -> int:
    """Say what differs between two runs. Exit code 1 when anything does.

    Example:
      sitiv diff runs/2026-11-20T0200Z runs/2026-11-21T0200Z
    """
    names = {alias: c.id for c in o.all_checks(checks) for alias in c.aliases}
    found = differences(open_run(before).verdicts(), open_run(after).verdicts(), names)
    table = Table(box=None, pad_edge=False)
    for heading in ("check", "subject", before.name, after.name):
        table.add_column(heading, overflow="fold")
    for row in found:
        table.add_row(*row)
    if found:
        Console().print(table)
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

    Exit code 1 when a run is not what it was.

    Examples:
      sitiv verify
      sitiv verify runs/2026-11-21T0200Z --allowed-signers /etc/sitiv/allowed_signers
    """
    chosen = [open_run(path) for path in runs] if runs else all_runs(root)
    rules = o.all_checks(checks)
    bad = False
    for run in chosen:
        proof = prove(run, rules, allowed_signers)
        bad = bad or bool(proof.wrong)
        signed = "signed" if proof.signed else "not signed"
        verdict = "NOT what it was" if proof.wrong else "unchanged"
        print(f"{run.name}: {verdict}; {proof.files} files, {proof.verdicts} verdicts, {signed}")
        for line in (*proof.wrong, *proof.notes):
            print(f"  {line}")
    if not chosen:
        print(f"{root}: no runs here")
    return 1 if bad else 0


@history.command("rebuild")
def rebuild_command(root: o.Runs = o.RUNS, checks: o.ChecksFolders = None) -> int:
    """Make the index again from the runs.

    Example:
      sitiv history rebuild
    """
    names = {alias: c.id for c in o.all_checks(checks) for alias in c.aliases}
    print(f"{rebuild(root, names)} runs in the index")
    return 0


def checks_command(folders: o.ChecksFolders = None, lang: o.Lang = o.DEFAULT_LANGUAGE) -> int:
    """List the checks: id, severity, what they need and prove.

    Example:
      sitiv checks --lang en
    """
    language = o.language(lang)
    table = Table(box=None, pad_edge=False)
    for heading in ("check", "severity", "needs", "title", "proves"):
        table.add_column(heading, overflow="fold")
    for item in o.all_checks(folders):
        points = [p if title_of(p) else f"{p} (?)" for p in item.proves]
        title = language.text(item.title)
        table.add_row(
            item.id, item.severity.value, " ".join(item.needs) or "-", title, " ".join(points)
        )
    Console().print(table)
    return 0
