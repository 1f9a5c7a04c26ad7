"""Flows rendered for nftables: python render_flows.py SIZE FILE; the estate is loaded beforehand.

It prints wall and CPU seconds, peak MiB, and the elements; FILE is what nft would load.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from datetime import date
from math import ceil, sqrt
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from sitiv_infra.estate import Estate
from sitiv_infra.lab.plan import rule_base
from sitiv_infra.testing import estate_of
from sitiv_infra.wanted import forward_sets

TODAY = date(2026, 11, 22)
Flow = tuple[str, str, str, int]


def flows(count: int) -> list[Flow]:
    """Give flows between two networks each, all pairs different: what both sides render."""
    zones = ceil(sqrt(count)) + 1
    nets = [f"10.{n // 128}.{n % 128 * 2}.0/24" for n in range(zones)]
    pairs = [(a, b) for a in range(zones) for b in range(zones) if a != b]
    return [(nets[a], nets[b], "tcp", 1024 + (a * 7 + b) % 3000) for a, b in pairs[:count]]


def estate(found: list[Flow]) -> Estate:
    """Declare them: a zone for each network."""
    names = {net: f"z{n}" for n, net in enumerate(dict.fromkeys(n for f in found for n in f[:2]))}
    return estate_of(
        json.dumps({
            "zones": {name: {"title": name} for name in names.values()},
            "vlans": {
                name: {"vid": vid, "zone": name, "sites": ["a"], "subnets": [net]}
                for vid, (net, name) in enumerate(names.items(), 2)
            },
            "flows": {
                f"flow-{n}": {
                    "source": names[one], "destination": names[other],
                    "services": [f"{protocol}/{port}"], "owner_team": "net", "reason": "a bench",
                }
                for n, (one, other, protocol, port) in enumerate(found)
            },
        })
    )  # fmt: skip


def linear(found: list[Flow]) -> str:
    """Write a rule a flow, with a counter: what sets replace."""
    rules = [
        f"ip saddr {one} ip daddr {other} {protocol} dport {port} ct state new counter accept"
        f' comment "flow-{n}"'
        for n, (one, other, protocol, port) in enumerate(found)
    ]
    return rule_base([], rules)


def main(size: int, file: str) -> None:
    """Render once, when everything is loaded."""
    given = estate(flows(size))
    began, cpu = time.perf_counter(), time.process_time()
    sets = forward_sets(given, "a", TODAY)
    text = rule_base(sets)
    took = time.perf_counter() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    Path(file).write_text(text, encoding="utf-8")
    print(json.dumps([*took, peak, sum(len(one.elements) for one in sets)]))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
