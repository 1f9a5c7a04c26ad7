"""``sitiv audit``, ``observe`` and ``report``: the main job."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sitiv_infra import auditing
from sitiv_infra.cli import options as o
from sitiv_infra.cli.progress import showing
from sitiv_infra.cli.rules import all_checks, rules_of
from sitiv_infra.cli.tables import show
from sitiv_infra.collectors import COLLECTORS
from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Estate, Severity, load
from sitiv_infra.evidence import check_key
from sitiv_infra.messages import Language
from sitiv_infra.observe import Observing, Settings, check_settings, observe, selected
from sitiv_infra.report import terminal
from sitiv_infra.report.audit import Audit, exit_code
from sitiv_infra.report.formats import FORMATS, Format
from sitiv_infra.runs import open_run
from sitiv_infra.snapshot import write_file

FormatName = Annotated[
    str,
    typer.Option("--format", help=f"Printed as: {', '.join(FORMATS)}.", rich_help_panel=o.TELL),
]
Write = Annotated[
    list[Path] | None,
    typer.Option(
        "--write",
        help="Also write a report; its ending says which (.html .csv .jsonl .txt); repeatable.",
        rich_help_panel=o.TELL,
    ),
]
FailOn = Annotated[
    Severity,
    typer.Option("--fail-on", help="Least severity that makes the exit code 1."),
]
Key = Annotated[
    Path | None,
    typer.Option("--sign-key", envvar="SITIV_SIGN_KEY", help="SSH key that signs the run."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be read, where and as whom; read nothing.")
]
From = Annotated[
    list[Path] | None,
    typer.Option("--from", help="Judge a run or snapshot that is there; several are joined."),
]


def audit(
    estate: o.EstateFolder = o.ESTATE,
    waivers: o.Waivers = None,
    checks: o.ChecksFolders = None,
    runs: o.Runs = o.RUNS,
    source: From = None,
    *,
    record: Annotated[bool, typer.Option(help="Keep the run in --runs.")] = True,
    member: o.Members = None,
    site: o.Sites = None,
    domain: o.Domains = None,
    only: o.Only = None,
    severity: o.AtLeast = None,
    secrets: o.SecretsFile = None,
    ca_file: o.CaFile = None,
    known_hosts: o.KnownHosts = None,
    ssh_config: o.SshConfig = None,
    drift: o.DriftFolder = None,
    executor: o.Executor = "threads:16",
    dry_run: DryRun = False,
    fail_on: FailOn = Severity.INFO,
    sign_key: Key = None,
    format_name: FormatName = "text",
    write: Write = None,
    lang: o.Lang = o.DEFAULT_LANGUAGE,
    quiet: o.Quiet = False,
) -> int:
    """Observe the estate (or take a snapshot), judge it, record the run, and tell.

    Exit code: 0 all good or accepted; 1 an open failure; 2 something could not be observed or
    judged; 3 the estate, the waivers or the arguments are wrong.

    Examples:
      sitiv audit --secrets /etc/sitiv/secrets.yml --write audit.html
      sitiv audit --only 'backup.*' --member corbas
      sitiv audit --from runs/2026-11-21T0200Z --only backup.recent
      sitiv audit --from zone-a/ --from zone-b/
    """
    writers = _writers(write, format_name)
    language = o.language(lang)
    wanted = o.selection(member, site, domain, only, severity)
    if sign_key is not None:
        check_key(sign_key)
    if source:
        rules = rules_of(estate, waivers, checks, wanted)
        told = auditing.replay(
            runs, source, rules, keep=record, key=sign_key, ours=waivers is not None
        )
    else:
        declared = load(estate)
        rules = rules_of(estate, waivers, checks, wanted)
        if dry_run:
            names = wanted.sources(declared, wanted.checks(rules.checks)) if wanted else None
            return _dry_run(declared, None, names)
        settings = Settings(secrets, ca_file, known_hosts, ssh_config, drift)
        check_settings(settings)
        with showing(len(declared.sources), quiet=quiet) as progress:
            how = Observing(settings, executor, progress)
            told = auditing.live(runs, declared, rules, how, key=sign_key, keep=record)
    return _tell(told, language, writers, FORMATS[format_name], fail_on, quiet=quiet)


def _writers(files: Sequence[Path] | None, printed: str) -> list[tuple[Path, Format]]:
    """Find the format of each file to write, before anything runs."""
    by_ending = {item.ending: item for item in FORMATS.values()}
    if printed not in FORMATS:
        raise InvalidInput(f"--format {printed}: there are {', '.join(FORMATS)}")
    for file in files or ():
        if file.suffix not in by_ending:
            raise InvalidInput(f"--write {file}: the ending is one of {' '.join(by_ending)}")
        o.must_be_writable("--write", file)
    return [(file, by_ending[file.suffix]) for file in files or ()]


def _tell(
    told: Audit,
    language: Language,
    writers: Sequence[tuple[Path, Format]],
    printed: Format,
    fail_on: Severity,
    *,
    quiet: bool,
) -> int:
    language = Language(language.code, told.estate.operator.timezone)
    code = exit_code(told.findings, fail_on)
    if not (quiet and code == 0):
        if printed.name == "text":
            terminal.show(told, language, Console())
        else:
            sys.stdout.buffer.write(printed.encode(told, language))
    for file, form in writers:
        write_file(file, form.encode(told, language))
        if not (quiet and code == 0):
            print(file, file=sys.stderr)
    return code


def _dry_run(estate: Estate, zone: str | None, names: Sequence[str] | None) -> int:
    headings = ("source", "where", "account", "credential", "from zone", "reads")
    rows = [
        (s.source, s.where, s.account or "-", s.credential or "-", s.observed_from,
         COLLECTORS[s.family].reads)
        for s in selected(estate, zone, names)
    ]  # fmt: skip
    show(headings, rows)
    return 0


def observe_command(
    out: Annotated[Path, typer.Option("--out", help="Folder for the snapshot.")],
    estate: o.EstateFolder = o.ESTATE,
    zone: Annotated[
        str | None, typer.Option("--zone", help="Only what is observed from this trust zone.")
    ] = None,
    secrets: o.SecretsFile = None,
    ca_file: o.CaFile = None,
    known_hosts: o.KnownHosts = None,
    ssh_config: o.SshConfig = None,
    drift: o.DriftFolder = None,
    executor: o.Executor = "threads:16",
    dry_run: DryRun = False,
    quiet: o.Quiet = False,
) -> int:
    """Read every source into a snapshot; parts that are there already are not read again.

    Exit code: 0 all sources were read; 2 some were not (they are in gaps.json); 3 wrong input.

    Examples:
      sitiv observe --out snapshot/ --secrets /etc/sitiv/secrets.yml
      sitiv observe --out zone-a/ --zone admin-a
      sitiv observe --out snapshot/ --dry-run
    """
    declared = load(estate)
    sources = selected(declared, zone)
    if dry_run:
        return _dry_run(declared, zone, None)
    settings = Settings(secrets, ca_file, known_hosts, ssh_config, drift)
    with showing(len(sources), quiet=quiet) as progress:
        gaps = observe(out, declared, Observing(settings, executor, progress), zone=zone)
    if not quiet:
        print(f"{len(sources) - len(gaps)} of {len(sources)} sources in {out}")
    return 2 if gaps else 0


def report(
    run: Annotated[Path, typer.Argument(help="Folder of a recorded run.")],
    checks: o.ChecksFolders = None,
    member: o.Members = None,
    site: o.Sites = None,
    domain: o.Domains = None,
    only: o.Only = None,
    severity: o.AtLeast = None,
    format_name: FormatName = "text",
    write: Write = None,
    lang: o.Lang = o.DEFAULT_LANGUAGE,
) -> int:
    """Tell a recorded run again, as it was judged that night.

    Examples:
      sitiv report runs/2026-11-21T0200Z --write novembre.html
      sitiv report runs/2026-11-21T0200Z --member corbas --lang en
    """
    writers = _writers(write, format_name)
    language = o.language(lang)
    wanted = o.selection(member, site, domain, only, severity)
    rules = auditing.Rules(all_checks(checks), (), wanted)
    told = auditing.told_run(run.parent, open_run(run), rules)
    _tell(told, language, writers, FORMATS[format_name], Severity.INFO, quiet=False)
    return 0
