"""A first-match list of rules.

Judged is the first packet of a new connection. A rule that was not wholly understood may match less
than its boxes: it is looked for in the shadow of others, but casts none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.space import EVERYTHING, Box


class Line(NamedTuple):
    """A rule: its number in the dump, from 1; what it may match; and what it does then.

    A rule that settles nothing, such as one that jumps or logs, has no verdict. ``doubts`` say why
    a rule may match less, or do something else; ``meaning`` what they hang on in this dump.
    """

    number: int
    text: str
    verdict: Verdict | None
    boxes: tuple[Box, ...]
    doubts: tuple[str, ...] = ()
    meaning: str = ""


@dataclass(frozen=True)
class RuleList:
    """Rules in their order, and what becomes of the packets that none of them matches."""

    lines: tuple[Line, ...]
    policy: Verdict
    whole: Box = EVERYTHING

    @property
    def boxes(self) -> list[Box]:
        """All boxes of all rules."""
        return [box for line in self.lines for box in line.boxes]
