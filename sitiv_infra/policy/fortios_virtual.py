"""Virtual addresses of FortiOS: packets that are sent elsewhere before policies are asked.

Boxes are packets as they arrive. As Fortinet's technical tips on policies for virtual IPs have it:
a policy that names one is asked with the port it is mapped to; a policy that does not is passed
over for such packets, unless ``match-vip`` says otherwise, whose default changed with 7.2.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sitiv_infra.policy.fortios_blocks import Entry
from sitiv_infra.policy.fortios_objects import Unclear, groups, port_range, understood
from sitiv_infra.policy.iptables_options import DEVICES, device
from sitiv_infra.policy.objects import Book, placed, span
from sitiv_infra.policy.operands import PROTOCOLS as NUMBERS
from sitiv_infra.policy.space import (
    EVERYTHING,
    Box,
    Dimension,
    Intervals,
    box,
    common,
    intersection,
    split,
)

READ = {"type", "extip", "extintf", "mappedip", "portforward", "protocol", "extport", "mappedport"}


class Virtual(NamedTuple):
    """The packets that a virtual address takes, at most where ``why`` says what is unclear.

    ``moved`` is whether they leave with another port.
    """

    name: str
    box: Box
    devices: Intervals
    moved: bool = False
    why: str = ""


class Part(NamedTuple):
    """Packets that a policy matches, or may match where there is a doubt."""

    boxes: tuple[Box, ...]
    doubt: str = ""


def virtuals(vdom: Entry, version: int) -> Book[Virtual]:
    """Read the virtual addresses of one family, and their groups."""
    suffix = "6" if version == 6 else ""
    book: Book[Virtual] = Book("virtual address")
    for name, entry in vdom.block(f"firewall vip{suffix}").items():
        try:
            place: Box | None = box({Dimension.DESTINATION: _outside(entry, version)})
        except ValueError:
            place = None
        try:
            book.leaves[name] = _virtual(name, entry, place)
        except (Unclear, ValueError) as error:
            why = f"virtual address {name}: {error}"
            book.leaves[name] = Virtual(name, place or EVERYTHING, DEVICES, why=why)
    groups(book, vdom.block(f"firewall vipgrp{suffix}"))
    return book


def _outside(entry: Entry, version: int) -> Intervals:
    low, _, high = entry.one("extip").partition("-")
    return (span(low, high or low, version),)


def _virtual(name: str, entry: Entry, place: Box | None) -> Virtual:
    understood(entry, READ)
    kind, said = entry.one("type", "static-nat"), entry.one("extintf", "any")
    if kind != "static-nat" or place is None:
        raise Unclear(f"type {kind}" if place else f"extip {entry.one('extip')}")
    devices = DEVICES if said == "any" else device(said)
    if entry.one("portforward", "disable") == "disable":
        return Virtual(name, place, devices)
    protocol, ports = entry.one("protocol", "tcp"), entry.one("extport")
    if protocol not in {"tcp", "udp", "sctp"}:
        raise Unclear(f"protocol {protocol}")
    number = NUMBERS[protocol]
    sides = {
        Dimension.PROTOCOL: ((number, number),),
        Dimension.DESTINATION: place[Dimension.DESTINATION],
        Dimension.DESTINATION_PORT: (port_range(ports),),
    }
    return Virtual(name, box(sides), devices, moved=entry.one("mappedport", ports) != ports)


def arriving(
    one: Virtual, services: Sequence[Box], source: Intervals, devices: Sequence[Intervals]
) -> Part:
    """Give what a policy that names a virtual address matches."""
    come = common(devices[0], one.devices)
    ends = (source, one.box[Dimension.DESTINATION])
    shared = [both for service in services if (both := intersection(one.box, service))]
    why = one.why or _moved(one, services)
    if not why and not come:
        # A zone's name in the policy, and the name of one of its devices here?
        come, why = devices[0], f"virtual address {one.name} is of another device"
    return Part(placed([one.box] if why else shared, *ends, come, *devices[1:]), why)


def _moved(one: Virtual, services: Sequence[Box]) -> str:
    whole = box({Dimension.PROTOCOL: one.box[Dimension.PROTOCOL]})
    all_ports = not split(whole, services)[1]
    return "" if all_ports or not one.moved else f"virtual address {one.name} changes the port"


def apart(
    boxes: Sequence[Box], taken: Iterable[Virtual], said: str, *, central: bool
) -> tuple[Part, ...]:
    """Cut what a policy without virtual addresses matches: what is not theirs, and what may be.

    said -- its ``match-vip``. central -- whether the device translates by a table of its own, so
    that the policy may match any of their packets.
    """
    if said == "enable" and not central:
        return (Part(tuple(boxes)),)
    theirs = [(*one.box, one.devices, DEVICES) for one in taken]
    cuts = [split(one, theirs) for one in boxes]
    inside = theirs if central else [piece for within, _ in cuts for piece in within]
    plain = Part(tuple(piece for _, beyond in cuts for piece in beyond))
    if not inside or (said == "disable" and not central):
        return (plain,)
    return plain, Part(tuple(inside), "packets to virtual addresses (match-vip)")
