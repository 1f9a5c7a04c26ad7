"""What a change of a few rules changes, asked of a long list again and again: it is not walked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from sitiv_infra.policy.compare import Comparison, compare
from sitiv_infra.policy.cover import BUDGET
from sitiv_infra.policy.lists import Line, RuleList
from sitiv_infra.policy.space import Box
from sitiv_infra.policy.table import Table


class WhatIf:
    """A list whose rules are found by the packets that they match.

    Only a packet of a rule that comes or goes can fare otherwise, and only the rules that share
    packets with it have a say: the others are not looked at.
    """

    def __init__(self, rules: RuleList) -> None:
        self.rules = rules
        self._table = Table(rules)

    def changed(
        self,
        gone: Collection[int] = (),
        lines: Sequence[Line] = (),
        place: int = 0,
        budget: int = BUDGET,
    ) -> Comparison:
        """Compare with the list without some lines, by their places, and with others before one."""
        out = [self.rules.lines[one] for one in gone]
        near = self._near(box for line in (*out, *lines) for box in line.boxes)
        kept = [one for one in near if one not in gone]
        head = (self.rules.lines[one] for one in kept if one < place)
        tail = (self.rules.lines[one] for one in kept if one >= place)
        old = replace(self.rules, lines=tuple(self.rules.lines[one] for one in near))
        return compare(old, replace(self.rules, lines=(*head, *lines, *tail)), budget)

    def _near(self, boxes: Iterable[Box]) -> list[int]:
        """Give the places of the rules that share a packet with some boxes, in their order."""
        found: set[int] = set()
        for box in boxes:
            for low, high in self._table.scale.around(box):
                found.update(self._table.owner[self._table.cover.overlapping(low, high)].tolist())
        return sorted(found)
