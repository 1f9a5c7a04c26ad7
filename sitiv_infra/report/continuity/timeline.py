"""A rehearsal as a picture: for each service a strip of time, its failures and the events.

A strip is cut into cells of equal time. What a cell shows is told by its height as well as by its
colour: low where all answers were good, full height where none was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from sitiv_infra.report.continuity.promises import Rehearsal
from sitiv_infra.report.continuity.records import Record

CELLS = 240
GOOD, SOME, NONE = "pass", "medium", "high"
HEIGHTS = {GOOD: (24, 12), SOME: (12, 24), NONE: (0, 36)}  # top and height, in pixels


@dataclass(frozen=True)
class Cell:
    """A piece of a strip, in hundredths of its width, and pixels from its top."""

    kind: str
    x: float
    width: float
    y: int
    height: int


@dataclass(frozen=True)
class Mark:
    """An event on a strip."""

    number: int
    x: float
    fault: bool


@dataclass(frozen=True)
class Strip:
    """One service's time; a moment without a request shows nothing."""

    service: str
    requests: int
    failed: int
    cells: tuple[Cell, ...]


def marks(told: Rehearsal) -> list[Mark]:
    """Place the events."""
    start, length = _span(told)
    return [
        Mark(w.number, _share(w.start - start, length), w.event.what == "fault")
        for w in told.windows
        if w.event is not None
    ]


def strips(told: Rehearsal) -> list[Strip]:
    """Draw the services."""
    start, length = _span(told)
    found = []
    for service in dict.fromkeys(row.service.name for row in told.rows):
        asked = told.probing.of(service, "put", "get")
        cells = _cells(asked, start, length)
        failed = sum(not record.good for record in asked)
        found.append(Strip(service, len(asked), failed, tuple(cells)))
    return found


def seconds(told: Rehearsal) -> float:
    """Give the length of all strips."""
    return _span(told)[1]


def _span(told: Rehearsal) -> tuple[float, float]:
    ends = [window.end for window in told.windows]
    start = told.probing.begin.monotonic
    return start, max(max(ends) - start, 1e-9)


def _share(part: float, whole: float) -> float:
    return round(100 * part / whole, 3)


def _cells(records: Iterable[Record], start: float, length: float) -> Iterator[Cell]:
    """Join neighbouring cells of one kind; a request stands where it was sent."""
    sent = ((r.monotonic - start, r.good) for r in records)
    numbered = [(min(int(CELLS * at / length), CELLS - 1), good) for at, good in sent]
    numbered.sort()
    kinds = [
        (number, _kind([good for _, good in inside]))
        for number, inside in groupby(numbered, key=lambda item: item[0])
    ]
    for _, group in groupby(enumerate(kinds), key=lambda item: (item[1][0] - item[0], item[1][1])):
        inside = [kind for _, kind in group]
        (first, kind), (last, _) = inside[0], inside[-1]
        y, height = HEIGHTS[kind]
        yield Cell(kind, _share(first, CELLS), _share(last - first + 1, CELLS), y, height)


def _kind(good: Sequence[bool]) -> str:
    if all(good):
        return GOOD
    return SOME if any(good) else NONE
