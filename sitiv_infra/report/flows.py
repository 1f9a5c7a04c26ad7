"""What a change of the declaration changes between zones, as a comment on a merge request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from sitiv_infra.estate import Cell, Estate, Flow
from sitiv_infra.messages import Language, noop
from sitiv_infra.policy.cells import refused
from sitiv_infra.policy.exact import changed
from sitiv_infra.policy.mismatch import Mismatch
from sitiv_infra.wanted.addressing import firewall_sites

MOST = 20  # boxes of packets that are shown; a comment is read by people
OPENS = noop("**Opens** {name}: {flow}")
CLOSES = noop("**Closes** {name}: {flow}")
ALTERS = noop("**Changes** {name}: {changes:list}")
FLOW = noop("from {source} to {destination}, {services:list}; {team}, {ticket}, {until}: {reason}")
AT = noop("{flow} (at {sites:list} alone)")
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
    not take; where the matrix itself differs, of all flows. ``packets`` fare otherwise at the
    firewalls of some sites, none if that is so at all.
    """

    opened: tuple[Flow, ...]
    closed: tuple[Flow, ...]
    altered: tuple[tuple[Flow, Flow], ...]
    cells: tuple[str, ...]
    refused: tuple[tuple[Flow, tuple[str, ...]], ...]
    packets: tuple[tuple[Mismatch, tuple[str, ...]], ...]

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
        packets=tuple(_packets(old, new, today)),
    )


def _packets(old: Estate, new: Estate, today: date) -> Iterator[tuple[Mismatch, tuple[str, ...]]]:
    """Yield the packets that fare otherwise, with the sites where they do if not at all."""
    sites = dict.fromkeys(site.name for estate in (old, new) for site in firewall_sites(estate))
    where: dict[Mismatch, tuple[str, ...]] = {}
    kinds: dict[tuple[bool, ...], list[str]] = {}
    flows = [flow for estate in (old, new) for flow in estate.flows.values()]
    for site in sites or ("",):
        kinds.setdefault(tuple(flow.holds_at(site) for flow in flows), []).append(site)
    for alike in kinds.values():
        for one in changed(old, new, alike[0], today):
            where[one] = (*where.get(one, ()), *alike)
    for one, there in where.items():
        yield one, there if len(there) < len(sites) else ()


def _cells(old: dict[str, Cell], new: dict[str, Cell]) -> tuple[str, ...]:
    return tuple(name for name in {**old, **new} if old.get(name) != new.get(name))


def told(found: FlowChanges, estates: tuple[Estate, Estate], words: Language) -> str:
    """Write changes as Markdown: first what was decided, then what it means for packets."""
    if not found:
        return words.text(NOTHING) + "\n"
    lines = [f"- {line}" for line in _decided(found, estates, words)]
    for title, passes in ((PASSES, True), (BLOCKED, False)):
        boxes = [(one, sites) for one, sites in found.packets if one.passes is passes]
        if boxes:
            lines += ["", f"### {words.text(title)}", ""]
            lines += [f"- `{one.packets}` ({_why(one, *sites)})" for one, sites in boxes[:MOST]]
        if len(boxes) > MOST:
            lines.append(f"- {words.text('{count} more', count=len(boxes) - MOST)}")
    return "\n".join(lines) + "\n"


def _why(one: Mismatch, *sites: str) -> str:
    """Name the flow by which packets pass or passed, and where, if not at all sites."""
    flow = one.rule if one.passes else one.should
    return f"{flow}; {', '.join(sites)}" if sites else flow


def _decided(found: FlowChanges, estates: tuple[Estate, Estate], words: Language) -> Iterator[str]:
    old, new = estates
    for flow, services in found.refused:
        yield words.text(REFUSED, name=f"`{flow.name}`", services=list(services))
    for flow in found.opened:
        yield words.text(OPENS, name=f"`{flow.name}`", flow=in_words(flow, new, words))
    for flow in found.closed:
        yield words.text(CLOSES, name=f"`{flow.name}`", flow=in_words(flow, old, words))
    for before, after in found.altered:
        changes = list(_fields(before, after))
        yield words.text(ALTERS, name=f"`{after.name}`", changes=changes)
    if found.cells:
        yield words.text(CELL, names=[f"`{name}`" for name in found.cells])


def in_words(flow: Flow, estate: Estate, words: Language) -> str:
    """Tell a flow: from where to where, what, who asked for it, by which ticket, and until when."""
    ends = (estate.zones[name].title for name in (flow.source, flow.destination))
    source, destination = ends
    until = words.text(UNTIL, day=flow.until) if flow.until else words.text(FOREVER)
    told = words.text(
        FLOW, source=source, destination=destination, services=list(flow.services),
        team=flow.owner_team, ticket=flow.ticket or words.text(NO_TICKET), until=until,
        reason=flow.reason,
    )  # fmt: skip
    return words.text(AT, flow=told, sites=list(flow.sites)) if flow.sites else told


def _fields(before: Flow, after: Flow) -> Iterator[str]:
    """Name what differs, as the declaration writes it."""
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    for field in {**old, **new}:
        if old.get(field) != new.get(field):
            one, other = (_plain(value.get(field)) for value in (old, new))
            yield f"{field} {one} \N{RIGHTWARDS ARROW} {other}"


def _plain(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value or "\N{EN DASH}")
