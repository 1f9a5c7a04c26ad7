"""Where the parts of the drawing of the network stand: the same network always gives the same plan.

Sizes are in the units of the drawing's view box. A zone has one row, alike on the sites of a pair.
Outside of the zones, lanes lead around the firewalls: what joins zones without one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sitiv_infra.report.topology import Half, Join, Mark, Place, Topology

ROW, BOX = 46, 38  # from one row to the next, and the height of a zone
HEAD, LINE = 30, 22  # of a site's name, of a line of text
FIRST = 52  # from a site's top to its first zone: the link between sites is beside its name
GAP, LANE, MOST_LANES = 26, 14, 5
MIDDLE = 176  # between the firewalls of two sites
OUTSIDE = 44  # height of what is outside


@dataclass(frozen=True)
class Rect:
    """A rectangle: left, top, width, height."""

    x: float
    y: float
    w: float
    h: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.w

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.h

    @property
    def centre(self) -> float:
        """Half its width."""
        return self.x + self.w / 2

    @property
    def middle(self) -> float:
        """Half its height."""
        return self.y + self.h / 2


@dataclass(frozen=True)
class Lane:
    """A way around the firewalls, from zone to zone of one site."""

    join: Join
    path: str
    x: float
    y: float


@dataclass(frozen=True)
class Side:
    """One site's part: its frame, zones, firewalls, and the list below."""

    half: Half
    frame: Rect
    places: tuple[tuple[Place, Rect], ...]
    wall: Rect | None
    guards: tuple[tuple[str, Mark | None, Rect], ...]
    lanes: tuple[Lane, ...]
    below: tuple[tuple[Mark, Rect], ...]
    quiet: Rect | None
    mirrored: bool

    @property
    def inner(self) -> float:
        """The edge of the firewalls that faces the other site, or of the frame without one."""
        edge = self.wall or self.frame
        return edge.x if self.mirrored else edge.right


@dataclass(frozen=True)
class Line:
    """A link: its ends, what it is called, and its kind, a class of the style sheet."""

    x1: float
    y1: float
    x2: float
    y2: float
    kind: str


@dataclass
class Plan:
    """The whole drawing; ``narrow`` has one site below the other."""

    topology: Topology
    width: float
    narrow: bool
    height: float = 0
    outside: list[tuple[str, Rect]] = field(default_factory=list)
    sides: list[Side] = field(default_factory=list)
    links: Rect | None = None
    lines: list[Line] = field(default_factory=list)
    stretched: list[tuple[str, Rect]] = field(default_factory=list)

    def boxes(self) -> Iterator[Rect]:
        """Yield what may not cover each other."""
        yield from (rect for _, rect in self.outside)
        yield from ([self.links] if self.links else [])
        yield from (rect for _, rect in self.stretched)
        for side in self.sides:
            yield from (rect for _, rect in side.places)
            yield from ([side.wall] if side.wall else [])
            yield from (rect for _, rect in side.below)
            yield from ([side.quiet] if side.quiet else [])


def plans(topology: Topology) -> tuple[Plan, Plan]:
    """Give the plan for a page's width, and the one for a phone's."""
    return _plan(topology, 1120, narrow=False), _plan(topology, 360, narrow=True)


def _plan(topology: Topology, width: float, *, narrow: bool) -> Plan:
    plan = Plan(topology, width, narrow)
    top = _outside(plan)
    at_once = 1 if narrow else 2
    for start in range(0, len(topology.halves), at_once):
        halves = topology.halves[start : start + at_once]
        top = _pair(plan, halves, top)
    plan.height = top
    return plan


def _outside(plan: Plan) -> float:
    """Put what is outside at the top; give where the sites may begin."""
    names = plan.topology.outside
    if not names:
        return 4
    wide = min(230, (plan.width - 12 * (len(names) - 1)) / len(names))
    if plan.narrow:
        wide = plan.width
    for number, name in enumerate(names):
        if plan.narrow:
            rect = Rect(0, number * (OUTSIDE + 8) + 2, wide - 2, OUTSIDE)
        else:
            left = (plan.width - len(names) * (wide + 12) + 12) / 2
            rect = Rect(left + number * (wide + 12), 2, wide, OUTSIDE)
        plan.outside.append((name, rect))
    bottom = plan.outside[-1][1].bottom
    if plan.narrow and plan.topology.links:
        plan.links = Rect(0, bottom + 8, wide - 2, HEAD + 6)
        return plan.links.bottom + 12
    return bottom + GAP + 12


def _pair(plan: Plan, halves: tuple[Half, ...], top: float) -> float:
    """Put one site, or two beside each other; give where the next may begin."""
    rows = {
        zone: number
        for number, zone in enumerate(
            zone for zone in plan.topology.zones if any(zone in half.places for half in halves)
        )
    }
    wide = plan.width if plan.narrow else (plan.width - MIDDLE) / 2
    sides = [
        _side(half, Rect(number * (plan.width - wide), top, wide, 0), rows, mirrored=number == 1)
        for number, half in enumerate(halves)
    ]
    bottom = max(side.frame.bottom for side in sides)
    for side in sides:
        plan.sides.append(side)
        plan.lines += _spokes(side)
    plan.lines += _outward(plan, sides)
    _between(plan, sides, rows, top)
    return bottom + GAP


def _side(half: Half, at: Rect, rows: Mapping[str, int], *, mirrored: bool) -> Side:
    lanes = 22 + LANE * min(len(half.joins), MOST_LANES) if half.joins else 10
    bar = min(104, at.w * 0.2) if half.firewalls else 0
    inset = 10
    wide = at.w - lanes - (bar + GAP + inset if bar else inset)
    left = at.x + (at.w - lanes - wide if mirrored else lanes)
    first = at.y + FIRST
    places = tuple(
        (half.places[zone], Rect(left, first + row * ROW, wide, BOX))
        for zone, row in rows.items()
        if zone in half.places
    )
    end = max(first + len(rows) * ROW, at.y + 22 + len(half.firewalls) * (LINE + 4))
    edge = at.x + inset if mirrored else at.right - inset - bar
    wall = Rect(edge, at.y + 8, bar, end - at.y - 8 - (ROW - BOX)) if bar else None
    guards = tuple(
        (name, mark, Rect(edge + 6, at.y + 14 + number * (LINE + 4), bar - 12, LINE))
        for number, (name, mark) in enumerate(half.firewalls.items())
    )
    inner = Rect(at.x + inset, end + 4, at.w - 2 * inset, LINE)
    below = tuple(
        (mark, Rect(inner.x, inner.y + number * (LINE + 4), inner.w, LINE))
        for number, mark in enumerate(half.below)
    )
    quiet = inner if half.good else None
    end = below[-1][1].bottom if below else quiet.bottom if quiet else end - 4
    frame = Rect(at.x, at.y, at.w, end + 10 - at.y)
    return Side(
        half,
        frame,
        places,
        wall,
        guards,
        _lanes(half, places, at, mirrored=mirrored),
        below,
        quiet,
        mirrored,
    )


def _lanes(
    half: Half, places: tuple[tuple[Place, Rect], ...], at: Rect, *, mirrored: bool
) -> tuple[Lane, ...]:
    where = {place.zone: rect for place, rect in places}
    found = []
    for number, join in enumerate(half.joins):
        offset = 12 + LANE * (number % MOST_LANES)
        x = at.right - offset if mirrored else at.x + offset
        rects = [where[zone] for zone in join.zones]
        ends = [(r.right if mirrored else r.x, r.middle) for r in rects]
        top, bottom = min(y for _, y in ends), max(y for _, y in ends)
        spurs = "".join(f"M{edge:g} {y:g}H{x:g}" for edge, y in ends)
        # Lanes that share a column hang their signs at different heights.
        share = (1 + number // MOST_LANES) / (2 + (len(half.joins) - 1) // MOST_LANES)
        found.append(
            Lane(join, f"{spurs}M{x:g} {top:g}V{bottom:g}", x, top + (bottom - top) * share)
        )
    return tuple(found)


def _spokes(side: Side) -> Iterator[Line]:
    """Lead every zone to the firewalls of its site."""
    for _, rect in side.places if side.wall else ():
        if side.wall is None:
            continue
        ends = (side.wall.right, rect.x) if side.mirrored else (rect.right, side.wall.x)
        yield Line(ends[0], rect.middle, ends[1], rect.middle, "leg")


def _outward(plan: Plan, sides: list[Side]) -> Iterator[Line]:
    """Lead the firewalls of the first sites outside."""
    rects = [rect for _, rect in plan.outside]
    walls = [side.wall for side in sides if side.wall]
    if not rects or not walls or plan.narrow or plan.sides != sides:
        return
    y = rects[0].bottom + (GAP + 12) / 2
    for wall in walls:
        yield Line(wall.centre, wall.y, wall.centre, y, "out")
    for rect in rects:
        yield Line(rect.centre, rect.bottom, rect.centre, y, "out")
    ends = [rect.centre for rect in (*walls, *rects)]
    yield Line(min(ends), y, max(ends), y, "out")


def _between(plan: Plan, sides: list[Side], rows: Mapping[str, int], top: float) -> None:
    """Lead the sites to each other: over what links firewalls, and by VLANs on both."""
    if plan.narrow:
        return
    centre, wide = plan.width / 2, MIDDLE - 28
    if plan.links is None and plan.topology.links:
        plan.links = Rect(centre - wide / 2, top + 8, wide, HEAD + 6)
    for side in sides if plan.links else ():
        if any(side.half.site.name in vlan.sites for vlan in plan.topology.links) and plan.links:
            if side.frame.y > plan.links.bottom:
                y = side.frame.y + HEAD / 2
                plan.lines.append(Line(centre, plan.links.bottom, centre, y, "link"))
            else:
                y = plan.links.middle
            plan.lines.append(Line(side.inner, y, centre, y, "link"))
    for zone in rows if len(sides) == 2 else ():
        if _stretched(sides[0].half, sides[1].half, zone):
            y = top + FIRST + rows[zone] * ROW + BOX / 2
            plan.lines.append(Line(sides[0].inner, y, sides[1].inner, y, "stretched"))
            plan.stretched.append((zone, Rect(centre - wide / 2, y - 10, wide, 20)))


def _stretched(one: Half, other: Half, zone: str) -> int:
    """Count the VLANs of a zone that stand on both sites."""
    if zone not in one.places or zone not in other.places:
        return 0
    names = {v.name for v in one.places[zone].vlans}
    return sum(v.name in names for v in other.places[zone].vlans)
