"""``sitiv estate``: validate, show, schema."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Annotated

import typer

from sitiv_infra.cli import options as o
from sitiv_infra.cli.commands import group, register
from sitiv_infra.cli.tables import show as show_table
from sitiv_infra.estate import load
from sitiv_infra.estate.schema import schemas
from sitiv_infra.estate.show import kinds, rows
from sitiv_infra.waivers import Waiver

app = group("""What is declared: validate it, show it.

Examples:
  sitiv estate validate
  sitiv estate show machines
""")
Folder = Annotated[
    Path, typer.Argument(envvar="SITIV_ESTATE", help="Folder of the estate's YAML files.")
]


@register(app)
def validate(folder: Folder = o.ESTATE) -> int:
    """List every mistake of an estate as file:line:column; exit code 3 when there is one.

    Example:
      sitiv estate validate inventory/estate
    """
    estate = load(folder)
    counts = ((kind, len(rows(estate, kind)[1])) for kind in kinds())
    told = ", ".join(f"{number} {kind.replace('_', ' ')}" for kind, number in counts if number)
    print(f"{folder}: {told}")
    return 0


@register(app)
def show(
    kind: Annotated[str, typer.Argument(help="machines, flows, services, uses, …")],
    estate: o.EstateFolder = o.ESTATE,
    csv_output: Annotated[bool, typer.Option("--csv", help="As CSV.")] = False,
) -> int:
    """Print a table of one kind of thing.

    Examples:
      sitiv estate show machines
      sitiv estate show flows --csv
    """
    headers, lines = rows(load(estate), kind)
    if csv_output:
        writer = csv.writer(sys.stdout)
        writer.writerow(headers)
        writer.writerows(lines)
        return 0
    show_table(headers, lines, whole=1, narrow=6)
    return 0


@register(app)
def schema(
    folder: Annotated[Path, typer.Argument(help="Where to write the JSON Schemas.")],
) -> int:
    """Write JSON Schemas that an editor can use.

    Example:
      sitiv estate schema .schemas
    """
    for file in schemas(folder, {"waivers": Waiver}):
        print(file)
    return 0
