"""Rules that accept almost anything: from most addresses, to most addresses, for most services."""

from __future__ import annotations

from collections.abc import Iterator

from sitiv_infra.policy.iptables_options import STATES, More
from sitiv_infra.policy.lists import RuleList
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.space import Box, Dimension, Intervals, common

MOST = 0.5  # of the addresses on either end, of the ports, and of MAC addresses
WIDE = (
    Dimension.SOURCE, Dimension.DESTINATION, Dimension.DESTINATION_PORT, Dimension.SOURCE_MAC,
)  # fmt: skip
PORTED = (6, 17)
BY_DEVICE = (More.COMES_BY, More.LEAVES_BY)


def over_wide(rules: RuleList) -> Iterator[int]:
    """Yield the numbers of the rules that accept new connections so widely.

    A rule that was not wholly understood may be narrower than it looks, so it is not told; nor is
    one that is for some devices only, such as the loopback, or for one MAC address.
    """
    for line in rules.lines:
        sure = line.verdict is Verdict.ACCEPT and not (line.doubts or line.ends)
        if sure and any(_wide(box, rules.whole) for box in line.boxes):
            yield line.number


def _wide(box: Box, whole: Box) -> bool:
    if not all(_size(box[side]) > MOST * _size(whole[side]) for side in WIDE):
        return False
    if not any(common(box[Dimension.PROTOCOL], ((number, number),)) for number in PORTED):
        return False
    if any(box[side] != whole[side] for side in BY_DEVICE if side < len(whole)):
        return False
    new = STATES["NEW"]
    return len(whole) <= More.STATE or bool(common(box[More.STATE], ((new, new),)))


def _size(side: Intervals) -> int:
    return sum(high - low + 1 for low, high in side)
