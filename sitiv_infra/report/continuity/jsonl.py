"""The continuity report for machines: one JSON line for each event and service.

Times are seconds; ``rto`` and ``rpo`` hold the promise, what was measured against it, and how it
stands: ``kept``, ``not-kept`` or ``not-measured``.
"""

from __future__ import annotations

import json

from sitiv_infra.messages import Language, plain
from sitiv_infra.report.continuity.promises import Promise, Rehearsal, Row
from sitiv_infra.report.continuity.words import Words
from sitiv_infra.report.safe import visible


def render(told: Rehearsal, language: Language) -> str:
    """Tell a rehearsal as lines, each ended by a line feed."""
    lines = (json.dumps(record(row, language), ensure_ascii=False) for row in told.rows)
    return "".join(f"{visible(line)}\n" for line in lines)


def record(row: Row, language: Language) -> dict[str, object]:
    """Give one service after one event as plain data."""
    one = row.figures
    event = one.window.event
    return {
        "service": row.service.name,
        "event": event.model_dump(mode="json") if event else None,
        "title": Words(language).event(one.window),
        "observed": round(one.window.seconds, 3),
        "requests": one.requests,
        "failed": one.failed,
        "errors": dict(one.errors),
        "longest_gap": round(one.gap, 3),
        "outages": [
            {
                "door": outage.door,
                "after": round(outage.start - one.window.start, 3),
                "seconds": round(outage.seconds(one.window), 3),
                "ended": outage.end is not None,
                "failed": outage.failed,
            }
            for outage in one.outages
        ],
        "latency": {"p50": one.p50, "p95": one.p95, "p99": one.p99},
        "probe_lag": round(one.lag, 3),
        "acknowledged": one.acknowledged,
        "lost": [{"name": x.name, "acknowledged": plain(x.at), "cause": x.cause} for x in one.lost],
        "connection": one.connection.value,
        "rto": _promise(row.rto, one.recovery),
        "rpo": _promise(row.rpo, one.lost_span if row.written else None),
    }


def _promise(promise: Promise | None, measured: float | None) -> dict[str, object] | None:
    if promise is None:
        return None
    return {
        "promised": plain(promise.limit),
        "measured": measured,
        "standing": promise.standing.value,
        "why": promise.why or None,
    }
