"""Sets of 802.1Q VLAN ids, as people and switches write them: ``10,20-29``.

IEEE 802.1Q keeps 0 and 4095 for itself, so ids run from 1 to 4094.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

Ids = frozenset[int]
FIRST, LAST = 1, 4094
ALL: Ids = frozenset(range(FIRST, LAST + 1))
RANGE = re.compile(r"(\d{1,4})(?:-(\d{1,4}))?")


def read(text: str) -> Ids:
    """Read ``10,20-29``; ``none`` is the empty set. ValueError says what is wrong."""
    if text == "none":
        return frozenset()
    found: set[int] = set()
    for part in text.split(","):
        match = RANGE.fullmatch(part.strip())
        low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not FIRST <= low <= high <= LAST:
            raise ValueError(f"'{part}' is no VLAN id or range of them, from {FIRST} to {LAST}")
        found |= set(range(low, high + 1))
    return frozenset(found)


def ranges(ids: Iterable[int]) -> Iterator[str]:
    """Yield the runs of a set in order: ``10``, then ``20-29``."""
    low = high = 0
    for one in sorted(ids):
        if low and one != high + 1:
            yield _run(low, high)
            low = one
        low, high = low or one, one
    if low:
        yield _run(low, high)


def _run(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}-{high}"


def written(ids: Iterable[int]) -> str:
    """Write a set so that ``read`` gives it back."""
    return ",".join(ranges(ids)) or "none"
