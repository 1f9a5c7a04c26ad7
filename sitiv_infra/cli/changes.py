"""``sitiv policy diff``: what a change of the declaration changes between zones."""

from __future__ import annotations

import io
import subprocess
import tarfile
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from sitiv_infra.cli import options as o
from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Estate, load
from sitiv_infra.report.flows import flow_changes, told

SECONDS = 30  # for git to hand a folder over


def diff(
    base: Annotated[str, typer.Argument(help="Revision of git, or a folder with an estate.")],
    head: Annotated[
        str, typer.Argument(help="The same; without it, what the folder holds now.")
    ] = "",
    estate: o.EstateFolder = o.ESTATE,
    lang: o.Lang = o.DEFAULT_LANGUAGE,
) -> int:
    """Say in plain words what a change of the declaration opens and closes between zones.

    Written as Markdown, for a comment on a merge request. Exit code 1 when anything changes.

    Examples:
      sitiv policy diff origin/main
      sitiv policy diff v1 v2 --lang en
    """
    words = o.language(lang)
    old, new = (_estate(text, estate) for text in (base, head))
    today = datetime.now(ZoneInfo(new.operator.timezone)).date()
    found = flow_changes(old, new, today)
    print(told(found, (old, new), words), end="")
    return 1 if found else 0


def _estate(said: str, folder: Path) -> Estate:
    """Load a declaration from a folder, or as it stood in a revision."""
    if not said or Path(said).is_dir():
        return load(Path(said) if said else folder)
    with TemporaryDirectory() as place:
        with tarfile.open(fileobj=io.BytesIO(_archive(said, folder))) as packed:
            packed.extractall(place, filter="data")
        try:
            return load(Path(place))
        except InvalidInput as error:
            what = "\n".join(str(one).replace(f"{place}/", "") for one in error.problems)
            raise InvalidInput(f"{said}: {what or error}") from None


def _archive(revision: str, folder: Path) -> bytes:
    """Give a folder as it stood in a revision, as a tar file."""
    if revision.startswith("-"):
        raise InvalidInput(f"{revision}: no revision")
    if not folder.is_dir():
        raise InvalidInput(f"{folder}: no such folder")
    command = ["git", "-C", str(folder), "archive", "--format=tar", revision, "."]
    try:
        done = subprocess.run(  # noqa: S603 - a list of arguments, no shell
            command, capture_output=True, check=False, timeout=SECONDS
        )
    except FileNotFoundError:
        raise InvalidInput("git is not installed; give two folders instead") from None
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip().splitlines() or ["git failed"]
        raise InvalidInput(f"{revision}: {why[0].removeprefix('fatal: ')}")
    return done.stdout
