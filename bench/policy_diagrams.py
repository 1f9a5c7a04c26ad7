"""The same questions by binary decision diagrams: python policy_diagrams.py QUESTION FILE.

Run by an interpreter that has ``dd`` with CUDD. Variables stand in the order destination, source,
port, protocol; diagrams are not reordered.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from dd.cudd import BDD

WIDTHS = {"d": 32, "s": 32, "p": 16, "n": 2}
Row = tuple[str, str, str, tuple[int, int], bool]


class Diagrams:
    """Rules as diagrams."""

    def __init__(self) -> None:
        self.bdd = BDD()
        self.bdd.configure(reordering=False)
        self.bdd.declare(
            *(f"{name}{bit}" for name, width in WIDTHS.items() for bit in range(width))
        )

    def network(self, name: str, text: str) -> Any:  # noqa: ANN401 - dd has no types
        """Give the packets whose address is of a network."""
        net = ip_network(text)
        value = int(net.network_address)
        bits = {f"{name}{bit}": bool(value >> (31 - bit) & 1) for bit in range(net.prefixlen)}
        return self.bdd.cube(bits)

    def at_least(self, name: str, value: int) -> Any:  # noqa: ANN401 - as above
        """Give the packets with that value or a larger one."""
        found, width = self.bdd.true, WIDTHS[name]
        for bit in reversed(range(width)):
            here = self.bdd.var(f"{name}{bit}")
            found = here & found if value >> (width - 1 - bit) & 1 else here | found
        return found

    @cache  # noqa: B019 - one object a process
    def ports(self, low: int, high: int) -> Any:  # noqa: ANN401 - as above
        """Give the packets with a port of a range."""
        beyond = self.at_least("p", high + 1) if high < 65535 else self.bdd.false
        return self.at_least("p", low) & ~beyond

    def rule(self, row: Row) -> Any:  # noqa: ANN401 - as above
        """Give the packets that a rule matches."""
        source, destination, protocol, ports, _ = row
        kind = self.bdd.cube({"n0": protocol == "tcp", "n1": False})
        ends = self.network("d", destination) & self.network("s", source)
        return ends & self.ports(*ports) & kind

    def shadowed(self, rows: list[Row]) -> int:
        """Count the rules that no packet reaches."""
        seen, dead = self.bdd.false, 0
        for row in rows:
            here = self.rule(row)
            dead += (here & ~seen) == self.bdd.false
            seen |= here
        return dead

    def accepted(self, rows: list[Row]) -> Any:  # noqa: ANN401 - as above
        """Give the packets that a list accepts."""
        found = self.bdd.false
        for row in reversed(rows):
            here = self.rule(row)
            found = found | here if row[-1] else found & ~here
        return found

    def what_if(self, rows: list[Row]) -> int:
        """Tell whether one rule less makes a difference."""
        middle = len(rows) // 2
        return self.accepted(rows) != self.accepted(rows[:middle] + rows[middle + 1 :])


def main(question: str, file: str) -> None:
    """Ask once, when everything is loaded."""
    rows = json.loads(Path(file).read_text(encoding="utf-8"))
    diagrams = Diagrams()
    ask = {"shadowed": diagrams.shadowed, "difference": diagrams.what_if}[question]
    began, cpu = time.perf_counter(), time.process_time()
    found = ask(rows)
    took = time.perf_counter() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([*took, peak, found]))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
