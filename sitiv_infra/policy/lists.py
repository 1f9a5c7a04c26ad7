"""A first-match list of rules.

Judged is the first packet of a new connection. A rule that was not wholly understood may match less
than its boxes: it is looked for in the shadow of others, but casts none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from sitiv_infra.messages import noop
from sitiv_infra.policy.rules import Objects, Verdict, no_objects
from sitiv_infra.policy.space import EVERYTHING, Box, Point

POLICY = 0  # the number that stands for the policy, where no rule matches
NO_RULE = noop("the default, as no rule matches")


class Line(NamedTuple):
    """A rule: its number in the dump, from 1; what it may match; and what it does then.

    A rule that settles nothing, such as one that jumps or logs, has no verdict. ``doubts`` say why
    a rule may match less, or do something else; ``meaning`` what they hang on in this dump. What is
    ``quiet`` settles nothing whether it matches or not: a log is, however it is limited. ``place``,
    ``label`` and ``objects`` are those of a rule. At a line that ``ends`` packets leave the chain,
    so that its verdict is the policy's. ``returned`` are rules of its chain that took some of its
    packets back to where the chain was entered; if they took all of them, there are no boxes, and
    ``lost`` is one that there was.
    """

    number: int
    text: str
    verdict: Verdict | None
    boxes: tuple[Box, ...]
    doubts: tuple[str, ...] = ()
    meaning: str = ""
    quiet: bool = False
    place: str = ""
    label: str = ""
    objects: Objects = no_objects
    ends: bool = False
    returned: tuple[int, ...] = ()
    lost: Box | None = None


@dataclass(frozen=True)
class RuleList:
    """Rules in their order, and what becomes of the packets that none of them matches.

    ``rest`` is what people call that which decides where no rule does.
    """

    lines: tuple[Line, ...]
    policy: Verdict
    whole: Box = EVERYTHING
    rest: str = NO_RULE

    @property
    def boxes(self) -> tuple[Box, ...]:
        """All boxes of all rules."""
        return tuple(box for line in self.lines for box in line.boxes)

    def places(self, number: int) -> list[int]:
        """Give where a rule stands, by its number: several times, if several ways lead to it."""
        return [place for place, line in enumerate(self.lines) if line.number == number]


class Deciders:
    """What decides packets in a list, as people find it in the text: rules by their numbers."""

    def __init__(self, rules: RuleList) -> None:
        self.rules = rules

    @cached_property
    def lines(self) -> dict[int, Line]:
        """The rules by their numbers."""
        return {line.number: line for line in self.rules.lines}

    @cached_property
    def labelled(self) -> dict[str, list[Line]]:
        """The rules by what somebody named them."""
        found: dict[str, list[Line]] = {}
        for line in self.lines.values():
            found.setdefault(line.label, []).append(line)
        return found

    def called(self, number: int, packet: Point) -> str:
        """Name what decides a packet, and the objects that make it match that."""
        line = self.lines.get(number)
        if line is None:
            return self.rules.rest
        named = ", ".join(dict.fromkeys(line.objects(packet)))
        return f"{line.place or line.text}{f' with {named}' if named else ''}"

    def named(self, name: str) -> str:
        """Give the rules that somebody named so; nothing where there is none."""
        found = self.labelled.get(name, []) if name else []
        matching = [line for line in found if line.boxes] or found
        return ", ".join(line.place for line in matching)
