"""The rendered text, read by itself and by nft: both mean the same packets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Estate, load
from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.plan import rule_base
from sitiv_infra.lab.process import program
from sitiv_infra.policy.exact import differences, mismatches
from sitiv_infra.policy.nft_text import ruleset
from sitiv_infra.wanted.filtering import forward_rules
from tests.servers.need import need
from tests.wanted.worlds import estates

INVENTORY = Path(__file__).parents[2] / "inventory"
TODAY = date(2026, 11, 1)


@pytest.fixture(scope="module")
def bench() -> Iterator[Namespace]:
    need("ip", "nft", root=True)
    with Namespace("text") as namespace:
        yield namespace


def same(bench: Namespace, estate: Estate) -> None:
    rules = list(forward_rules(estate, TODAY))
    bench.filter(rule_base(rules))
    listed = json.loads(bench.run(program("nft"), "-j", "list", "ruleset"))["nftables"]
    assert list(differences(listed, ruleset(rules))) == []
    assert list(mismatches(estate, ruleset(rules), TODAY)) == []


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


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ("ip saddr 10.0.0.0/8 limit rate 3/second accept", "rule 1: 'limit rate' is not known"),
        ("ip saddr 10.0.0.0/8", "its last word is no verdict"),
        ("ip saddr { 10.0.0.0/8 10.1.0.0/16 } accept", "a set is written { one, other }"),
        ("ip saddr { } accept", "a set is written { one, other }"),
        ("ip saddr 10.0.0.1/8 accept", "10.0.0.1/8 has host bits set"),
        ("ip saddr $ours accept", "'$ours' is not known"),
        ("tcp dport accept", "rule 1:"),
        ("", "rule 1:"),
    ],
)
def test_what_is_not_known_is_an_error(rule: str, what: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        ruleset([rule])
    assert what in str(caught.value)
