"""Chains that jump into each other, as one first-match list for each chain that the kernel enters.

What a chain is jumped to for is part of what its rules match there. A rule that is reached over
several ways stands in the list several times, under its one number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

from sitiv_infra.errors import InvalidInput
from sitiv_infra.policy.lists import Line, RuleList
from sitiv_infra.policy.rules import (
    NO_CHAIN,
    OTHERWISE,
    Action,
    Base,
    Rule,
    RuleBase,
    Test,
    Verdict,
)
from sitiv_infra.policy.space import EVERYTHING, Box, Dimension, intersection, split

DEPTH = 16  # the kernel's own limit of jumps
MOST = 1_000_000  # lines: beyond, chains multiply each other
MOST_PIECES = 10_000  # of the packets that are left in a chain, each of which every rule is cut by
VERDICTS = {Action.ACCEPT: Verdict.ACCEPT, Action.DROP: Verdict.DROP}


class Rest(NamedTuple):
    """What becomes of packets that leave a base chain, and why that is in doubt, where it is."""

    policy: Verdict
    doubts: tuple[str, ...] = ()


def flattened(rules: RuleBase, base: Base, whole: Box = EVERYTHING) -> RuleList:
    """Give the list that packets walk through from a base chain.

    Raises InvalidInput where chains multiply to more lines than can be judged.
    """
    lines: list[Line] = []
    doubts = (f"{base.chain}: {OTHERWISE}",) if base.blurred else ()
    for line in _chain(rules, base.chain, [whole], doubts, 0, Rest(base.policy, base.unsaid)):
        lines.append(line)
        if len(lines) > MOST:
            raise InvalidInput(f"{base.chain}: its chains multiply to more than {MOST} rules")
    return RuleList(tuple(lines), base.policy, whole)


def _chain(
    rules: RuleBase,
    name: str,
    where: list[Box],
    doubts: tuple[str, ...],
    depth: int,
    behind: Rest | None,
) -> Iterator[Line]:
    """Yield the lines of a chain for the packets in some boxes.

    What comes back from a chain goes on behind the jump: its place in the list says so already.
    behind -- what becomes of packets that leave the chain, where no further rule is asked; a line
    says so then, which keeps the boxes of all that follow as plain as their rules.
    """
    if name not in rules.chains or depth > DEPTH:
        yield Line(0, name, None, tuple(where), (*doubts, f"{name}: {NO_CHAIN}"))
    left = _Left(name, where)
    for rule in rules.chains.get(name, ()):
        line = left.line(rule, doubts)
        inside, goes = list(line.boxes), rule.action is Action.GOTO
        leaves = goes or rule.action is Action.RETURN
        if goes or not (leaves and behind):
            yield line
        if inside and (goes or rule.action is Action.JUMP):
            after = behind if goes else None
            yield from _chain(rules, rule.target, inside, line.doubts, depth + 1, after)
        if inside and leaves and behind:
            doubts_then = (*line.doubts, *behind.doubts)
            yield line._replace(verdict=behind.policy, ends=True, doubts=doubts_then)
        elif inside and leaves:
            left.take(rule, inside)


class _Left:
    """What comes along in a chain, and what has left it, or may have."""

    def __init__(self, name: str, entered: list[Box]) -> None:
        self.name = name
        self.entered = self.where = entered
        self.doubted, self.returned = _Known[str](), _Known[int]()

    def line(self, rule: Rule, doubts: tuple[str, ...]) -> Line:
        """Give what a rule does with what comes along so far."""
        inside = _held(rule.tests, self.where)
        once = self._once(rule, inside) if self.returned.known else inside
        return Line(
            rule.number, rule.name, VERDICTS.get(rule.action), tuple(inside),
            (*doubts, *self.doubted.about(inside), *rule.doubts), rule.meaning,
            quiet=rule.action is Action.NONE,
            place=rule.place, label=rule.label, objects=rule.objects,
            returned=tuple(self.returned.about(once)),
            lost=once[0] if once and not inside else None,
        )  # fmt: skip

    def take(self, rule: Rule, inside: list[Box]) -> None:
        """Let packets go: where that is in doubt, they stay, and every later rule is in doubt."""
        if rule.doubts:
            self.doubted.add(self._once(rule, inside), rule.doubts)
            return
        self.returned.add(inside, (rule.number,))
        self.where = list(_without(self.where, inside))
        if len(self.where) > MOST_PIECES:
            raise InvalidInput(f"{self.name}: what returns cuts the rest into too many parts")

    def _once(self, rule: Rule, inside: list[Box]) -> list[Box]:
        """Give what a rule takes of all that entered: what left is in no later rule either."""
        return inside if self.where is self.entered else _held(rule.tests, self.entered)


T = TypeVar("T")


class _Known(Generic[T]):
    """Packets that have left a chain, or may have, and what there is to tell of that."""

    def __init__(self) -> None:
        self.known: list[tuple[int, int, list[Box], tuple[T, ...]]] = []

    def add(self, boxes: list[Box], told: tuple[T, ...]) -> None:
        self.known.append((*_sources(boxes), boxes, told))

    def about(self, boxes: list[Box]) -> Iterator[T]:
        """Yield what is told of some packets; most others come from elsewhere, seen at once."""
        if not boxes or not self.known:
            return
        bottom, top = _sources(boxes)
        for low, high, others, told in self.known:
            near = low <= top and bottom <= high
            if near and any(intersection(one, other) for one in boxes for other in others):
                yield from told


def _without(boxes: list[Box], gone: list[Box]) -> Iterator[Box]:
    """Yield what of boxes is in no other one; most are elsewhere, told at once."""
    low, high = _sources(gone)
    for box in boxes:
        yield from split(box, gone)[1] if _comes(box, low, high) else [box]


def _comes(box: Box, low: int, high: int) -> bool:
    spans = box[Dimension.SOURCE]
    return spans[0][0] <= high and low <= spans[-1][1]


def _sources(boxes: Sequence[Box]) -> tuple[int, int]:
    ends = [box[Dimension.SOURCE] for box in boxes]
    return min(spans[0][0] for spans in ends), max(spans[-1][1] for spans in ends)


def _held(tests: Sequence[Test], where: list[Box]) -> list[Box]:
    """Give the part of some boxes where all tests hold."""
    inside = _near(where, tests)
    for test in tests:
        if test.negated:
            inside = [piece for one in inside for piece in split(one, test.boxes)[1]]
        elif len(test.boxes) == 1:
            inside = [both for one in inside if (both := intersection(one, test.boxes[0]))]
        else:
            inside = [piece for one in inside for piece in split(one, test.boxes)[0]]
    return inside


def _near(boxes: list[Box], tests: Iterable[Test]) -> list[Box]:
    """Leave out boxes whose packets come from elsewhere, where what left a chain cut many."""
    if len(boxes) == 1:
        return boxes
    for test in tests:
        if test.boxes and not test.negated:
            low, high = _sources(test.boxes)
            boxes = [box for box in boxes if _comes(box, low, high)]
    return boxes
