"""Judging 90 000 verdicts on one core: 150 rules over 600 subjects, one fact each."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta

from measure import Figure, line, median

RULES, SUBJECTS, RUNS = 150, 600, 5
MACHINES = "machines:\n" + "".join(
    f"  m{i}: {{site: a, role: application, os: debian-12}}\n" for i in range(SUBJECTS)
)


def worker() -> None:
    """Judge once and print the seconds it took, on one core, without loading."""
    import resource
    import time

    from sitiv_infra.checking import Check, SeenFacts, Verdicts, check, fail, ok
    from sitiv_infra.estate import Estate
    from sitiv_infra.judging import judge
    from sitiv_infra.testing import NOW, estate_of, snapshot_of

    estate = estate_of(MACHINES)
    taken = {name: NOW - timedelta(hours=i % 48) for i, name in enumerate(estate.machines)}

    def rule(number: int) -> Check:
        @check(f"bench.rule-{number}", severity="high", needs=())
        def judged(estate: Estate, facts: SeenFacts) -> Verdicts:
            """A copy is younger than its promise.

            Risk: none, this is a measure.

            Fix: nothing.
            """
            limit = timedelta(hours=24)
            for machine in estate.machines.values():
                age = facts.age(taken[machine.name])
                said = ok if age <= limit else fail
                yield said(
                    machine, "{age:duration} old, promised {limit:duration}", age=age, limit=limit
                )

        return judged

    rules = [rule(i) for i in range(RULES)]
    snapshot = snapshot_of(estate, {})
    began, cpu = time.perf_counter(), time.process_time()
    verdicts = judge(rules, snapshot)
    took = time.perf_counter() - began, time.process_time() - cpu
    assert len(verdicts) == RULES * SUBJECTS
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([*took, peak]))


def main() -> None:
    """Measure in processes of their own."""
    figures = []
    for _ in range(RUNS):
        done = subprocess.run([sys.executable, __file__], capture_output=True, check=True)
        figures.append(Figure(*json.loads(done.stdout)))
    line("judge.verdicts", RULES * SUBJECTS, median(figures), aim_seconds=2.0)


if __name__ == "__main__":
    worker()
