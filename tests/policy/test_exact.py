"""Rendered rules that somebody changed: each change is found, with the flow or rule at fault."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from sitiv_infra.estate import Estate, load
from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.plan import rule_base
from sitiv_infra.lab.process import LabError, program
from sitiv_infra.policy.exact import mismatches
from sitiv_infra.policy.mismatch import Mismatch
from sitiv_infra.wanted import forward_sets
from tests.servers.need import need

ESTATE = Path(__file__).parents[2] / "inventory/lab/estate"
TODAY = date(2026, 11, 22)
COMMENT = re.compile(r'comment "(.*)"')


@pytest.fixture(scope="module")
def bench() -> Iterator[Namespace]:
    need("ip", "nft", root=True)
    with Namespace(f"exact-{os.getpid()}") as namespace:
        yield namespace


@pytest.fixture(scope="module")
def estate() -> Estate:
    return load(ESTATE)


def found(bench: Namespace, estate: Estate, text: str) -> list[Mismatch]:
    bench.filter(text)
    listed = json.loads(bench.run(program("nft"), "-j", "list", "ruleset"))["nftables"]
    return list(mismatches(estate, "a", listed, TODAY))


def widened(element: str, dice: random.Random) -> str:
    """Widen the mask of one network by one bit to eight bits."""
    nets = list(re.finditer(r"(10\.[0-9.]+|fd00:[0-9a-f:]+)/(\d+)", element))
    if not nets:
        return element
    net = dice.choice(nets)
    length = int(net[2]) - dice.randint(1, 8)
    return f"{element[: net.start(2)]}{length}{element[net.end(2) :]}"


def port_moved(element: str, dice: random.Random) -> str:
    return re.sub(r"(tcp|udp) \. \d+", lambda m: f"{m[1]} . {dice.randint(1, 65535)}", element)


def ends_swapped(element: str, _: random.Random) -> str:
    one, other, rest = element.split(" . ", 2)
    return f"    {other} . {one.strip()} . {rest}"


def every_service(element: str, _: random.Random) -> str:
    return re.sub(r"(tcp|udp) \. \S+", r"\1 . 0-65535", element)


def every_protocol(element: str, _: random.Random) -> str:
    return re.sub(r"\. (1|58) comment", ". 0-255 comment", element)


def other_protocol(element: str, _: random.Random) -> str:
    return element.replace("tcp", "sctp")


def source_lost(element: str, _: random.Random) -> str:
    everything = "::/0" if ":" in element else "0.0.0.0/0"
    return f"    {everything} . {element.split(' . ', 1)[1]}"


CHANGES: list[Callable[[str, random.Random], str]] = [
    widened, port_moved, ends_swapped, every_service, every_protocol, other_protocol, source_lost,
]  # fmt: skip


def lines_of(estate: Estate) -> list[str]:
    return rule_base(forward_sets(estate, "a", TODAY)).splitlines()


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_each_change_is_found_with_what_is_at_fault(
    bench: Namespace, estate: Estate, change: Callable[[str, random.Random], str]
) -> None:
    lines = lines_of(estate)
    assert found(bench, estate, "\n".join(lines)) == []
    dice = random.Random(change.__name__)
    can = [n for n, line in enumerate(lines) if COMMENT.search(line) and change(line, dice) != line]
    dice.shuffle(can)
    seen = 0
    for place in can:
        mutant = [*lines]
        mutant[place] = change(lines[place], dice)
        try:
            listed = found(bench, estate, "\n".join(mutant))
        except LabError:
            continue  # it overlaps another element: the kernel does not take it
        name = COMMENT.search(lines[place])
        assert name is not None
        same = ends_swapped is change and "zone " in name[1]  # inside a zone it is the same
        assert listed or same, f"not seen: {mutant[place]}"
        for one in listed:
            assert one.passes is not None
            at_fault = one.rule if one.passes else one.should
            assert name[1] in at_fault, (mutant[place], one)
        seen += 1
        if seen == 10:
            break
    assert seen >= min(5, len(can))


@pytest.mark.parametrize(
    ("before", "after", "passes"),
    [
        ("@flows4 accept", "@flows4 drop", {False}),
        ("ip saddr . ip daddr", "ip daddr . ip saddr", {True, False}),
        ("ct state new ip saddr", "ct state invalid ip saddr", {True, False}),
        ("ct state new ip saddr", "ct state established ip saddr", {False}),
        ("ct state new ip saddr", "ip saddr", {True}),
        ("th dport @flows6", "th sport @flows6", {True, False}),
        ("@protocols4 accept", "@protocols4 accept\nmeta l4proto icmp accept", {True}),
    ],
)
def test_a_rule_that_asks_otherwise(
    bench: Namespace, estate: Estate, before: str, after: str, passes: set[bool]
) -> None:
    text = rule_base(forward_sets(estate, "a", TODAY))
    assert before in text
    listed = found(bench, estate, text.replace(before, after))
    assert {one.passes for one in listed} == passes


def test_elements_that_were_removed_or_added(bench: Namespace, estate: Estate) -> None:
    lines = lines_of(estate)
    places = [n for n, line in enumerate(lines) if COMMENT.search(line) and line.endswith(",")]
    for place in places[::40]:
        name = COMMENT.search(lines[place])
        listed = found(bench, estate, "\n".join([*lines[:place], *lines[place + 1 :]]))
        assert name is not None
        assert {(one.passes, one.should) for one in listed} == {(False, name[1])}
    rule = 'ip saddr 192.168.7.0/24 tcp dport 22 ct state new accept comment "by hand"'
    element = '    192.168.7.0/24 . 0.0.0.0/0 . tcp . 22 comment "by hand",'
    with_element = [*lines[: places[0]], element, *lines[places[0] :]]
    for text in (rule_base(forward_sets(estate, "a", TODAY), [rule]), "\n".join(with_element)):
        listed = found(bench, estate, text)
        assert {one.passes for one in listed} == {True}
        assert all("by hand" in one.rule for one in listed)
        assert {one.packets.partition(" > ")[0] for one in listed} == {"192.168.7.0/24"}
        assert {one.packets.rpartition(" ")[2] for one in listed} == {"tcp/22"}


def test_without_a_chain_everything_passes(estate: Estate) -> None:
    listed = list(mismatches(estate, "a", [], TODAY))
    assert listed
    assert {one.passes for one in listed} == {True}


@pytest.mark.parametrize("source", ["192.168.7.0/24", "10.10.20.0/24"])
@pytest.mark.parametrize("priority", [-10, 10])
def test_two_chains_that_a_packet_goes_through_are_judged_together(
    bench: Namespace, estate: Estate, source: str, priority: int
) -> None:
    """A second chain may drop what is dropped anyway; nothing that is declared."""
    more = (
        "table ip more {\n  chain forward {\n"
        f"    type filter hook forward priority {priority}; policy accept;\n"
        f"    ip saddr {source} drop\n  }}\n}}\n"
    )
    listed = found(bench, estate, rule_base(forward_sets(estate, "a", TODAY)) + "\n" + more)
    assert {one.passes for one in listed} == ({False} if source.startswith("10.") else set())
    assert all("ip more forward" in one.rule for one in listed)
