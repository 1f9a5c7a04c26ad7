"""Rule bases: the exact engine in C and in NumPy beside diagrams, and whole commands.

``policy.analyse`` and the commands of ``policy.compare`` are whole processes on dumps; the peer of
the first is Aerleon's shade check, which looks for single rules only. ``policy.diff`` is one on the
example estate with a service more, ``cli.help`` what any command takes to start. ``what-if`` is
asked of a list that is indexed, ``difference`` of two lists. These figures are the engine's alone,
in processes of their own, beside CUDD's diagrams where these can bear the size. Each peer is
installed into an environment of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from growth import draw
from measure import Figure, Side, beside, in_turn, line, median, peer_python
from policy_rules import ZONES, Rule, iptables_save, nft_json, rows, rules

RUNS = 3
SIZES = (1000, 2000, 5000, 10_000, 20_000)
MORE_SIZES = (*SIZES, 50_000)
BASE = 10_000
SHADE, LARGEST_OF_SHADE = "aerleon==1.18.0", 2000  # it takes minutes beyond
FWSHIFT = "fwshift==0.40.18"  # GPL: run as a program of its own
DIAGRAMS, LARGEST_OF_DIAGRAMS = "dd==0.6.0", 50_000
ESTATE = Path(__file__).parents[1] / "inventory/estate"
MORE_SERVICES = ("services: [tcp/443]", "services: [tcp/443, tcp/8443]")
AIMS = {"c": 0.05, "numpy": 1.0}  # seconds, for BASE rules whose tables are built


def main() -> None:
    """Print one line a size and engine."""
    with tempfile.TemporaryDirectory() as scratch:
        _shadowed(Path(scratch))
        _matrix()
        _what_if(Path(scratch))
        _analyse(Path(scratch))
        _fwshift(Path(scratch))
        _diff(Path(scratch))


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
    """Leave one rule out: the engine, and whole commands that read a dump or both."""
    python = peer_python(DIAGRAMS)
    for size in (1000, BASE):
        figures, found = _in_turn(
            _sides("difference", size, scratch, python), {name: name for name in AIMS}
        )
        for name in AIMS:
            more = _beside(size, figures, name)
            line("policy.difference", size, figures[name], engine=name, found=found, **more)
        sides = {name: _engine("what-if", size) for name in AIMS}
        figures, found = _in_turn(sides, {name: name for name in AIMS})
        for name in AIMS:
            line("policy.what-if", size, figures[name], engine=name, found=found, aim_seconds=0.001)
    for form, write in (("iptables-save", iptables_save), ("nft-json", nft_json)):
        _commands(scratch, form, write)


def _commands(scratch: Path, form: str, write: Callable[[list[Rule]], str]) -> None:
    listed = list(rules(BASE))
    before, after = scratch / "before", scratch / "after"
    before.write_text(write(listed), encoding="utf-8")
    del listed[BASE // 2]
    after.write_text(write(listed), encoding="utf-8")
    for name, words in (
        ("compare", ("compare", str(before), str(after))),
        ("what-if", ("what-if", str(before), "--without", str(BASE // 2 + 1))),
    ):
        command = [_sitiv(), "policy", *words, "--from", form]
        ours, _ = in_turn(Side(command), None, runs=RUNS)
        line(f"policy.{name}-command", BASE, ours, form=form, aim_seconds=1.0)


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


def _fwshift(scratch: Path) -> None:
    """Audit a base, and compare it with one rule less, as whole commands of both."""
    python = peer_python(FWSHIFT)
    listed = list(rules(SIZES[0]))
    before, after = scratch / "before.txt", scratch / "after.txt"
    before.write_text(iptables_save(listed), encoding="utf-8")
    del listed[SIZES[0] // 2]
    after.write_text(iptables_save(listed), encoding="utf-8")
    for name, verb, files in (
        ("analyse", "audit", [str(before)]),
        ("compare-command", "compare", [str(before), str(after)]),
    ):
        words = ("policy", name.partition("-")[0], *files, "--from", "iptables-save")
        peer = (
            [str(python.with_name("fwshift")), verb, *files, "--from", "iptables"] if python else []
        )
        ours, theirs = in_turn(Side([_sitiv(), *words]), Side(peer) if peer else None, runs=1)
        line(f"policy.{name}", SIZES[0], ours, **beside(FWSHIFT, theirs, ours, "seconds"))


def _diff(scratch: Path) -> None:
    """Declare one service more."""
    changed = shutil.copytree(ESTATE, scratch / "estate")
    for file in changed.glob("*.yml"):
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace(*MORE_SERVICES, 1), encoding="utf-8")
    words = ("policy", "diff", str(ESTATE), str(changed))
    for name, asked, aim in (("policy.diff", words, 1.0), ("cli.help", ("--help",), 0.3)):
        ours, _ = in_turn(Side([_sitiv(), *asked]), None, runs=RUNS)
        line(name, 1, ours, aim_seconds=aim)


def _sitiv() -> str:
    return str(Path(sys.executable).with_name("sitiv"))
