"""Rule bases: the exact engine in C and in NumPy beside diagrams, and whole commands.

``policy.analyse`` and ``policy.compare`` are whole processes on a dump of iptables-save; the peer
of the first is Aerleon's shade check, which looks for single rules only. The other figures are the
engine's alone, in processes of their own, beside CUDD's diagrams where these can bear the size.
Each peer is installed into an environment of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from growth import draw
from measure import Figure, Side, beside, in_turn, line, median, peer_python
from policy_rules import ZONES, iptables_save, rows, rules

RUNS = 3
SIZES = (1000, 2000, 5000, 10_000, 20_000)
MORE_SIZES = (*SIZES, 50_000)
BASE = 10_000
SHADE, LARGEST_OF_SHADE = "aerleon==1.18.0", 2000  # it takes minutes beyond
DIAGRAMS, LARGEST_OF_DIAGRAMS = "dd==0.6.0", 50_000
AIMS = {"c": 0.05, "numpy": 1.0}  # seconds, for BASE rules whose tables are built


def main() -> None:
    """Print one line a size and engine."""
    with tempfile.TemporaryDirectory() as scratch:
        _shadowed(Path(scratch))
        _matrix()
        _what_if(Path(scratch))
        _analyse(Path(scratch))


def _asked(command: list[str], engine: str = "") -> tuple[Figure, int]:
    done = subprocess.run(
        command, capture_output=True, check=True, env={**os.environ, "SITIV_COVER": engine}
    )
    *figures, found = json.loads(done.stdout)
    return Figure(*figures), found


def _in_turn(
    commands: Mapping[str, list[str]], engines: Mapping[str, str]
) -> tuple[dict[str, Figure], int]:
    """Run sides alternately; they must find the same."""
    seen: dict[str, list[Figure]] = {name: [] for name in commands}
    found = set()
    for _ in range(RUNS):
        for name, command in commands.items():
            figure, answer = _asked(command, engines.get(name, ""))
            seen[name].append(figure)
            found.add(answer)
    assert len(found) == 1, f"the sides found {found}"
    return {name: median(figures) for name, figures in seen.items()}, found.pop()


def _engine(question: str, size: int, zones: int = ZONES) -> list[str]:
    script = str(Path(__file__).with_name("policy_engine.py"))
    return [sys.executable, script, question, str(size), str(zones)]


def _sides(question: str, size: int, scratch: Path, python: Path | None) -> dict[str, list[str]]:
    sides = {name: _engine(question, size) for name in AIMS}
    if python is not None and size <= LARGEST_OF_DIAGRAMS:
        data = scratch / f"rules-{size}.json"
        data.write_text(json.dumps(rows(list(rules(size)))), encoding="utf-8")
        script = str(Path(__file__).with_name("policy_diagrams.py"))
        sides[DIAGRAMS] = [str(python), script, question, str(data)]
    return sides


def _shadowed(scratch: Path) -> None:
    python = peer_python(DIAGRAMS)
    curves: dict[str, list[tuple[int, float]]] = {}
    for size in MORE_SIZES:
        sides = _sides("shadowed", size, scratch, python)
        figures, found = _in_turn(sides, {name: name for name in AIMS})
        for name, figure in figures.items():
            curves.setdefault(name, []).append((size, figure.seconds))
        for name in AIMS:
            more = _beside(size, figures, name)
            line("policy.shadowed", size, figures[name], engine=name, found=found, **more)
    sides = {name: _engine("shadowed-again", BASE) for name in AIMS}
    figures, found = _in_turn(sides, {name: name for name in AIMS})
    for name, aim in AIMS.items():
        line(
            "policy.shadowed-again", BASE, figures[name], engine=name, found=found, aim_seconds=aim
        )
    print(draw("policy.shadowed", "all shadowed rules of a base", curves), file=sys.stderr)


def _beside(size: int, figures: Mapping[str, Figure], name: str) -> dict[str, object]:
    """Give the diagrams' half of a line; where they are not asked at all, nothing."""
    if size > LARGEST_OF_DIAGRAMS:
        return {}
    return beside(DIAGRAMS, figures.get(DIAGRAMS), figures[name], "seconds")


def _matrix() -> None:
    """Ask what passes between each two zones; nothing else that is installed here asks it."""
    for zones, aim in ((100, 1.0), (300, 10.0)):
        sides = {name: _engine("matrix", BASE, zones) for name in AIMS}
        figures, found = _in_turn(sides, {name: name for name in AIMS})
        for name, figure in figures.items():
            line(
                "policy.matrix", zones, figure, engine=name, found=found, rules=BASE,
                aim_seconds=aim,
            )  # fmt: skip


def _what_if(scratch: Path) -> None:
    """Leave one rule out: the engine, and a whole command that reads both dumps."""
    python = peer_python(DIAGRAMS)
    for size in (1000, BASE):
        figures, found = _in_turn(
            _sides("what-if", size, scratch, python), {name: name for name in AIMS}
        )
        for name in AIMS:
            more = _beside(size, figures, name)
            line("policy.what-if", size, figures[name], engine=name, found=found, **more)
    listed = list(rules(BASE))
    before, after = scratch / "before.txt", scratch / "after.txt"
    before.write_text(iptables_save(listed), encoding="utf-8")
    del listed[BASE // 2]
    after.write_text(iptables_save(listed), encoding="utf-8")
    words = ("policy", "compare", str(before), str(after), "--from", "iptables-save")
    ours, _ = in_turn(Side([_sitiv(), *words]), None, runs=RUNS)
    line("policy.compare", BASE, ours, aim_seconds=1.0)


def _analyse(scratch: Path) -> None:
    """Ask for everything that a clean-up tells, as a whole command."""
    python = peer_python(SHADE)
    for size in SIZES:
        found = list(rules(size))
        dump, data = scratch / "dump.txt", scratch / "rules.json"
        dump.write_text(iptables_save(found), encoding="utf-8")
        data.write_text(json.dumps(rows(found)), encoding="utf-8")
        words = ("policy", "analyse", str(dump), "--from", "iptables-save", "--format", "json")
        small = size <= LARGEST_OF_SHADE
        script = str(Path(__file__).with_name("policy_peer.py"))
        peer = Side([str(python), script, str(data)]) if small and python else None
        ours, theirs = in_turn(Side([_sitiv(), *words]), peer, runs=RUNS)
        more = beside(SHADE, theirs, ours, "seconds") if small else {}
        line("policy.analyse", size, ours, **more)


def _sitiv() -> str:
    return str(Path(sys.executable).with_name("sitiv"))
