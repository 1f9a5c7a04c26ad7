"""Rendered rules that somebody changed: each change is found, with the flow or rule at fault."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from sitiv_infra.estate import Estate, load
from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.plan import rule_base
from sitiv_infra.lab.process import program
from sitiv_infra.policy.exact import Mismatch, mismatches
from sitiv_infra.wanted.filtering import forward_rules
from tests.servers.need import need

ESTATE = Path(__file__).parents[2] / "inventory/lab/estate"
TODAY = date(2026, 11, 22)
COMMENT = re.compile(r'comment "(.*)"')


@pytest.fixture(scope="module")
def bench() -> Iterator[Namespace]:
    need("ip", "nft", root=True)
    with Namespace("exact") as namespace:
        yield namespace


@pytest.fixture(scope="module")
def estate() -> Estate:
    return load(ESTATE)


def found(bench: Namespace, estate: Estate, rules: list[str]) -> list[Mismatch]:
    bench.filter(rule_base(rules))
    listed = json.loads(bench.run(program("nft"), "-j", "list", "ruleset"))["nftables"]
    return list(mismatches(estate, listed, TODAY))


def widened(rule: str, dice: random.Random) -> str:
    """Widen the mask of one network by one bit to eight bits."""
    nets = list(re.finditer(r"(10\.[0-9.]+|fd00:[0-9a-f:]+)/(\d+)", rule))
    if not nets:
        return rule
    net = dice.choice(nets)
    length = int(net[2]) - dice.randint(1, 8)
    return f"{rule[: net.start(2)]}{length}{rule[net.end(2) :]}"


def port_dropped(rule: str, dice: random.Random) -> str:
    ports = re.search(r"dport \{ ([^}]+) \}", rule)
    if not ports:
        return rule
    kept = ports[1].split(", ")
    kept.remove(dice.choice(kept))
    return f"{rule[: ports.start()]}dport {{ {', '.join(kept)} }}{rule[ports.end() :]}"


def port_moved(rule: str, dice: random.Random) -> str:
    return re.sub(r"(dport (?:\{ )?)(\d+)", lambda m: f"{m[1]}{dice.randint(1, 65535)}", rule)


def ends_swapped(rule: str, _: random.Random) -> str:
    swapped = rule.replace("saddr", "?").replace("daddr", "saddr").replace("?", "daddr")
    return rule if "zone" in rule else swapped  # inside a zone it is the same


def every_service(rule: str, _: random.Random) -> str:
    return re.sub(r"(tcp|udp) dport (\{[^}]+\}|\S+)", r"meta l4proto \1", rule)


def source_lost(rule: str, _: random.Random) -> str:
    return re.sub(r"ip6? saddr (!= )?(\{[^}]+\}|\S+)", "", rule, count=1)


def dropped(rule: str, _: random.Random) -> str:
    return rule.replace("ct state new accept", "ct state new drop")


CHANGES: list[Callable[[str, random.Random], str]] = [
    widened, port_dropped, port_moved, ends_swapped, every_service, source_lost, dropped,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_each_change_is_found_with_what_is_at_fault(
    bench: Namespace, estate: Estate, change: Callable[[str, random.Random], str]
) -> None:
    rules = list(forward_rules(estate, TODAY))
    assert found(bench, estate, rules) == []
    dice = random.Random(change.__name__)
    can = [n for n, rule in enumerate(rules) if change(rule, dice) != rule]
    for place in dice.sample(can, min(len(can), 10)):
        mutant = [*rules]
        mutant[place] = change(rules[place], dice)
        listed = found(bench, estate, mutant)
        name = COMMENT.search(rules[place])
        assert name is not None
        assert listed, f"not seen: {mutant[place]}"
        for one in listed:
            assert one.passes is not None
            at_fault = one.rule if one.passes else one.should
            assert name[1] in at_fault, (mutant[place], one)


def test_rules_that_were_removed_or_added(bench: Namespace, estate: Estate) -> None:
    rules = list(forward_rules(estate, TODAY))
    for place in range(0, len(rules), 7):
        name = COMMENT.search(rules[place])
        listed = found(bench, estate, rules[:place] + rules[place + 1 :])
        assert name is not None
        assert {(one.passes, one.should) for one in listed} == {(False, name[1])}
    added = 'ip saddr 192.168.7.0/24 tcp dport 22 ct state new accept comment "by hand"'
    listed = found(bench, estate, [*rules, added])
    assert {one.passes for one in listed} == {True}
    assert all("by hand" in one.rule for one in listed)
    assert {one.packets.partition(" > ")[0] for one in listed} == {"192.168.7.0/24"}
    assert {one.packets.rpartition(" ")[2] for one in listed} == {"tcp/22"}


def test_without_a_chain_everything_passes(estate: Estate) -> None:
    listed = list(mismatches(estate, [], TODAY))
    assert listed
    assert {one.passes for one in listed} == {True}
