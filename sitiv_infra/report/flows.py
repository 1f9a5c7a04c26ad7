"""What a change of the declaration changes between zones, as a comment on a merge request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from sitiv_infra.estate import Cell, Estate, Flow
from sitiv_infra.messages import Language, noop
from sitiv_infra.policy import refused
from sitiv_infra.policy.exact import Mismatch, changed

MOST = 20  # boxes of packets that are shown; a comment is read by people
OPENS = noop("**Opens** {name}: {flow}")
CLOSES = noop("**Closes** {name}: {flow}")
ALTERS = noop("**Changes** {name}: {changes:list}")
FLOW = noop("from {source} to {destination}, {services:list}; {team}, {ticket}, {until}: {reason}")
UNTIL, FOREVER = noop("until {day:date}"), noop("without an end")
NO_TICKET = noop("without a ticket")
REFUSED = noop("**The matrix does not take** {name}: {services:list}")
CELL = noop("**Matrix**: {names:list}")
NOTHING = noop("Nothing changes between zones.")
PASSES, BLOCKED = noop("New connections that pass"), noop("New connections that are blocked")


@dataclass(frozen=True)
class FlowChanges:
    """Flows that come, go or differ, cells that do, and the packets that fare otherwise.

    ``refused`` are flows, of those that come or differ, with the services that the new matrix does
    not take; where the matrix itself differs, of all flows.
    """

    opened: tuple[Flow, ...]
    closed: tuple[Flow, ...]
    altered: tuple[tuple[Flow, Flow], ...]
    cells: tuple[str, ...]
    refused: tuple[tuple[Flow, tuple[str, ...]], ...]
    packets: tuple[Mismatch, ...]

    def __bool__(self) -> bool:
        """Whether anything changes."""
        return bool(self.opened or self.closed or self.altered or self.cells or self.packets)


def flow_changes(old: Estate, new: Estate, today: date) -> FlowChanges:
    """Compare two declarations."""
    before, after = old.flows, new.flows
    opened = tuple(flow for name, flow in after.items() if name not in before)
    altered = tuple(
        (before[name], flow) for name, flow in after.items() if before.get(name, flow) != flow
    )
    cells = _cells(old.cells, new.cells)
    asked = after.values() if cells else (*opened, *(flow for _, flow in altered))
    return FlowChanges(
        opened=opened,
        closed=tuple(flow for name, flow in before.items() if name not in after),
        altered=altered,
        cells=cells,
        refused=tuple((f, said) for f in asked if new.cells and (said := refused(new, f))),
        packets=tuple(changed(old, new, today)),
    )


def _cells(old: dict[str, Cell], new: dict[str, Cell]) -> tuple[str, ...]:
    return tuple(name for name in {**old, **new} if old.get(name) != new.get(name))


def told(found: FlowChanges, estates: tuple[Estate, Estate], words: Language) -> str:
    """Write changes as Markdown: first what was decided, then what it means for packets."""
    if not found:
        return words.text(NOTHING) + "\n"
    lines = [f"- {line}" for line in _decided(found, estates, words)]
    for title, passes in ((PASSES, True), (BLOCKED, False)):
        boxes = [one for one in found.packets if one.passes is passes]
        if boxes:
            lines += ["", f"### {words.text(title)}", ""]
            lines += [
                f"- `{one.packets}` ({one.rule if passes else one.should})" for one in boxes[:MOST]
            ]
        if len(boxes) > MOST:
            lines.append(f"- {words.text('{count} more', count=len(boxes) - MOST)}")
    return "\n".join(lines) + "\n"


def _decided(found: FlowChanges, estates: tuple[Estate, Estate], words: Language) -> Iterator[str]:
    old, new = estates
    for flow, services in found.refused:
        yield words.text(REFUSED, name=f"`{flow.name}`", services=list(services))
    for flow in found.opened:
        yield words.text(OPENS, name=f"`{flow.name}`", flow=_flow(flow, new, words))
    for flow in found.closed:
        yield words.text(CLOSES, name=f"`{flow.name}`", flow=_flow(flow, old, words))
    for before, after in found.altered:
        changes = list(_fields(before, after))
        yield words.text(ALTERS, name=f"`{after.name}`", changes=changes)
    if found.cells:
        yield words.text(CELL, names=[f"`{name}`" for name in found.cells])


def _flow(flow: Flow, estate: Estate, words: Language) -> str:
    ends = (estate.zones[name].title for name in (flow.source, flow.destination))
    source, destination = ends
    until = words.text(UNTIL, day=flow.until) if flow.until else words.text(FOREVER)
    return words.text(
        FLOW, source=source, destination=destination, services=list(flow.services),
        team=flow.owner_team, ticket=flow.ticket or words.text(NO_TICKET), until=until,
        reason=flow.reason,
    )  # fmt: skip


def _fields(before: Flow, after: Flow) -> Iterator[str]:
    """Name what differs, as the declaration writes it."""
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    for field in old:
        if old[field] != new[field]:
            one, other = (_plain(value[field]) for value in (old, new))
            yield f"{field} {one} \N{RIGHTWARDS ARROW} {other}"


def _plain(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value or "\N{EN DASH}")
