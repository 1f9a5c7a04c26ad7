"""The declared matrix of zones and flows, held against what a firewall lets through.

A zone is the subnets of its VLANs. A firewall carries the zones whose VLANs stand on its site; a
zone of the internet is carried everywhere, and holds every public address that no VLAN has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network

from sitiv_infra.estate import Estate, Firewall, Flow
from sitiv_infra.policy.nftables import read
from sitiv_infra.policy.operands import ICMP, ICMPV6
from sitiv_infra.policy.rules import RuleBase, Verdict
from sitiv_infra.policy.space import (
    ICMP_CODE,
    ICMP_TYPE,
    PORTS,
    PROTOCOLS,
    Box,
    Dimension,
    Intervals,
    box,
    common,
    split,
    union,
    without,
)

Spaces = Mapping[int, Mapping[str, Intervals]]
# What is not unicast on the internet: RFC 6890 and RFC 5771; IPv6 gives 2000::/3 out (RFC 4291).
NOT_PUBLIC = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.168.0.0/16", "224.0.0.0/3",
)  # fmt: skip
PUBLIC_6 = "2000::/3"
ICMP_NUMBER = {4: 1, 6: 58}
# Types that begin a connection for Linux's connection tracking; others answer or belong to one.
ICMP_NEW = {
    4: tuple(ICMP[n] for n in ("echo-request", "timestamp-request", "info-request")),
    6: (ICMPV6["echo-request"],),
}
NAMES = {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 51: "ah", 58: "icmp", 132: "sctp"}
MANY_PROTOCOLS = 200  # of 256: nobody lists them, the rule says "any"
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
    """A firewall's rule base and the zones that it stands between, by IP version."""

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
            if zone.internet:
                public = without(_public(version), _subnets(estate, version))
                here = union((*here, *public))
            if here:
                zones[name] = here
    return found


def _subnets(
    estate: Estate, version: int, *, zone: str | None = None, site: str | None = None
) -> Intervals:
    """Give the declared addresses, of one zone or on one site only."""
    return union(
        (int(net.network_address), int(net.broadcast_address))
        for vlan in estate.vlans.values()
        if (zone is None or vlan.zone == zone) and (site is None or site in vlan.sites)
        for net in vlan.subnets
        if net.version == version
    )


def _public(version: int) -> Intervals:
    nets = [ip_network(text) for text in (NOT_PUBLIC if version == 4 else (PUBLIC_6,))]
    listed = union((int(n.network_address), int(n.broadcast_address)) for n in nets)
    return without(((0, 2**32 - 1),), listed) if version == 4 else listed


def carried(estate: Estate, firewall: Firewall, ruleset: Iterable[Mapping[str, object]]) -> Carried:
    """Read what a firewall does, and between which zones."""
    objects = tuple(ruleset)
    return Carried({v: read(objects, v) for v in (4, 6)}, zones_at(estate, firewall.site))


def _new_connections(version: int, source: Intervals, destination: Intervals) -> list[Box]:
    """Give the first packets of every connection between two sets of addresses."""
    icmp = ICMP_NUMBER[version]
    ends = {Dimension.SOURCE: source, Dimension.DESTINATION: destination}
    types = union((kind, kind) for kind in ICMP_NEW[version])
    others = without(PROTOCOLS, ((icmp, icmp),))
    return [
        box({**ends, Dimension.PROTOCOL: others}),
        box({**ends, Dimension.PROTOCOL: ((icmp, icmp),), ICMP_TYPE: types, ICMP_CODE: ((0, 0),)}),
    ]


def _service(service: str, version: int) -> Box:
    """Give the packets of a declared service, whatever their addresses."""
    name, _, ports = service.partition("/")
    if name == "icmp":
        return box({Dimension.PROTOCOL: ((ICMP_NUMBER[version],) * 2,)})
    low, _, high = ports.partition("-")
    number = 6 if name == "tcp" else 17
    span = int(low), int(high or low)
    return box({Dimension.PROTOCOL: ((number, number),), Dimension.DESTINATION_PORT: (span,)})


def undeclared(estate: Estate, firewall: Carried) -> Iterator[Difference]:
    """Yield, by ordered pair of zones, what is let through, or may be, without being declared."""
    for source, destination in firewall.pairs:
        flows = [
            flow
            for flow in estate.flows.values()
            if (flow.source, flow.destination) == (source, destination)
        ]
        passing: list[tuple[int, Box]] = []
        doubts: set[str] = set()
        for rules, here, there in firewall.between(source, destination):
            listed = [_service(s, rules.version) for flow in flows for s in flow.services]
            new = _new_connections(rules.version, here, there)
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
    named = _service(service, version)
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
    witness = _witness(*packets[0]) if packets else ""
    services = _services([found for _, found in packets])
    return Difference(source, destination, services, witness, tuple(sorted(doubts)), whole)


def _services(boxes: list[Box]) -> tuple[str, ...]:
    """Name the services of boxes: ports of TCP and UDP, other protocols by name."""
    ports: dict[int, list[tuple[int, int]]] = {6: [], 17: []}
    others: set[int] = set()
    for found in boxes:
        for number, listed in ports.items():
            if common(found[Dimension.PROTOCOL], ((number, number),)):
                listed.extend(found[Dimension.DESTINATION_PORT])
        for low, high in without(found[Dimension.PROTOCOL], ((6, 6), (17, 17))):
            others.update(range(low, high + 1))
    named = [_ports(NAMES[number], union(listed)) for number, listed in ports.items()]
    if len(others) > MANY_PROTOCOLS:
        return tuple([text for group in named for text in group] + ["ip/all"])
    known = sorted({NAMES[n] for n in others if n in NAMES})
    more = _ports("ip", union((n, n) for n in others if n not in NAMES))
    return tuple([text for group in named for text in group] + known + more)


def _ports(name: str, spans: Intervals) -> list[str]:
    if spans == PORTS:
        return [f"{name}/all"]
    return [f"{name}/{low}" if low == high else f"{name}/{low}-{high}" for low, high in spans]


def _witness(version: int, found: Box) -> str:
    """Write one packet of a box as a person would: ``tcp 10.1.0.1 > 10.2.0.1 port 22``."""
    protocols = found[Dimension.PROTOCOL]
    number = next((n for n in (6, 17) if common(protocols, ((n, n),))), protocols[0][0])
    kind = IPv4Address if version == 4 else IPv6Address
    ends = [kind(_inside(found[side])) for side in (Dimension.SOURCE, Dimension.DESTINATION)]
    said = f"{NAMES.get(number, f'protocol {number}')} {ends[0]} > {ends[1]}"
    if number not in {6, 17}:
        return said
    return f"{said} port {_likely(found[Dimension.DESTINATION_PORT])}"


def _inside(addresses: Intervals) -> int:
    """Take an address that a machine may have: not the first of a subnet."""
    low, high = addresses[0]
    return low + 1 if high > low else low


def _likely(ports: Intervals) -> int:
    """Take a port that a machine may use: not 0."""
    return next(max(low, 1) for low, high in ports if high or len(ports) == 1)
