"""Options that several commands share, and what they become."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated

import typer

from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Severity
from sitiv_infra.messages import DEFAULT_LANGUAGE, LANGUAGES, Language
from sitiv_infra.selection import Selection

SELECT = "What to look at"
READ = "How sources are reached"
TELL = "What to tell"

EstateFolder = Annotated[
    Path,
    typer.Option("--estate", envvar="SITIV_ESTATE", help="Folder of the estate's YAML files."),
]
Waivers = Annotated[
    Path | None,
    typer.Option("--waivers", help="Accepted risks; by default waivers.yml beside the estate."),
]
ChecksFolders = Annotated[
    list[Path] | None,
    typer.Option("--checks", help="A folder of more checks; may be repeated."),
]
Runs = Annotated[
    Path, typer.Option("--runs", envvar="SITIV_RUNS", help="Folder that the runs are kept in.")
]
Members = Annotated[
    list[str] | None, typer.Option("--member", help="Only this member.", rich_help_panel=SELECT)
]
Sites = Annotated[
    list[str] | None, typer.Option("--site", help="Only this site.", rich_help_panel=SELECT)
]
Domains = Annotated[
    list[str] | None,
    typer.Option("--domain", help="Only this domain of checks.", rich_help_panel=SELECT),
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", help="Only this check; * stands for any text.", rich_help_panel=SELECT),
]
AtLeast = Annotated[
    Severity | None,
    typer.Option("--severity", help="Only checks this severe or more.", rich_help_panel=SELECT),
]
Executor = Annotated[
    str,
    typer.Option(
        "--executor", help="threads:N, or dask:ADDRESS with the extra.", rich_help_panel=READ
    ),
]
SecretsFile = Annotated[
    Path | None,
    typer.Option(
        "--secrets",
        envvar="SITIV_SECRETS_FILE",
        help="YAML of secrets by name: mode 0600, or encrypted by ansible-vault.",
        rich_help_panel=READ,
    ),
]
CaFile = Annotated[
    Path | None,
    typer.Option(
        "--ca-file",
        envvar="SITIV_CA_FILE",
        help="Trust anchors (PEM) beside the system's.",
        rich_help_panel=READ,
    ),
]
KnownHosts = Annotated[
    Path | None,
    typer.Option(
        "--known-hosts",
        envvar="SITIV_KNOWN_HOSTS",
        help="SSH host keys of firewalls and hosts.",
        rich_help_panel=READ,
    ),
]
SshConfig = Annotated[
    Path | None,
    typer.Option(
        "--ssh-config",
        envvar="SITIV_SSH_CONFIG",
        help="OpenSSH configuration of the way to hosts (ProxyJump, ports); none is read else.",
        rich_help_panel=READ,
    ),
]
DriftFolder = Annotated[
    Path | None,
    typer.Option(
        "--drift",
        envvar="SITIV_DRIFT",
        help="Folder that playbooks' runs in check mode leave their drift in.",
        rich_help_panel=READ,
    ),
]
Lang = Annotated[
    str,
    typer.Option(
        "--lang", envvar="SITIV_LANG", help="Language of reports: fr or en.", rich_help_panel=TELL
    ),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print nothing when all is good.", rich_help_panel=TELL),
]

ESTATE = Path("inventory/estate")
RUNS = Path("runs")


def selection(
    members: list[str] | None,
    sites: list[str] | None,
    domains: list[str] | None,
    only: list[str] | None,
    severity: Severity | None,
) -> Selection:
    """Gather the selection's options."""
    return Selection(
        tuple(members or ()), tuple(sites or ()), tuple(domains or ()), tuple(only or ()), severity
    )


def must_be_writable(option: str, file: Path) -> None:
    """Try the place of a file before a long run; InvalidInput says what is wrong with it."""
    if file.is_dir():
        raise InvalidInput(f"{option} {file}: is a folder")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with TemporaryFile(dir=file.parent):
            pass
    except OSError as error:
        raise InvalidInput(f"{option} {file}: can't be written: {error.strerror}") from None


def language(code: str, timezone: str = "Europe/Paris") -> Language:
    """Give a language; InvalidInput for one that there is no catalogue for."""
    if code not in LANGUAGES:
        raise InvalidInput(f"--lang {code}: there are {', '.join(LANGUAGES)}")
    return Language(code, timezone)


__all__ = ["DEFAULT_LANGUAGE", "ESTATE", "RUNS"]
