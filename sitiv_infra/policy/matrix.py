"""The declared matrix of zones and flows, held against what a firewall lets through.

A firewall carries the zones whose VLANs stand on its site. Zones that are elsewhere are carried
everywhere: networks that are in no VLAN, the internet, and addresses that are in no zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network

from sitiv_infra.estate import Estate, Firewall, Flow
from sitiv_infra.policy.addresses import VERSION_BITS
from sitiv_infra.policy.elements import unfolded
from sitiv_infra.policy.nftables import read
from sitiv_infra.policy.operands import ICMP, ICMPV6
from sitiv_infra.policy.rules import RuleBase, Verdict
from sitiv_infra.policy.services import ICMP_NUMBER, packets
from sitiv_infra.policy.space import (
    ICMP_CODE,
    ICMP_TYPE,
    PROTOCOLS,
    Box,
    Dimension,
    Intervals,
    box,
    split,
    union,
    without,
)
from sitiv_infra.policy.telling import services_of, witness
from sitiv_infra.wanted.filtering import NOT_PUBLIC, PUBLIC_6

Spaces = Mapping[int, Mapping[str, Intervals]]
# Types that begin a connection for Linux's connection tracking; others answer or belong to one.
ICMP_NEW = {
    4: tuple(ICMP[n] for n in ("echo-request", "timestamp-request", "info-request")),
    6: (ICMPV6["echo-request"],),
}
CLIENT_PORTS: Intervals = ((49152, 65535),)  # dynamic ports, RFC 6335


@dataclass(frozen=True)
class Difference:
    """New connections between two zones that are let through against the declaration, or blocked.

    services -- what they are, shortly; witness -- one packet of them; doubts -- rules that could
    not be decided, where the answer hangs on them.
    """

    source: str
    destination: str
    services: tuple[str, ...] = ()
    witness: str = ""
    doubts: tuple[str, ...] = ()
    whole: bool = False


@dataclass(frozen=True)
class Carried:
    """A firewall's site and rule base, and the zones that it stands between, by IP version."""

    site: str
    rules: Mapping[int, RuleBase]
    spaces: Spaces

    def between(
        self, source: str, destination: str
    ) -> Iterator[tuple[RuleBase, Intervals, Intervals]]:
        """Give the families that both zones have addresses of."""
        for version, zones in self.spaces.items():
            if source in zones and destination in zones:
                yield self.rules[version], zones[source], zones[destination]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Ordered pairs of zones that share a family."""
        found = {(one, other) for zones in self.spaces.values() for one in zones for other in zones}
        return sorted((one, other) for one, other in found if one != other)


def zones_at(estate: Estate, site: str) -> Spaces:
    """Give the addresses of each zone on a site; zones without addresses there are left out."""
    found: dict[int, dict[str, Intervals]] = {4: {}, 6: {}}
    for version, zones in found.items():
        for name, zone in estate.zones.items():
            here = _subnets(estate, version, zone=name, site=site)
            if zone.rest:
                rest = public(version)
                if zone.unassigned:
                    rest = without(((0, 2 ** VERSION_BITS[version] - 1),), rest)
                here = union((*here, *without(rest, _subnets(estate, version))))
            if here:
                zones[name] = here
    return found


def _subnets(
    estate: Estate, version: int, *, zone: str | None = None, site: str | None = None
) -> Intervals:
    """Give the declared addresses, of one zone or on one site only."""
    here = [
        net
        for vlan in estate.vlans.values()
        if zone in {None, vlan.zone} and (site is None or site in vlan.sites)
        for net in vlan.subnets
    ]
    beyond = [n for z in estate.zones.values() if zone in {None, z.name} for n in z.networks]
    return union(
        (int(net.network_address), int(net.broadcast_address))
        for net in (*here, *beyond)
        if net.version == version
    )


def public(version: int) -> Intervals:
    """Give the addresses of the internet."""
    nets = [ip_network(text) for text in (NOT_PUBLIC if version == 4 else (PUBLIC_6,))]
    listed = union((int(n.network_address), int(n.broadcast_address)) for n in nets)
    return without(((0, 2 ** VERSION_BITS[4] - 1),), listed) if version == 4 else listed


def carried(estate: Estate, firewall: Firewall, ruleset: Iterable[Mapping[str, object]]) -> Carried:
    """Read what a firewall does, and between which zones."""
    objects = unfolded(ruleset)
    rules = {version: read(objects, version) for version in (4, 6)}
    return Carried(firewall.site, rules, zones_at(estate, firewall.site))


def new_connections(version: int, source: Intervals, destination: Intervals) -> list[Box]:
    """Give the first packets of every connection between two sets of addresses."""
    icmp = ICMP_NUMBER[version]
    ends = {Dimension.SOURCE: source, Dimension.DESTINATION: destination}
    types = union((kind, kind) for kind in ICMP_NEW[version])
    others = without(PROTOCOLS, ((icmp, icmp),))
    return [
        box({**ends, Dimension.PROTOCOL: others}),
        box({**ends, Dimension.PROTOCOL: ((icmp, icmp),), ICMP_TYPE: types, ICMP_CODE: ((0, 0),)}),
    ]


def undeclared(estate: Estate, firewall: Carried) -> Iterator[Difference]:
    """Yield, by ordered pair of zones, what is let through, or may be, without being declared."""
    own = [flow for flow in estate.flows.values() if flow.holds_at(firewall.site)]
    for source, destination in firewall.pairs:
        flows = [flow for flow in own if (flow.source, flow.destination) == (source, destination)]
        passing: list[tuple[int, Box]] = []
        doubts: set[str] = set()
        for rules, here, there in firewall.between(source, destination):
            listed = [packets(s, rules.version) for flow in flows for s in flow.services]
            new = new_connections(rules.version, here, there)
            outside = [piece for one in new for piece in split(one, listed)[1]]
            for part in rules.fates(outside):
                if part.certain is Verdict.ACCEPT:
                    passing.append((rules.version, part.box))
                elif part.certain is None:
                    doubts |= part.doubts
        if passing or doubts:
            yield _difference(source, destination, passing, doubts)


def blocked(flow: Flow, firewall: Carried) -> Difference | None:
    """Say what of a declared flow is not let through, or may not be; None when all of it is."""
    dropped: list[tuple[int, Box]] = []
    doubts: set[str] = set()
    open_too = False
    for rules, here, there in firewall.between(flow.source, flow.destination):
        ends = {Dimension.SOURCE: here, Dimension.DESTINATION: there}
        for service in flow.services:
            wanted = _wanted(service, rules.version, ends)
            for part in rules.fates([wanted]):
                open_too = open_too or part.certain is not Verdict.DROP
                if part.certain is Verdict.DROP:
                    dropped.append((rules.version, part.box))
                elif part.certain is None:
                    doubts |= part.doubts
    if not dropped and not doubts:
        return None
    return _difference(flow.source, flow.destination, dropped, doubts, whole=not open_too)


def _wanted(service: str, version: int, ends: Mapping[Dimension, Intervals]) -> Box:
    """Give what a declared service needs: the first packets that its clients send."""
    named = packets(service, version)
    sides = dict(zip(Dimension, named, strict=True)) | dict(ends)
    if service == "icmp":
        echo = ICMP["echo-request"] if version == 4 else ICMPV6["echo-request"]
        return box({**sides, ICMP_TYPE: ((echo, echo),), ICMP_CODE: ((0, 0),)})
    return box({**sides, Dimension.SOURCE_PORT: CLIENT_PORTS})


def _difference(
    source: str,
    destination: str,
    packets: list[tuple[int, Box]],
    doubts: Iterable[str],
    *,
    whole: bool = False,
) -> Difference:
    one = witness(*packets[0]) if packets else ""
    listed = services_of([found for _, found in packets])
    return Difference(source, destination, listed, one, tuple(sorted(doubts)), whole)
