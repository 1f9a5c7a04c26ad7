"""The linear interpreter: rule by rule, what everything else is held against."""

from __future__ import annotations

from collections.abc import Sequence

from sitiv_infra.policy.lists import Line
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.space import Point


def holds(line: Line, packet: Point) -> bool:
    return any(
        all(any(low <= v <= high for low, high in s) for v, s in zip(packet, box, strict=True))
        for box in line.boxes
    )


def first(lines: Sequence[Line], packet: Point, policy: Verdict) -> Verdict:
    """Say what becomes of one packet."""
    for line in lines:
        if line.verdict is not None and holds(line, packet):
            return line.verdict
    return policy
