"""Objects that rules name, and groups of them: what vendors' rule bases have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from ipaddress import ip_address, ip_network
from typing import Any, Generic, NamedTuple, TypeVar

from sitiv_infra.policy.addresses import VERSION_BITS
from sitiv_infra.policy.iptables_options import More
from sitiv_infra.policy.rules import Objects
from sitiv_infra.policy.space import (
    PORTS,
    Box,
    Dimension,
    Interval,
    Intervals,
    Point,
    box,
    gathered,
    split,
    union,
    within,
    without,
)

T = TypeVar("T")
WITH_DEVICES = More.STATE  # dimensions: those of every box, and the devices


@dataclass
class Book(Generic[T]):
    """Objects of one namespace: what they stand for, groups, and those that only the device knows.

    ``what`` is what a person calls them. ``lines`` tell where in the text an object or a group is,
    and, under both names, where a member was put into a group, if that is a line of its own.
    """

    what: str
    leaves: dict[str, T] = field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unclear: dict[str, str] = field(default_factory=dict)
    lines: dict[str | tuple[str, str], int] = field(default_factory=dict)

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

    def ways(
        self, names: Iterable[str], holds: Callable[[T], bool], above: tuple[str, ...] = ()
    ) -> Iterator[str]:
        """Yield the written objects under some names that hold something, with their groups."""
        for name in names:
            if name in self.lines and name in self.leaves and holds(self.leaves[name]):
                yield self._told(name, above)
            elif name not in above:
                yield from self.ways(self.groups.get(name, ()), holds, (name, *above))

    def _told(self, name: str, above: tuple[str, ...]) -> str:
        told = f"{self.what} {name} (line {self.lines[name]})"
        for member, group in zip((name, *above), above, strict=False):
            line = self.lines.get((group, member), self.lines.get(group))
            told += f" in {group} (line {line})"
        return told


class Use(NamedTuple):
    """Names in a rule, and whether an object under one of them holds a packet."""

    book: Book[Any]
    names: Iterable[str]
    holds: Callable[..., bool]  # an object and a ``packet``


def called(rule: str, name: str, line: int) -> str:
    """Say how people find a rule: by what its product calls it, its name, if any, and its line."""
    named = f' "{name}"' if name else ""
    return f"{rule}{named} (line {line})"


def at(side: Dimension) -> Callable[..., bool]:
    """Give whether addresses hold that of a ``packet`` on a side."""
    return partial(_at, side)


def _at(side: Dimension, spans: Intervals, packet: Point) -> bool:
    return within(spans, packet[side])


def objects(*uses: Use) -> Objects:
    """Give how to name the objects that a rule matches a packet by."""
    return partial(_used, uses)


def _used(uses: Iterable[Use], packet: Point) -> Iterator[str]:
    for use in uses:
        yield from use.book.ways(use.names, partial(use.holds, packet=packet))


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
