"""The continuity report's own words: events, verdicts, connections, each with a sign of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from babel.numbers import format_decimal

from sitiv_infra.messages import NO_BREAK, Language, noop
from sitiv_infra.report.continuity.figures import Connection, Figures, Window
from sitiv_infra.report.continuity.promises import Promise, Row, Standing
from sitiv_infra.report.safe import cut

SIGNS: Mapping[Standing, str] = {
    Standing.BROKEN: "\N{MULTIPLICATION X}",
    Standing.UNMEASURED: "?",
    Standing.KEPT: "\N{CHECK MARK}",
}
CLASSES: Mapping[Standing, str] = {  # of the style sheet that all pages share
    Standing.BROKEN: "open",
    Standing.UNMEASURED: "unknown",
    Standing.KEPT: "pass",
}
STANDINGS: Mapping[Standing, str] = {
    Standing.BROKEN: noop("not kept"),
    Standing.UNMEASURED: noop("not measured"),
    Standing.KEPT: noop("kept"),
}
COUNTS: Mapping[Standing, str] = {
    Standing.BROKEN: noop("Promises not kept"),
    Standing.UNMEASURED: noop("Promises not measured"),
    Standing.KEPT: noop("Promises kept"),
}
CONNECTIONS: Mapping[Connection, str] = {
    Connection.SURVIVED: noop("survived"),
    Connection.CLOSED: noop("closed, as the server said it would"),
    Connection.BROKEN: noop("broken"),
    Connection.SILENT: noop("no answer any more"),
    Connection.UNMEASURED: noop("not measured"),
}
FAULTS: Mapping[str, str] = {
    "site": noop("Site {target} lost"),
    "link": noop("Link {target} cut"),
    "host": noop("Host {target} stopped"),
    "disk": noop("Drive of {target} lost"),
    "dns": noop("Name servers of site {target} silent"),
    "clock": noop("Time servers of site {target} set wrong"),
    "slow-link": noop("Link {target} slowed down"),
    "slow-links": noop("Links between the sites slowed down"),
    "drain": noop("Site {target} drained"),
}
HEALED: Mapping[str, str] = {
    "site": noop("Site {target} back"),
    "link": noop("Link {target} mended"),
    "host": noop("Host {target} started again"),
    "disk": noop("Drive of {target} back"),
    "dns": noop("Name servers of site {target} answer again"),
    "clock": noop("Time servers of site {target} set right"),
    "slow-link": noop("Link {target} as fast as before"),
    "slow-links": noop("Links between the sites as fast as before"),
    "drain": noop("Site {target} in service again"),
}
ERRORS: Mapping[str, str] = {
    "timeout": noop("no answer in time"),
    "certificate": noop("certificate refused"),
    "tls": noop("TLS failed"),
    "missing": noop("document not found"),
    "content": noop("not what was written"),
    "status": noop("refused by the server"),
    "garbled": noop("answer cut short"),
    "closed": noop("closed without an answer"),
    "ECONNREFUSED": noop("connection refused"),
    "ECONNRESET": noop("connection reset"),
    "EHOSTUNREACH": noop("no route to it"),
    "ENETUNREACH": noop("no route to it"),
}
MILLISECOND = 1000
MINUTE = 60


@dataclass(frozen=True)
class Words:
    """Tells pieces of a rehearsal in one language."""

    language: Language

    def event(self, window: Window) -> str:
        """Title a window by what began it."""
        if window.event is None:
            return self.language.text("Before any fault")
        event = window.event
        kind = event.kind if event.target else f"{event.kind}s"  # without a target: all of them
        known = (FAULTS if event.what == "fault" else HEALED).get(kind)
        if known is not None:
            return self.language.text(known, target=cut(event.target))
        name = cut(f"{event.kind} {event.target}".strip())
        other = noop("Fault: {name}") if event.what == "fault" else noop("Healed: {name}")
        return self.language.text(other, name=name)

    def clock(self, at: datetime) -> str:
        """Show a time of day where the operator is."""
        return at.astimezone(self.language.zone).strftime("%H:%M:%S")

    def seconds(self, value: float | None) -> str:
        """Show a measured time: milliseconds, tenths of a second, or minutes and seconds."""
        if value is None:
            return "\N{EN DASH}"
        if value < 1:
            return f"{value * MILLISECOND:.0f}{NO_BREAK}ms"
        if value < MINUTE:
            return f"{format_decimal(round(value, 1), locale=self.language.locale)}{NO_BREAK}s"
        minutes, left = divmod(int(value), MINUTE)
        return f"{minutes}{NO_BREAK}min" + (f" {left}{NO_BREAK}s" if left else "")

    def limit(self, promise: Promise | None) -> str:
        """Show a promised time."""
        if promise is None:
            return "\N{EN DASH}"
        return self.language.duration(promise.limit.total_seconds())

    def recovery(self, one: Figures) -> str:
        """Say how long a service was down."""
        if not one.requests:
            return "\N{EN DASH}"
        if one.recovery is None:
            return self.language.text("more than {time}", time=self.seconds(one.open_for))
        return self.seconds(one.recovery) if one.outages else self.language.text("no outage")

    def lost(self, row: Row) -> str:
        """Say how many acknowledged writes were lost, of how many."""
        one = row.figures
        if not row.written:
            return "\N{EN DASH}"
        number = self.language.number
        return self.language.text(
            "{lost} of {count}", lost=number(len(one.lost)), count=number(one.acknowledged)
        )

    def error(self, name: str) -> str:
        """Say why a request failed; names of the system's errors stay as they are."""
        return self.language.text(ERRORS[name]) if name in ERRORS else cut(name, 40)

    def errors(self, one: Figures) -> str:
        """List why requests failed, the most frequent first."""
        return ", ".join(
            f"{self.error(name)} ({self.language.number(count)})"
            for name, count in one.errors.most_common(4)
        )

    def standing(self, promise: Promise) -> str:
        """Say how a promise stands."""
        return self.language.text(STANDINGS[promise.standing])

    def why(self, promise: Promise) -> str:
        """Say why a promise was not measured."""
        return self.language.text(promise.why) if promise.why else ""

    def connection(self, one: Figures) -> str:
        """Say what became of the connection that stays open."""
        return self.language.text(CONNECTIONS[one.connection])
