"""The exact engine alone: python policy_engine.py QUESTION SIZE ZONES; rules are read beforehand.

It prints wall and CPU seconds, peak MiB, and what was found. SITIV_COVER chooses the engine.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import numpy as np
from policy_rules import Rule, rules

from sitiv_infra.policy.compare import compare
from sitiv_infra.policy.lists import Line, RuleList
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.scale import Scale
from sitiv_infra.policy.space import Box, Intervals
from sitiv_infra.policy.table import Table

EVERY: Intervals = ((0, 2**32 - 1),)
PORTS: Intervals = ((0, 65535),)
WHOLE: Box = (((0, 255),), EVERY, EVERY, PORTS, PORTS)


def listed(found: list[Rule]) -> RuleList:
    """Give rules as the engine takes them."""
    lines = [
        Line(n, "", Verdict.ACCEPT if rule.accept else Verdict.DROP, (_box(rule),))
        for n, rule in enumerate(found, 1)
    ]
    return RuleList(tuple(lines), Verdict.DROP, WHOLE)


def _box(rule: Rule) -> Box:
    number = 6 if rule.protocol == "tcp" else 17
    ends = [
        ((int(net.network_address), int(net.broadcast_address)),)
        for net in (rule.source, rule.destination)
    ]
    return (((number, number),), *ends, PORTS, (rule.ports,))


def shadowed(rules: RuleList, table: Table | None = None) -> Callable[[], int]:
    """Count the rules that no packet reaches, with their blockers, and a witness for the others."""

    def ask() -> int:
        seen = table or Table(rules)
        answers = seen.cover.shadows(seen.starts, seen.certain)
        blockers = [seen.numbers(a.used) for a in answers if a is not None and a.hole is None]
        corners = np.array([a.hole for a in answers if a is not None and a.hole is not None])
        witnesses = seen.scale.points(corners)
        assert len(blockers) + len(witnesses) == len(rules.lines)
        return len(blockers)

    return ask


def matrix(rules: RuleList, zones: int) -> Callable[[], int]:
    """Count the pairs of zones between which something passes, rule by rule."""
    ends = [(((10 << 24) + (n << 16), (10 << 24) + (n << 16) + 65535),) for n in range(zones)]
    cells: list[Box] = [(WHOLE[0], one, other, PORTS, PORTS) for one in ends for other in ends]

    def ask() -> int:
        scale = Scale(rules.whole, [*rules.boxes, *cells])
        table = Table(rules, scale)
        lows, highs = scale.table(cells)
        passing = 0
        for low, high in zip(lows.T, highs.T, strict=True):
            decided = [index for index, _, _ in table.decided(low, high) if index is not None]
            passing += any(table.accepts[index] for index in decided)
        return passing

    return ask


def what_if(rules: RuleList) -> Callable[[], int]:
    """Count the differences that one rule less makes."""
    middle = len(rules.lines) // 2
    gone = (*rules.lines[:middle], *rules.lines[middle + 1 :])
    fewer = RuleList(gone, rules.policy, rules.whole)
    return lambda: len(compare(rules, fewer).partings)


def main(question: str, size: int, zones: int) -> None:
    """Ask once, when everything is loaded."""
    given = listed(list(rules(size, zones)))
    ask = {
        "shadowed": lambda: shadowed(given),
        "shadowed-again": lambda: shadowed(given, Table(given)),
        "matrix": lambda: matrix(given, zones),
        "what-if": lambda: what_if(given),
    }[question]()
    began, cpu = time.perf_counter(), time.process_time()
    found = ask()
    took = time.perf_counter() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([*took, peak, found]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
