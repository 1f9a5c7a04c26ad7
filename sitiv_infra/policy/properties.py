"""What rules of a cell of the matrix must look like, against those that a firewall has.

The properties are those of a unified security policy, see ``Properties``. That a rule was hit is
proved by looks at its counter in two nights. That it was not is never proved: counters begin anew
unseen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from sitiv_infra.estate import Cell, Estate, Firewall, Properties
from sitiv_infra.facts import FirewallFacts
from sitiv_infra.policy.elements import unfolded
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


class Judged(NamedTuple):
    """A cell's rules that lack what it demands, and those that are not known to be hit lately."""

    cell: Cell
    lacking: tuple[Lacking, ...]
    unhit: tuple[str, ...]


def lacking(
    estate: Estate, firewall: Firewall, seen: FirewallFacts, now: datetime
) -> Iterator[Judged]:
    """Judge the cells that demand something and have rules on a firewall."""
    objects = unfolded(seen.ruleset)
    spaces = zones_at(estate, firewall.site)
    bodies = _bodies(objects)
    lines = [
        (version, line)
        for version in FAMILIES
        for rules in forwarded(objects, version).lists
        for line in rules.lines
        if line.verdict is Verdict.ACCEPT and line.number and not line.ends
    ]
    for cell in estate.cells.values():
        if cell.properties != Properties():
            inside = [(v, line) for v, line in lines if _concerns(cell, spaces, v, line)]
            missing: dict[str, dict[str, None]] = {}
            for version, line in inside:
                found = _missing(cell.properties, version, line, bodies[line.number])
                missing.setdefault(line.text, {}).update(dict.fromkeys(found))
            lost = tuple(Lacking(rule, tuple(p)) for rule, p in missing.items() if p)
            if inside:
                yield Judged(cell, lost, _unhit(cell, [line for _, line in inside], seen, now))


def _unhit(
    cell: Cell, lines: Iterable[Line], seen: FirewallFacts, now: datetime
) -> tuple[str, ...]:
    """Name the rules that are not known to be hit lately, where the cell demands that."""
    if cell.properties.hit_within_days is None:
        return ()
    since = now - timedelta(days=cell.properties.hit_within_days)
    lately = {n for n, hit in seen.hits.items() if hit.after and hit.after >= since}
    return tuple(dict.fromkeys(line.text for line in lines if line.number not in lately))


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
