"""Packets as a person would write them: their services, and one of them as a witness."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from sitiv_infra.policy.space import PORTS, Box, Dimension, Intervals, common, union, without

NAMES = {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 51: "ah", 58: "icmp", 132: "sctp"}
MANY_PROTOCOLS = 200  # of 256: nobody lists them, the rule says "any"


def services_of(boxes: Iterable[Box]) -> tuple[str, ...]:
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


def witness(version: int, found: Box) -> str:
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
