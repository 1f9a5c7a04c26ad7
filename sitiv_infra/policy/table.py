"""A first-match list as plain boxes of ranks: what its questions are asked of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from sitiv_infra.policy.cover import BUDGET, Flags
from sitiv_infra.policy.lists import RuleList
from sitiv_infra.policy.native import cover
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.scale import Indices, Ranks, Scale


class Table:
    """The plain boxes of a list: where each line's stand, and what their lines do.

    scale -- of the list's boxes, and of those that are asked about.
    """

    def __init__(self, rules: RuleList, scale: Scale | None = None, budget: int = BUDGET) -> None:
        self.rules = rules
        boxes = rules.boxes
        self.scale = scale or Scale(rules.whole, boxes)
        self.cover = cover(self.scale, boxes, budget)
        # Where each box's plain ones begin, and then each line's.
        begins = np.concatenate([[0], self.cover.counts.cumsum()])
        self.starts = begins[np.cumsum([0, *(len(line.boxes) for line in rules.lines)])]
        self.owner = np.repeat(np.arange(len(rules.lines)), np.diff(self.starts))
        self.certain = self._by_box(line.verdict and not line.doubts for line in rules.lines)
        self.silent = self._by_box(
            line.quiet or not (line.verdict or line.doubts) for line in rules.lines
        )
        self.accepts = self._by_box(line.verdict is Verdict.ACCEPT for line in rules.lines)

    def _by_box(self, told: Iterable[object]) -> Flags:
        return np.fromiter(map(bool, told), dtype=bool, count=len(self.rules.lines))[self.owner]

    def of(self, place: int) -> Iterable[tuple[Ranks, Ranks]]:
        """Give the plain boxes of the line at a place."""
        for index in range(self.starts[place], self.starts[place + 1]):
            yield self.cover.lows[:, index], self.cover.highs[:, index]

    def numbers(self, indices: Iterable[int]) -> tuple[int, ...]:
        """Give the numbers of the lines that boxes belong to."""
        owners = {int(self.owner[index]) for index in indices}
        return tuple(self.rules.lines[owner].number for owner in sorted(owners))

    def decided(
        self,
        low: Ranks,
        high: Ranks,
        skipped: frozenset[int] = frozenset(),
    ) -> Iterator[tuple[int | None, Ranks, Ranks]]:
        """Cut a box into what each plain box decides first, or may, and what none does.

        skipped -- places of lines that are left out.
        """
        near = self.cover.overlapping(low, high)
        if skipped:
            near = near[~np.isin(self.owner[near], list(skipped))]
        near = near[~self.silent[near]]
        yield from self.taken(low, high, near)
        for piece in self.cover.holes(low, high, near):
            yield None, *piece

    def taken(
        self, low: Ranks, high: Ranks, near: Indices, wanted: Flags | None = None
    ) -> Iterator[tuple[int, Ranks, Ranks]]:
        """Cut out of a box what each of some plain boxes decides first, or may.

        near -- those that share a packet with it and are not silent, in their order. wanted -- of
        which plain boxes that is asked; of all without it.
        """
        for place, index in enumerate(near.tolist()):
            if wanted is not None and not wanted[index]:
                continue
            lows, highs = self.cover.lows[:, index], self.cover.highs[:, index]
            inner = np.maximum(low, lows), np.minimum(high, highs)
            if not place:
                yield index, *inner
                continue
            before = self.cover.meeting(*inner, near[:place])
            for piece in self.cover.holes(*inner, before):
                yield index, *piece
