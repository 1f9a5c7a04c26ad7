"""Rehearsals made by hand: what a continuity format is told, without a server or a probe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from sitiv_infra.estate import Estate
from sitiv_infra.report.continuity import Begin, End, Event, Probing, Record
from sitiv_infra.testing import estate_of

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
V4, V6 = "203.0.113.10:443", "[2001:db8:113::10]:443"
ESTATE = """
services:
  guichet: {title: Counter, domain: d, criticality: critical, rpo: 0s, rto: 1min, zone: admin,
            sites: [a, b], members: [corbas, givors], overrides: {givors: {rto: 30s}}}
  portail: {title: Portal, domain: d, criticality: high, rpo: 24h, rto: 4h, zone: admin,
            sites: [a, b], members: [corbas]}
  hidden: {title: Inside, domain: d, criticality: low, rpo: 24h, rto: 1h, zone: admin, sites: [a]}
"""
Bad = Callable[[float, str], str]


def estate() -> Estate:
    return estate_of(ESTATE)


def moment(at: float) -> datetime:
    return NOW + timedelta(seconds=at)


def event(at: float, what: str, kind: str = "site", target: str = "a") -> Event:
    return Event.model_validate(
        {"at": moment(at), "monotonic": at, "what": what, "kind": kind, "target": target}
    )


def record(at: float, kind: str = "get", **more: object) -> Record:
    values = {"service": "guichet", "door": V4, "seconds": 0.01, **more}
    return Record.model_validate({"at": moment(at), "monotonic": at, "kind": kind, **values})


def asked(
    seconds: float, bad: Bad = lambda *_: "", start: float = 0.0, service: str = "guichet"
) -> Iterator[Record]:
    """Ask ten times a second, two doors in turn, a write and a read; ``bad`` gives errors."""
    for number in range(round(start * 10), round((start + seconds) * 10)):
        at, door = number / 10, (V4, V6)[number // 2 % 2]
        kind = "put" if number % 2 == 0 and service == "guichet" else "get"
        error = bad(at, door)
        name = f"{service}-{number - number % 2:06d}" if service == "guichet" else ""
        took = 5.0 if error == "timeout" else 0.01 + number % 7 / 1000
        yield record(at, kind, service=service, door=door, name=name, error=error, seconds=took)


def kept(seconds: float, breaks: float | None = None, **more: object) -> Iterator[Record]:
    """Ask ten times a second on an open connection, which breaks once, if told when."""
    number = 1
    for step in range(round(seconds * 10)):
        at = step / 10
        breaking = breaks is not None and at <= breaks < at + 0.1
        yield record(at, "kept", connection=number, error="broken" if breaking else "", **more)
        number += breaking


def read_back(records: tuple[Record, ...], at: float, lost: dict[str, str]) -> Iterator[Record]:
    for number, one in enumerate(r for r in records if r.kind == "put" and r.good):
        yield record(at + number / 100, "verify", name=one.name, error=lost.get(one.name, ""))


def probing(
    *records: Record,
    events: tuple[Event, ...] = (),
    lost: dict[str, str] | None = None,
    verified: bool | None = True,
) -> Probing:
    """Make what a probe left; ``verified`` is None for one that was killed."""
    services = sorted({r.service for r in records}) or ["guichet"]
    begin = Begin(
        at=NOW, monotonic=0.0, run="c0ffee", rate=10, timeout=5,
        doors=dict.fromkeys(services, (V4, V6)), documents=("guichet",),
    )  # fmt: skip
    end = max((r.end for r in records), default=0.0)
    back = read_back(records, end + 1, lost or {}) if verified else ()
    over = End(at=moment(end), monotonic=end, verified=bool(verified))
    return Probing(begin, (*records, *back), events, over if verified is not None else None)


def between(*spans: tuple[float, float], error: str = "ECONNREFUSED") -> Bad:
    """Fail in some spans of time."""
    return lambda at, _: error if any(a <= at < b for a, b in spans) else ""


def full() -> Probing:
    """Make a rehearsal with some of everything: a site lost and back, a link cut, a drive lost."""
    guichet = tuple(asked(240, between((60, 72.5), (120, 121))))
    portail = tuple(asked(240, between((60, 68), (180, 240), error="timeout"), service="portail"))
    events = (
        event(60, "fault"), event(120, "heal"), event(150, "fault", "link", "1"),
        event(180, "fault", "<b>odd</b>", "thing"), event(210, "heal", "clock", "core-a1"),
    )  # fmt: skip
    open_ones = (*kept(240, 60.05), *kept(240, service="portail"))
    lost = {"guichet-000590": "missing", "guichet-000592": "content"}
    return probing(*guichet, *portail, *open_ones, events=events, lost=lost)
