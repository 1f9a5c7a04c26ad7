"""The matrix of zones as a drawing: what is declared between them, and what firewalls do.

Sizes are in the units of the drawing's view box, which the page scales; 30 zones stay readable.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sitiv_infra.estate import Estate
from sitiv_infra.messages import noop
from sitiv_infra.report.audit import Audit, Finding, State
from sitiv_infra.wanted.addressing import firewall_sites

SIDE = 24  # of a cell
LETTER = 6.6  # width of a letter of a label
SLANT = 0.64  # of a label's length, for one that stands at 40 degrees


class Mark(StrEnum):
    """What a pair of zones shows, the worst first."""

    OPENED = "opened"
    REFUSED = "refused"
    CLOSED = "closed"
    UNKNOWN = "unknown"
    DECLARED = "declared"
    NOTHING = "nothing"


SIGNS = {Mark.OPENED: "✕", Mark.REFUSED: "≠", Mark.CLOSED: "!", Mark.UNKNOWN: "?"}
LEGEND = {
    Mark.OPENED: noop("passes, and is not declared"),
    Mark.REFUSED: noop("declared, and the matrix does not take it"),
    Mark.CLOSED: noop("declared, and does not pass"),
    Mark.UNKNOWN: noop("could not be decided or read"),
    Mark.DECLARED: noop("declared; the figure counts its services"),
    Mark.NOTHING: noop("nothing is declared, and nothing was seen to pass"),
}
UNDECLARED, CLOSED, PERMITTED = (
    "segmentation.undeclared-flow", "segmentation.declared-closed", "segmentation.flow-permitted",
)  # fmt: skip


@dataclass(frozen=True)
class Square:
    """A pair of zones, in its place: what it shows, and what is told where one points at it.

    services -- each with the sites that let it pass, where not all do.
    """

    source: str
    destination: str
    mark: Mark
    services: tuple[str, ...]
    x: float
    y: float

    @property
    def sign(self) -> str:
        """What stands in it: a sign, or how many services are declared."""
        count = str(len(self.services)) if self.mark is Mark.DECLARED else ""
        return SIGNS.get(self.mark, count)


@dataclass(frozen=True)
class Drawing:
    """The whole matrix: zones in the order of the declaration, and where its parts stand."""

    zones: tuple[str, ...]
    squares: tuple[Square, ...]
    left: float
    top: float

    @property
    def width(self) -> float:
        """Of the view box: the last label leans out."""
        return self.left + len(self.zones) * SIDE + self.top * 0.8

    @property
    def height(self) -> float:
        """Of the view box."""
        return self.top + len(self.zones) * SIDE

    @property
    def marks(self) -> tuple[Mark, ...]:
        """What it shows, the worst first."""
        return tuple(mark for mark in Mark if any(s.mark is mark for s in self.squares))

    def count(self, mark: Mark) -> int:
        """Count the pairs that show something."""
        return sum(square.mark is mark for square in self.squares)


def drawing(audit: Audit) -> Drawing | None:
    """Draw an audit's segmentation; None where it was not judged, or there are no two zones."""
    estate = audit.estate
    if len(estate.zones) < 2 or not any(f.verdict.domain == "segmentation" for f in audit.findings):
        return None
    zones = tuple(estate.zones)
    longest = max(map(len, zones))
    left, top = longest * LETTER + 12, longest * LETTER * SLANT + 20
    marks, proven = _marks(estate, audit.findings), _proven(audit.findings)
    services = _services(estate)
    squares = tuple(
        Square(
            one, other, marks.get((one, other), _plain(proven, (one, other) in services)),
            tuple(services.get((one, other), ())), left + column * SIDE, top + row * SIDE,
        )
        for row, one in enumerate(zones)
        for column, other in enumerate(zones)
        if one != other
    )  # fmt: skip
    return Drawing(zones, squares, left, top)


def _services(estate: Estate) -> dict[tuple[str, str], list[str]]:
    """Give what is declared between zones, and at which sites where it is not at all of them."""
    sites = [site.name for site in firewall_sites(estate)]
    held: dict[tuple[str, str], dict[str, set[str]]] = {}
    for flow in estate.flows.values():
        listed = held.setdefault((flow.source, flow.destination), {})
        for service in flow.services:
            listed.setdefault(service, set()).update(filter(flow.holds_at, sites))
    return {
        pair: [
            service if len(where) == len(sites) else f"{service} ({', '.join(sorted(where))})"
            for service, where in listed.items()
        ]
        for pair, listed in held.items()
    }


def _plain(proven: bool, declared: bool) -> Mark:  # noqa: FBT001 - its only words
    return Mark.UNKNOWN if not proven else Mark.DECLARED if declared else Mark.NOTHING


def _proven(findings: Iterable[Finding]) -> bool:
    """Whether every firewall was read, and there is one: else nothing is known of any pair."""
    judged = [f for f in findings if f.check.id == UNDECLARED]
    unread = [f for f in judged if ">" not in f.verdict.subject and f.state is not State.PASS]
    return bool(judged) and not unread


def _marks(estate: Estate, findings: Iterable[Finding]) -> dict[tuple[str, str], Mark]:
    """Give what findings say of pairs of zones, the worst of each pair."""
    found: dict[tuple[str, str], Mark] = {}
    for finding in findings:
        if finding.state not in {State.OPEN, State.UNKNOWN}:
            continue
        pair = _pair(estate, finding)
        if pair is not None:
            failed = {UNDECLARED: Mark.OPENED, CLOSED: Mark.CLOSED, PERMITTED: Mark.REFUSED}
            mark = failed[finding.check.id] if finding.state is State.OPEN else Mark.UNKNOWN
            found[pair] = min(found.get(pair, mark), mark, key=list(Mark).index)
    return found


def _pair(estate: Estate, finding: Finding) -> tuple[str, str] | None:
    """Give the zones that a verdict is about: ``…/firewall/fw/users>data``, ``…/flow/web@fw``."""
    last = finding.verdict.subject.rpartition("/")[2]
    if finding.check.id == UNDECLARED and ">" in last:
        source, _, destination = last.partition(">")
        return source, destination
    if finding.check.id in {CLOSED, PERMITTED}:
        flow = estate.flows.get(last.partition("@")[0])
        return (flow.source, flow.destination) if flow else None
    return None
