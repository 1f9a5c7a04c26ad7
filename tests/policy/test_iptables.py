"""What is read of iptables-save, held against packets."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from sitiv_infra.errors import InvalidInput
from sitiv_infra.policy.cleanup import clean_up
from sitiv_infra.policy.compare import compare
from sitiv_infra.policy.dumps import FORMS, Dump
from sitiv_infra.policy.explain import Question, explained
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


def test_what_a_return_takes_is_in_its_shadow() -> None:
    found = clean_up(dump(
        "-A FORWARD -p tcp -j check",
        "-A FORWARD -j ACCEPT",
        "-A check -s 10.1.0.0/16 -j RETURN",
        "-A check -s 10.1.2.0/24 -p tcp --dport 22 -j DROP",
        "-A check -s 10.2.0.0/16 -j DROP",
        "-A check -s 10.0.0.0/14 -p tcp -d 10.9.0.1 -j DROP",
        "-A check -s 10.0.0.0/15 -d 10.9.0.0/24 -j DROP",
        "-A check -s 10.0.0.0/15 -p tcp -d 10.9.0.1 -j DROP",
        chains=":check - [0:0]\n",
    ))  # fmt: skip
    assert found.inoperative == ()
    shadows = [(one.rule, one.blockers) for one in found.shadowed]
    assert shadows == [(4, (3,)), (8, (3, 6))]
    assert found.shadowed[0].witness == "tcp 10.1.2.0 > 0.0.0.0 port 22"


def test_what_leaves_a_base_chain_falls_to_its_policy() -> None:
    """What goes to another chain never comes back: not even where that chain says nothing."""
    found = clean_up(dump(
        "-A FORWARD -s 10.1.0.0/16 -g own",
        "-A FORWARD -s 10.1.2.0/24 -j ACCEPT",
        "-A FORWARD -s 10.0.0.0/15 -p tcp -j ACCEPT",
        "-A FORWARD -s 10.9.0.0/16 -j RETURN",
        "-A own -d 10.3.0.1 -j ACCEPT",
        "-A own -d 10.3.0.0/24 -j RETURN",
        "-A own -d 10.3.0.2 -j ACCEPT",
        chains=":own - [0:0]\n",
    ))  # fmt: skip
    shadows = [(one.rule, one.blockers) for one in found.shadowed]
    assert shadows == [(2, (1,)), (7, (6,))]
    assert [one.rule for one in found.redundant] == [4]
    assert found.inoperative == ()


@pytest.mark.parametrize(
    "option",
    [
        "-m limit --limit 5/sec",
        "-m set --match-set bad src",
        "-m set --set bad src",
        "-m what --ever 1",
        "-m recent --update --seconds 60 --name x --rsource",
        "-m recent ! --set --name x --rsource",
        "-m recent --set --name x --rsource -m recent --rcheck --name y --rsource",
        "-m addrtype --dst-type BROADCAST",
        "-m addrtype --src-type MULTICAST,LOCAL",
    ],
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


@pytest.mark.parametrize("option", ["-m what --ever 1", "-m mark --mark 0x1/0xff"])
def test_a_doubt_and_its_negation_are_not_the_same(option: str) -> None:
    module, name, *rest = option.removeprefix("-m ").split()
    negated = f"-m {module} ! {' '.join([name, *rest])}"
    one, other = (
        dump(f"-A FORWARD {match} -j ACCEPT").lists["FORWARD IPv4"] for match in (option, negated)
    )
    assert compare(one, one).equal is True
    assert compare(one, other).equal is None


def test_an_address_that_is_written_down_is_no_condition() -> None:
    found = clean_up(dump(
        "-A FORWARD -s 10.0.0.0/8 -m recent --set --name x --mask 255.0.0.0 --rsource -j DROP",
        "-A FORWARD -s 10.1.0.0/16 -j ACCEPT",
    ))  # fmt: skip
    assert not found.undecided
    assert [(one.rule, one.blockers) for one in found.shadowed] == [(2, (1,))]


@pytest.mark.parametrize(
    ("rule", "shadowed"),
    [
        ("-m addrtype --dst-type MULTICAST", "-d 224.0.0.0/4"),
        ("-m addrtype ! --dst-type MULTICAST", "-d 223.255.255.255"),
        ("-m addrtype ! --dst-type MULTICAST", "-d 240.0.0.0"),
        ("-m addrtype --src-type MULTICAST", "-s 239.255.255.255"),
        ("-m addrtype --dst-type MULTICAST", "-d ff00::/8"),
        ("-m addrtype ! --dst-type MULTICAST", "-d feff::1"),
    ],
)
def test_what_addresses_are_multicast_is_known(rule: str, shadowed: str) -> None:
    found = clean_up(dump(f"-A FORWARD {rule} -j DROP", f"-A FORWARD {shadowed} -j ACCEPT"))
    assert [one.rule for one in found.shadowed] == [2]
    assert not found.undecided


def test_either_port_is_one_that_the_rule_names_otherwise_too() -> None:
    found = clean_up(dump(
        "-A FORWARD -p tcp --sport 1024 -m multiport --ports 80,443 -j DROP",
        "-A FORWARD -p tcp --sport 1024 --dport 443 -j ACCEPT",
        "-A FORWARD -p tcp --sport 80 --dport 443 -j ACCEPT",
    ))  # fmt: skip
    assert [one.rule for one in found.shadowed] == [2]


@pytest.mark.parametrize("text", ["", "hello", "*nat\nCOMMIT\n", HEAD + '-A FORWARD -m "x\n'])
def test_what_is_no_dump_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        FORMS["iptables-save"](text)


def test_addresses_of_the_other_family_are_read_in_theirs() -> None:
    found = clean_up(dump("-A FORWARD -s fd00::/8 -j ACCEPT", "-A FORWARD -s fd00:1::/32 -j DROP"))
    assert [one.rule for one in found.shadowed] == [2]
    assert "fd00:1::" in found.shadowed[0].witness


@pytest.mark.parametrize(
    "rule",
    [
        '-A FORWARD -m comment --comment "--syn" -j DROP',
        '-A FORWARD -m comment --comment "-s 10.0.0.0/8" -j DROP',
        "-A FORWARD -j DROP -m comment --comment x",
        "-A FORWARD -j REJECT --reject-with icmp-port-unreachable",
    ],
)
def test_a_text_is_no_option(rule: str) -> None:
    found = clean_up(dump(rule, "-A FORWARD -s 10.0.0.0/8 -j ACCEPT"))
    assert [one.rule for one in found.shadowed] == [2]
    assert not found.undecided


def test_what_stands_behind_the_target_limits_the_rule_as_well() -> None:
    found = clean_up(dump(
        "-A FORWARD -j DROP -i eth0",
        "-A FORWARD -i eth0 -j ACCEPT",
        "-A FORWARD -i eth1 -j ACCEPT",
    ))  # fmt: skip
    assert [one.rule for one in found.shadowed] == [2]


@pytest.mark.parametrize("negated", ["! -d 10.9.0.0/16", "-d ! 10.9.0.0/16"])
def test_a_negation_behind_an_option_without_value_is_of_the_next(negated: str) -> None:
    found = clean_up(dump(
        f"-A FORWARD -p tcp --syn {negated} -j DROP",
        "-A FORWARD -p tcp --syn -d 10.8.0.0/16 -j ACCEPT",
        "-A FORWARD -p tcp --syn -d 10.9.0.0/16 -j ACCEPT",
    ))  # fmt: skip
    assert [one.rule for one in found.shadowed] == [2]
    assert not found.undecided


def test_a_return_in_doubt_puts_only_its_own_packets_in_doubt() -> None:
    found = clean_up(dump(
        "-A FORWARD -j known",
        "-A FORWARD -s 10.1.0.2 -j ACCEPT",
        "-A FORWARD -s 10.1.0.1 -j ACCEPT",
        "-A known -s 10.1.0.1 -m limit --limit 5/sec -j RETURN",
        "-A known -s 10.1.0.1 -j DROP",
        "-A known -s 10.1.0.2 -j DROP",
        chains=":known - [0:0]\n",
    ))  # fmt: skip
    assert list(found.undecided) == [4, 5]
    assert [(one.rule, one.blockers) for one in found.shadowed] == [(2, (6,))]


def test_a_policy_that_is_not_written_is_not_guessed() -> None:
    rules = "-A FORWARD -s 10.0.0.0/8 -j DROP", "-A FORWARD -s 10.1.0.0/16 -j ACCEPT"
    found = clean_up(FORMS["iptables-save"]("\n".join(["*filter", *rules, "COMMIT", ""])))
    assert [one.rule for one in found.shadowed] == [2]
    assert not found.inoperative
    assert not found.redundant


def test_what_leaves_a_chain_without_a_policy_is_undecided() -> None:
    text = "*filter\n-A FORWARD -s 10.1.0.0/16 -j RETURN\n-A FORWARD -j DROP\nCOMMIT\n"
    asked = Question(ip_network("10.1.0.0/16"), ip_network("10.2.0.0/16"))
    ((answer,),) = explained(FORMS["iptables-save"](text), asked).values()
    assert (answer.rule, answer.verdict) == (1, None)


def test_a_rule_is_correlated_where_any_way_leads_to_it() -> None:
    """By the first way it is needed, and overlaps nothing of the other verdict."""
    found = clean_up(dump(
        "-A FORWARD -s 10.1.0.0/16 -j web",
        "-A FORWARD -s 10.2.0.0/24 -p tcp -j DROP",
        "-A FORWARD -s 10.2.0.0/16 -j web",
        "-A web -p tcp -m tcp --dport 443 -j ACCEPT",
        chains=":web - [0:0]\n",
    ))  # fmt: skip
    assert [(one.rule, one.blockers) for one in found.correlated] == [(4, (2,))]
