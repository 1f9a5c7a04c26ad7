"""Objects that rules name, and groups of them: what vendors' rule bases have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import ip_address, ip_network
from typing import Generic, NamedTuple, TypeVar

from sitiv_infra.policy.iptables_options import VERSION_BITS
from sitiv_infra.policy.space import (
    PORTS,
    Box,
    Dimension,
    Interval,
    Intervals,
    box,
    gathered,
    split,
    union,
    without,
)

T = TypeVar("T")
WITH_DEVICES = (
    7  # dimensions: those of every box, and the devices that a packet comes and leaves by
)


@dataclass
class Book(Generic[T]):
    """Objects of one namespace: what they stand for, groups, and those that only the device knows.

    ``what`` is what a person calls them.
    """

    what: str
    leaves: dict[str, T] = field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unclear: dict[str, str] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.leaves or name in self.groups or name in self.unclear

    def find(self, names: Iterable[str]) -> tuple[list[T], list[str]]:
        """Give what names stand for, and why that may not be all."""
        found: dict[str, T] = {}
        doubts: list[str] = []
        seen: set[str] = set()
        waiting = list(names)[::-1]
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            if name in self.unclear:
                doubts.append(f"{self.what} {name}: {self.unclear[name]}")
            elif name in self.leaves:
                found[name] = self.leaves[name]
            elif name in self.groups:
                waiting.extend(reversed(self.groups[name]))
            else:
                doubts.append(f"{self.what} {name} is not in the file")
        return list(found.values()), doubts


class Side(NamedTuple):
    """What a rule says of one dimension; with doubts, it may be less."""

    spans: Intervals
    doubts: tuple[str, ...] = ()


def everywhere(version: int) -> Intervals:
    """Give all addresses of a family."""
    return ((0, 2 ** VERSION_BITS[version] - 1),)


def side(
    book: Book[Intervals], names: Sequence[str], version: int, *, negated: bool = False
) -> Side:
    """Give the addresses that names stand for, or all others; all of them where that is unclear."""
    found, doubts = book.find(names)
    if doubts:
        return Side(everywhere(version), tuple(doubts))
    spans = union(span for spans in found for span in spans)
    return Side(without(everywhere(version), spans) if negated else spans)


def network(text: str, version: int) -> Interval:
    """Read a network, with its prefix length or mask; ValueError where it is none of the family."""
    net = ip_network(text, strict=False)
    if net.version != version:
        raise ValueError("of the other address family")
    mask = text.partition("/")[2]
    if "." in mask and mask != str(net.netmask):
        raise ValueError(f"{mask} is no mask of a network")
    return int(net.network_address), int(net.broadcast_address)


def span(low: str, high: str, version: int) -> Interval:
    """Read a range of addresses; ValueError where it is none of the family."""
    first, last = ip_address(low), ip_address(high)
    if {first.version, last.version} != {version} or int(first) > int(last):
        raise ValueError("not a range of that address family")
    return int(first), int(last)


def ported(protocol: int, to: Intervals, by: Intervals = PORTS) -> Box:
    """Give the packets of a protocol to some ports, from some ports."""
    return box(
        {
            Dimension.PROTOCOL: ((protocol, protocol),),
            Dimension.SOURCE_PORT: by,
            Dimension.DESTINATION_PORT: to,
        }
    )


def merged(boxes: Iterable[Box]) -> tuple[Box, ...]:
    """Give the same packets in few boxes, none of them in two."""
    return tuple(disjoint(gathered(boxes)))


def disjoint(boxes: Iterable[Box]) -> Iterator[Box]:
    """Yield what each box has that none before it had."""
    before: list[Box] = []
    for one in boxes:
        yield from split(one, before)[1]
        before.append(one)


def fingerprint(told: Iterable[object]) -> str:
    """Give a short word that is the same for the same things, in whatever order."""
    return sha256("\n".join(sorted(map(repr, told))).encode()).hexdigest()[:16]


def placed(
    services: Iterable[Box], source: Intervals, destination: Intervals, *devices: Intervals
) -> tuple[Box, ...]:
    """Give the packets of services between two ends, and by some devices."""
    if not (source and destination and all(devices)):
        return ()
    return tuple(
        (one[Dimension.PROTOCOL], source, destination, *one[Dimension.SOURCE_PORT :], *devices)
        for one in services
    )
