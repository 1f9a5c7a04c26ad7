"""Addresses and ports as options of iptables give them, read as intervals.

A dump names the same networks and ports again and again: each is read once.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_network

from sitiv_infra.policy.addresses import VERSION_BITS, number_of
from sitiv_infra.policy.space import Interval, Intervals, union

REMEMBERED = 2**16  # texts


@lru_cache(maxsize=REMEMBERED)
def addresses(version: int, given: str) -> Intervals:
    """Read networks, with commas between; ValueError where one is none."""
    return union(_network(version, text) for text in given.split(","))


def address_range(version: int, given: str) -> Intervals:
    """Read the first and the last address of a range, or an address alone."""
    first, _, last = given.partition("-")
    return union([(number_of(version, first), number_of(version, last or first))])


@lru_cache(maxsize=REMEMBERED)
def ports(given: str) -> Intervals:
    """Read ports and ranges of them, with commas between; ValueError where one is none."""
    return union(_span(text) for text in given.split(","))


def _network(version: int, given: str) -> Interval:
    """Read a network as its ends; a mask need not be a prefix's length."""
    address, slash, length = given.partition("/")
    if slash and not length.isdecimal():
        return _masked(version, given)
    low, bits = number_of(version, address), VERSION_BITS[version]
    rest = bits - int(length or bits)
    if not 0 <= rest <= bits:
        raise ValueError("longer than an address")
    return low >> rest << rest, low | (1 << rest) - 1


def _masked(version: int, given: str) -> Interval:
    network = ip_network(given, strict=False)
    if network.version != version:
        raise ValueError("of the other address family")
    return int(network.network_address), int(network.broadcast_address)


def _span(text: str) -> Interval:
    low, colon, high = text.partition(":")
    return int(low or 0), int(high or 65535) if colon else int(low)
