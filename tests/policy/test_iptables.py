"""What is read of iptables-save, held against packets."""

from __future__ import annotations

import pytest

from sitiv_infra.errors import InvalidInput
from sitiv_infra.policy.cleanup import clean_up
from sitiv_infra.policy.compare import compare
from sitiv_infra.policy.dumps import FORMS, Dump
from sitiv_infra.policy.rules import Verdict
from tests.policy.linear import first

HEAD = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n"


def dump(*rules: str, chains: str = "") -> Dump:
    return FORMS["iptables-save"](HEAD + chains + "\n".join(rules) + "\nCOMMIT\n")


def test_rules_are_numbered_over_chains_and_judged_where_they_are_entered() -> None:
    found = clean_up(dump(
        "-A FORWARD -m state --state RELATED,ESTABLISHED -j ACCEPT",
        "-A FORWARD -s 10.1.0.0/16 -j web",
        "-A FORWARD -s 10.1.2.0/24 -d 10.9.0.0/24 -p tcp -m tcp --dport 443 -j DROP",
        "-A web -d 10.9.0.0/16 -p tcp -m multiport --dports 80,443 -j ACCEPT",
        "-A web -d 10.9.0.1/32 -p tcp -m tcp --dport 80 --syn -j ACCEPT",
        "-A unused -j ACCEPT",
        chains=":web - [0:0]\n:unused - [0:0]\n",
    ))  # fmt: skip
    assert found.rules == 6
    assert [(one.rule, one.blockers) for one in found.shadowed] == [(3, (4,)), (5, (4,))]
    assert found.inoperative == (6,)
    assert found.redundant == ()


def test_several_rules_together_cast_a_shadow() -> None:
    found = clean_up(dump(
        "-A FORWARD -s 10.0.0.0/9 -j ACCEPT",
        "-A FORWARD -s 10.128.0.0/9 -p tcp -j DROP",
        "-A FORWARD -s 10.128.0.0/9 ! -p tcp -j DROP",
        "-A FORWARD -s 10.0.0.0/8 -i eth1 -j ACCEPT",
    ))  # fmt: skip
    assert [(one.rule, one.blockers) for one in found.shadowed] == [(4, (1, 2, 3))]
    assert found.redundant == (), "without rule 2, rule 4 would accept"


def test_what_a_later_rule_does_as_well_is_redundant() -> None:
    found = clean_up(dump(
        "-A FORWARD -s 10.1.0.0/16 -p tcp --dport 443 -j ACCEPT",
        "-A FORWARD -s 10.0.0.0/8 -p udp -j DROP",
        "-A FORWARD -s 10.0.0.0/8 -p tcp --dport 400:500 -j ACCEPT",
    ))  # fmt: skip
    assert [(one.rule, one.blockers) for one in found.redundant] == [(1, (3,)), (2, ())]


def test_what_returns_from_a_chain_goes_on_behind_the_jump() -> None:
    found = clean_up(dump(
        "-A FORWARD -p tcp -j check",
        "-A FORWARD -s 10.1.0.0/16 -p tcp -j ACCEPT",
        "-A FORWARD -s 10.2.0.0/16 -p tcp -j ACCEPT",
        "-A check -s 10.1.0.0/16 -j RETURN",
        "-A check -j DROP",
        chains=":check - [0:0]\n",
    ))  # fmt: skip
    assert [(one.rule, one.blockers) for one in found.shadowed] == [(3, (5,))]


@pytest.mark.parametrize(
    "option", ["-m limit --limit 5/sec", "-m set --match-set bad src", "-m what --ever 1"]
)
def test_what_is_not_known_is_told_and_casts_no_shadow(option: str) -> None:
    found = clean_up(dump(f"-A FORWARD {option} -j DROP", "-A FORWARD -s 10.0.0.0/8 -j DROP"))
    assert list(found.undecided) == [1]
    assert found.shadowed == ()


@pytest.mark.parametrize(
    ("rule", "packets"),
    [
        ("-i eth+ -j ACCEPT", {"eth0": True, "lan": False}),
        ("! -i eth0 -j ACCEPT", {"eth0": False, "lan": True}),
        ("-i + -j ACCEPT", {"eth0": True, "lan": True}),
    ],
)
def test_devices_are_told_apart(rule: str, packets: dict[str, bool]) -> None:
    probes = [f"-A FORWARD -i {name} -s 10.0.0.{n} -j LOG" for n, name in enumerate(packets)]
    lists = dump(*probes, f"-A FORWARD {rule}").lists["FORWARD IPv4"]
    for line, wanted in zip(lists.lines, packets.values(), strict=False):
        packet = tuple(side[0][0] for side in line.boxes[0])
        assert (first(lists.lines, packet, lists.policy) is Verdict.ACCEPT) == wanted


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("-i eth1", "-i eth2", False),
        ("-i eth1", "-i eth1", True),
        ("-i eth1", "-i eth1 ! -o eth0", False),
        ("-i eth+", "-i e+", False),
    ],
)
def test_a_device_is_the_same_in_two_dumps(old: str, new: str, *, same: bool) -> None:
    one, other = (
        dump(f"-A FORWARD {match} -j ACCEPT").lists["FORWARD IPv4"] for match in (old, new)
    )
    assert compare(one, other).equal is same


@pytest.mark.parametrize("text", ["", "hello", "*nat\nCOMMIT\n", HEAD + '-A FORWARD -m "x\n'])
def test_what_is_no_dump_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        FORMS["iptables-save"](text)


def test_addresses_of_the_other_family_are_read_in_theirs() -> None:
    found = clean_up(dump("-A FORWARD -s fd00::/8 -j ACCEPT", "-A FORWARD -s fd00:1::/32 -j DROP"))
    assert [one.rule for one in found.shadowed] == [2]
    assert "fd00:1::" in found.shadowed[0].witness
