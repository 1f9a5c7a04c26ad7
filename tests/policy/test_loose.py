"""Rules that accept almost anything, and rules that nothing has hit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sitiv_infra.cli import run
from sitiv_infra.policy.cleanup import clean_up
from sitiv_infra.policy.dumps import FORMS, Dump

HEAD = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n"
COUNTED = """*nat
:PREROUTING ACCEPT [0:0]
[0:0] -A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.1.0.1
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [9:540]
:OUTPUT ACCEPT [0:0]
[12:960] -A FORWARD -s 10.1.0.0/16 -p tcp -m tcp --dport 443 -j ACCEPT
[0:0] -A FORWARD -s 10.2.0.0/16 -p tcp -m tcp --dport 443 -j ACCEPT
-A FORWARD -s 10.3.0.0/16 -p tcp -m tcp --dport 443 -j ACCEPT
COMMIT
"""


def dump(*rules: str) -> Dump:
    return FORMS["iptables-save"](HEAD + "\n".join(rules) + "\nCOMMIT\n")


@pytest.mark.parametrize(
    "rule",
    [
        "-A FORWARD -j ACCEPT",
        "-A FORWARD -p tcp -j ACCEPT",
        "-A FORWARD -p udp -m udp --dport 1:65535 -j ACCEPT",
        "-A FORWARD ! -d 10.0.0.0/8 -j ACCEPT",
        "-A FORWARD -m state --state NEW,ESTABLISHED -j ACCEPT",
    ],
)
def test_a_rule_that_accepts_almost_anything_is_over_wide(rule: str) -> None:
    assert clean_up(dump(rule)).over_wide == (1,)


@pytest.mark.parametrize(
    "rule",
    [
        "-A FORWARD -j DROP",
        "-A FORWARD -s 10.0.0.0/8 -j ACCEPT",
        "-A FORWARD -s 0.0.0.0/1 -j ACCEPT",
        "-A FORWARD -d 10.0.0.0/8 -j ACCEPT",
        "-A FORWARD -p tcp -m tcp --dport 443 -j ACCEPT",
        "-A FORWARD -p icmp -j ACCEPT",
        "-A FORWARD -m state --state RELATED,ESTABLISHED -j ACCEPT",
        "-A INPUT -i lo -j ACCEPT",
        "-A FORWARD -m limit --limit 3/min -j ACCEPT",
    ],
)
def test_and_one_that_is_narrower_or_not_understood_is_not(rule: str) -> None:
    assert clean_up(dump(rule)).over_wide == ()


def test_a_counter_at_zero_is_told_by_the_number_of_its_rule() -> None:
    read = FORMS["iptables-save"](COUNTED)
    assert read.hits == {1: 0, 2: 12, 3: 0}
    assert clean_up(read).unused == (3,), "of the table that is judged; rule 4 has no counter"


def test_counters_of_nftables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = {"family": "inet", "table": "t", "chain": "f"}
    port = {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}},
                      "right": 22}}  # fmt: skip
    hit, idle = ({"counter": {"packets": n, "bytes": 60 * n}} for n in (7, 0))
    drop: dict[str, object] = {"drop": None}
    bodies = ([port, hit, drop], [idle, {"accept": None}], [hit, port, idle, drop], [drop], None)
    rules = [{"rule": {**place, "handle": 9, "expr": body}} for body in bodies]
    base = {"family": "inet", "table": "t", "name": "f", "hook": "forward", "type": "filter",
            "prio": 0, "policy": "drop"}  # fmt: skip
    text = json.dumps({"nftables": [{"chain": base}, *rules]})
    assert FORMS["nft-json"](text).hits == {1: 7, 2: 0, 3: 0}
    file = tmp_path / "rules.json"
    file.write_text(text, encoding="utf-8")
    assert run(["policy", "analyse", str(file), "--from", "nft-json", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["unused"], found["over-wide"]) == ([2, 3], [2])
    assert run(["policy", "analyse", str(file), "--from", "nft-json"]) == 0
    out = capsys.readouterr().out
    assert "1 over-wide, 2 unused" in out
    assert "know that date first" in " ".join(out.split())
