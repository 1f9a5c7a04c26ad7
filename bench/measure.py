"""Measuring two commands in turn: wall time, CPU time and peak memory of each whole process."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MIB = 1024  # ru_maxrss is in KiB on Linux
RUNS = 5


@dataclass(frozen=True)
class Side:
    """One side of a comparison: a command, run as it is."""

    command: Sequence[str]
    environment: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Figure:
    """Medians over the runs; seconds, seconds, MiB."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


def once(side: Side) -> Figure:
    """Run a command once; what it prints is dropped, a failure is raised."""
    began = time.perf_counter()
    with subprocess.Popen(
        side.command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **(side.environment or {})},
    ) as process:
        assert process.stderr is not None
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if process.returncode not in (0, 1, 2):
        raise RuntimeError(f"{side.command[0]} ended with {process.returncode}: {errors.decode()}")
    return Figure(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / MIB)


def median(figures: Sequence[Figure]) -> Figure:
    """Give the median of each quantity."""
    return Figure(
        statistics.median(f.seconds for f in figures),
        statistics.median(f.cpu_seconds for f in figures),
        statistics.median(f.peak_mib for f in figures),
    )


def in_turn(ours: Side, peer: Side | None, runs: int = RUNS) -> tuple[Figure, Figure | None]:
    """Run both sides alternately, so that a busy machine slows both."""
    first, second = [], []
    for _ in range(runs):
        first.append(once(ours))
        if peer is not None:
            second.append(once(peer))
    return median(first), median(second) if second else None


def line(bench: str, size: int, ours: Figure, **more: object) -> None:
    """Print one figure as a JSON line."""
    data = {
        "bench": bench,
        "size": size,
        "seconds": round(ours.seconds, 4),
        "cpu_seconds": round(ours.cpu_seconds, 4),
        "peak_mib": round(ours.peak_mib, 1),
        **more,
    }
    print(json.dumps(data), flush=True)


def beside(peer_name: str, peer: Figure | None, ours: Figure, of: str) -> dict[str, object]:
    """Give the peer's half of a line; ``ratio`` above 1 when we are ahead."""
    if peer is None:
        return {"peer": peer_name, "peer_absent": True}
    return {
        "peer": peer_name,
        "peer_seconds": round(peer.seconds, 4),
        "peer_cpu_seconds": round(peer.cpu_seconds, 4),
        "peer_peak_mib": round(peer.peak_mib, 1),
        "of": of,
        "ratio": round(getattr(peer, of) / getattr(ours, of), 2),
    }


def peer_python(requirement: str) -> Path | None:
    """Give the interpreter of an environment that holds a peer alone; None if it can't be had."""
    folder = Path.home() / ".cache/sitiv-infra/peers" / requirement.replace("==", "-")
    python = folder / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    done = subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", requirement], check=False
    )
    return python if done.returncode == 0 else None


ROOT = Path(__file__).parents[1]
