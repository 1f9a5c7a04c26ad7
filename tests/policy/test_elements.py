"""Sets whose elements have comments: a rule that asks them is judged and counted flow by flow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sitiv_infra.cli import run
from sitiv_infra.policy.dumps import FORMS
from sitiv_infra.policy.elements import unfolded
from sitiv_infra.policy.nft_text import ruleset
from tests.policy.probing import Probe, arrived
from tests.servers.network import Routed

FIELDS = "ip saddr . ip daddr . meta l4proto . th dport"
RULE = f"ct state new {FIELDS} @web accept"
ELEMENTS = (
    '10.1.0.1 . 10.2.0.1-10.2.0.3 . tcp . 443 counter packets 7 bytes 420 comment "web"',
    '10.1.0.2 . 10.2.0.1 . udp . 5000-5010 counter packets 0 bytes 0 comment "calls"',
    '10.1.0.3 . 10.2.0.1 . tcp . 443 counter packets 2 bytes 80 comment "web"',
)


def written(*elements: str) -> str:
    types = "type ipv4_addr . ipv4_addr . inet_proto . inet_service"
    return (
        f"set web {{\n{types}\nflags interval\ncounter\nelements = {{ {', '.join(elements)} }}\n}}"
    )


def objects(*elements: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ruleset([written(*(elements or ELEMENTS))], [RULE])
    return found


def dump(listed: list[dict[str, Any]]) -> str:
    return json.dumps({"nftables": listed})


def test_each_comment_is_a_rule_with_its_counter() -> None:
    read = FORMS["nft-json"](dump(objects()))
    assert read.count == 2
    assert read.texts == {
        1: "inet filter forward #1 @web (web)",
        2: "inet filter forward #1 @web (calls)",
    }
    assert read.hits == {1: 9, 2: 0}
    once = unfolded(objects())
    assert unfolded(once) == once


def test_a_clean_up_names_the_flow(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "dump.json"
    listed = objects()
    first = listed[1]["chain"] | {"chain": "forward"}
    place = {key: first[key] for key in ("family", "table", "chain")}
    source = {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}},
                        "right": "10.1.0.2"}}  # fmt: skip
    before = {"rule": {**place, "handle": 9, "expr": [source, {"drop": None}]}}
    file.write_text(dump([*listed[:2], before, *listed[2:]]), encoding="utf-8")
    assert run(["policy", "analyse", str(file), "--from", "nft-json", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["shadowed"] == [
        {"rule": 3, "blockers": [1], "witness": "udp 10.1.0.2 > 10.2.0.1 port 5000"}
    ]
    assert (found["rules"], found["unused"], found["undecided"]) == (3, [3], [])
    words = (
        "policy",
        "explain",
        str(file),
        "10.1.0.1",
        "10.2.0.2",
        "tcp/443",
        "--from",
        "nft-json",
    )
    assert run([*words]) == 0
    assert "#1 @web (web)" in capsys.readouterr().out


@pytest.mark.parametrize(
    "said",
    [{"limit": {"rate": 3, "per": "second"}}, {"ct count": {"val": 2}}, {"val": {"concat": ["*"]}}],
    ids=["limit", "count", "shorter"],
)
def test_what_is_not_known_of_an_element_leaves_its_flow_undecided(said: dict[str, object]) -> None:
    listed = objects()
    listed[0]["set"]["elem"][1]["elem"] |= said
    rules = FORMS["nft-json"](dump(listed)).lists["inet filter forward IPv4"].lines
    assert [bool(line.doubts) for line in rules] == [False, True]


def test_other_rules_stay_one() -> None:
    """A set without comments, its complement, and two sets at once stand for no flows."""
    plain = objects()
    for element in plain[0]["set"]["elem"]:
        del element["elem"]["comment"]
    assert unfolded(plain) == plain
    for change in ({"op": "!="}, {"right": "@other"}):
        listed = objects()
        listed[2]["rule"]["expr"][1]["match"] |= change
        assert unfolded(listed) == listed
    twice = objects()
    twice[2]["rule"]["expr"].insert(1, twice[2]["rule"]["expr"][1])
    assert unfolded(twice) == twice


def test_ports_are_never_read_where_no_element_has_a_protocol_without_them() -> None:
    lists = FORMS["nft-json"](dump(objects())).lists
    assert not [line for rules in lists.values() for line in rules.lines if line.doubts]
    odd = objects('10.1.0.1 . 10.2.0.1 . icmp . 0-65535 comment "ping"')
    lines = FORMS["nft-json"](dump(odd)).lists["inet filter forward IPv4"].lines
    assert [line.doubts for line in lines if line.boxes] == [
        ("inet filter forward #1 @web (ping): bytes at the place of a port",)
    ]


def test_the_kernel_counts_by_flow(routed: Routed) -> None:
    chain = f"chain forward {{ type filter hook forward priority 0; policy drop;\n{RULE}\n}}"
    bare = [
        one.partition(" counter")[0] + f" comment{one.partition('comment')[2]}" for one in ELEMENTS
    ]
    probes = [Probe("10.1.0.1", f"10.2.0.{n}", 6, 443) for n in (1, 2, 3, 4)]
    probes += [Probe("10.1.0.3", "10.2.0.1", 6, 443), Probe("10.1.0.2", "10.2.0.1", 17, 22)]
    seen = arrived(routed, probes, f"table inet filter {{\n{written(*bare)}\n{chain}\n}}")
    assert seen == {*probes[:3], probes[4]}
    listed = routed.firewall.run("nft", "-j", "list", "ruleset")
    read = FORMS["nft-json"](listed)
    counted = {read.texts[n].rpartition(" ")[2]: packets for n, packets in read.hits.items()}
    assert counted == {"(web)": 4, "(calls)": 0}
