"""``sitiv policy campaign`` and ``answers``: the life of flows."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from sitiv_infra.cli import options as o
from sitiv_infra.estate import load
from sitiv_infra.report.campaign import Decision, answers, patch, questions


def campaign(
    folder: Annotated[Path, typer.Argument(help="Where a CSV file for each team is written.")],
    before: Annotated[
        datetime, typer.Option("--before", formats=["%Y-%m-%d"], help="Flows that end before it.")
    ],
    estate: o.EstateFolder = o.ESTATE,
    lang: o.Lang = o.DEFAULT_LANGUAGE,
) -> int:
    """Ask each team which of its flows stay: those that end before a day, and those without an end.

    Example:
      sitiv policy campaign out/campaign --before 2027-07-01
    """
    declared = load(estate)
    sheets = questions(declared, before.date(), o.language(lang))
    folder.mkdir(parents=True, exist_ok=True)
    for name, sheet in sheets.items():
        with (folder / name).open("xb") as file:  # answers that stand there are not lost
            file.write(sheet)
        print(folder / name)
    return 0


def answers_command(
    files: Annotated[list[Path], typer.Argument(help="The files that came back.")],
    estate: o.EstateFolder = o.ESTATE,
) -> int:
    """Turn a campaign's answers into a patch of the declaration; nothing is changed here.

    Flows without a decision are named on stderr.

    Example:
      sitiv policy answers out/campaign/*.csv | git apply
    """
    declared = load(estate)
    today = datetime.now(ZoneInfo(declared.operator.timezone)).date()
    given = answers(files, declared, today)
    print(patch(estate, given), end="")
    kept = sum(one.decision is Decision.KEEP for one in given.values())
    print(f"{kept} kept, {len(given) - kept} removed", file=sys.stderr)
    return 0
