"""Boxes as binary decision diagrams, and what they say of a list: an opinion of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from dd.autoref import BDD, Function

from sitiv_infra.policy.lists import Line, RuleList
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.space import Box


class Diagrams:
    """Boxes of packets as diagrams over the bits of their values; ``widths`` bits a dimension."""

    def __init__(self, widths: Iterable[int]) -> None:
        self.widths = tuple(widths)
        self.bdd = BDD()
        self.bdd.declare(*(f"{s}_{bit}" for s, width in enumerate(self.widths) for bit in
                           reversed(range(width))))  # fmt: skip

    def at_least(self, side: int, value: int) -> Function:
        found = self.bdd.true
        for bit in range(self.widths[side]):
            here = self.bdd.var(f"{side}_{bit}")
            found = here & found if value >> bit & 1 else here | found
        return found

    def box(self, box: Box) -> Function:
        held = self.bdd.true
        for side, spans in enumerate(box):
            inside = self.bdd.false
            for low, high in spans:
                top = high + 1 >= 2 ** self.widths[side]
                beyond = self.bdd.false if top else self.at_least(side, high + 1)
                inside |= self.at_least(side, low) & ~beyond
            held &= inside
        return held

    def line(self, line: Line) -> Function:
        return self.any(self.box(box) for box in line.boxes)

    def any(self, found: Iterable[Function]) -> Function:
        whole = self.bdd.false
        for one in found:
            whole |= one
        return whole

    def accepted(self, lines: Iterable[Line]) -> Function:
        """Give the packets that a list accepts whose policy drops; no line may be in doubt."""
        found = self.bdd.false
        for line in reversed(tuple(lines)):
            here = self.line(line)
            if line.verdict is not None:
                found = found | here if line.verdict is Verdict.ACCEPT else found & ~here
        return found


class Judged(NamedTuple):
    """Rules by their number, as the diagrams have them."""

    inoperative: set[int]
    shadowed: set[int]
    redundant: set[int]


def judged(rules: RuleList) -> Judged:
    """Judge every line: forwards by who took packets before, backwards by what comes after."""
    diagrams = Diagrams(high.bit_length() for ((_, high),) in rules.whole)
    boxes = [diagrams.line(line) for line in rules.lines]
    false = diagrams.bdd.false
    after: list[dict[Verdict, Function]] = []  # who may be accepted, and dropped, from here on
    fate = {verdict: false if verdict is not rules.policy else ~false for verdict in Verdict}
    for line, here in zip(reversed(rules.lines), reversed(boxes), strict=True):
        after.append(fate)
        fate = _before(line, here, fate)
    found = Judged(set(), set(), set())
    taken = false
    for line, here, then in zip(rules.lines, boxes, reversed(after), strict=True):
        reaching = here & ~taken
        sure = line.verdict is not None and not line.doubts
        if not line.boxes:
            found.inoperative.add(line.number)
        elif reaching == false:
            found.shadowed.add(line.number)
        elif sure and all(
            reaching & then[other] == false for other in Verdict if other is not line.verdict
        ):
            found.redundant.add(line.number)
        taken = taken | here if sure else taken
    return found


def _before(line: Line, here: Function, fate: dict[Verdict, Function]) -> dict[Verdict, Function]:
    """Give what may become of packets before a line, from what may become of them behind it."""
    if line.quiet:
        return fate
    if line.doubts:  # it may match less, or do something else
        return {verdict: one | here for verdict, one in fate.items()}
    if line.verdict is None:
        return fate
    return {v: one | here if v is line.verdict else one & ~here for v, one in fate.items()}


def ranked(rules: RuleList) -> RuleList:
    """Give the same list over the places of its intervals' ends: few bits in place of many.

    The last place stands for all beyond it, so that a power of two of them is the whole.
    """
    cuts = [sorted({low, *(end for box in rules.boxes for a, b in box[side] for end in (a, b + 1))})
            for side, ((low, _),) in enumerate(rules.whole)]  # fmt: skip
    ranks = [{value: place for place, value in enumerate(one)} for one in cuts]
    tops = [2 ** max(1, (len(one) - 1).bit_length()) - 1 for one in cuts]
    ends = [high for ((_, high),) in rules.whole]

    def placed(box: Box) -> Box:
        return tuple(
            tuple((r[a], top if b == end else r[b + 1] - 1) for a, b in spans)
            for r, top, end, spans in zip(ranks, tops, ends, box, strict=True)
        )

    lines = (line._replace(boxes=tuple(map(placed, line.boxes))) for line in rules.lines)
    return RuleList(tuple(lines), rules.policy, tuple(((0, top),) for top in tops))
