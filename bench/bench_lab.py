"""The lab: time to bring it up with a cached base, and its memory, by number of hosts (root).

Memory is the proportional share (PSS) of every process of the lab, when all accept SSH; what hosts
have written to their files is not in it. A peer that boots whole systems from a declaration needs a
hypervisor or a registry of images, and is said to be absent.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from measure import ROOT, Figure, line

NAME = "bench"
STEPS = (8, 16, 24)
KIB = 1024


def main() -> None:
    """Print one line a size: some hosts of the rehearsal estate, then all, then the servers too."""
    if os.geteuid() != 0:
        print("lab: needs root, not measured", file=sys.stderr)
        return
    from sitiv_infra.estate import load
    from sitiv_infra.lab.place import Place
    from sitiv_infra.lab.scale import chosen
    from sitiv_infra.lab.twin import Twin, down

    estate = load(ROOT / "inventory" / "lab" / "estate")
    names = [n for n, m in estate.machines.items() if (m.os or "").startswith("debian")]
    place = Place(NAME)
    Twin(place, chosen(estate, names[:1]), print_nothing).up()  # so that the base is cached
    for part in (*(chosen(estate, names[:n]) for n in STEPS), chosen(estate, names), estate):
        down(place, print_nothing)
        began = time.perf_counter()
        command = [str(Path(sys.executable).with_name("sitiv")), "lab", "up", "--name", NAME]
        if part is not estate:
            command += ["--only", ",".join(part.machines)]
        subprocess.run(command, check=True, cwd=ROOT, stderr=subprocess.DEVNULL)
        seconds = time.perf_counter() - began
        pids = place.group().pids()
        peak = sum(map(_share, pids)) / KIB
        line(
            "lab.up", len(part.machines), Figure(seconds, _cpu(pids), peak),
            processes=len(pids), aim_seconds=90, aim_mib=8192,
            peer="containerlab", peer_absent=True,
        )  # fmt: skip
    down(place, print_nothing)


def print_nothing(_text: str) -> None:
    """Show no progress: the lines are the result."""


def _share(pid: int) -> int:
    """Give the proportional share of memory of a process in KiB, 0 when it is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(row.split()[1]) for row in text.splitlines() if row.startswith("Pss:")), 0)


def _cpu(pids: list[int]) -> float:
    """Give the CPU seconds that processes have used."""
    total = 0.0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / 100  # clock ticks, USER_HZ of Linux
    return total


if __name__ == "__main__":
    main()
