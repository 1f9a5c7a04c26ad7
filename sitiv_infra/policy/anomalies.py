"""What the order of a first-match list makes of its rules, exactly.

The terms are those of Al-Shaer and Hamed (2004), and of what vendors' clean-up reports use, with
one difference: a shadow may be cast by several rules together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import numpy as np

from sitiv_infra.policy.cover import Answer, Flags, Inconclusive
from sitiv_infra.policy.lists import RuleList
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.scale import Indices, Ranks
from sitiv_infra.policy.space import Point
from sitiv_infra.policy.table import Table

FEW = 64  # pieces of a box that are looked at one by one
NOBODY = np.array([], dtype=np.intp)


class Dead(NamedTuple):
    """A rule that no packet reaches, the rules that take all of its packets, and one of these."""

    number: int
    blockers: tuple[int, ...]
    witness: Point


class Redundant(NamedTuple):
    """A rule without which every packet fares the same, and the rules that would take its own.

    Without heirs, the policy would.
    """

    number: int
    heirs: tuple[int, ...]
    witness: Point


class Correlated(NamedTuple):
    """A rule that partly overlaps earlier ones of the other verdict: their order decides."""

    number: int
    others: tuple[int, ...]
    witness: Point


@dataclass
class Anomalies:
    """Findings on a list of rules, and the rules for which the budget was spent.

    ``reached`` has a packet for each rule that is not in the shadow of others; ``needed`` are those
    without which some packet would fare otherwise, or might.
    """

    shadowed: list[Dead] = field(default_factory=list)
    redundant: list[Redundant] = field(default_factory=list)
    correlated: list[Correlated] = field(default_factory=list)
    inoperative: list[int] = field(default_factory=list)
    inconclusive: list[int] = field(default_factory=list)
    reached: dict[int, Point] = field(default_factory=dict)
    needed: set[int] = field(default_factory=set)


def anomalies(rules: RuleList, table: Table | None = None) -> Anomalies:
    """Look at every rule of a list."""
    seen = table or Table(rules)
    found = Anomalies()
    reached: list[tuple[int, Ranks]] = []
    answers = seen.cover.shadows(seen.starts, seen.certain)
    for place, (line, answer) in enumerate(zip(rules.lines, answers, strict=True)):
        if line.lost:
            corner = tuple(spans[0][0] for spans in line.lost)
            found.shadowed.append(Dead(line.number, line.returned, corner))
        elif not line.boxes:
            found.inoperative.append(line.number)
        elif answer is None:
            found.inconclusive.append(line.number)
        elif answer.hole is None:
            low, _ = next(iter(seen.of(place)))
            blockers = tuple(sorted({*seen.numbers(answer.used), *line.returned}))
            found.shadowed.append(Dead(line.number, blockers, seen.scale.point(low)))
        else:
            reached.append((place, answer.hole))
    if reached:
        _look(seen, reached, found)
    return found


def _look(seen: Table, reached: list[tuple[int, Ranks]], found: Anomalies) -> None:
    """Look at the rules that some packet reaches, at a corner each."""
    places = np.array([place for place, _ in reached])
    corners = np.array([corner for _, corner in reached])
    points = seen.scale.points(corners)
    differs = _differ(seen, places, corners)
    for place, point, different in zip(places.tolist(), points, differs.tolist(), strict=True):
        line = seen.rules.lines[place]
        found.reached[line.number] = point
        if line.verdict is None or line.doubts:
            found.needed.add(line.number)
            continue
        try:
            # What one of its places needs, the rule needs: no other one is looked at for that.
            needed = different or line.number in found.needed
            heirs = None if needed else _heirs(seen, place)
        except Inconclusive:
            found.inconclusive.append(line.number)
            continue
        if heirs is None:
            found.needed.add(line.number)
        else:
            found.redundant.append(Redundant(line.number, heirs, point))
        others = _correlated(seen, place)
        if others:
            found.correlated.append(others)


def _differ(seen: Table, places: Indices, corners: Ranks) -> Flags:
    """Tell which rules' packets, that reach them, would fare otherwise without them, or might."""
    accepts = np.array([line.verdict is Verdict.ACCEPT for line in seen.rules.lines])[places]
    after = seen.cover.deciding(corners, seen.starts[places + 1], ~seen.silent)
    # One more stands for the policy, where no box has the packet.
    certain = np.append(seen.certain, True)
    then = np.append(seen.accepts, seen.rules.policy is Verdict.ACCEPT)
    different: Flags = ~certain[after] | (then[after] != accepts)
    return different


def _heirs(seen: Table, place: int) -> tuple[int, ...] | None:
    """Give the rules that would take a rule's packets with its verdict; None if others would."""
    used: set[int] = set()
    for low, high in seen.of(place):
        near = seen.cover.overlapping(low, high)
        owner = seen.owner[near]
        before = near[(owner < place) & seen.certain[near]]
        after = near[(owner > place) & ~seen.silent[near]]
        for start, end, others in _reaching(seen, low, high, before):
            found = _takers(seen, place, (start, end), others, after)
            if found is None:
                return None
            used |= found
    return seen.numbers(used)


def _reaching(
    seen: Table, low: Ranks, high: Ranks, before: Indices
) -> Iterator[tuple[Ranks, Ranks, Indices]]:
    """Yield what boxes leave of a box; the whole box, and those boxes, where it is in pieces.

    Most rules come behind many that take most of their packets: few pieces are left, with few
    rules behind.
    """
    pieces = list(islice(seen.cover.holes(low, high, before), FEW + 1))
    if len(pieces) > FEW:
        yield low, high, before
    else:
        yield from ((*piece, NOBODY) for piece in pieces)


def _takers(
    seen: Table, place: int, part: tuple[Ranks, Ranks], before: Indices, after: Indices
) -> set[int] | None:
    """Give the later boxes that would take a part of a rule's packets with its verdict."""
    accept = seen.rules.lines[place].verdict is Verdict.ACCEPT
    after = seen.cover.meeting(*part, after)
    same = seen.certain[after] & (seen.accepts[after] == accept)
    last = (same & seen.cover.holding(*part, after)).nonzero()[0][:1]
    if last.size:  # it takes whatever comes so far, as the end of a chain does
        after, same = after[: last[0] + 1], same[: last[0] + 1]
    for index in after[~same]:
        inner = _common(seen, *part, int(index))
        taken = after[same & (seen.owner[after] < seen.owner[index])]
        if _open(seen, *inner, np.concatenate([before, taken])).hole is not None:
            return None
    answer = _open(seen, *part, np.concatenate([before, after[same]]))
    if answer.hole is not None and (seen.rules.policy is Verdict.ACCEPT) != accept:
        return None
    return {index for index in after[same].tolist() if index in answer.used}


def _common(seen: Table, low: Ranks, high: Ranks, index: int) -> tuple[Ranks, Ranks]:
    lows, highs = seen.cover.lows[:, index], seen.cover.highs[:, index]
    return np.maximum(low, lows), np.minimum(high, highs)


def _open(seen: Table, low: Ranks, high: Ranks, among: Indices) -> Answer:
    return seen.cover.ask(low, high, seen.cover.meeting(low, high, among))


def _correlated(seen: Table, place: int) -> Correlated | None:
    line = seen.rules.lines[place]
    accept = line.verdict is Verdict.ACCEPT
    others: set[int] = set()
    witness: Point | None = None
    for low, high in seen.of(place):
        near = seen.cover.overlapping(low, high, int(seen.starts[place]))
        near = near[(seen.accepts[near] != accept) & seen.certain[near]]
        if not near.size:
            continue
        lows, highs = seen.cover.lows[:, near], seen.cover.highs[:, near]
        inside = ((lows <= low[:, None]) & (highs >= high[:, None])).all(axis=0)
        around = ((lows >= low[:, None]) & (highs <= high[:, None])).all(axis=0)
        partly = near[~inside & ~around]
        if partly.size and witness is None:
            witness = seen.scale.point(_common(seen, low, high, int(partly[0]))[0])
        others |= set(partly.tolist())
    if witness is None:
        return None
    return Correlated(line.number, seen.numbers(others), witness)
