"""What was measured beside what was promised: RTO and RPO of each service, event by event.

Nothing is kept that was not measured: no probing, too short a time, or an outage that an event cut
short before the promised time had passed, are told as such.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property

from sitiv_infra.estate import Estate, Service
from sitiv_infra.messages import noop
from sitiv_infra.report.continuity.figures import Figures, Window, figures, windows
from sitiv_infra.report.continuity.records import Probing

LEAST_SECONDS = 10.0  # of probing after an event; less proves nothing
SLACK = 2.0  # seconds between two good answers that no promise is judged by


class Standing(StrEnum):
    """How a promise stands, worst first."""

    BROKEN = "not-kept"
    UNMEASURED = "not-measured"
    KEPT = "kept"


@dataclass(frozen=True)
class Promise:
    """One promise of one service after one event; ``why`` is a text that says why not measured."""

    standing: Standing
    limit: timedelta
    why: str = ""


@dataclass(frozen=True)
class Row:
    """One service after one event; before any event only a broken promise is told.

    written -- whether the probe writes to this service.
    """

    service: Service
    figures: Figures
    written: bool
    rto: Promise | None
    rpo: Promise | None

    @property
    def promises(self) -> tuple[Promise, ...]:
        """What is judged here."""
        return tuple(p for p in (self.rto, self.rpo) if p is not None)


@dataclass(frozen=True)
class Rehearsal:
    """A rehearsal, ready to be told: the only thing that a format is given."""

    estate: Estate
    probing: Probing
    rows: tuple[Row, ...]

    @property
    def began(self) -> datetime:
        """When probing began."""
        return self.probing.begin.at

    @cached_property
    def windows(self) -> list[Window]:
        """Windows in order; the first one is before any event."""
        return windows(self.probing)

    def of(self, window: Window) -> list[Row]:
        """Give the rows of one window."""
        return [row for row in self.rows if row.figures.window.number == window.number]

    def count(self, standing: Standing) -> int:
        """Count promises."""
        return sum(p.standing is standing for row in self.rows for p in row.promises)

    @property
    def unprobed(self) -> list[Service]:
        """Services that nobody sent a request to."""
        probed = self.probing.begin.doors
        return [s for s in self.estate.services.values() if s.name not in probed]


def rehearsal(estate: Estate, probing: Probing) -> Rehearsal:
    """Judge what a rehearsal left; services that the estate does not know are left out."""
    found = (f for f in figures(probing) if f.service in estate.services)
    rows = (_row(estate, probing, one) for one in found)
    return Rehearsal(estate, probing, tuple(rows))


def exit_code(told: Rehearsal) -> int:
    """Give 2 when something was not measured that the probe was there for, 1 when broken, else 0.

    The loss of writes is only measured where the probe writes; elsewhere it does not count.
    """
    judged = [row for row in told.rows if row.promises]
    wanted = [row.rto for row in judged] + [row.rpo for row in judged if row.written]
    standings = {promise.standing for promise in wanted if promise is not None}
    if Standing.UNMEASURED in standings or not standings:
        return 2
    return 1 if Standing.BROKEN in standings else 0


def tightest_rto(service: Service) -> timedelta:
    """Give the strictest RTO that any member was promised."""
    return min([service.rto, *(p.rto for p in service.overrides.values() if p.rto is not None)])


def _row(estate: Estate, probing: Probing, one: Figures) -> Row:
    service = estate.services[one.service]
    written = one.service in probing.begin.documents
    verified = probing.end is not None and probing.end.verified
    rto, rpo = tightest_rto(service), service.tightest_rpo
    kept_rto = _judged(rto, _rto(one, rto.total_seconds()))
    kept_rpo = _judged(rpo, _rpo(one, rpo, written=written, verified=verified))
    if one.window.event is None:  # nothing is proved without an event, but a broken promise is one
        return Row(service, one, written, _broken(kept_rto), _broken(kept_rpo))
    return Row(service, one, written, kept_rto, kept_rpo)


def _broken(promise: Promise) -> Promise | None:
    return promise if promise.standing is Standing.BROKEN else None


def _judged(limit: timedelta, found: Iterable[tuple[Standing, str]]) -> Promise:
    """Take the first thing that can be said; where there is none, the promise is kept."""
    for standing, why in found:
        return Promise(standing, limit, why)
    return Promise(Standing.KEPT, limit)


def _rto(one: Figures, limit: float) -> Iterator[tuple[Standing, str]]:
    """Yield what speaks against a kept RTO, the weightiest first."""
    if one.open_for > limit or (one.recovery is not None and one.recovery > limit):
        yield Standing.BROKEN, ""
    if not one.requests:
        yield Standing.UNMEASURED, noop("no request was sent")
    if one.silent_doors:
        yield Standing.UNMEASURED, noop("a published address was not asked")
    if one.recovery is None:
        yield Standing.UNMEASURED, noop("still down when the next event came, or the probe ended")
    if one.window.seconds < LEAST_SECONDS:
        yield Standing.UNMEASURED, noop("probed for less than 10 seconds")
    if one.gap > max(limit, SLACK):
        yield Standing.UNMEASURED, noop("the probe paused for longer than the promise")


def _rpo(
    one: Figures, limit: timedelta, *, written: bool, verified: bool
) -> Iterator[tuple[Standing, str]]:
    """Yield what speaks against a kept RPO, the weightiest first."""
    if one.lost and (not limit or one.lost_span > limit.total_seconds()):
        yield Standing.BROKEN, ""
    if not written:
        yield Standing.UNMEASURED, noop("the probe writes nothing to this service")
    if not one.written:
        yield Standing.UNMEASURED, noop("no write was acknowledged")
    if not verified or one.unverified:
        yield Standing.UNMEASURED, noop("the documents were not read back")
    if one.window.seconds < LEAST_SECONDS:
        yield Standing.UNMEASURED, noop("probed for less than 10 seconds")
