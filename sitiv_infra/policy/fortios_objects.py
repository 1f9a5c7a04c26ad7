"""Addresses, services and virtual addresses of FortiOS (CLI reference 7.x), as sets of packets.

An option that is not known here, or whose meaning lives outside of the file (names, countries,
dynamic groups), makes the object unclear: every rule that names it is undecided.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from sitiv_infra.policy.fortios_blocks import Entry
from sitiv_infra.policy.objects import Book, everywhere, merged, network, ported, span
from sitiv_infra.policy.operands import PROTOCOLS as NUMBERS
from sitiv_infra.policy.space import (
    EVERYTHING,
    PORTS,
    Box,
    Dimension,
    Interval,
    Intervals,
    box,
)

ANY_4 = "0.0.0.0"  # noqa: S104 - an address of a rule, not one to listen on
# Options that say nothing of which packets an object stands for.
SILENT = frozenset({
    "uuid", "color", "comment", "visibility", "associated-interface", "allow-routing", "cache-ttl",
    "fabric-object", "arp-reply", "nat-source-vip", "gratuitous-arp-interval", "interface",
    "add-nat46-route", "add-nat64-route", "one-click-gslb-server", "id", "helper", "session-ttl",
    "check-reset-range", "tcp-halfclose-timer", "tcp-halfopen-timer", "tcp-timewait-timer",
    "tcp-rst-timer", "udp-idle-timer", "passive-health-check", "obj-id", "template",
})  # fmt: skip
# Options that say nothing as long as they have the value that 'show full-configuration' prints.
USUAL = {
    "type": "default", "sub-type": "sdn", "clearpass-spt": "unknown", "node-ip-only": "disable",
    "exclude": "disable", "proxy": "disable", "app-service-type": "disable",
    "iprange": ANY_4, "status": "enable", "portmapping-type": "1-to-1", "host-type": "any",
    "nat44": "enable", "nat46": "disable", "nat64": "disable", "nat66": "enable",
    "route-tag": "0", "src-vip-filter": "disable", "category": "default",
}  # fmt: skip
ANY_NAMES = {"all"}
TRANSPORTS = {"tcp-portrange": "tcp", "udp-portrange": "udp", "sctp-portrange": "sctp"}
TRANSPORT_NAMES = {"TCP/UDP/SCTP", "TCP/UDP/UDP-Lite/SCTP"}


T = TypeVar("T")


class Unclear(Exception):
    """Only the device knows what an object stands for; the message says why."""


def addresses(vdom: Entry, version: int) -> Book[Intervals]:
    """Read the addresses and groups of one family."""
    suffix = "6" if version == 6 else ""
    book: Book[Intervals] = Book("address", {name: everywhere(version) for name in ANY_NAMES})
    for name, entry in vdom.block(f"firewall address{suffix}").items():
        book.lines[name] = entry.line
        try:
            book.leaves[name] = _address(entry, version)
        except (Unclear, ValueError) as error:
            book.unclear[name] = str(error)
    groups(book, vdom.block(f"firewall addrgrp{suffix}"))
    return book


def groups(book: Book[T], entries: Mapping[str, Entry]) -> None:
    """Read groups into the book that their members are in."""
    for name, entry in entries.items():
        book.lines[name] = entry.line
        try:
            understood(entry, {"member"})
            book.groups[name] = tuple(entry.values.get("member", ()))
        except Unclear as error:
            book.unclear[name] = str(error)


def understood(entry: Entry, read: set[str]) -> None:
    """Raise Unclear where an option stands that is neither read nor silent."""
    for option, given in entry.values.items():
        said = " ".join(given)
        if option not in read | SILENT and USUAL.get(option) != said:
            raise Unclear(f"{option} {said}")
    if unknown := entry.blocks.keys() - {"tagging"}:
        raise Unclear(f"config {min(unknown)}")


def _address(entry: Entry, version: int) -> Intervals:
    kind = entry.one("type", "ipmask" if version == 4 else "ipprefix")
    if kind == "ipmask" and version == 4:
        understood(entry, {"type", "subnet"})
        net = "/".join(entry.values.get("subnet", [ANY_4, ANY_4]))
        return (network(net, 4),)
    if kind == "ipprefix" and version == 6:
        understood(entry, {"type", "ip6"})
        return (network(entry.one("ip6", "::/0"), 6),)
    if kind == "iprange":
        understood(entry, {"type", "start-ip", "end-ip"})
        return (span(entry.one("start-ip"), entry.one("end-ip"), version),)
    raise Unclear(f"type {kind}")


def services(vdom: Entry) -> Book[tuple[Box, ...]]:
    """Read services and their groups."""
    book: Book[tuple[Box, ...]] = Book("service", {"ALL": (EVERYTHING,)})
    for name, entry in vdom.block("firewall service custom").items():
        book.lines[name] = entry.line
        try:
            book.leaves[name] = _service(entry)
        except (Unclear, ValueError) as error:
            book.unclear[name] = str(error)
    groups(book, vdom.block("firewall service group"))
    return book


def _service(entry: Entry) -> tuple[Box, ...]:
    kind = entry.one("protocol", "TCP/UDP/SCTP")
    if kind in TRANSPORT_NAMES:
        understood(entry, {"protocol", "category", *TRANSPORTS})
        found = [
            ported(NUMBERS[name], *_ports(text))
            for option, name in TRANSPORTS.items()
            for text in entry.values.get(option, ())
        ]
        if not found:
            raise Unclear("no ports")
        return merged(found)
    if kind in {"ICMP", "ICMP6"}:
        understood(entry, {"protocol", "category", "icmptype", "icmpcode"})
        number = NUMBERS["icmp" if kind == "ICMP" else "icmpv6"]
        ends = [_byte(entry.one(option)) for option in ("icmptype", "icmpcode")]
        return (ported(number, ends[1], ends[0]),)
    if kind == "IP":
        understood(entry, {"protocol", "category", "protocol-number"})
        number = int(entry.one("protocol-number", "0"))
        if not 0 <= number <= 254:
            raise Unclear(f"protocol-number {number}")
        return (box({Dimension.PROTOCOL: ((number, number),)}) if number else EVERYTHING,)
    raise Unclear(f"protocol {kind}")


def _byte(text: str) -> Intervals:
    """Read a type or a code of ICMP; all of them where none is given."""
    if not text:
        return PORTS
    if not 0 <= int(text) <= 255:
        raise ValueError(f"{text} is no type or code")
    return ((int(text), int(text)),)


def _ports(text: str) -> tuple[Intervals, Intervals]:
    """Read ``443``, ``8000-8010`` or ``443:1024-65535``: to which ports, and from which."""
    to, colon, by = text.partition(":")
    return (port_range(to),), (port_range(by),) if colon else PORTS


def port_range(text: str) -> Interval:
    """Read ``443`` or ``8000-8010``; ValueError where it is neither."""
    low, dash, high = text.partition("-")
    first, last = int(low), int(high if dash else low)
    if not 0 <= first <= last <= 65535:
        raise ValueError(f"{text}: no ports")
    return first, last
