"""``sitiv policy analyse`` on synthetic bases beside Aerleon's shade check.

Both sides are whole processes. Ours finds more: shadows that several rules cast, redundant and
correlated rules, and a witness each. Aerleon is installed into an environment of its own.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from measure import Side, beside, in_turn, line, peer_python
from policy_rules import iptables_save, rules

SIZES = (1000, 2000, 5000, 10_000, 20_000)
PEER, LARGEST_OF_PEER = "aerleon==1.18.0", 2000  # it takes minutes beyond


def main() -> None:
    """Print one line a size."""
    python = peer_python(PEER)
    with tempfile.TemporaryDirectory() as scratch:
        for size in SIZES:
            found = list(rules(size))
            dump, data = Path(scratch, "dump.txt"), Path(scratch, "rules.json")
            dump.write_text(iptables_save(found), encoding="utf-8")
            rows = [(str(r.source), str(r.destination), *r[2:]) for r in found]
            data.write_text(json.dumps(rows), encoding="utf-8")
            sitiv = str(Path(sys.executable).with_name("sitiv"))
            words = [sitiv, "policy", "analyse", str(dump), "--from", "iptables-save"]
            small = size <= LARGEST_OF_PEER and python is not None
            script = str(Path(__file__).with_name("policy_peer.py"))
            peer = Side([str(python), script, str(data)]) if small else None
            ours, theirs = in_turn(Side([*words, "--format", "json"]), peer, runs=3)
            more = beside(PEER, theirs, ours, "seconds") if small or python is None else {}
            line("policy.analyse", size, ours, **more)
