"""MAC addresses: as dumps write them, and as numbers of their dimension."""

from __future__ import annotations

import re

from sitiv_infra.policy.space import NO_MAC

WRITTEN = re.compile(r"[0-9A-Fa-f]{1,2}(?::[0-9A-Fa-f]{1,2}){5}")


def number_of(text: str) -> int:
    """Read ``02:00:5e:10:00:01``; ValueError where it is none, such as one that was masked."""
    if not WRITTEN.fullmatch(text):
        raise ValueError("not a MAC address")
    return int.from_bytes(bytes(int(part, 16) for part in text.split(":")), "big")


def written(number: int) -> str:
    """Write a MAC address."""
    return number.to_bytes(6, "big").hex(":")


def told(number: int) -> str:
    """Say from what MAC address a packet is; nothing for the lowest number, which nobody has.

    It is the one that a witness has where any will do.
    """
    if number == NO_MAC:
        return " without MAC address"
    return f" from MAC {written(number)}" if number else ""
