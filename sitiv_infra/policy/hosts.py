"""What a host's own firewall accepts, held against the declared flows towards it.

Judged is the first packet of a new connection to an address of the host, as it looks at the hook
``input``, by each of the host's devices, by those that rules name, and by one that neither does.
Left aside are multicast, and what keeps a link going: ICMP, IGMP, and VRRP on machines that share
addresses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from ipaddress import IPv4Address, IPv6Address, ip_network

from sitiv_infra.estate import Estate, Machine
from sitiv_infra.policy.matrix import CLIENT_PORTS
from sitiv_infra.policy.nftables import RECEIVED, read
from sitiv_infra.policy.operands import PROTOCOLS
from sitiv_infra.policy.rules import RuleBase, Verdict
from sitiv_infra.policy.space import (
    Box,
    Dimension,
    Intervals,
    box,
    common,
    split,
    union,
)
from sitiv_infra.policy.telling import services_of, witness
from sitiv_infra.wanted import legs
from sitiv_infra.wanted.filtering import FAMILIES, Accept, host_accepts

Ruleset = tuple[Mapping[str, object], ...]
UNDECLARED = "(a device that is not declared)"
LINK = ("icmp", "igmp", "ipv6-icmp")
# Who can be at the other end of a connection: RFC 6890; RFC 4291 and RFC 4193.
UNICAST: Mapping[int, Intervals] = {
    4: (
        (int(IPv4Address("1.0.0.0")), int(IPv4Address("126.255.255.255"))),
        (int(IPv4Address("128.0.0.0")), int(IPv4Address("223.255.255.255"))),
    ),
    6: (
        (int(IPv6Address("2000::")), int(IPv6Address("3fff:" + ":".join(["ffff"] * 7)))),
        (int(IPv6Address("fc00::")), int(IPv6Address("fdff:" + ":".join(["ffff"] * 7)))),
        (int(IPv6Address("fe80::")), int(IPv6Address("febf:" + ":".join(["ffff"] * 7)))),
    ),
}


@dataclass(frozen=True)
class Deviation:
    """Connections that a host accepts, or refuses, otherwise than declared.

    services -- what they are, shortly; witness -- one packet of them; doubts -- rules that could
    not be decided, where the answer hangs on them.
    """

    services: tuple[str, ...] = ()
    witness: str = ""
    doubts: tuple[str, ...] = ()


def filtered(ruleset: Ruleset) -> bool:
    """Tell whether any chain looks at what is for the host, of both families."""
    return all(read(ruleset, version, RECEIVED).bases for version in FAMILIES)


def opened(estate: Estate, machine: Machine, ruleset: Ruleset, today: date) -> Deviation | None:
    """Say what a host accepts, or may accept, that is not declared; None for nothing."""
    passing: list[tuple[int, Box]] = []
    doubts: set[str] = set()
    declared = list(host_accepts(estate, machine, today))
    for version, rules in _read(estate, machine, ruleset):
        ends = dict.fromkeys((Dimension.SOURCE, Dimension.DESTINATION), UNICAST[version])
        aside = [*_aside(estate, machine), *_declared(declared, version)]
        for part in rules.fates(split(box(ends), aside)[1]):
            if part.certain is Verdict.ACCEPT:
                passing.append((version, part.box))
            elif part.certain is None:
                doubts |= part.doubts
    if not passing and not doubts:
        return None
    return _deviation(estate, machine, passing, doubts)


def closed(estate: Estate, machine: Machine, ruleset: Ruleset, today: date) -> Deviation | None:
    """Say what of the declared flows a host refuses, or may refuse; None for nothing.

    A connection is refused where no device of the host lets it in.
    """
    refused: list[tuple[int, Box]] = []
    doubts: set[str] = set()
    read_as = list(_read(estate, machine, ruleset, declared_only=True))
    for version, wanted in _wanted(estate, machine, today):
        left = [wanted]
        unsure: set[str] = set()
        for rules in (rules for v, rules in read_as if v == version):
            parts = [p for p in rules.fates(left) if p.certain is not Verdict.ACCEPT]
            unsure |= {d for part in parts if part.certain is None for d in part.doubts}
            left = [part.box for part in parts]
        if left and unsure:
            doubts |= unsure
        else:
            refused += [(version, one) for one in left]
    if not refused and not doubts:
        return None
    return _deviation(estate, machine, refused, doubts)


def _read(
    estate: Estate, machine: Machine, ruleset: Ruleset, *, declared_only: bool = False
) -> Iterator[tuple[int, RuleBase]]:
    """Read the rules as they are for packets of each device; equal readings are one."""
    devices = [leg.device for leg in legs(estate, machine)]
    if not declared_only:
        devices += [UNDECLARED, *_named(ruleset)]
    for version in FAMILIES:
        known: list[RuleBase] = []
        for device in dict.fromkeys(devices):
            rules = read(ruleset, version, RECEIVED, device)
            if rules not in known:
                known.append(rules)
                yield version, rules


def _named(value: object) -> Iterator[str]:
    """Yield the devices that rules name for packets that come in; who knows which of them exist."""
    if isinstance(value, Mapping):
        left = value.get("left")
        meta = left.get("meta") if isinstance(left, Mapping) else None
        if isinstance(meta, Mapping) and meta.get("key") in {"iif", "iifname"}:
            yield from (name for name in _texts(value.get("right")) if name != "lo")
        for below in value.values():
            yield from _named(below)
    elif isinstance(value, list | tuple):
        for below in value:
            yield from _named(below)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts(list(value.values()))
    elif isinstance(value, list):
        for below in value:
            yield from _texts(below)


def _nets(networks: Iterable[str]) -> Intervals:
    nets = [ip_network(net) for net in networks]
    return union((int(n.network_address), int(n.broadcast_address)) for n in nets)


def _aside(estate: Estate, machine: Machine) -> list[Box]:
    """Give what keeps links going, and is not for flows to declare."""
    shares = machine.name in estate.firewalls or any(
        machine.name in virtual.machines for virtual in estate.virtual_addresses.values()
    )
    numbers = [PROTOCOLS[name] for name in (*LINK, *(("vrrp",) if shares else ()))]
    return [box({Dimension.PROTOCOL: union((n, n) for n in numbers)})]


def _declared(accepts: Iterable[Accept], version: int) -> Iterator[Box]:
    for accept in accepts:
        if accept.family == FAMILIES[version]:
            yield _box(accept)


def _box(accept: Accept) -> Box:
    sides: dict[Dimension, Intervals] = {}
    if accept.sources:
        sides[Dimension.SOURCE] = _nets(accept.sources)
    if accept.protocol:
        number = PROTOCOLS[accept.protocol]
        sides[Dimension.PROTOCOL] = ((number, number),)
    if accept.ports:
        ends = [port.partition("-") for port in accept.ports]
        ports = union((int(low), int(high or low)) for low, _, high in ends)
        sides[Dimension.DESTINATION_PORT] = ports
    return box(sides)


def _wanted(estate: Estate, machine: Machine, today: date) -> Iterator[tuple[int, Box]]:
    """Give the first packets of TCP and UDP that declared clients send to the host's addresses."""
    own = [address.ip for leg in legs(estate, machine) for address in leg.addresses]
    for accept in host_accepts(estate, machine, today):
        version = next(v for v, family in FAMILIES.items() if family == accept.family)
        here = union((int(a), int(a)) for a in own if a.version == version)
        sides = dict(zip(Dimension, _box(accept), strict=True))
        ported = common(sides[Dimension.PROTOCOL], ((6, 6), (17, 17)))
        if here and ported:
            sides |= {Dimension.PROTOCOL: ported, Dimension.SOURCE_PORT: CLIENT_PORTS}
            sides |= {Dimension.DESTINATION: here}
            sides[Dimension.SOURCE] = common(sides[Dimension.SOURCE], UNICAST[version])
            yield version, box(sides)


def _deviation(
    estate: Estate, machine: Machine, packets: list[tuple[int, Box]], doubts: Iterable[str]
) -> Deviation:
    one = ""
    if packets:
        version, found = packets[0]
        one = witness(version, _likely(estate, machine, version, found))
    services = services_of([found for _, found in packets])
    return Deviation(services, one, tuple(sorted(doubts)))


def _likely(estate: Estate, machine: Machine, version: int, found: Box) -> Box:
    """Narrow packets to a source in a declared network and to the host's own address, if any is."""
    own = [address.ip for leg in legs(estate, machine) for address in leg.addresses]
    here = union((int(a), int(a)) for a in own if a.version == version)
    nets = [n for v in estate.vlans.values() for n in v.subnets if n.version == version]
    for side, wished in (
        (Dimension.DESTINATION, here),
        (Dimension.SOURCE, _nets(map(str, nets))),
    ):
        narrower = common(found[side], wished)
        if narrower:
            found = box({**dict(zip(Dimension, found, strict=True)), side: narrower})
    return found
