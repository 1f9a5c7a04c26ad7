"""What new connections firewalls let through otherwise than the night before, between zones.

Rule bases are compared exactly: one that was only written otherwise has changed nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sitiv_infra.estate import Estate
from sitiv_infra.facts import FirewallFacts
from sitiv_infra.messages import noop
from sitiv_infra.policy.cover import Inconclusive
from sitiv_infra.policy.exact import FAMILIES, addresses, differences, forwarded
from sitiv_infra.policy.lists import NO_RULE
from sitiv_infra.policy.mismatch import Mismatch
from sitiv_infra.policy.moves import Moves, Shift
from sitiv_infra.policy.operands import NEW
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.space import Box, Dimension, Intervals, common, union, without
from sitiv_infra.policy.telling import services_of, witness
from sitiv_infra.policy.violations import matrix_of
from sitiv_infra.snapshot import Snapshot

NOT_READ = noop("it was not read in the run before")
TOO_HARD = noop("too many rules overlap to compare them within the budget")


def moves(before: Snapshot, after: Snapshot) -> Iterator[Moves]:
    """Yield the firewalls, read tonight, that do otherwise than in another night, or may."""
    spaces = _spaces(after.estate)
    for name, firewall in after.estate.firewalls.items():
        now, then = (_facts(snapshot, firewall.source) for snapshot in (after, before))
        if now is None:
            continue  # a gap of tonight, which is told as one
        if then is None:
            yield Moves(name, cause=NOT_READ)
        elif now.ruleset != then.ruleset:
            try:
                shifts = tuple(_shifts(then, now, spaces))
            except Inconclusive:
                yield Moves(name, cause=TOO_HARD)
            else:
                if shifts:
                    yield Moves(name, shifts)


def _facts(snapshot: Snapshot, source: str) -> FirewallFacts | None:
    seen = snapshot.observations.get(source)
    return seen.facts if seen and isinstance(seen.facts, FirewallFacts) else None


def _spaces(estate: Estate) -> Mapping[int, Mapping[str, Intervals]]:
    networks = {name: estate.networks_of(name) for name in estate.zones}
    found = {v: {**zones} for v, zones in matrix_of(estate.zones, networks, ()).spaces.items()}
    for name, zone in estate.zones.items():
        if zone.internet:  # what a carrier's VLAN holds is outside, too
            for version, zones in found.items():
                zones[name] = addresses(estate, name, version)
    return found


def _shifts(
    then: FirewallFacts, now: FirewallFacts, spaces: Mapping[int, Mapping[str, Intervals]]
) -> Iterator[Shift]:
    old = {version: forwarded(then.ruleset, version) for version in FAMILIES}
    alike: dict[tuple[bool | None, str, str, str], list[tuple[int, Box]]] = {}
    for one in differences(then.ruleset, now.ruleset, states=(NEW,)):
        passed = {part.certain for part in old[one.version].fates(one.box)}
        if one.passes is False and passed == {Verdict.DROP}:
            continue  # another chain dropped it already
        passes = None if one.passes is False and Verdict.ACCEPT not in passed else one.passes
        by = one.should if one.passes is False else one.rule
        rule = "" if by == NO_RULE else by
        for source, destination, box in _between_zones(one, spaces[one.version]):
            alike.setdefault((passes, source, destination, rule), []).append((one.version, box))
    for (passes, source, destination, rule), found in alike.items():
        services = services_of(box for _, box in found)
        yield Shift(passes, source, destination, services, witness(*found[0]), rule)


def _between_zones(one: Mismatch, zones: Mapping[str, Intervals]) -> Iterator[tuple[str, str, Box]]:
    """Cut packets into those between each two zones; an empty name stands for no zone."""
    sides = list(one.box)
    for source, here in _parts(one.box[Dimension.SOURCE], zones):
        for destination, there in _parts(one.box[Dimension.DESTINATION], zones):
            sides[Dimension.SOURCE], sides[Dimension.DESTINATION] = here, there
            yield source, destination, tuple(sides)


def _parts(addresses: Intervals, zones: Mapping[str, Intervals]) -> Iterator[tuple[str, Intervals]]:
    for name, held in zones.items():
        here = common(addresses, held)
        if here:
            yield name, here
    rest = without(addresses, union(span for held in zones.values() for span in held))
    if rest:
        yield "", rest
