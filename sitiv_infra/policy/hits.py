"""What a device has counted, by the numbers of its rules: nothing is said of rules without counter.

Counters begin anew when a ruleset is loaded, at a reboot, and on the member of a pair that takes
over: zero means little without the date since when they count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

COUNTED = re.compile(r"^\s*(?:\[(\d+):\d+\] )?(?:-A|--append) ")


def of_iptables(text: str) -> dict[int, int]:
    """Give the packets of each rule of ``iptables-save -c``: ``[12:960] -A FORWARD ...``."""
    found = (match for line in text.splitlines() if (match := COUNTED.match(line)))
    return {n: int(match[1]) for n, match in enumerate(found, 1) if match[1]}


def of_nftables(ruleset: Iterable[Mapping[str, object]]) -> dict[int, int]:
    """Give the packets of each rule of an unfolded ruleset that has a counter of its own."""
    rules = [body for item in ruleset for kind, body in item.items() if kind == "rule"]
    return {
        number: packets
        for number, body in enumerate(rules, 1)
        if (packets := _packets(body)) is not None
    }


def _packets(body: object) -> int | None:
    """Give the packets of a rule's last counter: earlier ones count what matches in part."""
    expressions = body.get("expr") if isinstance(body, dict) else None
    for item in reversed(expressions if isinstance(expressions, list) else []):
        counter = item.get("counter") if isinstance(item, dict) else None
        packets = counter.get("packets") if isinstance(counter, dict) else None
        if isinstance(packets, int):
            return packets
    return None
