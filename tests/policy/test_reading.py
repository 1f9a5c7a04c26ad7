"""What the reader makes of real ``nft -j`` lists; above all of what it does not understand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import ip_address
from typing import NamedTuple

import pytest

from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.process import program
from sitiv_infra.policy.nftables import forward_policies, read
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.space import Dimension, box
from tests.policy.worlds import SOME_MAC
from tests.servers.need import need

ACCEPT, DROP, UNDECIDED = Verdict.ACCEPT, Verdict.DROP, None


@pytest.fixture(scope="module")
def bench() -> Iterator[Namespace]:
    need("ip", "nft", root=True)
    with Namespace("bench") as namespace:
        yield namespace


def listed(bench: Namespace, text: str) -> list[dict[str, object]]:
    bench.filter(text)
    found = json.loads(bench.run(program("nft"), "-j", "list", "ruleset"))["nftables"]
    assert isinstance(found, list)
    return found


def forward(rules: str, policy: str = "drop", more: str = "") -> str:
    lines = "\n".join(f"    {rule}" for rule in rules.split(";"))
    return f"""
table inet filter {{
  chain other {{
    tcp dport 22 accept
  }}
  chain forward {{
    type filter hook forward priority 0; policy {policy};
{lines}
  }}
{more}
}}
"""


class Packet(NamedTuple):
    """TCP from 10.1.0.1 to 10.2.0.1, port 22, unless it says otherwise."""

    source: str = "10.1.0.1"
    destination: str = "10.2.0.1"
    protocol: int = 6
    port: int = 22


def fate(rules: list[dict[str, object]], packet: Packet) -> tuple[Verdict | None, frozenset[str]]:
    version = ip_address(packet.source).version
    sides = (
        packet.protocol, int(ip_address(packet.source)), int(ip_address(packet.destination)),
        50000, packet.port, SOME_MAC,
    )  # fmt: skip
    one = box({side: ((n, n),) for side, n in zip(Dimension, sides, strict=True)})
    (part,) = read(rules, version).fates([one])
    return part.certain, part.doubts


SSH, WEB = Packet(), Packet(port=443)
SSH6 = Packet("fd00::1", "fd00::2")
UDP, GRE = Packet(protocol=17), Packet(protocol=47, port=0)
CASES = (
    # Rules that are not understood: both outcomes stay possible, unless they agree anyway.
    ('iifname "eth0" accept', SSH, UNDECIDED),
    ('iifname "eth0" drop', SSH, DROP),
    ('iifname "eth0" drop;accept', SSH, UNDECIDED),
    ('iifname "eth0" accept;accept', SSH, ACCEPT),
    ('iifname "eth0" tcp dport 443 accept', SSH, DROP),
    ('iifname "eth0" tcp dport 443 accept', WEB, UNDECIDED),
    ('iifname "eth0" jump other', SSH, UNDECIDED),
    ('iifname "eth0" jump other', WEB, DROP),
    ('iifname "eth0" jump other;tcp dport 22 accept', SSH, ACCEPT),
    ('iifname "eth0" goto other;accept', WEB, UNDECIDED),
    ('iifname "eth0" return;accept', SSH, UNDECIDED),
    ("meta mark 7 accept", SSH, UNDECIDED),
    ("ip dscp cs1 drop;accept", SSH, UNDECIDED),
    ("ip dscp cs1 drop;accept", SSH6, ACCEPT),
    ("ct status dnat accept", SSH, UNDECIDED),
    ("notrack;accept", SSH, UNDECIDED),
    ("quota over 5 mbytes drop;accept", SSH, UNDECIDED),
    ("meta length > 5000 drop;tcp dport 22 accept", SSH, UNDECIDED),
    ('iifname . tcp dport vmap { "eth0" . 22 : accept }', SSH, UNDECIDED),
    ('iifname vmap { "eth0" : jump other }', SSH, UNDECIDED),
    ('iifname vmap { "eth0" : jump other }', WEB, DROP),
    ("th dport 22 accept", SSH, ACCEPT),
    ("th dport 22 accept", GRE, UNDECIDED),
    ("ip daddr set 10.9.9.9;accept", SSH, UNDECIDED),
    # A new connection by itself.
    ('iifname "lo" accept', SSH, DROP),
    ("ct state established,related accept", SSH, DROP),
    ("ct state { established, new } accept", SSH, ACCEPT),
    ("ct state vmap { established : accept, new : jump other }", SSH, ACCEPT),
    ("limit rate over 5/second drop;accept", SSH, ACCEPT),
    ("limit rate 5/second accept", SSH, ACCEPT),
    ("ct count over 5 drop;accept", SSH, ACCEPT),
    ("tcp flags & (fin|syn|rst|ack) != syn drop;accept", SSH, ACCEPT),
    ("tcp flags & (fin|syn|rst|ack) != syn accept", UDP, DROP),
    ("fib saddr . iif oif missing drop;accept", SSH, ACCEPT),
    ("counter;log prefix x;meta mark set 1;accept", SSH, ACCEPT),
    # Families and protocols that a match implies.
    ("ip saddr != 192.0.2.0/24 accept", SSH, ACCEPT),
    ("ip saddr != 192.0.2.0/24 accept", SSH6, DROP),
    ("tcp dport != 443 accept", UDP, DROP),
    ("tcp dport != 443 accept", SSH, ACCEPT),
    ("meta l4proto tcp reject with tcp reset;accept", SSH, DROP),
    ("meta l4proto tcp reject with tcp reset;accept", UDP, ACCEPT),
    ("meta nfproto ipv4 reject with icmp type port-unreachable;accept", SSH6, ACCEPT),
    ("meta nfproto ipv4 reject with icmp type port-unreachable;accept", SSH, DROP),
    ("meta l4proto != tcp accept", GRE, ACCEPT),
    ("meta l4proto 47 accept", GRE, ACCEPT),
    ("meta protocol ip6 accept", SSH6, ACCEPT),
    ("meta protocol ip6 accept", SSH, DROP),
    ("ip saddr { } accept", SSH, DROP),
    ("ip saddr 10.1.0.0-10.1.0.1 accept", SSH, ACCEPT),
    ("goto other;accept", WEB, DROP),
    ("jump other;accept", WEB, ACCEPT),
    ("return;accept", SSH, DROP),
)  # fmt: skip


@pytest.mark.parametrize(("rules", "packet", "expected"), CASES)
def test_fate(bench: Namespace, rules: str, packet: Packet, expected: Verdict | None) -> None:
    if rules == "ip saddr { } accept":
        rules = "ip saddr @none accept"
    more = "  set none {\n    type ipv4_addr\n  }"
    verdict, doubts = fate(listed(bench, forward(rules, more=more)), packet)
    assert verdict == expected
    if expected is UNDECIDED:
        assert any(doubt.startswith("inet filter forward #") for doubt in doubts)


def test_every_base_chain_must_accept(bench: Namespace) -> None:
    second = """
table ip second {
  chain forward {
    type filter hook forward priority 5; policy accept;
    tcp dport 22 drop
  }
}
"""
    rules = listed(bench, forward("accept") + second)
    assert fate(rules, SSH)[0] is DROP
    assert fate(rules, WEB)[0] is ACCEPT
    assert fate(rules, SSH6)[0] is ACCEPT, "a table of the family ip has no say in IPv6"


def test_no_filter_at_all_lets_everything_through(bench: Namespace) -> None:
    rules = listed(bench, "")
    assert fate(rules, SSH)[0] is ACCEPT
    assert forward_policies(rules) == {4: set(), 6: set()}


def test_drops_before_routing_count(bench: Namespace) -> None:
    early = """
table inet early {
  chain prerouting {
    type filter hook prerouting priority -300; policy accept;
    ip saddr 10.1.0.1 drop
  }
}
"""
    assert fate(listed(bench, forward("accept") + early), SSH)[0] is DROP


def test_drops_before_address_translation_may_not_hold(bench: Namespace) -> None:
    early = """
table ip nat {
  chain prerouting {
    type nat hook prerouting priority -100; policy accept;
    ip daddr 203.0.113.5 tcp dport 22 dnat to 10.2.0.1
  }
  chain early {
    type filter hook prerouting priority -300; policy accept;
    ip daddr 10.0.0.0/8 drop
  }
}
"""
    verdict, doubts = fate(listed(bench, forward("accept") + early), SSH)
    assert verdict is UNDECIDED
    assert doubts == {"ip nat early: packets may look otherwise there"}


def test_comments_name_rules(bench: Namespace) -> None:
    _, doubts = fate(listed(bench, forward('iifname "eth0" accept comment "old lan"')), SSH)
    (doubt,) = doubts
    assert doubt.endswith("(old lan): meta iifname")


def test_policies_by_family(bench: Namespace) -> None:
    only_v4 = """
table ip filter {
  chain forward {
    type filter hook forward priority 0; policy drop;
  }
}
"""
    assert forward_policies(listed(bench, only_v4)) == {4: {DROP}, 6: set()}
    assert forward_policies(listed(bench, forward("drop", policy="accept"))) == {
        4: {ACCEPT},
        6: {ACCEPT},
    }


@pytest.mark.parametrize(
    "table",
    ["table inet filter {\n flags dormant;", "table bridge filter {"],
    ids=["dormant", "bridge"],
)
def test_a_chain_that_may_not_hold_is_not_certain(bench: Namespace, table: str) -> None:
    """A dormant table does nothing, and a bridge's chain sees only what is bridged."""
    chain = "chain forward { type filter hook forward priority 0; policy drop; }"
    rules = listed(bench, f"{table}\n {chain}\n}}")
    assert forward_policies(rules) == {4: {ACCEPT, DROP}, 6: {ACCEPT, DROP}}
    assert fate(rules, SSH)[0] is None


CHAIN: dict[str, object] = {
    "chain": {
        "family": "inet", "table": "t", "name": "f", "hook": "forward", "type": "filter",
        "prio": 0, "policy": "drop",
    }
}  # fmt: skip
ODD = (
    {"expr": [{"xt": None}, {"accept": None}]},
    {"expr": [{"match": {"op": "==", "left": {"new": {}}, "right": 1}}, {"accept": None}]},
    {"expr": [{"match": {}}, {"accept": None}]},
    {"expr": [{"jump": {"target": "nowhere"}}]},
    {"expr": None},
    {"expr": [None]},
    {"expr": [{"queue": {"num": 1}}]},
    {"expr": [{"vmap": {"key": {"payload": {"protocol": "ip", "field": "saddr"}}, "data": "@x"}}]},
    {"expr": [{"match": {"op": "~", "left": {"payload": {"protocol": "ip", "field": "saddr"}},
                         "right": "10.1.0.1"}}, {"accept": None}]},
    {"expr": [{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}},
                         "right": "@gone"}}, {"accept": None}]},
    {"expr": [{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}},
                         "right": "no-such-word"}}, {"accept": None}]},
)  # fmt: skip


@pytest.mark.parametrize("body", ODD, ids=str)
def test_what_no_reader_knows_is_undecided(body: dict[str, object]) -> None:
    rule: dict[str, object] = {
        "rule": {"family": "inet", "table": "t", "chain": "f", "handle": 1, **body}
    }
    verdict, doubts = fate([CHAIN, rule], SSH)
    assert verdict is UNDECIDED
    assert doubts


def test_a_loop_of_jumps_is_undecided() -> None:
    jump = [{"jump": {"target": "f"}}]
    body = {"family": "inet", "table": "t", "chain": "f", "handle": 1, "expr": jump}
    verdict, _ = fate([CHAIN, {"rule": body}], SSH)
    assert verdict is UNDECIDED
