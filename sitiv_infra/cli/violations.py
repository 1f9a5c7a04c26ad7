"""``sitiv policy verify``: what a dump lets through against a matrix of zones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from sitiv_infra.cli import options as o
from sitiv_infra.cli.bases import DIFFERENT, UNDECIDED, File, Format, From, Output
from sitiv_infra.cli.tables import show
from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Cell, Zone, load
from sitiv_infra.policy.cover import Inconclusive
from sitiv_infra.policy.dumps import Dump, read
from sitiv_infra.policy.lists import Deciders
from sitiv_infra.policy.telling import likely
from sitiv_infra.policy.tufin import read_file, read_matrix, read_zones
from sitiv_infra.policy.violations import Matrix, Violation, matrix_of, violations


def verify(
    file: File,
    form: From,
    estate: o.EstateFolder = o.ESTATE,
    zones: Annotated[
        Path | None, typer.Option("--zones", help="SecureTrack's zones (CSV), for the estate's.")
    ] = None,
    matrix: Annotated[
        Path | None, typer.Option("--matrix", help="Its zone matrix (CSV), with --zones.")
    ] = None,
    output: Format = Output.TEXT,
) -> int:
    """Say what a dump lets through between zones and their matrix does not take.

    The matrix is the cells that the estate declares, or Tufin's two files: then no estate is
    needed. A pair of zones without a cell takes nothing. Properties of rules are not judged here.

    Exit code: 0 nothing; 1 something passes; 2 that is not known of something.

    Examples:
      sitiv policy verify dump.txt --from iptables-save
      sitiv policy verify dump.txt --from fortios --zones zones.csv --matrix matrix.csv
    """
    if (zones is None) is not (matrix is None):
        raise InvalidInput("--zones and --matrix go together")
    wanted = _tufin(zones, matrix) if zones and matrix else _declared(estate)
    dump = read(file, form)
    try:
        found = list(violations(dump, wanted))
    except Inconclusive:
        print("too many rules overlap to compare them within the budget")
        return UNDECIDED
    _print(found, dump, output)
    passing = any(one.passes for one in found)
    return DIFFERENT if passing else UNDECIDED if found else 0


def _print(found: list[Violation], dump: Dump, output: Output) -> None:
    named = {name: Deciders(rules) for name, rules in dump.lists.items()}
    rows = [_row(one, named[one.chain]) for one in found]
    if output is Output.JSON:
        print(json.dumps({"violations": rows}, indent=2, ensure_ascii=False))
        return
    if rows:
        show(list(rows[0]), [[str(value) for value in row.values()] for row in rows])
    print(f"{len(found)} violations in {len({one[:2] for one in found})} pairs of zones")


def _row(one: Violation, named: Deciders) -> dict[str, object]:
    return {
        "from": one.source, "to": one.destination, "severity": str(one.severity),
        "fate": "passes" if one.passes else "undecided", "packets": one.packets,
        "witness": one.witness, "chain": one.chain, "rule": one.rule or "policy",
        "text": named.called(one.rule, likely(one.box)),
    }  # fmt: skip


def _declared(folder: Path) -> Matrix:
    estate = load(folder)
    if not estate.cells:
        raise InvalidInput(f"{folder}: no cells of a matrix are declared, so nothing is judged")
    networks = {name: estate.networks_of(name) for name in estate.zones}
    return matrix_of(estate.zones, networks, estate.cells.values())


def _tufin(zones: Path, matrix: Path) -> Matrix:
    try:
        held = {
            name: Zone.model_validate({"name": name, **told})
            for name, told in read_file(zones, read_zones).items()
        }
        cells = [
            Cell.model_validate({"name": name, **told})
            for name, told in read_file(matrix, read_matrix).items()
        ]
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidInput(f"can't be declared here: {where}: {first['msg']}") from None
    unknown = {end for cell in cells for pair in cell.pairs for end in pair} - held.keys()
    if unknown:
        raise InvalidInput(f"{matrix}: no such zone in {zones}: {', '.join(sorted(unknown))}")
    return matrix_of(held, {name: zone.networks for name, zone in held.items()}, cells)
