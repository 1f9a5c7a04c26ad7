"""The questions of ``cover`` in C, where ``_cover.c`` could be built; in NumPy elsewhere.

The C code takes the same steps in the same order, so both give the same answers.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import numpy as np

from sitiv_infra.errors import InvalidInput
from sitiv_infra.policy.cover import BUDGET, Answer, Cover, Flags, Inconclusive
from sitiv_infra.policy.scale import Indices, Ranks, Scale
from sitiv_infra.policy.space import Box

try:
    from sitiv_infra.policy import _cover as built
except ImportError:  # no compiler where this was installed
    built = None  # type: ignore[assignment]

ENGINE = "SITIV_COVER"  # the environment's choice: c, numpy, or the faster one that is there
OPEN, SPENT = 1, 2
_plain = np.ascontiguousarray


def cover(scale: Scale, boxes: Iterable[Box], budget: int = BUDGET) -> Cover:
    """Give boxes to ask about, with the engine that the environment asks for; else the best.

    Raises InvalidInput where that is none, or was not built.
    """
    asked = os.environ.get(ENGINE, "")
    if asked not in {"", "c", "numpy"}:
        raise InvalidInput(f"{ENGINE}={asked}: there are c and numpy")
    if asked == "c" and built is None:
        raise InvalidInput(f"{ENGINE}=c, but that was not built: install again with a C compiler")
    kind = Cover if asked == "numpy" or built is None else Native
    return kind(scale, boxes, budget)


class Native(Cover):
    """Boxes whose questions are answered in C."""

    def __init__(self, scale: Scale, boxes: Iterable[Box], budget: int = BUDGET) -> None:
        super().__init__(scale, boxes, budget)
        self._boxes = built.Boxes(self.lows, self.highs, tuple(scale.order))

    def overlapping(self, low: Ranks, high: Ranks, end: int | None = None) -> Indices:
        """Give the boxes, of those before ``end``, that share a packet with a box."""
        last = self.size if end is None else int(end)
        return _indices(self._boxes.overlapping(_plain(low), _plain(high), last))

    def ask(self, low: Ranks, high: Ranks, among: Indices) -> Answer:
        """Say whether boxes cover a box; Inconclusive beyond the budget."""
        hole, used = self._boxes.ask(
            _plain(low), _plain(high), _plain(among), self.budget, Inconclusive
        )
        if hole is None:
            return Answer(None, frozenset(_indices(used or b"").tolist()))
        return Answer(_ranks(hole))

    def holes(self, low: Ranks, high: Ranks, among: Indices) -> Iterator[tuple[Ranks, Ranks]]:
        """Yield what boxes leave of a box, disjoint; Inconclusive beyond the budget."""
        found = self._boxes.holes(
            _plain(low), _plain(high), _plain(among), self.budget, Inconclusive
        )
        return ((_ranks(low), _ranks(high)) for low, high in found)

    def shadows(self, starts: Indices, certain: Flags) -> list[Answer | None]:
        """Say of each line whether certain boxes of lines before it cover all of its own."""
        states, corners, begins, used = self._boxes.shadows(starts, certain, self.budget)
        holes = _ranks(corners).reshape(-1, len(self.lows))
        ends, places = _indices(begins).tolist(), _indices(used).tolist()
        return [
            Answer(holes[line])
            if state == OPEN
            else None
            if state == SPENT
            else Answer(None, frozenset(places[ends[line] : ends[line + 1]]))
            for line, state in enumerate(states)
        ]

    def deciding(self, corners: Ranks, after: Indices, held: Flags) -> Indices:
        """Give for each corner the first held box from a place that has it."""
        return _indices(self._boxes.deciding(_plain(corners), _plain(after), held))


def _indices(data: bytes) -> Indices:
    return np.frombuffer(data, dtype=np.intp)


def _ranks(data: bytes) -> Ranks:
    return np.frombuffer(data, dtype=np.int32)
