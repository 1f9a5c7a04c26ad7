"""``sitiv matrix``: zones, and what may be decided between them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
import yaml

from sitiv_infra.cli import options as o
from sitiv_infra.cli.commands import group, register
from sitiv_infra.estate import load
from sitiv_infra.policy.tufin import matrix_csv, read_file, read_matrix, read_zones, zones_csv

app = group("""The matrix of zones: handed to Tufin's SecureTrack, or taken from it.

Examples:
  sitiv matrix export out
  sitiv matrix import zones.csv matrix.csv > matrix.yml
""")
ZONES, MATRIX = "zones.csv", "matrix.csv"


@register(app)
def export(
    folder: Annotated[Path, typer.Argument(help="Where zones.csv and matrix.csv are written.")],
    estate: o.EstateFolder = o.ESTATE,
) -> int:
    """Write the declared zones and matrix as the CSV files that SecureTrack imports.

    Every ordered pair of zones is a row: one without a cell is blocked. A cell of severity info is
    handed on as low, the least that SecureTrack has.

    Example:
      sitiv matrix export out
    """
    declared = load(estate)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in ((ZONES, zones_csv(declared)), (MATRIX, matrix_csv(declared))):
        (folder / name).write_text(text, encoding="utf-8")
        print(folder / name)
    return 0


@register(app, "import")
def import_command(
    zones: Annotated[Path, typer.Argument(help="SecureTrack's list of zones, as CSV.")],
    matrix: Annotated[Path, typer.Argument(help="Its zone matrix, as CSV.")],
) -> int:
    """Print SecureTrack's zones and matrix as YAML of the declaration.

    What can't be declared here ends it, with its line: nothing is left out silently.

    Example:
      sitiv matrix import zones.csv matrix.csv > inventory/estate/matrix.yml
    """
    found = {
        "zones": read_file(zones, read_zones),
        "cells": read_file(matrix, read_matrix),
    }
    print(yaml.safe_dump(found, allow_unicode=True, sort_keys=False, width=100), end="")
    return 0
