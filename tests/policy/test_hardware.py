"""Source MAC addresses: in dumps, against packets and the kernel's nftables, and in words."""

from __future__ import annotations

import json
import os
import random
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from ipaddress import ip_network
from itertools import product
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.process import program
from sitiv_infra.policy.cleanup import clean_up, told
from sitiv_infra.policy.compare import compare
from sitiv_infra.policy.dumps import FORMS, Dump
from sitiv_infra.policy.explain import Question, explained
from sitiv_infra.policy.hardware import number_of, written
from sitiv_infra.policy.iptables_options import STATES, SYN_ALONE, device
from sitiv_infra.policy.lists import RuleList
from sitiv_infra.policy.operands import NEW
from sitiv_infra.policy.readback import of_state
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.space import MACS, NO_MAC, WITH_MAC, Box, Dimension, Point, box
from sitiv_infra.policy.telling import described, witness
from tests.policy.linear import first
from tests.policy.oracles import decided
from tests.servers.need import need

pytestmark = pytest.mark.usefixtures("engine")

ONE, TWO, OTHER = (number_of(f"02:00:00:00:00:0{n}") for n in (1, 2, 3))
SENDERS = (ONE, TWO, OTHER, NO_MAC)
SOURCES = [(10 << 24) + n for n in range(5)]
NETS = {
    "": SOURCES, "10.0.0.0/31": SOURCES[:2], "10.0.0.0/32": SOURCES[:1],
    "10.0.0.1/32": SOURCES[1:2], "10.0.0.2/31": SOURCES[2:4],
}  # fmt: skip
DESTINATION = (10 << 24) + (9 << 16)


def at(source: int, mac: int) -> Point:
    by = device("lan")[0][0]
    return (6, source, DESTINATION, 40000, 443, mac, by, by, STATES["NEW"], SYN_ALONE[0][0])


def dump(*rules: str, chains: str = "") -> Dump:
    head = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n"
    return FORMS["iptables-save"](head + chains + "\n".join(rules) + "\nCOMMIT\n")


def fate(rule: str, mac: int) -> Verdict:
    rules = dump(f"-A FORWARD {rule} -j ACCEPT").lists["FORWARD IPv4"]
    return first(rules.lines, at(SOURCES[0], mac), rules.policy)


@pytest.mark.parametrize(
    ("rule", "passing"),
    [
        ("-m mac --mac-source 02:00:00:00:00:01", {ONE}),
        ("-m mac --mac-source 2:0:0:0:0:1", {ONE}),
        ("-m mac ! --mac-source 02:00:00:00:00:01", {TWO, OTHER}),
        ("-m mac --mac-source ! 02:00:00:00:00:01", {TWO, OTHER}),
        ("", {ONE, TWO, OTHER, NO_MAC}),
    ],
)
def test_a_packet_without_an_address_has_neither_it_nor_another(
    rule: str, passing: set[int]
) -> None:
    assert {mac for mac in SENDERS if fate(rule, mac) is Verdict.ACCEPT} == passing


@pytest.mark.parametrize("text", ["XX:XX:XX:XX:XX:XX", "02:00:00:00:00", "02-00-00-00-00-01", ""])
def test_an_address_that_is_masked_or_none_leaves_its_rule_undecided(text: str) -> None:
    found = clean_up(dump(
        f"-A FORWARD -m mac --mac-source {text} -j ACCEPT",
        "-A FORWARD -s 10.0.0.0/8 -m mac --mac-source 02:00:00:00:00:01 -j ACCEPT",
    ))  # fmt: skip
    assert list(found.undecided) == [1]
    assert found.shadowed == ()


# ---- dumps at random, against an interpreter that walks packets through their chains ------------


class Said(NamedTuple):
    """One rule: of a network, of or not of a MAC address, and where it leads."""

    net: str
    mac: int | None
    negated: bool
    target: str

    def text(self, chain: str) -> str:
        net = f" -s {self.net}" if self.net else ""
        sign = " !" if self.negated else ""
        of = f" -m mac{sign} --mac-source {written(self.mac).upper()}" if self.mac else ""
        return f"-A {chain}{net}{of} -j {self.target}"

    def holds(self, source: int, mac: int) -> bool:
        named = self.mac is None or (mac != NO_MAC and (mac == self.mac) != self.negated)
        return source in NETS[self.net] and named


def rules_to(*targets: str) -> st.SearchStrategy[list[Said]]:
    one = st.builds(
        Said, st.sampled_from(list(NETS)), st.sampled_from([None, ONE, ONE, TWO]), st.booleans(),
        st.sampled_from(["ACCEPT", "DROP", "RETURN", *targets]),
    )  # fmt: skip
    return st.lists(one, max_size=6)


VERDICTS = {"ACCEPT": Verdict.ACCEPT, "DROP": Verdict.DROP, "RETURN": Verdict.DROP}
Chains = dict[str, list[Said]]
chains = st.fixed_dictionaries(
    {"FORWARD": rules_to("known", "more"), "known": rules_to("more"), "more": rules_to()}
)


def spoken(said: Chains) -> Dump:
    texts = [rule.text(chain) for chain, rules in said.items() for rule in rules]
    return dump(*texts, chains=":known - [0:0]\n:more - [0:0]\n")


def walked(said: Chains, chain: str, source: int, mac: int) -> tuple[str, int] | None:
    """Give the rule that decides a packet, by its chain and place; None where none does."""
    for place, rule in enumerate(said[chain]):
        if not rule.holds(source, mac):
            continue
        if rule.target in {"ACCEPT", "DROP"}:
            return chain, place
        if rule.target == "RETURN":  # from the base chain, to its policy
            return (chain, place) if chain == "FORWARD" else None
        found = walked(said, rule.target, source, mac)
        if found:
            return found
    return None


def fates_of(said: Chains) -> dict[Point, Verdict]:
    found = {(s, m): walked(said, "FORWARD", s, m) for s, m in product(SOURCES, SENDERS)}
    return {
        at(*packet): VERDICTS[said[hit[0]][hit[1]].target] if hit else Verdict.DROP
        for packet, hit in found.items()
    }


@settings(deadline=None)
@given(chains)
def test_each_packet_is_decided_by_the_rule_that_an_interpreter_finds(said: Chains) -> None:
    found = spoken(said)
    rules = found.lists["FORWARD IPv4"]
    places = [(chain, place) for chain in said for place in range(len(said[chain]))]
    packets = list(product(SOURCES, SENDERS))
    hits = [walked(said, "FORWARD", *packet) for packet in packets]
    numbers = [places.index(hit) + 1 if hit else 0 for hit in hits]
    assert [number for number, _ in decided(rules, [at(*one) for one in packets])] == numbers
    judged = clean_up(found)
    dead = {one.rule for one in judged.shadowed} | {*judged.inoperative}
    settle = {n for n, (c, p) in enumerate(places, 1) if said[c][p].target in {"ACCEPT", "DROP"}}
    assert settle & dead == settle - set(numbers)
    assert not judged.undecided


@settings(deadline=None)
@given(chains, chains)
def test_two_dumps_part_just_where_a_packet_fares_otherwise(old: Chains, new: Chains) -> None:
    before, after = (spoken(said).lists["FORWARD IPv4"] for said in (old, new))
    found = compare(before, after)
    fates = fates_of(old), fates_of(new)
    assert found.equal is (fates[0] == fates[1])
    for one in found.partings:
        assert first(before.lines, one.witness, before.policy) is one.old[1]
        assert first(after.lines, one.witness, after.policy) is one.new[1]


# ---- the kernel's nftables -----------------------------------------------------------------------


MATCHES = (
    "ether saddr 02:00:00:00:00:01", "ether saddr != 02:00:00:00:00:01",
    "ether saddr { 02:00:00:00:00:01, 02:00:00:00:00:03 }", "ether saddr @known",
    "ether saddr != @known", "ether saddr 02:00:00:00:00:02-02:00:00:00:00:03",
    "ether saddr 02:00:00:00:00:00/40", "ether saddr . ip saddr @pairs", "ip saddr 10.0.0.0/31",
    "ether saddr != { 02:00:00:00:00:01-02:00:00:00:00:02 } ip saddr != 10.0.0.1",
)  # fmt: skip
SETS = """
  set known { type ether_addr; elements = { 02:00:00:00:00:02, 02:00:00:00:00:03 }; }
  set pairs { type ether_addr . ipv4_addr; elements = { 02:00:00:00:00:02 . 10.0.0.1 }; }
  set taken { type inet_service . mark; size 65535; flags dynamic; }
"""
HOOK = "type filter hook prerouting priority -300; policy accept;"


@pytest.fixture(scope="module")
def cable() -> Iterator[Namespace]:
    need("ip", "nft", "sysctl", root=True)
    with Namespace(f"hardware-{os.getpid()}") as namespace:
        namespace.run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
        namespace.run("ip", "link", "set", "lo", "up")
        namespace.connect("near", namespace, "far")
        yield namespace


def sent(namespace: Namespace, packets: Mapping[int, Point]) -> None:
    """Send packets by their number, which is their port; one without a MAC address by loopback."""
    with namespace.inside():
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        looped = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with closing(wire), closing(looped):
        wire.bind(("near", 0))
        for number, (_, source, *_, mac) in packets.items():
            if mac == NO_MAC:
                looped.sendto(b"", ("127.0.0.1", number))
            else:
                ends = b"\xff" * 6 + mac.to_bytes(6, "big")
                wire.send(ends + b"\x08\x00" + datagram(source, number))


def datagram(source: int, port: int) -> bytes:
    words = (0x4500, 28, 0, 0, 64 << 8 | 17, 0, *divmod(source, 65536), *divmod(DESTINATION, 65536))
    total = sum(words)
    words = (*words[:5], ~(total + (total >> 16)) & 0xFFFF, *words[6:])
    return struct.pack("!14H", *words, 40000, port, 8, 0)


def listed(namespace: Namespace) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        namespace.run(program("nft"), "-j", "list", "ruleset")
    )["nftables"]
    return found


def ruleset(matches: Sequence[str]) -> str:
    ends = "".join(
        f"  chain r{n} {{ meta mark set {n} add @taken {{ udp dport . meta mark }} accept; }}\n"
        for n in range(len(matches) + 1)
    )
    rules = "".join(f"    {match} goto r{n}\n" for n, match in enumerate(matches, 1))
    base = f"  chain base {{ {HOOK}\n{rules}    goto r0\n  }}\n"
    return f"table inet t {{{SETS}{ends}{base}}}\n"


@pytest.mark.parametrize("seed", range(12))
def test_the_kernel_takes_each_packet_by_the_same_rule(cable: Namespace, seed: int) -> None:
    dice = random.Random(seed)
    cable.filter(ruleset(dice.sample(MATCHES, 6)))
    # What goes by loopback has an address of its own.
    ends = [(s, m) for s, m in product(SOURCES, SENDERS[:-1])] + [((127 << 24) + 1, NO_MAC)]
    packets = {
        number: (17, source, DESTINATION if mac != NO_MAC else (127 << 24) + 1, 40000, number, mac)
        for number, (source, mac) in enumerate(ends, 1024)
    }
    sent(cable, packets)
    objects = listed(cable)
    (held,) = (o["set"] for o in objects if o.get("set", {}).get("name") == "taken")
    live = {row["concat"][0]: int(row["concat"][1]) for row in held["elem"]}
    rules = FORMS["nft-json"](json.dumps({"nftables": objects})).lists["inet t base IPv4"]
    assert not [line for line in rules.lines if line.doubts]
    told_by = {line.number: line.text.split()[2] for line in rules.lines}
    ours = [told_by[number] for number, _ in decided(rules, list(packets.values()))]
    assert {n: f"r{live[n]}" for n in packets} == dict(zip(packets, ours, strict=True))


# ---- in words, and against what has no such dimension --------------------------------------------


def limited(spans: Any) -> Box:
    ends = {Dimension.SOURCE: ((1, 1),), Dimension.DESTINATION: ((1, 1),)}
    return box({**ends, Dimension.SOURCE_MAC: spans})


@pytest.mark.parametrize(
    ("spans", "short", "long"),
    [
        (MACS, "", ""),
        (((ONE, ONE),), " from MAC 02:00:00:00:00:01", " from MAC 02:00:00:00:00:01"),
        (((NO_MAC, NO_MAC),), " without MAC address", " without MAC address"),
        (WITH_MAC, " from MAC 00:00:00:00:00:01", " from any MAC"),
        (
            ((0, ONE - 1), (ONE + 1, NO_MAC - 1)),
            " from MAC 00:00:00:00:00:01", " not from MAC 02:00:00:00:00:01",
        ),
        (
            ((ONE, TWO),),
            " from MAC 02:00:00:00:00:01", " from MAC 02:00:00:00:00:01-02:00:00:00:00:02",
        ),
    ],
)  # fmt: skip
def test_an_address_is_named_where_it_matters(spans: Any, short: str, long: str) -> None:
    found = limited(spans)
    assert witness(4, found) == f"tcp 0.0.0.1 > 0.0.0.1 port 1{short}"
    assert described(4, found).endswith(f"ip/all{long}")


def test_a_witness_names_the_address_that_it_needs() -> None:
    found = clean_up(dump(
        "-A FORWARD -s 10.0.0.0/8 -m mac ! --mac-source 02:00:00:00:00:01 -j DROP",
        "-A FORWARD -s 10.0.0.0/24 -m mac --mac-source 02:00:00:00:00:02 -j ACCEPT",
        "-A FORWARD -s 10.0.0.1/32 -m mac --mac-source 02:00:00:00:00:01 -j ACCEPT",
    ))  # fmt: skip
    assert [(one.rule, one.blockers) for one in found.shadowed] == [(2, (1,))]
    assert "from MAC 02:00:00:00:00:02" in found.shadowed[0].witness
    assert told(4, at(SOURCES[1], NO_MAC)).endswith("port 443 from 40000 without MAC address in "
                                                    "by lan out by lan")  # fmt: skip


def test_each_answer_names_the_address_that_it_hangs_on() -> None:
    found = dump(
        "-A FORWARD -s 10.0.0.0/8 -m mac --mac-source 02:00:00:00:00:01 -j ACCEPT",
        "-A FORWARD -s 10.0.0.0/8 -m mac ! --mac-source 02:00:00:00:00:02 -j ACCEPT",
        "-A FORWARD -s 10.0.0.0/8 -m mac --mac-source 02:00:00:00:00:02 -j DROP",
    )
    question = Question(ip_network("10.0.0.7/32"), ip_network("10.9.0.1/32"), 6, ((443, 443),))
    answers = explained(found, question)["FORWARD IPv4"]
    told_by = {one.rule: told(4, one.witness).partition("port 443")[2] for one in answers}
    assert told_by == {
        1: " from MAC 02:00:00:00:00:01", 2: "", 3: " from MAC 02:00:00:00:00:02",
        0: " without MAC address",
    }  # fmt: skip


def test_what_passes_only_from_one_address_is_not_what_is_declared() -> None:
    rules = dump("-A FORWARD -s 10.0.0.0/8 -m mac --mac-source 02:00:00:00:00:01 -j ACCEPT")
    rules4 = rules.lists["FORWARD IPv4"]
    common = of_state(rules4, NEW, rules4.whole[: len(Dimension)])
    wanted = dump("-A FORWARD -s 10.0.0.0/8 -j ACCEPT").lists["FORWARD IPv4"]
    found = compare(RuleList(tuple(
        line._replace(boxes=tuple(one[: len(Dimension)] for one in line.boxes))
        for line in wanted.lines
    ), Verdict.DROP, common.whole), common)  # fmt: skip
    assert found.equal is False
    assert all(one.witness[Dimension.SOURCE_MAC] != ONE for one in found.partings)
