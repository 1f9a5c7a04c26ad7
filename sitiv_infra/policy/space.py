"""Sets of packets as boxes: a product of interval sets, one a dimension, with exact arithmetic.

Dimensions: protocol number, source and destination address (as integers), source and destination
port, source MAC address. ICMP has no ports: its type and code stand in their place. The address
family is not a dimension: IPv4 and IPv6 are never mixed in one box. Formats that tell more have
more dimensions after these.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from enum import IntEnum
from operator import itemgetter

Interval = tuple[int, int]
Intervals = tuple[Interval, ...]
Box = tuple[Intervals, ...]
Point = tuple[int, ...]  # a packet: a value for each dimension


class Dimension(IntEnum):
    """Place of each dimension in a box."""

    PROTOCOL = 0
    SOURCE = 1
    DESTINATION = 2
    SOURCE_PORT = 3
    DESTINATION_PORT = 4
    SOURCE_MAC = 5


ICMP_TYPE, ICMP_CODE = Dimension.SOURCE_PORT, Dimension.DESTINATION_PORT
PROTOCOLS: Intervals = ((0, 255),)
ADDRESSES: Intervals = ((0, 2**128 - 1),)
PORTS: Intervals = ((0, 65535),)
# What came by no Ethernet device has no MAC address: Linux then says of no address that the packet
# has it, and of none that it has another one. It is a value of its own, in neither.
NO_MAC = 2**48
WITH_MAC: Intervals = ((0, NO_MAC - 1),)
MACS: Intervals = ((0, NO_MAC),)
EVERYTHING: Box = (PROTOCOLS, ADDRESSES, ADDRESSES, PORTS, PORTS, MACS)


def union(items: Iterable[Interval]) -> Intervals:
    """Sort and join intervals, both ends included, so that equal sets are equal tuples."""
    joined: list[Interval] = []
    for low, high in sorted(items):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(joined[-1][1], high)
        else:
            joined.append((low, high))
    return tuple(joined)


def common(first: Intervals, second: Intervals) -> Intervals:
    """Give what lies in both."""
    if len(first) == len(second) == 1:  # nearly always
        (low, high), (start, end) = first[0], second[0]
        if start <= low and high <= end:
            return first
        if low <= start and end <= high:
            return second  # the same object: what is said of a dimension once is looked at once
        low, high = max(low, start), min(high, end)
        return ((low, high),) if low <= high else ()
    if len(first) < len(second):
        first, second = second, first
    if len(second) == 1:  # of many, those that touch it
        low, high = second[0]
        start = bisect_left(first, low, key=itemgetter(1))
        first = first[start : bisect_right(first, high, lo=start, key=itemgetter(0))]
    found: list[Interval] = []
    i = j = 0
    while i < len(first) and j < len(second):
        low, high = max(first[i][0], second[j][0]), min(first[i][1], second[j][1])
        if low <= high:
            found.append((low, high))
        if first[i][1] < second[j][1]:
            i += 1
        else:
            j += 1
    return tuple(found)


def without(first: Intervals, second: Intervals) -> Intervals:
    """Give what lies in the first and not in the second."""
    found: list[Interval] = []
    for start, high in first:
        low = start
        for cut_low, cut_high in second:
            if cut_high < low:
                continue
            if cut_low > high:
                break
            if cut_low > low:
                found.append((low, cut_low - 1))
            low = cut_high + 1
        if low <= high:
            found.append((low, high))
    return tuple(found)


def box(dimensions: dict[Dimension, Intervals]) -> Box:
    """Give the box that is limited in some dimensions only."""
    sides = list(EVERYTHING)
    for dimension, intervals in dimensions.items():
        sides[dimension] = intervals
    return tuple(sides)


def intersection(first: Box, second: Box) -> Box | None:
    """Give what two boxes share, or None."""
    sides: list[Intervals] = []
    for one, other in zip(first, second, strict=True):
        side = one if one is other else common(one, other)
        if not side:
            return None
        sides.append(side)
    return tuple(sides)


def difference(first: Box, second: Box) -> list[Box]:
    """Give the first box without the second, as disjoint boxes, at most one a dimension."""
    if intersection(first, second) is None:
        return [first]
    pieces: list[Box] = []
    rest = list(first)
    for dimension, cut in enumerate(second):
        outside = without(rest[dimension], cut)
        if outside:
            pieces.append((*rest[:dimension], outside, *rest[dimension + 1 :]))
        rest[dimension] = common(rest[dimension], cut)
    return pieces


def holds(found: Box, packet: Point) -> bool:
    """Whether a packet lies in a box; what the one has more dimensions than the other is left."""
    return all(within(side, value) for side, value in zip(found, packet, strict=False))


def within(spans: Intervals, value: int) -> bool:
    """Whether a value lies in one of some intervals."""
    return any(low <= value <= high for low, high in spans)


def split(first: Box, others: Iterable[Box]) -> tuple[list[Box], list[Box]]:
    """Cut a box into disjoint boxes: those inside the union of others, and those outside it."""
    inside: list[Box] = []
    outside = [first]
    for other in others:
        if not outside:
            break
        if intersection(first, other) is None:
            continue
        remaining: list[Box] = []
        for piece in outside:
            shared = intersection(piece, other)
            if shared is None:
                remaining.append(piece)
            else:
                inside.append(shared)
                remaining.extend(difference(piece, other))
        outside = remaining
    return inside, outside


def gathered(boxes: Iterable[Box]) -> list[Box]:
    """Join boxes that differ in one dimension only, as often as possible: the same packets."""
    found = list(boxes)
    for side in range(len(found[0]) if found else 0):
        alike: dict[tuple[Box, Box], list[Interval]] = {}
        for one in found:
            alike.setdefault((one[:side], one[side + 1 :]), []).extend(one[side])
        found = [(*before, union(spans), *after) for (before, after), spans in alike.items()]
    return found
