"""Matches of iptables that ask for more than a header holds, where the kernel's answer is known."""

from __future__ import annotations

from collections.abc import Iterable

from sitiv_infra.policy.space import Intervals

MULTICAST: dict[int, Intervals] = {
    4: ((224 << 24, (240 << 24) - 1),),
    6: ((0xFF << 120, (1 << 128) - 1),),
}
REMEMBERS = frozenset({"--set", "--name", "--mask", "--rsource", "--rdest"})
RECALLS = frozenset({"--rcheck", "--update", "--remove"})


def kind_of_address(kind: str, version: int) -> Intervals:
    """Give the addresses of a kind (xt_addrtype); KeyError where that hangs on the host's routes.

    Broadcast addresses do, and the host's own; multicast ones are the same everywhere.
    """
    return {"MULTICAST": MULTICAST[version]}[kind]


def unsettled(doubts: Iterable[str]) -> list[str]:
    """Leave out of the options that are not known those that leave nothing open.

    ``-m recent --set`` writes an address down, and holds for every packet (xt_recent).
    """
    listed = list(doubts)
    names = {doubt.partition(" ")[0] for doubt in listed}
    if "--set" not in listed or names & RECALLS:
        return listed
    return [doubt for doubt in listed if doubt.partition(" ")[0] not in REMEMBERS]
