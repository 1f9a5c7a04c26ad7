"""``sitiv policy`` as its user sees it."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest

from sitiv_infra.cli import run
from sitiv_infra.policy.lists import NO_RULE
from sitiv_infra.wanted.fortios import fortios_rules
from sitiv_infra.wanted.sns import sns_commands
from tests.wanted.worlds import small

TODAY = date(2026, 11, 1)
LAB = Path(__file__).parents[2] / "inventory" / "lab" / "estate"
DUMP = """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -s 10.1.0.0/16 -p tcp -m tcp --dport 443 -j ACCEPT
-A FORWARD -s 10.1.2.0/24 -p tcp -m tcp --dport 443 -j DROP
-A FORWARD -m limit --limit 3/min -j LOG --log-prefix "dropped: "
COMMIT
"""
PORT = {"payload": {"protocol": "tcp", "field": "dport"}}
SOURCE = {"payload": {"protocol": "ip", "field": "saddr"}}
PLACE = {"family": "inet", "table": "t"}
RULESET = {
    "nftables": [
        {"table": {"family": "inet", "name": "t", "handle": 1}},
        {"chain": {**PLACE, "name": "f", "handle": 1, "type": "filter", "hook": "forward",
                   "prio": 0, "policy": "drop"}},
        {"rule": {**PLACE, "chain": "f", "handle": 2, "expr": [
            {"match": {"op": "==", "left": PORT, "right": 443}}, {"accept": None}]}},
        {"rule": {**PLACE, "chain": "f", "handle": 3, "expr": [
            {"match": {"op": "==", "left": SOURCE, "right": "10.1.0.1"}},
            {"match": {"op": "==", "left": PORT, "right": 443}}, {"drop": None}]}},
    ]
}  # fmt: skip


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    file = tmp_path / "dump.txt"
    file.write_text(DUMP, encoding="utf-8")
    return file


def told(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = run(["policy", *map(str, words)])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_findings_are_told_as_json(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("analyse", dump, "--from", "iptables-save", "--format", "json")
    code, out, err = told(capsys, *words)
    found = json.loads(out)
    assert code == 0
    assert found["rules"] == 3
    assert [(one["rule"], one["blockers"]) for one in found["shadowed"]] == [(2, [1])]
    assert found["shadowed"][0]["witness"].startswith("tcp 10.1.2.")
    assert found["redundant"] == found["inoperative"] == found["inconclusive"] == []
    assert [one["rule"] for one in found["undecided"]] == [3]
    assert "FORWARD IPv4: 3 rules" in err


def test_and_as_a_table(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = told(capsys, "analyse", dump, "--from", "iptables-save")
    assert any(line.split()[:3] == ["shadowed", "2", "1"] for line in out.splitlines())
    assert out.splitlines()[-1].startswith("3 rules: 1 shadowed, 0 redundant")


def test_a_ruleset_of_nftables_is_judged_for_both_families(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "ruleset.json"
    file.write_text(json.dumps(RULESET), encoding="utf-8")
    words = ("analyse", file, "--from", "nft-json", "--format", "json")
    found = json.loads(told(capsys, *words)[1])
    assert [(one["rule"], one["blockers"]) for one in found["shadowed"]] == [(2, [1])]
    assert found["redundant"] == []
    words = ("explain", file, "0.0.0.0/0", "0.0.0.0/0", "--from", "nft-json")
    assert "inet t f IPv4" in told(capsys, *words)[1]


def test_a_chain_that_may_not_hold_leaves_doubts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dormant = [{"table": {**PLACE, "name": "t", "flags": ["dormant"]}}, *RULESET["nftables"][1:]]
    file = tmp_path / "ruleset.json"
    file.write_text(json.dumps({"nftables": dormant}), encoding="utf-8")
    words = ("analyse", file, "--from", "nft-json", "--format", "json")
    found = json.loads(told(capsys, *words)[1])
    assert found["shadowed"] == []
    assert [one["rule"] for one in found["undecided"]] == [1, 2]


def test_a_dump_without_a_shadowed_rule_is_equal(
    dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    after = tmp_path / "after.txt"
    lines = DUMP.splitlines()
    after.write_text("\n".join([*lines[:5], *lines[6:]]), encoding="utf-8")
    assert told(capsys, "compare", dump, after, "--from", "iptables-save")[:2] == (0, "equal\n")
    after.write_text(DUMP.replace("10.1.0.0/16", "10.1.1.0/24"), encoding="utf-8")
    words = ("compare", dump, after, "--from", "iptables-save", "--format", "json")
    code, out, _ = told(capsys, *words)
    assert code == 1
    assert json.loads(out)["equal"] is False
    assert {one["old"] for one in json.loads(out)["differences"]} == {"accept"}


def test_the_deciding_rule_is_named(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("10.1.2.3", "10.9.0.1", "tcp/443", "--from", "iptables-save")
    _, out, _ = told(capsys, "explain", dump, *words)
    forward = next(line for line in out.splitlines() if line.startswith("FORWARD"))
    assert forward.split()[2:4] == ["accept", "1"]


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        (("10.1.2.3", "fd00::1"), "address families"),
        (("10.1.2.3", "here"), "here"),
        (("10.1.2.3", "10.1.2.4", "http"), "a service is"),
    ],
)
def test_a_question_that_is_none_is_refused(
    ends: tuple[str, ...], reason: str, dump: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = told(capsys, "explain", dump, *ends, "--from", "iptables-save")
    assert (code, reason in err) == (3, True)


@pytest.mark.parametrize(("text", "form"), [("{}", "nft-json"), ("hello", "iptables-save")])
def test_what_is_no_dump_is_named(
    text: str, form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x"
    file.write_text(text, encoding="utf-8")
    code, _, err = told(capsys, "analyse", file, "--from", form)
    assert code == 3
    assert str(file) in err


@pytest.mark.parametrize("kind", ["fortios", "sns"])
def test_what_is_rendered_can_be_judged(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = told(capsys, "render", "--to", kind, "--estate", LAB)
    assert code == 0
    file = tmp_path / "rules.txt"
    file.write_text(out, encoding="utf-8")
    assert told(capsys, "compare", file, file, "--from", kind)[:2] == (0, "equal\n")
    _, found, _ = told(capsys, "analyse", file, "--from", kind, "--format", "json")
    assert json.loads(found)["undecided"] == []
    file.write_text(out + "hello\n", encoding="utf-8")
    code, _, err = told(capsys, "analyse", file, "--from", kind)
    assert (code, f"line {out.count(chr(10)) + 1}" in err) == (3, True)


def test_a_rule_is_taken_out_to_see_what_changes(
    dump: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("what-if", dump, "--from", "iptables-save", "--format", "json", "--without")
    code, out, _ = told(capsys, *words, "2")
    assert (code, json.loads(out)) == (0, {"equal": True, "differences": []})
    code, out, _ = told(capsys, *words, "1")
    found = json.loads(out)["differences"]
    assert code == 1
    assert {(one["old_rule"], one["new_rule"]) for one in found} == {(1, 2), (1, 0)}
    assert {(one["old"], one["new"]) for one in found} == {("accept", "drop")}
    assert all(one["witness"].startswith("tcp 10.1.") for one in found)
    both = json.loads(told(capsys, *words, "1", "--without", "2")[1])["differences"]
    assert {(item["old_rule"], item["new_rule"]) for item in both} == {(1, 0)}
    for number, why in (("9", "no such rule; there are 3"), ("3", "does not accept or drop")):
        code, _, err = told(capsys, *words, number)
        assert (code, why in err) == (3, True)


NAMED = {
    "fortios": ("8000-8010", "8000-8011", r'policy \d+ "store" \(line \d+\) with .*tcp/8000-8011'),
    "sns": ("toport=8010", "toport=8011", r'rule \d+ "store" \(line \d+\) with .*tcp_8000-8010'),
    "iptables-save": ("443 -j ACCEPT", "444 -j ACCEPT", r"FORWARD 1 \(line 5\)"),
    "nft-json": ("10.1.0.1", "10.1.0.9", r"inet t f #3"),
}


@pytest.mark.parametrize("form", NAMED)
def test_both_sides_of_a_difference_are_named_in_every_form(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = RULESET["nftables"]
    texts = {
        "fortios": "\n".join(fortios_rules(small(), "a", TODAY)),
        "sns": "\n".join(sns_commands(small(), "a", TODAY)),
        "iptables-save": DUMP,
        "nft-json": json.dumps({"nftables": [*rules[:2], rules[3], rules[2]]}),
    }
    before, after, name = NAMED[form]
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text(texts[form], encoding="utf-8")
    new.write_text(texts[form].replace(before, after), encoding="utf-8")
    code, out, _ = told(capsys, "compare", old, new, "--from", form, "--format", "json")
    assert code == 1
    found = json.loads(out)["differences"]
    sides = [one[side] for one in found for side in ("old_text", "new_text")]
    assert any(re.match(name, side) for side in sides)
    assert all("(line " in side or side.startswith((NO_RULE, "inet t f #")) for side in sides)
    _, out, _ = told(capsys, "compare", old, new, "--from", form)
    assert re.search(name, out)
