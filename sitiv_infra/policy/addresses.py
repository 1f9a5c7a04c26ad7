"""Addresses as the numbers that boxes are made of."""

from __future__ import annotations

from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_pton

VERSION_BITS = {4: 32, 6: 128}
PACKED = {4: AF_INET, 6: AF_INET6}


@lru_cache(maxsize=2**16)  # dumps name the same ones again and again
def number_of(version: int, written: str) -> int:
    """Read an address of IP version 4 or 6; ValueError if it is none."""
    try:
        return int.from_bytes(inet_pton(PACKED[version], written), "big")
    except OSError:
        raise ValueError(f"not an address: {written}") from None
