"""The HTML page of 2 000 findings: time to render, in a process of its own, imports not counted."""

from __future__ import annotations

import json
import subprocess
import sys

from measure import Figure, line, median

SIZES = (200, 2000)
RUNS = 5


def worker(size: int) -> None:
    """Render once and print seconds, CPU seconds, peak MiB and bytes."""
    import resource
    import time

    from sitiv_infra.messages import Language
    from sitiv_infra.report.formats import FORMATS
    from tests.report.factory import many

    told = many(size)
    language = Language("fr")
    began, cpu = time.perf_counter(), time.process_time()
    page = FORMATS["html"].encode(told, language)
    took = time.perf_counter() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([*took, peak, len(page)]))


def main() -> None:
    """Print one line a size."""
    for size in SIZES:
        figures, length = [], 0
        for _ in range(RUNS):
            command = [sys.executable, __file__, str(size)]
            done = subprocess.run(command, capture_output=True, check=True)
            *figure, length = json.loads(done.stdout)
            figures.append(Figure(*figure))
        line("report.html", size, median(figures), bytes=length, aim_seconds=0.5)


if __name__ == "__main__":
    sys.path.insert(0, ".")
    worker(int(sys.argv[1]))
