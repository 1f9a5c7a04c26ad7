"""Packets as a person would write them: their services, and one of them as a witness."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, summarize_address_range

from sitiv_infra.policy import hardware
from sitiv_infra.policy.space import (
    MACS,
    PORTS,
    WITH_MAC,
    Box,
    Dimension,
    Intervals,
    Point,
    common,
    union,
    without,
)

NAMES = {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 51: "ah", 58: "icmp", 132: "sctp"}
MANY = 4  # addresses: the others are counted
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
    number, source, destination, _, port, *_ = likely(found)
    kind = IPv4Address if version == 4 else IPv6Address
    said = f"{NAMES.get(number, f'protocol {number}')} {kind(source)} > {kind(destination)}"
    said = f"{said} port {port}" if number in {6, 17} else said
    macs = found[Dimension.SOURCE_MAC]
    return said if macs == MACS else said + hardware.told(_likely(macs))


def likely(found: Box) -> Point:
    """Give one packet of a box, such as a machine would send."""
    protocols, source, destination, _, to, macs, *_ = found
    number = next((n for n in (6, 17) if common(protocols, ((n, n),))), protocols[0][0])
    port = _likely(to) if number in {6, 17} else to[0][0]
    first = [spans[0][0] for spans in found]
    mac = 0 if macs == MACS else _likely(macs)
    return (number, _inside(source), _inside(destination), first[3], port, mac, *first[6:])


def _inside(addresses: Intervals) -> int:
    """Take an address that a machine may have: not the first of a subnet."""
    low, high = addresses[0]
    return low + 1 if high > low else low


def _likely(numbers: Intervals) -> int:
    """Take a port, or a MAC address, that a machine may use: not 0, unless there is no other."""
    return next((max(low, 1) for low, high in numbers if high), 0)


def described(version: int, found: Box) -> str:
    """Write what a box holds: ``10.1.0.0/24 > 10.2.0.8,10.2.0.9 tcp/22,tcp/443``."""
    ends = (_addresses(version, found[side]) for side in (Dimension.SOURCE, Dimension.DESTINATION))
    return f"{' > '.join(ends)} {','.join(services_of([found]))}{_macs(found)}"


def _addresses(version: int, spans: Intervals) -> str:
    kind = IPv4Address if version == 4 else IPv6Address
    named = []
    for low, high in spans:
        nets = list(summarize_address_range(kind(low), kind(high)))
        whole = nets[0] if len(nets) == 1 else f"{kind(low)}-{kind(high)}"
        named.append(str(whole).removesuffix(f"/{kind(0).max_prefixlen}"))
    return _few(named)


def _macs(found: Box) -> str:
    """Say from which MAC addresses packets are, or from which not; nothing where any will do."""
    spans = found[Dimension.SOURCE_MAC]
    with_one, others = common(spans, WITH_MAC), without(WITH_MAC, spans)
    if spans == MACS or not with_one:
        return "" if with_one else hardware.told(spans[0][0])
    word, listed = ("not from", others) if len(others) < len(with_one) else ("from", with_one)
    ends = [tuple(map(hardware.written, span)) for span in listed]
    named = [low if low == high else f"{low}-{high}" for low, high in ends]
    return f" {word} MAC {_few(named)}" if named else " from any MAC"


def _few(named: list[str]) -> str:
    more = [f"+{len(named) - MANY}"] if len(named) > MANY else []
    return ",".join(named[:MANY] + more)
