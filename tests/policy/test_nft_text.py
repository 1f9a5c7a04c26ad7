"""The rendered text, read by itself and by nft: both mean the same packets."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Estate, load
from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.plan import rule_base
from sitiv_infra.lab.process import program
from sitiv_infra.policy.elements import unfolded
from sitiv_infra.policy.exact import differences, mismatches
from sitiv_infra.policy.hits import of_nftables
from sitiv_infra.policy.nft_text import ruleset
from sitiv_infra.wanted import forward_sets
from tests.servers.need import need
from tests.wanted.worlds import estates

INVENTORY = Path(__file__).parents[2] / "inventory"
TODAY = date(2026, 11, 1)


@pytest.fixture(scope="module")
def bench() -> Iterator[Namespace]:
    need("ip", "nft", root=True)
    with Namespace(f"text-{os.getpid()}") as namespace:
        yield namespace


def same(bench: Namespace, estate: Estate) -> None:
    sets = forward_sets(estate, "a", TODAY)
    bench.filter(rule_base(sets))
    listed = json.loads(bench.run(program("nft"), "-j", "list", "ruleset"))["nftables"]
    rendered = ruleset([one.text for one in sets], [one.rule for one in sets])
    assert list(differences(listed, rendered)) == []
    assert list(mismatches(estate, "a", rendered, TODAY)) == []
    assert named(listed) == named(rendered)


def named(objects: list[dict[str, Any]]) -> list[tuple[object, object]]:
    """Give what the rules are for, and what each counted, flow by flow and in their order."""
    listed = [item["rule"] for item in unfolded(objects) if "rule" in item]
    hits = of_nftables(unfolded(objects))
    return [(one.get("comment"), hits.get(n)) for n, one in enumerate(listed, 1)
            if "@" in str(one["handle"])]  # fmt: skip


@pytest.mark.parametrize("folder", ["estate", "lab/estate"])
def test_it_is_what_nft_reads(bench: Namespace, folder: str) -> None:
    same(bench, load(INVENTORY / folder))


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(estate=estates())
def test_it_is_what_nft_reads_of_any_estate(bench: Namespace, estate: Estate) -> None:
    same(bench, estate)


RULE = "ct state new ip saddr . ip daddr . meta l4proto . th dport @web accept"
SET = """set web {
  type ipv4_addr . ipv4_addr . inet_proto . inet_service
  flags interval
  counter
  elements = {
    10.1.0.0/24 . 10.2.0.1-10.2.0.9 . tcp . 443 comment "web",
    10.1.0.0/24 . 10.3.0.1 . udp . 5000-5010 counter packets 7 bytes 420 comment "calls"
  }
}"""


def test_elements_have_a_flow_and_its_packets() -> None:
    assert named(ruleset([SET], [RULE])) == [("web", 0), ("calls", 7)]


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ("flags interval", "flags interval, timeout", "set 1: not 'set NAME"),
        ("counter\n", "counter\n  size 7\n", "set 1: not 'set NAME"),
        ("inet_service", "inet_service . mark", "set 1, element 1: not a value for each field"),
        (' comment "web"', "", "set 1, element 1: not a value for each field and a comment"),
        (' comment "web"', ' timeout 3s comment "web"', "set 1, element 1:"),
        ("10.1.0.0/24 . 10.2", "10.1.0.1/24 . 10.2", "element 1: 10.1.0.1/24 has host bits set"),
        ("10.2.0.1-10.2.0.9", "$ours", "set 1, element 1: '$ours' does not appear to be"),
        ("tcp . 443", "tcp . https", "set 1, element 1:"),
        ("tcp . 443", "tcp . ", "set 1, element 1: not a value for each field"),
        ("tcp . 443", "tcp . 443-70000", "element 1: not a number or a range up to 65535"),
        ("tcp . 443", "tcp . 443-80", "element 1: not a number or a range up to 65535"),
        ("tcp . 443", "256 . 443", "element 1: not a number or a range up to 255"),
    ],
)
def test_what_is_not_known_of_a_set_is_an_error(before: str, after: str, what: str) -> None:
    assert before in SET
    with pytest.raises(InvalidInput) as caught:
        ruleset([SET.replace(before, after)], [RULE])
    assert what in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        (RULE.replace("accept", "limit rate 3/second accept"), "rule 1: not 'ct state new"),
        (RULE.replace("ct state new ", ""), "rule 1: not 'ct state new"),
        (RULE.replace(" accept", ""), "rule 1: not 'ct state new"),
        (RULE.replace("dport", "sport"), "rule 1: not 'ct state new"),
        (RULE.replace("@web", "@mail"), "rule 1: there is no set @mail"),
        (RULE.replace("ip saddr", "ip6 saddr"), "rule 1: there is no set @web of these fields"),
        (RULE.replace(" . th dport", ""), "rule 1: there is no set @web of these fields"),
        ("", "rule 1:"),
    ],
)
def test_what_is_not_known_of_a_rule_is_an_error(rule: str, what: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        ruleset([SET], [rule])
    assert what in str(caught.value)
