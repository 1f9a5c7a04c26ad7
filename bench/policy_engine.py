"""The exact engine alone: python policy_engine.py QUESTION SIZE ZONES; rules are read beforehand.

It prints wall and CPU seconds, peak MiB, and what was found. SITIV_COVER chooses the engine.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import numpy as np
from policy_rules import Rule, rules

from sitiv_infra.cli import SELDOM
from sitiv_infra.policy.compare import compare
from sitiv_infra.policy.dumps import Dump
from sitiv_infra.policy.lists import Line, RuleList
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.space import MACS, Box, Intervals
from sitiv_infra.policy.table import Table
from sitiv_infra.policy.violations import Matrix, violations
from sitiv_infra.policy.what_if import WhatIf

EVERY: Intervals = ((0, 2**32 - 1),)
PORTS: Intervals = ((0, 65535),)
WHOLE: Box = (((0, 255),), EVERY, EVERY, PORTS, PORTS, MACS)


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
    return (((number, number),), *ends, PORTS, (rule.ports,), MACS)


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
    """Count the pairs of zones between which something passes, where nothing should."""
    ends = {
        f"z{n}": (((10 << 24) + (n << 16), (10 << 24) + (n << 16) + 65535),) for n in range(zones)
    }
    dump = Dump(len(rules.lines), {"forward IPv4": rules}, {}, forward=(("forward IPv4",),))
    declared = Matrix({4: ends}, {})
    return lambda: len({one[:2] for one in violations(dump, declared)})


def difference(rules: RuleList) -> Callable[[], int]:
    """Count the differences that one rule less makes, between two lists."""
    middle = len(rules.lines) // 2
    gone = (*rules.lines[:middle], *rules.lines[middle + 1 :])
    fewer = RuleList(gone, rules.policy, rules.whole)
    return lambda: len(compare(rules, fewer).partings)


def what_if(rules: RuleList) -> Callable[[], int]:
    """Count them again, of a list that is indexed."""
    base, middle = WhatIf(rules), len(rules.lines) // 2
    base.changed([0])  # what NumPy loads at its first question is not of this one
    return lambda: len(base.changed([middle]).partings)


def main(question: str, size: int, zones: int) -> None:
    """Ask once, when everything is loaded."""
    gc.set_threshold(SELDOM)  # as the command does
    given = listed(list(rules(size, zones)))
    ask = {
        "shadowed": lambda: shadowed(given),
        "shadowed-again": lambda: shadowed(given, Table(given)),
        "matrix": lambda: matrix(given, zones),
        "difference": lambda: difference(given),
        "what-if": lambda: what_if(given),
    }[question]()
    began, cpu = time.perf_counter(), time.process_time()
    found = ask()
    took = time.perf_counter() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([*took, peak, found]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
