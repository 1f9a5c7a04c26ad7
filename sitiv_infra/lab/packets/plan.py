"""Which packets are sent: from every VLAN into every other, at the edges of what is declared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from sitiv_infra.estate import Estate, Vlan
from sitiv_infra.lab.packets.wire import EXPERIMENTS, ICMP, ICMP6, TCP, UDP, Packet
from sitiv_infra.policy.exact import declared
from sitiv_infra.policy.lists import Line
from sitiv_infra.policy.services import NUMBERS, service
from sitiv_infra.policy.space import PORTS, Box, Dimension, Interval, Intervals
from sitiv_infra.wanted.addressing import firewall_sites
from sitiv_infra.wanted.filtering import together
from sitiv_infra.wanted.ways import ways

MOST_TRIES = 64  # addresses that are looked at for a free one
FAMILIES = (4, 6)


@dataclass(frozen=True)
class End:
    """A place in a VLAN that packets are sent from and to: an address that nobody has."""

    vlan: Vlan
    address: IPv4Address | IPv6Address
    length: int
    gateway: IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Probe:
    """A packet between two VLANs; ``flow`` is what lets it pass, None where nothing does.

    ``wavers`` is what lets it pass while some sites lead, and not while others do.
    """

    source: str
    destination: str
    packet: Packet
    flow: str | None
    wavers: str | None = None


@dataclass(frozen=True)
class Plan:
    """What is sent, and what nothing is proved of.

    left_out -- subnets without a free address; unsent -- flows, with the VLANs between which they
    pass or not as one site or another leads.
    """

    ends: tuple[End, ...]
    probes: tuple[Probe, ...]
    left_out: tuple[str, ...] = ()
    unsent: tuple[str, ...] = ()


def planned(estate: Estate, today: date, site: str | None = None) -> Plan:
    """Plan the packets between all VLANs of an estate that have a gateway.

    A packet passes where the firewalls of all sites on its way let it; with ``site``, as on a bench
    with one firewall, where those of that site do.

    Every service that is declared anywhere is asked of every pair of VLANs, at both edges of its
    ports; of each pair's own flows also the ports just beside. Further ICMP's echo, and a protocol
    that nobody declares.
    """
    ends, left_out = _ends(estate)
    asked = Services(estate)
    groups = together(estate, today) if site is None else [(site,)]
    found = [
        probe
        for version in FAMILIES
        for probe in _probes(
            estate,
            [e for e in ends if e.address.version == version],
            asked,
            {sites: declared(estate, sites[0], version, today).lines for sites in groups},
        )
    ]
    unsent = dict.fromkeys(f"{p.wavers}: {p.source} > {p.destination}" for p in found if p.wavers)
    probes = tuple(probe for probe in found if not probe.wavers)
    return Plan(tuple(ends), probes, tuple(left_out), tuple(unsent))


def _ends(estate: Estate) -> tuple[list[End], list[str]]:
    used = set(_used(estate))
    found, left_out = [], []
    for vlan in estate.vlans.values():
        for gateway in vlan.gateways:
            address = _free(gateway.network, used)
            if address is None:
                left_out.append(f"{vlan.name} {gateway.network}")
            else:
                found.append(End(vlan, address, gateway.network.prefixlen, gateway.ip))
    return found, left_out


def _used(estate: Estate) -> Iterator[IPv4Address | IPv6Address]:
    """Yield every address that somebody has; in the transit VLAN each site's pair has one."""
    for machine in estate.machines.values():
        for leg in machine.interfaces:
            yield from leg.addresses
    for virtual in estate.virtual_addresses.values():
        yield from (*virtual.addresses, *virtual.publishes)
    for exposure in estate.exposures.values():
        yield exposure.address
    for vlan in estate.vlans.values():
        pairs = len(firewall_sites(estate)) if vlan.transit else 0
        for gateway in vlan.gateways:
            yield from (gateway.ip + number for number in range(1 + pairs))
        for carrier in vlan.carriers:
            yield from (
                carrier.ip - number for number in range(2)
            )  # the lab's station stands beside


def _free(
    net: IPv4Network | IPv6Network, used: set[IPv4Address | IPv6Address]
) -> IPv4Address | IPv6Address | None:
    """Give the highest address that nobody has; None after some tries."""
    highest = min(MOST_TRIES, net.num_addresses - 2)
    return next((net[-2 - n] for n in range(highest) if net[-2 - n] not in used), None)


class Services:
    """What is asked of each pair: protocols with a port, 0 where they have none."""

    def __init__(self, estate: Estate) -> None:
        texts = {text for flow in estate.flows.values() for text in flow.services}
        texts |= {text for cell in estate.cells.values() for text in cell.services}
        self._edges = {edge for text in texts for edge in _edges(text)}

    def of(self, version: int, allowed: Sequence[tuple[Intervals, Intervals]]) -> Iterator[Asked]:
        """Yield what is asked of a pair that is allowed some protocols and ports."""
        beside = {
            (number, port)
            for protocols, ports in allowed
            for number in (TCP, UDP)
            if any(low <= number <= high for low, high in protocols)
            for span in ports
            for port in _beside(span)
        }
        yield from sorted(self._edges | beside)
        yield ICMP if version == 4 else ICMP6, 0


Asked = tuple[int, int]


def _edges(text: str) -> Iterator[Asked]:
    name, ports = service(text)
    if name in NUMBERS:
        yield from ((NUMBERS[name], port) for span in ports or PORTS for port in span)


def _beside(span: Interval) -> Iterator[int]:
    yield from (port for port in (span[0] - 1, *span, span[1] + 1) if 0 <= port <= PORTS[0][1])


Sites = tuple[str, ...]  # whose firewalls let the same flows pass
Reach = tuple[str, Intervals, Intervals]  # a rule, its protocols and its destination ports


def _probes(
    estate: Estate,
    ends: Sequence[End],
    asked: Services,
    rules: Mapping[Sites, Sequence[Line]],
) -> Iterator[Probe]:
    for source in ends:
        leaving = {sites: _leaving(lines, int(source.address)) for sites, lines in rules.items()}
        for destination in ends:
            if source.vlan.name != destination.vlan.name:
                on_ways = _carriers(estate, source.vlan, destination.vlan, list(rules))
                there = int(destination.address)
                reach = {
                    sites: _arriving(leaving[sites], there) for way in on_ways for sites in way
                }
                yield from _between(source, destination, on_ways, reach, asked)


def _carriers(
    estate: Estate, source: Vlan, destination: Vlan, groups: Sequence[Sites]
) -> list[tuple[Sites, ...]]:
    """Give the ways of a packet, each as the kinds of firewalls that carry it."""
    if len(groups) == 1:
        return [(groups[0],)]
    found = ways(estate, source, destination).values()
    kinds = (tuple(g for g in groups if sites.intersection(g)) for sites in found)
    return list(dict.fromkeys(kinds))


def _leaving(rules: Sequence[Line], source: int) -> list[tuple[str, Box]]:
    """Give the boxes of rules that a source is in, with the names of their rules."""
    return [
        (line.text, box)
        for line in rules
        for box in line.boxes
        if _within(box[Dimension.SOURCE], source)
    ]


def _within(spans: Intervals, value: int) -> bool:
    return any(low <= value <= high for low, high in spans)


def _arriving(leaving: Iterable[tuple[str, Box]], there: int) -> list[Reach]:
    return [
        (text, box[Dimension.PROTOCOL], box[Dimension.DESTINATION_PORT])
        for text, box in leaving
        if _within(box[Dimension.DESTINATION], there)
    ]


def _between(
    source: End,
    destination: End,
    on_ways: Sequence[tuple[Sites, ...]],
    reach: Mapping[Sites, Sequence[Reach]],
    asked: Services,
) -> Iterator[Probe]:
    """Yield what is sent from one end to another; the first rule that matches is named."""
    allowed = [(protocols, ports) for found in reach.values() for _, protocols, ports in found]
    # Without ports, the way back is told from an answer by its protocol alone.
    odd = EXPERIMENTS[int(source.address) > int(destination.address)], 0
    for protocol, port in (*asked.of(source.address.version, allowed), odd):
        by = {sites: _first(found, protocol, port) for sites, found in reach.items()}
        flows = [min((by[sites] for sites in way), key=bool) for way in on_ways]
        passing = next(filter(None, flows), None)
        packet = Packet(source.address, destination.address, protocol, port)
        wavers = passing if None in flows else None
        flow = None if wavers else passing
        yield Probe(source.vlan.name, destination.vlan.name, packet, flow, wavers)


def _first(found: Iterable[Reach], protocol: int, port: int) -> str | None:
    """Name the first rule that lets a packet pass."""
    return next(
        (
            text
            for text, protocols, ports in found
            if _within(protocols, protocol) and _within(ports, port)
        ),
        None,
    )
