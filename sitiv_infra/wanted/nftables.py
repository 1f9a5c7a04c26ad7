"""The declared flows as nftables is told them: sets of what passes, and a rule that asks each set.

A set says by its elements alone which packets pass: the kernel looks a packet up by its fields, and
does not go rule by rule. It replaces a rule for each flow wholly, for the only verdict here is
accept: order decides nothing but which flow a packet counts for, and that is the first one. There
are two sets a family. Ports are read where a header has some; what passes whatever its ports, as
ICMP does, may have no such bytes, and is asked for by protocol alone.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import date
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    summarize_address_range,
)
from itertools import pairwise, product
from typing import NamedTuple

from sitiv_infra.estate import Estate
from sitiv_infra.wanted.filtering import FAMILIES, End, Forward, filled

Span = tuple[int, int]  # both ends included
Part = tuple[str, Span]  # an element's fields between the addresses and the last, and that one
EVERY_PROTOCOL: Span = (0, 255)
NUMBERS = {"icmp": 1, "ipv6-icmp": 58}


class FlowSet(NamedTuple):
    """A set of nftables; an element is its values, and the flow as a comment.

    The kernel takes no two elements that overlap: what several flows let pass is of the first.
    """

    name: str
    fields: str
    types: str
    elements: tuple[str, ...]

    @property
    def text(self) -> str:
        """The set as a table has it; each element counts its packets."""
        listed = ",\n    ".join(self.elements)
        elements = f"\n  elements = {{\n    {listed}\n  }}" if listed else ""
        head = f"set {self.name} {{\n  type {self.types}\n  flags interval\n  counter"
        return f"{head}{elements}\n}}"

    @property
    def rule(self) -> str:
        """The rule that lets new connections pass that are in the set."""
        return f"ct state new {self.fields} @{self.name} accept"


def forward_sets(estate: Estate, site: str, today: date) -> list[FlowSet]:
    """Give what nftables forwards on a site's firewalls; sets without elements are left out.

    With no set at all, nothing is forwarded.
    """
    found = filled(estate, site, today)
    sets = [
        one
        for version, family in FAMILIES.items()
        for one in _of_family(version, family, [f for f in found if f.version == version])
    ]
    return [one for one in sets if one.elements]


def _of_family(version: int, family: str, forwards: list[Forward]) -> Iterator[FlowSet]:
    ends = f"{family} saddr . {family} daddr . meta l4proto"
    types = f"ipv{version}_addr . ipv{version}_addr . inet_proto"
    ports = tuple(_elements((f, _ports(f)) for f in forwards))
    yield FlowSet(f"flows{version}", f"{ends} . th dport", f"{types} . inet_service", ports)
    whole = tuple(_elements((f, _protocols(f)) for f in forwards))
    yield FlowSet(f"protocols{version}", ends, types, whole)


def _ports(forward: Forward) -> list[Part]:
    """Give what passes of protocols with ports."""
    return [
        (f"{protocol} . ", span)
        for protocol, ports in forward.services or ()
        for span in _joined(map(_span, ports))
    ]


def _span(ports: str) -> Span:
    low, _, high = ports.partition("-")
    return int(low), int(high or low)


def _protocols(forward: Forward) -> list[Part]:
    """Give the protocols that pass whole."""
    if forward.services is None:
        return [("", EVERY_PROTOCOL)]
    found = [NUMBERS[name] for name, ports in forward.services if not ports]
    return [("", (number, number)) for number in found]


def _elements(wanted: Iterable[tuple[Forward, list[Part]]]) -> Iterator[str]:
    """Yield elements, none of which overlaps another."""
    rows = [(forward, parts) for forward, parts in wanted if parts]
    sources = _places({forward.source for forward, _ in rows})
    destinations = _places({forward.destination for forward, _ in rows})
    taken: dict[str, list[Span]] = {}
    for forward, parts in rows:
        comment = f' comment "{forward.comment}"'
        for source, destination in product(
            sources[forward.source], destinations[forward.destination]
        ):
            for between, span in parts:
                key = f"{source} . {destination} . {between}"
                before = taken.setdefault(key, [])
                for low, high in _without(span, before):
                    yield f"{key}{low}{f'-{high}' if high > low else ''}{comment}"
                before.append(span)


def _places(ends: Iterable[End]) -> dict[End, list[str]]:
    """Write ends as ranges, cut where others begin or stop: any two are the same, or apart."""
    spans = {end: _joined(map(_addresses, end.networks)) for end in ends}
    edges = sorted(
        {edge for found in spans.values() for low, high in found for edge in (low, high + 1)}
    )
    return {
        end: [
            _range(type(end.networks[0].network_address), low, above - 1)
            for first, last in found
            for low, above in pairwise(
                edges[bisect_left(edges, first) : bisect_right(edges, last + 1)]
            )
        ]
        for end, found in spans.items()
    }


def _addresses(network: IPv4Network | IPv6Network) -> Span:
    return int(network.network_address), int(network.broadcast_address)


def _range(kind: type[IPv4Address | IPv6Address], low: int, high: int) -> str:
    first, *others = summarize_address_range(kind(low), kind(high))
    return f"{kind(low)}-{kind(high)}" if others else str(first)


def _joined(spans: Iterable[Span]) -> list[Span]:
    found: list[Span] = []
    for low, high in sorted(spans):
        if found and low <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(found[-1][1], high)
        else:
            found.append((low, high))
    return found


def _without(span: Span, others: Iterable[Span]) -> list[Span]:
    """Give what of a span none of the others has."""
    rest = [span]
    for low, high in others:
        rest = [
            piece
            for start, end in rest
            for piece in ((start, min(end, low - 1)), (max(start, high + 1), end))
            if piece[0] <= piece[1]
        ]
    return rest
