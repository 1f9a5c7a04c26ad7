"""What a rehearsal measured: for each event and each service, how long and how much was lost.

An event (a fault, or its healing) has a window: from its moment to the next event's. A request
belongs to the window in which it ended, so that one under way when a fault strikes counts there.

An outage begins with the last good answer before a failure, or with the event if that is later; it
ends with the first of ``STEADY`` good answers in a row. Each published address is looked at alone,
and the worst one counts: an address that answers hides none that does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from sitiv_infra.report.continuity.records import Event, Probing, Record

STEADY = 5  # good answers in a row that end an outage
GONE = ("missing", "content")  # answers that prove a loss; no answer proves none
SILENCE = 5.0  # seconds that an answer on an open connection may be late across two windows


@dataclass(frozen=True)
class Window:
    """From an event to the next; number 0 has no event: it is the time before the first one."""

    number: int
    event: Event | None
    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it was looked at."""
        return max(0.0, self.end - self.start)

    def holds(self, moment: float) -> bool:
        """Tell whether a moment lies inside."""
        return self.start <= moment < self.end


@dataclass(frozen=True)
class Outage:
    """A time without good service at one published address; ``end`` is None when none was seen."""

    door: str
    start: float
    end: float | None
    failed: int

    def seconds(self, window: Window) -> float:
        """How long it was seen to last."""
        return (window.end if self.end is None else self.end) - self.start


@dataclass(frozen=True)
class Loss:
    """A document whose writing was acknowledged and that can't be read back, or not as written."""

    name: str
    acknowledged: float
    at: datetime
    cause: str


class Connection(StrEnum):
    """What became of the connection that stays open, across an event."""

    SURVIVED = "survived"
    CLOSED = "closed"  # the server said that it would
    BROKEN = "broken"
    SILENT = "silent"
    UNMEASURED = "not-measured"


@dataclass(frozen=True)
class Figures:
    """One service in one window. Latencies are those of good answers, in seconds.

    recovery -- the longest outage, None when the service was still down at the window's end.
    gap -- longest time without a good answer at one address. acknowledged -- writes in this window,
    ``written`` all of them so far. lost_span -- stretch of time whose writes were lost.
    """

    service: str
    window: Window
    requests: int = 0
    failed: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    silent_doors: tuple[str, ...] = ()
    outages: tuple[Outage, ...] = ()
    recovery: float | None = None
    gap: float = 0.0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    acknowledged: int = 0
    written: int = 0
    lost: tuple[Loss, ...] = ()
    lost_span: float = 0.0
    unverified: int = 0
    connection: Connection = Connection.UNMEASURED
    lag: float = 0.0

    @property
    def open_for(self) -> float:
        """How long the longest outage without an end was seen to last; 0 when there is none."""
        return max((o.seconds(self.window) for o in self.outages if o.end is None), default=0.0)


def windows(probing: Probing) -> list[Window]:
    """Give the windows of a rehearsal, in order; the first one is before any event."""
    events = [e for e in probing.events if e.monotonic >= probing.begin.monotonic]
    starts = [probing.begin.monotonic, *(e.monotonic for e in events)]
    ends = [*starts[1:], max(starts[-1], probing.until)]
    named: list[Event | None] = [None, *events]
    found = zip(named, starts, ends, strict=True)
    return [Window(number, *item) for number, item in enumerate(found)]


def figures(probing: Probing) -> list[Figures]:
    """Give the figures of every window and service."""
    found = windows(probing)
    return [one for service in probing.begin.doors for one in _service(probing, service, found)]


def _service(probing: Probing, service: str, found: Sequence[Window]) -> Iterable[Figures]:
    asked = probing.of(service, "put", "get")
    kept = probing.of(service, "kept")
    losses = _losses(probing, service, found)
    unverified = len(_unverified(probing, service))
    written = 0
    for window in found:
        last = window is found[-1]
        inside = [r for r in asked if window.holds(r.end) or (last and r.end >= window.start)]
        lost = tuple(loss for loss, number in losses if number == window.number)
        outages = tuple(_outages(inside, window))
        acknowledged = sum(r.kind == "put" and r.good for r in inside)
        written += acknowledged
        latencies = sorted(r.seconds for r in inside if r.good)
        yield Figures(
            service,
            window,
            requests=len(inside),
            failed=sum(not r.good for r in inside),
            errors=Counter(r.error for r in inside if r.error),
            silent_doors=_silent(probing.begin.doors[service], inside),
            outages=outages,
            recovery=_recovery(outages, window, inside),
            gap=_gap(inside, window, probing.begin.doors[service]),
            p50=_quantile(latencies, 50),
            p95=_quantile(latencies, 95),
            p99=_quantile(latencies, 99),
            acknowledged=acknowledged,
            written=written,
            lost=lost,
            lost_span=_span(lost, window),
            unverified=unverified,
            connection=_connection(kept, window),
            lag=max((r.lag for r in inside), default=0.0),
        )


def _by_door(records: Iterable[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.door, []).append(record)
    return found


def _silent(doors: Iterable[str], records: Iterable[Record]) -> tuple[str, ...]:
    """Name the published addresses that were not asked at all."""
    asked = {r.door for r in records}
    return tuple(door for door in doors if door not in asked)


def _outages(records: Iterable[Record], window: Window) -> Iterable[Outage]:
    for door, asked in _by_door(records).items():
        good_at = window.start
        began: float | None = None
        failed, steady = 0, list[float]()
        for record in asked:
            if not record.good:
                began = good_at if began is None else began
                failed, steady = failed + 1, []
                continue
            if began is None:
                good_at = max(window.start, record.end)
                continue
            steady.append(record.end)
            if len(steady) == STEADY:
                yield Outage(door, began, steady[0], failed)
                good_at, began, failed, steady = record.end, None, 0, []
        if began is not None:
            yield Outage(door, began, None, failed)


def _recovery(outages: Iterable[Outage], window: Window, records: Sequence[Record]) -> float | None:
    if not records or any(outage.end is None for outage in outages):
        return None
    return max((outage.seconds(window) for outage in outages), default=0.0)


def _gap(records: Iterable[Record], window: Window, doors: Iterable[str]) -> float:
    """Give the longest time without a good answer, at the address where it was longest."""
    good = _by_door(r for r in records if r.good)
    longest = 0.0
    for door in doors:
        ends = sorted(r.end for r in good.get(door, ()))
        moments = [window.start, *ends, max([window.end, *ends[-1:]])]
        longest = max(longest, *(later - earlier for earlier, later in pairwise(moments)))
    return longest


def _quantile(ordered: Sequence[float], hundredths: int) -> float | None:
    """Give the nearest rank of a quantile."""
    if not ordered:
        return None
    rank = -(-hundredths * len(ordered) // 100)
    return ordered[max(rank, 1) - 1]


def _unverified(probing: Probing, service: str) -> set[str]:
    """Name the acknowledged documents that were not asked for at the end."""
    acknowledged = {r.name for r in probing.of(service, "put") if r.good}
    return acknowledged - {r.name for r in probing.of(service, "verify")}


def _losses(probing: Probing, service: str, found: Sequence[Window]) -> list[tuple[Loss, int]]:
    """Give what was lost, with the number of the window that lost it.

    A document was lost between its last good reading (or its writing) and its first bad one. The
    first event in between is told to have lost it; where there is none, it is the one before.
    """
    writes = {r.name: r for r in probing.of(service, "put") if r.good}
    reads: dict[str, list[Record]] = {}
    for record in probing.of(service, "get", "verify"):
        reads.setdefault(record.name, []).append(record)
    lost = []
    for final in probing.of(service, "verify"):
        write = writes.get(final.name)
        if final.good or write is None:
            continue
        there = max([write.end, *(r.end for r in reads[final.name] if r.good)])
        bad = [r.end for r in reads[final.name] if r.error in GONE and r.end > there]
        gone = min([final.end, *bad])
        loss = Loss(final.name, write.end, write.at, final.error)
        lost.append((loss, _loser(found, there, gone)))
    return lost


def _loser(found: Sequence[Window], there: float, gone: float) -> int:
    between = [w.number for w in found[1:] if there < w.start <= gone]
    before = [w.number for w in found if w.start <= there]
    return between[0] if between else before[-1]


def _span(lost: Sequence[Loss], window: Window) -> float:
    """Give the stretch of time whose writes were lost: from the oldest to the event, at least."""
    if not lost:
        return 0.0
    moments = [loss.acknowledged for loss in lost]
    return max(window.start, *moments) - min(moments)


def _connection(kept: Sequence[Record], window: Window) -> Connection:
    """Follow the connection that was open when the window began."""
    if window.event is None:
        return Connection.UNMEASURED
    before = [r for r in kept if r.end < window.start and r.connection is not None]
    if not before or before[-1].error in {"closed", "broken"}:
        return Connection.UNMEASURED
    own = [r for r in kept if r.connection == before[-1].connection]
    inside = [r for r in own if window.start <= r.monotonic < window.end]
    if not inside:  # the exchange that was under way never ended, or ended it
        inside = [r for r in own if r.monotonic < window.start <= r.end]
    if not inside:
        return Connection.SILENT
    last = inside[-1]
    if last.error == "unanswered" or last.end - window.end > SILENCE:
        return Connection.SILENT
    return {"closed": Connection.CLOSED, "broken": Connection.BROKEN}.get(
        last.error, Connection.SURVIVED
    )
