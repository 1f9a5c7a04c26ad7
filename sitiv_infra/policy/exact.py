"""Whether a firewall forwards what is declared and nothing else, over the whole address space.

Zones do not matter here: the first packets of all connections are compared, so what is inside a
zone, or between addresses that no zone names, is seen as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import zip_longest

from sitiv_infra.estate import Estate
from sitiv_infra.policy.compare import Parting, compare
from sitiv_infra.policy.cover import Inconclusive
from sitiv_infra.policy.flatten import flattened
from sitiv_infra.policy.iptables_options import whole as with_more
from sitiv_infra.policy.lists import Line, RuleList
from sitiv_infra.policy.nftables import read
from sitiv_infra.policy.rules import Part, RuleBase, Verdict
from sitiv_infra.policy.services import packets
from sitiv_infra.policy.space import (
    EVERYTHING,
    Box,
    Dimension,
    Intervals,
    box,
    gathered,
    intersection,
    union,
    without,
)
from sitiv_infra.policy.telling import described, witness
from sitiv_infra.wanted.filtering import NOT_PUBLIC, PUBLIC_6, current

Ruleset = Iterable[Mapping[str, object]]
FAMILIES = (4, 6)
NOBODY = "no rule"


@dataclass(frozen=True)
class Mismatch:
    """Packets that fare otherwise than they should.

    passes -- whether they are let through; None while that hangs on a rule that is not understood.
    rule -- what decides so, as the device writes it; should -- what is to decide, by its name.
    """

    passes: bool | None
    packets: str
    witness: str
    rule: str
    should: str


@dataclass(frozen=True)
class Forwarded:
    """What a firewall does with forwarded packets of one family: every list has to accept."""

    version: int
    base: RuleBase
    lists: tuple[RuleList, ...]

    def fates(self, found: Box) -> list[Part]:
        """Say what becomes of packets in all of its chains."""
        return self.base.fates([found])


def whole(version: int) -> Box:
    """Give the box of all packets of one address family."""
    return with_more(version)[: len(EVERYTHING)]


def declared(estate: Estate, version: int, today: date) -> RuleList:
    """Give what is declared for one address family, as rules; what has ended is not in force."""
    lines = [*_inside_zones(estate, version), *_between_zones(estate, version, today)]
    numbered = (line._replace(number=number) for number, line in enumerate(lines, 1))
    return RuleList(tuple(numbered), Verdict.DROP, whole(version))


def _inside_zones(estate: Estate, version: int) -> Iterator[Line]:
    """Machines of one zone and one owner reach each other over the firewalls."""
    for name, zone in estate.zones.items():
        for owner in dict.fromkeys(v.owner for v in estate.vlans.values() if v.zone == name):
            nets = [n for n in estate.networks_of(name, owner) if n.version == version]
            if len(nets) > 1 and not zone.internet:
                ends = {Dimension.SOURCE: _span(nets), Dimension.DESTINATION: _span(nets)}
                yield Line(0, f"zone {name}", Verdict.ACCEPT, (_within(version, box(ends)),))


def _between_zones(estate: Estate, version: int, today: date) -> Iterator[Line]:
    for flow in current(estate, today):
        source, destination = (_zone(estate, z, version) for z in (flow.source, flow.destination))
        if source and destination:
            ends = box({Dimension.SOURCE: source, Dimension.DESTINATION: destination})
            found = (intersection(ends, packets(text, version)) for text in flow.services)
            boxes = tuple(_within(version, one) for one in found if one)
            yield Line(0, flow.name, Verdict.ACCEPT, boxes)


def _within(version: int, found: Box) -> Box:
    return intersection(found, whole(version)) or found


def _zone(estate: Estate, zone: str, version: int) -> Intervals:
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


def forwarded(ruleset: Ruleset, version: int) -> Forwarded:
    """Read the chains on the forward hook; without one, everything passes."""
    base = read(tuple(ruleset), version)
    chains = [one for one in base.bases if one.hook == "forward"]
    lists = tuple(flattened(base, one, whole(version)) for one in chains)
    return Forwarded(version, base, lists or (RuleList((), Verdict.ACCEPT, whole(version)),))


def mismatches(estate: Estate, ruleset: Ruleset, today: date) -> Iterator[Mismatch]:
    """Yield where a firewall does otherwise than is declared; nothing where both are equal.

    Raises Inconclusive where the budget of steps is spent before all are found.
    """
    objects = tuple(ruleset)
    for version in FAMILIES:
        wanted, seen = declared(estate, version, today), forwarded(objects, version)
        for rules in seen.lists:
            yield from _mismatches(seen, rules, wanted)


def _mismatches(seen: Forwarded, rules: RuleList, wanted: RuleList) -> Iterator[Mismatch]:
    found = compare(wanted, rules)
    if not found.conclusive:
        raise Inconclusive
    alike: dict[tuple[bool | None, int, int], list[Box]] = {}
    for parting in found.partings:
        passes = _passes(seen, parting)
        if passes is not False or parting.new[1] is not Verdict.ACCEPT:
            key = passes, parting.old[0], parting.new[0]
            alike.setdefault(key, []).append(parting.box)
    should, does = ({line.number: line.text for line in some.lines} for some in (wanted, rules))
    for (passes, old, new), boxes in alike.items():
        for one in gathered(boxes):
            told = described(seen.version, one), witness(seen.version, one)
            yield Mismatch(passes, *told, does.get(new, NOBODY), should.get(old, NOBODY))


def _passes(seen: Forwarded, parting: Parting) -> bool | None:
    """Say whether packets are let through; by one chain alone they are not yet."""
    if not parting.certain:
        return None
    if parting.new[1] is Verdict.DROP:
        return False
    fates = {part.certain for part in seen.fates(parting.box)}
    return True if Verdict.ACCEPT in fates else None if None in fates else False


def differences(one: Ruleset, other: Ruleset) -> Iterator[Mismatch]:
    """Yield where a second firewall does otherwise than a first one; see mismatches.

    Chains are compared in the order in which the kernel enters them.
    """
    first, second = tuple(one), tuple(other)
    for version in FAMILIES:
        old, new = forwarded(first, version), forwarded(second, version)
        everything = RuleList((), Verdict.ACCEPT, whole(version))
        for rules, others in zip_longest(old.lists, new.lists, fillvalue=everything):
            yield from _mismatches(new, others, rules)


def changed(old: Estate, new: Estate, today: date) -> Iterator[Mismatch]:
    """Yield what a new declaration lets through and the old one does not, and the reverse."""
    for version in FAMILIES:
        before, after = (declared(estate, version, today) for estate in (old, new))
        alone = Forwarded(version, RuleBase(version, {}, ()), (after,))
        yield from _mismatches(alone, after, before)
