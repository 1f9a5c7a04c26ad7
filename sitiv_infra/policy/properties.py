"""What rules of a cell of the matrix must look like, against those that a firewall has.

The properties are those of a unified security policy, see ``Properties``; when a rule was last hit
is not told by one look at its counter, so it is not judged here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from sitiv_infra.estate import Cell, Estate, Firewall, Properties
from sitiv_infra.policy.exact import FAMILIES, forwarded, whole
from sitiv_infra.policy.lists import Line
from sitiv_infra.policy.matrix import Spaces, zones_at
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.services import NUMBERS
from sitiv_infra.policy.space import Box, Dimension, Intervals, common, union

WIDE = {
    Dimension.SOURCE: "explicit_source",
    Dimension.DESTINATION: "explicit_destination",
}
COUNTED = {Dimension.SOURCE: "most_sources", Dimension.DESTINATION: "most_destinations"}


class Lacking(NamedTuple):
    """A rule, as the device writes it, and the properties of its cell that it lacks."""

    rule: str
    properties: tuple[str, ...]


def lacking(
    estate: Estate, firewall: Firewall, ruleset: Iterable[Mapping[str, object]]
) -> Iterator[tuple[Cell, tuple[Lacking, ...]]]:
    """Yield cells that demand something and have rules, and those rules that lack some of it."""
    objects = tuple(ruleset)
    spaces = zones_at(estate, firewall.site)
    bodies = _bodies(objects)
    lines = [
        (version, line)
        for version in FAMILIES
        for rules in forwarded(objects, version).lists
        for line in rules.lines
        if line.verdict is Verdict.ACCEPT and line.number
    ]
    for cell in estate.cells.values():
        if cell.properties != Properties():
            inside = [(v, line) for v, line in lines if _concerns(cell, spaces, v, line)]
            missing: dict[str, dict[str, None]] = {}
            for version, line in inside:
                found = _missing(cell.properties, version, line, bodies[line.number])
                missing.setdefault(line.text, {}).update(dict.fromkeys(found))
            if inside:
                yield cell, tuple(Lacking(rule, tuple(p)) for rule, p in missing.items() if p)


def _bodies(objects: Iterable[Mapping[str, object]]) -> dict[int, Mapping[str, object]]:
    """Give the rules by their number in the dump, from 1."""
    listed = [body for item in objects for kind, body in item.items() if kind == "rule"]
    return {n: body for n, body in enumerate(listed, 1) if isinstance(body, dict)}


def _concerns(cell: Cell, spaces: Spaces, version: int, line: Line) -> bool:
    """Whether a rule lets something pass between zones of a cell."""
    zones = spaces[version]
    return any(
        common(box[Dimension.SOURCE], zones[one])
        and common(box[Dimension.DESTINATION], zones[other])
        for one, other in cell.pairs
        if one in zones and other in zones
        for box in line.boxes
    )


def _missing(
    wanted: Properties, version: int, line: Line, body: Mapping[str, object]
) -> Iterator[str]:
    everything = whole(version)
    for side, name in WIDE.items():
        if getattr(wanted, name) and any(box[side] == everything[side] for box in line.boxes):
            yield name
    if wanted.explicit_service and any(_any_service(box) for box in line.boxes):
        yield "explicit_service"
    if wanted.commented and not str(body.get("comment") or "").strip():
        yield "commented"
    expressions = body.get("expr")
    statements = expressions if isinstance(expressions, list) else []
    if wanted.logged and not any(isinstance(s, dict) and "log" in s for s in statements):
        yield "logged"
    for side, name in COUNTED.items():
        most = getattr(wanted, name)
        if most is not None and _size(union(i for box in line.boxes for i in box[side])) > most:
            yield name
    if wanted.most_services is not None and _ports(line.boxes) > wanted.most_services:
        yield "most_services"


def _any_service(box: Box) -> bool:
    """Whether every port of a protocol with ports passes."""
    everything = whole(4)[Dimension.DESTINATION_PORT]
    ported = any(common(box[Dimension.PROTOCOL], ((n, n),)) for n in NUMBERS.values())
    return ported and box[Dimension.DESTINATION_PORT] == everything


def _ports(boxes: Iterable[Box]) -> int:
    """Count ports of TCP and of UDP."""
    listed = tuple(boxes)
    return sum(
        _size(
            union(
                span
                for box in listed
                if common(box[Dimension.PROTOCOL], ((number, number),))
                for span in box[Dimension.DESTINATION_PORT]
            )
        )
        for number in NUMBERS.values()
    )


def _size(spans: Intervals) -> int:
    return sum(high - low + 1 for low, high in spans)
