"""``sitiv audit --only ID --from RUN``: one rule on a recorded night, the whole command."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from measure import ROOT, Side, in_turn, line

CHECK = "backup.recent"


def main() -> None:
    """Record the shipped demo once, then replay one check on it."""
    sitiv = str(Path(sys.executable).parent / "sitiv")
    with tempfile.TemporaryDirectory() as scratch:
        demo, runs = str(ROOT / "sitiv_infra" / "demo"), str(Path(scratch, "runs"))
        whole, _ = in_turn(Side([sitiv, "audit", "--from", demo, "--runs", runs]), None, runs=1)
        line("replay.whole", 1, whole)
        run = next(p for p in Path(runs).iterdir() if p.is_dir() and p.name[0].isdigit())
        one, _ = in_turn(Side([sitiv, "audit", "--from", str(run), "--only", CHECK]), None)
    line("replay.one-check", 1, one, aim_seconds=1.0)
