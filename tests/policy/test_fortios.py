"""What is read of FortiOS's configuration, held against packets and a plain interpreter."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitiv_infra.errors import InvalidInput
from sitiv_infra.policy.cleanup import clean_up
from sitiv_infra.policy.compare import compare
from sitiv_infra.policy.dumps import FORMS, Dump
from sitiv_infra.policy.lists import RuleList
from sitiv_infra.policy.rules import BOTH, Verdict
from tests.policy.worlds import Packet, fates, matching

ADDRESSES = """
config firewall address
    edit "all"
        set uuid 1d2c
    next
    edit "one"
        set subnet 10.0.0.1 255.255.255.255
    next
    edit "low half"
        set subnet 10.0.0.0 255.255.255.254
    next
    edit "two to three"
        set type iprange
        set start-ip 10.0.0.2
        set end-ip 10.0.0.3
    next
    edit "name"
        set type fqdn
        set fqdn "www.example"
    next
end
config firewall address6
    edit "all"
    next
    edit "one"
        set ip6 fd00::1/128
    next
end
config firewall addrgrp
    edit "ends"
        set member "one" "nested"
        set comment "a # that begins no comment"
    next
    edit "nested"
        set member "ends" "three"
    next
end
config firewall addrgrp
    edit "nested"
        set member "two to three"
    next
end
config firewall service custom
    edit "ALL"
        set category "General"
        set protocol IP
    next
    edit "web"
        set tcp-portrange 80 443-444
    next
    edit "names"
        set udp-portrange 53
        set tcp-portrange 53:1024-65535
    next
    edit "ping"
        set protocol ICMP
        set icmptype 8
        unset icmpcode
    next
    edit "gre"
        set protocol IP
        set protocol-number 47
    next
end
config firewall service group
    edit "both"
        set member "web" "names"
    next
end
"""
PLAIN = {"srcintf": '"any"', "dstintf": '"any"', "srcaddr": '"all"', "dstaddr": '"all"',
         "schedule": '"always"', "service": '"ALL"', "action": "accept"}  # fmt: skip


def policies(*given: dict[str, str], table: str = "policy", plain: bool = True) -> str:
    lines = [f"config firewall {table}"]
    for place, options in enumerate(given, 1):
        told = {**PLAIN, **options} if plain else options
        lines += [f"    edit {place * 10}", *(f"        set {k} {v}" for k, v in told.items() if v)]
        lines += ["    next"]
    return "\n".join([*lines, "end", ""])


def dump(*given: dict[str, str], before: str = "") -> Dump:
    return FORMS["fortios"](ADDRESSES + before + policies(*given))


def four(*given: dict[str, str], before: str = "") -> RuleList:
    return dump(*given, before=before).lists["root IPv4"]


HOSTS = {
    "one": {1},
    "low half": {0, 1},
    "two to three": {2, 3},
    "ends": {1, 2, 3},
    "all": {0, 1, 2, 3},
}
SERVICES = {
    "ALL": lambda _: True,
    "web": lambda p: p.protocol == 6 and p.to in {80, 443, 444},
    "names": lambda p: p.to == 53 and (p.protocol == 17 or (p.protocol == 6 and p.by >= 1024)),
    "ping": lambda p: p.protocol == 1 and p.by == 8,
    "gre": lambda p: p.protocol == 47,
    "both": lambda p: SERVICES["web"](p) or SERVICES["names"](p),
}
KINDS = [(6, 40000, 443), (6, 40000, 53), (6, 53, 53), (17, 40000, 53), (1, 8, 0), (1, 0, 0),
         (47, 0, 0), (6, 40000, 445)]  # fmt: skip
PACKETS = [
    Packet(protocol, f"10.0.0.{a}", f"10.0.0.{b}", by, to, comes, leaves)
    for (protocol, by, to), a, b, comes, leaves in product(
        KINDS, range(4), range(4), ("lan", "dmz"), ("wan", "dmz")
    )
]


class Written(NamedTuple):
    """A policy as a person understands it."""

    comes: frozenset[str]
    leaves: frozenset[str]
    source: tuple[str, ...]
    destination: tuple[str, ...]
    services: tuple[str, ...]
    others: tuple[bool, bool, bool]  # negated: source, destination, services
    accept: bool
    on: bool

    @property
    def options(self) -> dict[str, str]:
        """The policy as FortiOS writes it; what has its default is left out."""
        switches = [
            {f"{name}-negate": "enable"} if negated else {}
            for name, negated in zip(("srcaddr", "dstaddr", "service"), self.others, strict=True)
        ]
        return {
            "srcintf": _quoted(self.comes), "dstintf": _quoted(self.leaves),
            "srcaddr": _quoted(self.source), "dstaddr": _quoted(self.destination),
            "service": _quoted(self.services), "action": "accept" if self.accept else "",
            "status": "" if self.on else "disable",
            **switches[0], **switches[1], **switches[2],
        }  # fmt: skip

    def matches(self, packet: Packet) -> bool:
        ends = (packet.source, packet.destination)
        held = [
            any(int(end.rpartition(".")[2]) in HOSTS[name] for name in names)
            for end, names in zip(ends, (self.source, self.destination), strict=True)
        ]
        held.append(any(SERVICES[name](packet) for name in self.services))
        return (
            self.on
            and bool({"any", packet.comes} & self.comes)
            and bool({"any", packet.leaves} & self.leaves)
            and all(h != other for h, other in zip(held, self.others, strict=True))
        )


def _quoted(names: object) -> str:
    assert isinstance(names, tuple | frozenset)
    return " ".join(f'"{name}"' for name in sorted(names))


def some(names: object) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(sorted(names)), min_size=1, max_size=3, unique=True).map(tuple)


written = st.builds(
    Written,
    comes=some({"lan", "dmz", "any"}).map(frozenset),
    leaves=some({"wan", "dmz", "any"}).map(frozenset),
    source=some(HOSTS),
    destination=some(HOSTS),
    services=some(SERVICES),
    others=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    accept=st.booleans(),
    on=st.sampled_from([True, True, True, False]),
)


def told(rules: list[Written], packet: Packet) -> Verdict:
    match = next((rule for rule in rules if rule.matches(packet)), None)
    return Verdict.ACCEPT if match and match.accept else Verdict.DROP


@settings(deadline=None)
@given(st.lists(written, min_size=1, max_size=5))
def test_every_packet_fares_as_a_plain_interpreter_says(rules: list[Written]) -> None:
    read = four(*(rule.options for rule in rules))
    for packet in PACKETS:
        assert fates(read, packet) == {told(rules, packet)}


@settings(deadline=None)
@given(st.lists(written, min_size=1, max_size=5), st.integers(0, 4), st.data())
def test_what_is_not_understood_leaves_both_fates_open(
    rules: list[Written], place: int, data: st.DataObject
) -> None:
    """Whatever the unknown option means, the true fate is among those that are told."""
    unknown = data.draw(st.sampled_from(["users guest", "schedule office", "x-new-option 1"]))
    given_options = [rule.options for rule in rules]
    option, _, value = unknown.partition(" ")
    at = min(place, len(rules) - 1)
    given_options[at] = {**given_options[at], option: value}
    read = four(*given_options)
    without = [rule for number, rule in enumerate(rules) if number != at]
    for packet in PACKETS:
        assert {told(rules, packet), told(without, packet)} <= fates(read, packet)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"schedule": '"office"'}, "schedule office"),
        ({"schedule": ""}, "no schedule"),
        ({"groups": '"staff"'}, "groups staff"),
        ({"users": '"a" "b"'}, "users a b"),
        ({"application-list": '"block"'}, "application-list block"),
        ({"internet-service": "enable", "dstaddr": "", "service": ""}, "internet-service enable"),
        ({"dstaddr": '"name"'}, "address name: type fqdn"),
        ({"dstaddr": '"ends" "gone"'}, "address gone is not in the file"),
        ({"service": '"web" "gone"'}, "service gone is not in the file"),
        ({"service": ""}, "no service"),
        ({"srcintf": ""}, "no srcintf"),
        ({"dstaddr": ""}, "no dstaddr"),
        ({"action": "ipsec"}, "action ipsec"),
        ({"tos": "0x10"}, "tos 0x10"),
        ({"a-new-option": "x"}, "a-new-option x"),
    ],
)
def test_what_is_not_known_is_told_and_casts_no_shadow(options: dict[str, str], why: str) -> None:
    found = clean_up(dump(options, {"action": "deny"}, {"action": "deny"}))
    assert found.undecided == {1: (f"#1: {why}",)}
    assert [(one.rule, one.blockers) for one in found.shadowed] == [(3, (2,))]
    packet = Packet(6, "10.0.0.1", "10.9.0.1", 40000, 443)
    assert fates(four(options), packet) == BOTH


@pytest.mark.parametrize(
    "options",
    [
        {"tos": "0x00", "webproxy-forward-server": "''", "internet-service": "disable"},
        {"nat": "enable", "logtraffic": "all", "ips-sensor": '"default"', "utm-status": "enable"},
        {"comments": '"two\nlines, \\"quoted\\" \\\\"', "name": '"a b"'},
    ],
)
def test_what_says_nothing_of_packets_leaves_no_doubt(options: dict[str, str]) -> None:
    assert clean_up(dump(options)).undecided == {}


# What 'show full-configuration' of FortiOS 7.0 prints of a policy beyond what was set.
USUAL = """
ztna-status disable, internet-service disable, internet-service-src disable, rtp-nat disable,
schedule-timeout disable, tos-mask 0x00, anti-replay enable, dynamic-shaping disable,
passive-wan-health-measurement disable, utm-status disable, inspection-mode flow,
profile-protocol-options "default", ssl-ssh-profile "no-inspection", logtraffic utm,
logtraffic-start disable, capture-packet disable, auto-asic-offload enable, nat enable,
permit-any-host disable, permit-stun-host disable, fixedport disable, ippool disable,
session-ttl 0, vlan-cos-fwd 255, vlan-cos-rev 255, fec disable, wccp disable, disclaimer disable,
email-collect disable, natip 0.0.0.0 0.0.0.0, diffserv-forward disable, diffserv-reverse disable,
tcp-mss-sender 0, tcp-mss-receiver 0, comments '', block-notification disable,
replacemsg-override-group '', srcaddr-negate disable, dstaddr-negate disable,
service-negate disable, timeout-send-rst disable, captive-portal-exempt disable, dsri disable,
radius-mac-auth-bypass disable, delay-tcp-npu-session disable, traffic-shaper '',
traffic-shaper-reverse '', per-ip-shaper '', send-deny-packet disable, match-vip disable,
nat64 disable, nat46 disable
"""


def test_defaults_that_are_printed_say_nothing() -> None:
    said = (option.strip().partition(" ") for option in USUAL.split(","))
    full = {option: value for option, _, value in said}
    assert len(full) > 45
    read = dump(full)
    assert clean_up(read).undecided == {}
    assert compare(read.lists["root IPv4"], four({})).equal


def test_policies_are_numbered_by_their_place_and_told_by_their_id() -> None:
    read = dump({"name": '"first"', "dstaddr": '"one"'}, {"status": "disable"}, {"action": ""})
    assert read.count == 3
    assert read.texts[1].startswith('policy 10 "first": ')
    found = clean_up(read)
    assert found.inoperative == (2,)
    assert "status disable" in read.texts[2]
    assert [one.rule for one in found.redundant] == [3], "denied at the end anyway"


def test_each_family_has_the_addresses_that_name_it() -> None:
    six = {"srcaddr": "", "dstaddr": "", "srcaddr6": '"all"', "dstaddr6": '"one"'}
    lists = dump({"dstaddr": '"one"'}, six).lists
    to_four = Packet(6, "10.0.0.2", "10.0.0.1", 1, 2)
    to_six, elsewhere = (Packet(6, "fd00::9", f"fd00::{n}", 1, 2) for n in (1, 2))
    assert matching(lists["root IPv4"].lines, to_four) == [(1, True)]
    assert matching(lists["root IPv6"].lines, to_six) == [(2, True)]
    assert fates(lists["root IPv6"], elsewhere) == {Verdict.DROP}
    negated = dump({**six, "srcaddr-negate": "enable"})
    assert list(clean_up(negated).undecided) == [1], "older versions negate both by one option"
    settled = dump({**six, "dstaddr6-negate": "enable"}).lists["root IPv6"]
    assert fates(settled, to_six) == {Verdict.DROP}
    assert fates(settled, elsewhere) == {Verdict.ACCEPT}


def test_a_table_of_ipv6_alone_is_read_in_its_own_addresses() -> None:
    text = ADDRESSES + policies({}) + policies({"dstaddr": '"one"'}, table="policy6")
    lists = FORMS["fortios"](text).lists
    assert [line.number for line in lists["root IPv4"].lines if line.boxes] == [1]
    assert [line.number for line in lists["root IPv6"].lines if line.boxes] == [2]


def test_each_vdom_is_a_list_of_its_own() -> None:
    names = "".join(f"edit {name}\nnext\n" for name in ("root", "town"))
    shared = "config global\nconfig system global\nset hostname fw\nend\nend\n"
    declared = f"config vdom\n{names}end\n{shared}"
    one = {"dstaddr": '"one"'}
    rooted = f"config vdom\nedit root\n{ADDRESSES}{policies({})}end\n"
    other = f"config vdom\nedit town\n{ADDRESSES}{policies(one, {})}end\n"
    read = FORMS["fortios"](declared + rooted + other)
    turned = FORMS["fortios"](declared + other + rooted).lists["root IPv4"]
    assert [line.number for line in turned.lines] == [3], "by their place, not by their VDOM"
    assert list(read.lists) == ["root IPv4", "town IPv4", "root IPv6", "town IPv6"]
    assert read.count == 3
    assert [line.number for line in read.lists["town IPv4"].lines] == [2, 3]


VIPS = """
config firewall vip
    edit "site"
        set extip 203.0.113.5
        set mappedip "10.0.0.1"
        set extintf "wan"
        set portforward enable
        set extport 443
        set mappedport 443
    next
    edit "moved"
        set extip 203.0.113.6
        set mappedip "10.0.0.1"
        set extintf "any"
        set portforward enable
        set extport 8443
        set mappedport 443
    next
    edit "whole"
        set extip 203.0.113.8-203.0.113.9
        set mappedip "10.0.0.2-10.0.0.3"
        set extintf "any"
    next
    edit "balanced"
        set type server-load-balance
        set extip 203.0.113.10
        set extintf "any"
    next
end
config firewall vipgrp
    edit "group"
        set member "site" "whole"
    next
end
"""
ACCEPT, DROP = frozenset({Verdict.ACCEPT}), frozenset({Verdict.DROP})


@pytest.mark.parametrize(
    ("options", "to", "port", "comes", "fate"),
    [
        ({"dstaddr": '"site"'}, 5, 443, "wan", ACCEPT),
        ({"dstaddr": '"site"'}, 5, 80, "wan", DROP),
        ({"dstaddr": '"site"'}, 5, 443, "lan", DROP),
        ({"dstaddr": '"site"', "service": '"names"'}, 5, 443, "wan", DROP),
        ({"dstaddr": '"site"', "srcintf": '"zone"'}, 5, 443, "zone", BOTH),
        ({"dstaddr": '"moved"'}, 6, 8443, "wan", ACCEPT),
        ({"dstaddr": '"moved"', "service": '"web"'}, 6, 8443, "wan", BOTH),
        ({"dstaddr": '"moved"', "service": '"web"'}, 6, 443, "wan", DROP),
        ({"dstaddr": '"group"', "service": '"web"'}, 9, 444, "wan", ACCEPT),
        ({"dstaddr": '"group"', "service": '"web"'}, 7, 444, "wan", DROP),
        ({"dstaddr": '"balanced"'}, 10, 1, "wan", BOTH),
        ({"dstaddr": '"group"', "dstaddr-negate": "enable"}, 1, 1, "wan", BOTH),
        ({}, 5, 443, "wan", BOTH),
        ({}, 5, 80, "wan", ACCEPT),
        ({"match-vip": "enable"}, 5, 443, "wan", ACCEPT),
        ({"match-vip": "disable"}, 5, 443, "wan", DROP),
    ],
)
def test_packets_to_virtual_addresses(
    options: dict[str, str], to: int, port: int, comes: str, fate: frozenset[Verdict]
) -> None:
    packet = Packet(6, "198.51.100.1", f"203.0.113.{to}", 40000, port, comes, "lan")
    assert fates(four(options, before=VIPS), packet) == fate


def test_a_table_of_translations_leaves_every_policy_in_doubt_there() -> None:
    central = "config system settings\n set central-nat enable\nend\n"
    rules = four({"dstaddr": '"one"'}, before=VIPS + central)
    assert fates(rules, Packet(6, "10.0.0.2", "10.0.0.1", 1, 2)) == ACCEPT
    assert fates(rules, Packet(6, "10.0.0.2", "203.0.113.5", 1, 443, "wan")) == BOTH


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "no policies"),
        ("hello\n", "line 1"),
        ("config firewall policy\nedit 1\nset action accept\n", "line 3"),
        ('config firewall policy\nedit 1\nset name "x\n', "line 3"),
        ("config firewall policy\nFW # show\nend\n", "line 2"),
        ("config firewall policy\nend\nend\n", "line 3"),
        (policies({}) + "config vdom\nedit root\nnext\nend\n", "in VDOMs and outside"),
        ("config firewall security-policy\nedit 1\nnext\nend\n", "line 2"),
        (
            policies({}) + "config system settings\nset ngfw-mode policy-based\nend\n",
            "policy-based",
        ),
    ],
)
def test_what_is_no_configuration_is_refused(text: str, line: str) -> None:
    with pytest.raises(InvalidInput, match=line):
        FORMS["fortios"](text)


MASKS = [f"set subnet 10.0.0.0 {mask}" for mask in ("0.0.0.3", "255.0.255.0", "255.255.255.x")]


@pytest.mark.parametrize("body", [*MASKS, "set type geography", "set sub-type x", "set ip6 ::/0"])
def test_an_address_that_is_not_understood_is_undecided(body: str) -> None:
    text = f'config firewall address\nedit "odd"\n{body}\nnext\nend\n'
    assert list(clean_up(dump({"dstaddr": '"odd"'}, before=text)).undecided) == [1]


@pytest.mark.parametrize(
    "body",
    [
        "set fqdn x.test",
        "set protocol HTTP",
        "set protocol IP\nset protocol-number 300",
        "set protocol ICMP\nset icmptype 300",
        "set tcp-portrange 80-70",
        "set tcp-portrange 80\nset iprange 10.0.0.1",
        "set comment empty",
    ],
)
def test_a_service_that_is_not_understood_is_undecided(body: str) -> None:
    text = f'config firewall service custom\nedit "odd"\n{body}\nnext\nend\n'
    assert list(clean_up(dump({"service": '"odd"'}, before=text)).undecided) == [1]


def test_a_group_that_leaves_out_members_is_undecided() -> None:
    body = 'set member "all"\nset exclude enable\nset exclude-member "one"'
    text = f'config firewall addrgrp\nedit "most"\n{body}\nnext\nend\n'
    found = clean_up(dump({"dstaddr": '"most"'}, before=text)).undecided
    assert found == {1: ("#1: address most: exclude enable",)}


@pytest.mark.parametrize("name", ["x" * 65, "é" * 33])
def test_a_device_with_too_long_a_name_is_undecided(name: str) -> None:
    assert list(clean_up(dump({"srcintf": f'"{name}"'})).undecided) == [1]


def test_a_packet_is_told_with_its_devices() -> None:
    found = clean_up(dump({"srcintf": '"port1"'}, {"srcintf": '"port1"'}))
    assert [one.witness for one in found.shadowed] == ["protocol 0 0.0.0.0 > 0.0.0.0 in by port1"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("10.0.0.1 255.255.255.255", "10.0.0.0 255.255.255.254"),
        ("set tcp-portrange 80 443-444", "set tcp-portrange 80 443"),
        ('set dstaddr "ends"', 'set dstaddr "one"'),
        ('set dstintf "wan"', 'set dstintf "dmz"'),
        ("set action accept", "set action deny"),
    ],
)
def test_a_change_is_found_with_a_packet(old: str, new: str) -> None:
    text = ADDRESSES + policies({"dstaddr": '"ends"', "service": '"web"', "dstintf": '"wan"'})
    assert old in text
    one, other = (
        FORMS["fortios"](said).lists["root IPv4"] for said in (text, text.replace(old, new))
    )
    found = compare(one, other)
    assert found.equal is False
    for parting in found.partings:
        assert {parting.old[1], parting.new[1]} == BOTH


OFFICE = """
config firewall schedule recurring
    edit "office"
        set day monday friday
        set start 08:00
    next
end
"""


@pytest.mark.parametrize(
    ("options", "old", "new", "same"),
    [
        ({"dstaddr": '"name"'}, 'fqdn "www.example"', 'fqdn "ftp.example"', None),
        ({"dstaddr": '"name" "ends"'}, "start-ip 10.0.0.2", "start-ip 10.0.0.3", None),
        ({"dstaddr": '"gone"', "service": '"web"'}, "portrange 80 ", "portrange 81 ", None),
        (
            {"dstaddr": '"gone"'},
            'dstaddr "gone"',
            'dstaddr "gone"\nset dstaddr-negate enable',
            None,
        ),
        ({"dstaddr": '"moved"', "service": '"web"'}, "portrange 80 ", "portrange 81 ", None),
        ({"schedule": '"office"'}, "08:00", "09:00", None),
        ({"schedule": '"office"'}, "", "\n", True),
        ({"schedule": '"office"'}, "set uuid 1d2c", "set uuid 3e4f", True),
        ({"schedule": '"office"'}, "portrange 80 ", "portrange 81 ", True),
    ],
)
def test_the_same_doubt_about_something_else_is_not_the_same(
    options: dict[str, str], old: str, new: str, *, same: bool | None
) -> None:
    text = ADDRESSES + OFFICE + VIPS + policies(options)
    assert old in text
    one, other = (
        FORMS["fortios"](said).lists["root IPv4"] for said in (text, text.replace(old, new, 1))
    )
    assert compare(one, other).equal is same
