"""Whether a firewall forwards what is declared and nothing else, over the whole address space.

Zones do not matter here: the first packets of all connections are compared, so what is inside a
zone, or between addresses that no zone names, is seen as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import zip_longest
from types import MappingProxyType

from sitiv_infra.estate import Estate, Flow
from sitiv_infra.messages import noop
from sitiv_infra.policy.compare import Parting
from sitiv_infra.policy.cover import Inconclusive
from sitiv_infra.policy.elements import unfolded
from sitiv_infra.policy.flatten import flattened
from sitiv_infra.policy.iptables_options import BEYOND
from sitiv_infra.policy.iptables_options import whole as with_more
from sitiv_infra.policy.lists import Line, RuleList
from sitiv_infra.policy.mismatch import Mismatch, mismatched, once
from sitiv_infra.policy.nftables import read
from sitiv_infra.policy.operands import NEW
from sitiv_infra.policy.rules import Part, RuleBase, Verdict
from sitiv_infra.policy.services import packets
from sitiv_infra.policy.space import (
    EVERYTHING,
    Box,
    Dimension,
    Intervals,
    box,
    intersection,
    split,
    union,
    without,
)
from sitiv_infra.wanted.filtering import NOT_PUBLIC, PUBLIC_6, bound, current, held

Ruleset = Iterable[Mapping[str, object]]
Apart = Mapping[int, tuple[Line, ...]]  # rules of packets that sites treat otherwise, by IP version
ALIKE: Apart = MappingProxyType({})
FAMILIES = (4, 6)
NO_FLOW = noop("no declared flow")


@dataclass(frozen=True)
class Forwarded:
    """What a firewall does with forwarded packets of one family: every list has to accept.

    ``state`` is that of the packets' connections.
    """

    version: int
    base: RuleBase
    lists: tuple[RuleList, ...]
    state: str = NEW

    def fates(self, found: Box) -> list[Part]:
        """Say what becomes of packets in all of its chains."""
        return self.base.fates([found])


def whole(version: int) -> Box:
    """Give the box of all packets of one address family."""
    return with_more(version)[: len(EVERYTHING)]


def declared(estate: Estate, site: str, version: int, today: date) -> RuleList:
    """Give what a site's firewalls let pass of one address family, as rules.

    What has ended is not in force.
    """
    flows = held(estate, site, today)
    lines = [*_inside_zones(estate, version), *_between_zones(estate, version, flows)]
    numbered = (line._replace(number=number) for number, line in enumerate(lines, 1))
    return RuleList(tuple(numbered), Verdict.DROP, whole(version), NO_FLOW)


def wanted_of(state: str, first: RuleList) -> RuleList:
    """Give what is declared of packets in a state: what belongs to no connection never passes.

    first -- what is declared of those that begin one.
    """
    return first if state == NEW else replace(first, lines=())


def apart(estate: Estate, site: str, today: date) -> Apart:
    """Give the packets that sites are declared to treat otherwise, and what one of them does.

    They are those of flows that hold at some sites, without what passes at all. The rules go before
    all others, with numbers that no dump has.
    """
    some = bound(estate, today)
    flows = [flow for flow in current(estate, today) if flow not in some]
    some.sort(key=lambda flow: not flow.holds_at(site))  # what passes by one flow passes
    found: dict[int, tuple[Line, ...]] = {}
    for version in FAMILIES if some else ():
        lines = [*_inside_zones(estate, version), *_between_zones(estate, version, flows)]
        shared = [box for line in lines for box in line.boxes]
        found[version] = tuple(
            line._replace(
                number=-number,
                verdict=Verdict.ACCEPT if estate.flows[line.text].holds_at(site) else Verdict.DROP,
                boxes=tuple(piece for box in line.boxes for piece in split(box, shared)[1]),
            )
            for number, line in enumerate(_between_zones(estate, version, some), 1)
        )
    return found


def _inside_zones(estate: Estate, version: int) -> Iterator[Line]:
    """Machines of one zone and one owner reach each other over the firewalls."""
    for name, zone in estate.zones.items():
        for owner in dict.fromkeys(v.owner for v in estate.vlans.values() if v.zone == name):
            nets = [n for n in estate.networks_of(name, owner) if n.version == version]
            if len(nets) > 1 and not zone.internet:
                ends = {Dimension.SOURCE: _span(nets), Dimension.DESTINATION: _span(nets)}
                yield Line(0, f"zone {name}", Verdict.ACCEPT, (_within(version, box(ends)),))


def _between_zones(estate: Estate, version: int, flows: Iterable[Flow]) -> Iterator[Line]:
    for flow in flows:
        source, destination = (
            addresses(estate, z, version) for z in (flow.source, flow.destination)
        )
        if source and destination:
            ends = box({Dimension.SOURCE: source, Dimension.DESTINATION: destination})
            found = (intersection(ends, packets(text, version)) for text in flow.services)
            boxes = tuple(_within(version, one) for one in found if one)
            yield Line(0, flow.name, Verdict.ACCEPT, boxes)


def _within(version: int, found: Box) -> Box:
    return intersection(found, whole(version)) or found


def addresses(estate: Estate, zone: str, version: int) -> Intervals:
    """Give the addresses of a zone; of the internet, every public one that no other zone has."""
    if not estate.zones[zone].internet:
        return _span(net for net in estate.networks_of(zone) if net.version == version)
    ours = _span(
        net
        for name, other in estate.zones.items()
        for net in (() if other.internet else estate.networks_of(name))
        if net.version == version
    )
    listed = _span(ip_network(text) for text in (NOT_PUBLIC if version == 4 else (PUBLIC_6,)))
    public = without(whole(4)[Dimension.SOURCE], listed) if version == 4 else listed
    return without(public, ours)


def _span(networks: Iterable[IPv4Network | IPv6Network]) -> Intervals:
    return union((int(net.network_address), int(net.broadcast_address)) for net in networks)


def forwarded(ruleset: Ruleset, version: int, state: str = NEW) -> Forwarded:
    """Read the chains on the forward hook; without one, everything passes."""
    base = read(ruleset, version, state=state)
    chains = [one for one in base.bases if one.hook == "forward"]
    lists = tuple(flattened(base, one, whole(version)) for one in chains)
    return Forwarded(version, base, lists or (_everything(version),), state)


def _everything(version: int) -> RuleList:
    return RuleList((), Verdict.ACCEPT, whole(version))


def mismatches(estate: Estate, site: str, ruleset: Ruleset, today: date) -> Iterator[Mismatch]:
    """Yield where a site's firewall does otherwise than is declared; nothing where it does not.

    Judged are the first packets of connections, and then those that belong to none, which have to
    be dropped: a rule that is told for the ones is not told again for the others. Raises
    Inconclusive, after those that were found, where the budget of steps is spent before all are.
    """
    objects = unfolded(ruleset)
    for version in FAMILIES:
        first = declared(estate, site, version, today)
        yield from once(
            one
            for state in (NEW, *BEYOND)
            for one in _undeclared(forwarded(objects, version, state), wanted_of(state, first))
        )


def _undeclared(seen: Forwarded, wanted: RuleList) -> Iterator[Mismatch]:
    """Yield where any of the lists does otherwise than is wanted of all of them together."""
    yield from _mismatches(seen, [wanted] * len(seen.lists))


def _mismatches(seen: Forwarded, wanted: Iterable[RuleList]) -> Iterator[Mismatch]:
    """Yield where lists, one after the other, do otherwise than those that are wanted of them."""
    passes = partial(_passes, seen)
    for rules, others in zip_longest(seen.lists, wanted, fillvalue=_everything(seen.version)):
        yield from mismatched(others, rules, seen.version, passes, seen.state)


def _passes(seen: Forwarded, parting: Parting) -> bool | None:
    """Say whether packets are let through; by one chain alone they are not yet."""
    if parting.new[1] is Verdict.DROP and parting.certain:
        return False
    if parting.old[1] is None:
        return None
    fates = {part.certain for part in seen.fates(parting.box)}
    if not parting.certain:  # a doubt that changes nothing is none
        return fates == {Verdict.ACCEPT} if len(fates) == 1 and None not in fates else None
    return True if Verdict.ACCEPT in fates else None if None in fates else False


def differences(
    one: Ruleset,
    other: Ruleset,
    declared_apart: Apart = ALIKE,
    states: Iterable[str] = (NEW, *BEYOND),
    *,
    aside: bool = False,
) -> Iterator[Mismatch]:
    """Yield where a second firewall does otherwise than a first one; see mismatches.

    Chains are compared in the order in which the kernel enters them.

    declared_apart -- what the second has to do of some packets, whatever the first does; aside --
    or these are not compared at all.
    """
    first, second = unfolded(one), unfolded(other)
    for version in FAMILIES:
        sides = (
            (forwarded(first, version, state), forwarded(second, version, state))
            for state in states
        )
        lines = declared_apart.get(version, ())
        yield from once(found for two in sides for found in _parted(*two, lines, aside=aside))


def _parted(
    old: Forwarded, new: Forwarded, lines: tuple[Line, ...], *, aside: bool
) -> Iterator[Mismatch]:
    if new.state != NEW:
        lines = ()  # what belongs to no connection belongs to no flow
    if aside:
        new = replace(new, lists=tuple(_after(lines, rules) for rules in new.lists))
    yield from _mismatches(new, [_after(lines, rules) for rules in old.lists])


def _after(lines: tuple[Line, ...], rules: RuleList) -> RuleList:
    return replace(rules, lines=(*lines, *rules.lines))


def alike(rulesets: Mapping[str, Ruleset], declared_apart: Apart = ALIKE) -> list[list[str]]:
    """Group firewalls that forward the same, by name, in the order of the first of each group.

    Those of which it is not known whether they do are in groups of their own.

    declared_apart -- what is not compared.
    """
    groups: list[list[str]] = []
    for name, ruleset in rulesets.items():
        known = (g for g in groups if _same(rulesets[g[0]], ruleset, declared_apart))
        group = next(known, None)
        if group is None:
            groups.append([name])
        else:
            group.append(name)
    return groups


def _same(one: Ruleset, other: Ruleset, declared_apart: Apart) -> bool:
    try:
        return not any(differences(one, other, declared_apart, aside=True))
    except Inconclusive:
        return False


def changed(old: Estate, new: Estate, site: str, today: date) -> Iterator[Mismatch]:
    """Yield what a site lets through as newly declared and not as before, and the reverse."""
    for version in FAMILIES:
        before, after = (declared(estate, site, version, today) for estate in (old, new))
        yield from mismatched(before, after, version)
