"""Declared flows as rules of nftables: rendering them, and loading what was rendered.

``render.text`` is from the loaded estate to the text, beside Aerleon's from its policy to its text.
``render.load`` is ``nft -f`` as a whole process in an empty network namespace, as root, beside
Aerleon's text and beside a rule a flow (``linear``); ``render.load-json`` is the same set as JSON.
``render.lookup`` sends new packets of the last flow through both forms.
The peak of memory of a load is no less than that of this program, which the process begins as.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import Figure, Side, beside, in_turn, line, median, peer_python
from render_flows import flows, linear
from render_lookup import PACKETS

RUNS = 5
PEER = "aerleon==1.18.0"
SIZES = (1000, 10_000)
AIM = 10_000
HERE = Path(__file__).parent


def main() -> None:
    """Print one line a size and quantity."""
    python = peer_python(PEER)
    for size in SIZES:
        with tempfile.TemporaryDirectory() as scratch:
            ours, theirs = _rendered(size, Path(scratch), python)
            _loaded(size, ours, theirs)
            _looked_up(size)


def _asked(command: list[str]) -> Figure:
    done = subprocess.run(command, capture_output=True, check=True)
    *figures, _ = json.loads(done.stdout)
    return Figure(*figures)


def _rendered(size: int, scratch: Path, python: Path | None) -> tuple[Path, Path | None]:
    """Render on both sides in turn; give the texts."""
    given, ours, theirs = (scratch / name for name in ("flows.json", "ours.nft", "theirs.nft"))
    given.write_text(json.dumps(flows(size)), encoding="utf-8")
    worker = [sys.executable, str(HERE / "render_flows.py"), str(size), str(ours)]
    peer = [str(python), str(HERE / "render_peer.py"), str(given), str(theirs)]
    mine: list[Figure] = []
    other: list[Figure] = []
    for _ in range(RUNS):
        mine.append(_asked(worker))
        if python is not None:
            other.append(_asked(peer))
    more = beside(PEER, median(other) if other else None, median(mine), "seconds")
    line("render.text", size, median(mine), **_aim(size, 0.5), **more)
    return ours, theirs if other else None


def _loaded(size: int, ours: Path, theirs: Path | None) -> None:
    if os.geteuid():
        print("loading needs root: not measured", file=sys.stderr)
        return
    rules = ours.with_name("linear.nft")
    rules.write_text(linear(flows(size)), encoding="utf-8")
    as_json = ours.with_name("ours.json")
    as_json.write_text(_listed(ours), encoding="utf-8")
    for name, peer in ((PEER, theirs), ("linear", rules)):
        figure, other = in_turn(_load(ours), _load(peer) if peer else None, RUNS)
        line(
            "render.load", size, figure, **_aim(size, 0.2), **beside(name, other, figure, "seconds")
        )
    figure, other = in_turn(_load(as_json, "-j"), _load(ours), RUNS)
    line("render.load-json", size, figure, **beside("text", other, figure, "seconds"))


def _looked_up(size: int) -> None:
    if os.geteuid():
        return
    seen: dict[str, list[Figure]] = {"set": [], "linear": []}
    for _ in range(RUNS):
        for form, figures in seen.items():
            script = str(HERE / "render_lookup.py")
            figures.append(_asked([sys.executable, script, form, str(size)]))
    ours, theirs = (median(figures) for figures in seen.values())
    more = beside("linear", theirs, ours, "cpu_seconds")
    line("render.lookup", size, ours, packets=PACKETS, **more)


def _aim(size: int, seconds: float) -> dict[str, float]:
    return {"aim_seconds": seconds} if size == AIM else {}


def _load(file: Path, *words: str) -> Side:
    return Side(["unshare", "--net", "nft", *words, "-f", str(file)])


def _listed(file: Path) -> str:
    """Give what nft lists as JSON of a text, as what it would load."""
    script = f"nft -f {file} && nft -j list ruleset"
    done = subprocess.run(["unshare", "--net", "sh", "-c", script], capture_output=True, check=True)
    objects = json.loads(done.stdout)["nftables"]
    return json.dumps({"nftables": [{"add": one} for one in objects if "metainfo" not in one]})
