"""What is read of Stormshield's rules, held against packets and a plain interpreter."""

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

OBJECTS = """
MODIFY ON FORCE
CONFIG OBJECT HOST NEW name=one comment="a host" ip=10.0.0.1 ipv6=fd00::1 resolve=static mac=""
CONFIG OBJECT NETWORK NEW name=low ip=10.0.0.0 mask=255.255.255.254
CONFIG OBJECT NETWORK NEW name=low6 ipv6=fd00:: prefixlenv6=127
CONFIG OBJECT HOST NEW name=high begin=10.0.0.2 end=10.0.0.3 comment=""
CONFIG OBJECT HOST NEW name=resolved ip=10.0.0.9 resolve=dynamic
CONFIG OBJECT GROUP NEW name="the ends"
CONFIG OBJECT GROUP ADDTO group="the ends" node=one
CONFIG OBJECT GROUP ADDTO group="the ends" node=high
CONFIG OBJECT GROUP ADDTO group=Network_internals node=one
CONFIG OBJECT SERVICE NEW name=https port=443 proto=tcp
CONFIG OBJECT SERVICE NEW name=mail port=25 toport=26 proto=tcp
CONFIG OBJECT SERVICE NEW name=dns port=53 proto=udp
CONFIG OBJECT SERVICE NEW name=dns_any port=53 proto=any
CONFIG OBJECT SERVICEGROUP NEW name=plain
CONFIG OBJECT SERVICEGROUP ADDTO group=plain node=mail
CONFIG OBJECT SERVICEGROUP ADDTO group=plain node=dns
CONFIG OBJECT PROTOCOL NEW name=tunnel protonumber=47
CONFIG OBJECT ACTIVATE
"""
PLAIN = "action=pass srctarget=any dsttarget=any"
BLOCK = "action=block srctarget=any dsttarget=any"


def dump(*rules: str, objects: str = OBJECTS) -> Dump:
    inserts = [f"CONFIG FILTER RULE INSERT index=5 type=filter state=on {rule}" for rule in rules]
    return FORMS["sns"](objects + "\n".join([*inserts, "CONFIG FILTER ACTIVATE"]))


def four(*rules: str) -> RuleList:
    return dump(*rules).lists["slot 5 IPv4"]


def printed(*rules: str) -> Dump:
    lines = [f"position={n}; usage=0 match=0 ruleid={n}: {rule}" for n, rule in enumerate(rules, 1)]
    head = '101 code=00a01000 msg="Begin" format="list"\n[Filter]\n'
    return FORMS["sns"]("\n".join([OBJECTS + head, *lines, '100 code=00a00100 msg="Ok"']))


HOSTS = {"one": {1}, "low": {0, 1}, "high": {2, 3}, "the ends": {1, 2, 3}, "any": {0, 1, 2, 3}}
SERVICES = {
    "https": lambda p: p.protocol == 6 and p.to == 443,
    "mail": lambda p: p.protocol == 6 and p.to in {25, 26},
    "dns": lambda p: p.protocol == 17 and p.to == 53,
    "plain": lambda p: SERVICES["mail"](p) or SERVICES["dns"](p),
}
KINDS = [(6, 9, 443), (6, 9, 25), (17, 9, 53), (6, 9, 53), (1, 8, 0), (1, 8, 1), (1, 0, 0),
         (47, 0, 0)]  # fmt: skip
PACKETS = [
    Packet(protocol, f"10.0.0.{a}", f"10.0.0.{b}", by, to, comes, leaves)
    for (protocol, by, to), a, b, comes, leaves in product(
        KINDS, range(4), range(4), ("in", "dmz1"), ("out", "dmz1")
    )
]
NUMBERS = {"any": None, "tcp": 6, "udp": 17, "icmp": 1, "tunnel": 47}


class Written(NamedTuple):
    """A rule as a person understands it."""

    action: str
    source: tuple[str, ...]
    destination: tuple[str, ...]
    services: tuple[str, ...]  # none: any
    protocol: str
    icmp: tuple[int | None, int | None]
    comes: str
    leaves: str
    others: tuple[bool, bool]  # negated: source, destination
    on: bool

    @property
    def command(self) -> str:
        ends = [
            f'{name}="{"!" * negated}{",".join(names)}"'
            for name, names, negated in zip(
                ("srctarget", "dsttarget"),
                (self.source, self.destination),
                self.others,
                strict=True,
            )
        ]
        more = [
            f"{name}={value}"
            for name, value in (
                ("dstport", ",".join(self.services)), ("icmptype", self._icmp[0]),
                ("icmpcode", self._icmp[1]),
            )
            if value not in {None, ""}
        ]  # fmt: skip
        words = [f"action={self.action}", *ends, f"ipproto={self.protocol}", *more]
        state = "" if self.on else "state=off "
        return f'{state}{" ".join(words)} srcif={self.comes} dstif={self.leaves} comment="a b"'

    @property
    def line(self) -> str:
        ends = [
            f"{'!' * negated}{'|'.join(names)}"
            for names, negated in zip((self.source, self.destination), self.others, strict=True)
        ]
        words = ["" if self.on else "off", self.action]
        words += [] if self.protocol == "any" else ["ipproto", self.protocol]
        words += [
            f"{word} {value}"
            for word, value in zip(("type", "code"), self._icmp, strict=True)
            if value is not None
        ]
        words += ["from", ends[0], *([] if self.comes == "any" else ["on", self.comes])]
        words += ["to", ends[1], *(["port", "|".join(self.services)] if self.services else [])]
        words += [] if self.leaves == "any" else ["on", self.leaves]
        return " ".join([*filter(None, words), "# off from somewhere"])

    @property
    def _icmp(self) -> tuple[int | None, int | None]:
        return self.icmp if self.protocol == "icmp" else (None, None)

    def matches(self, packet: Packet) -> bool:
        ends = [
            any(int(end.rpartition(".")[2]) in HOSTS[name] for name in names) != negated
            for end, names, negated in zip(
                (packet.source, packet.destination), (self.source, self.destination), self.others,
                strict=True,
            )
        ]  # fmt: skip
        kinds = zip(self._icmp, (packet.by, packet.to), strict=True)
        return (
            self.on
            and all(ends)
            and NUMBERS[self.protocol] in {None, packet.protocol}
            and all(wanted in {None, has} for wanted, has in kinds)
            and (not self.services or any(SERVICES[name](packet) for name in self.services))
            and self.comes in {"any", packet.comes}
            and self.leaves in {"any", packet.leaves}
        )


def some(names: object, least: int = 1) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(sorted(names)), min_size=least, max_size=3, unique=True).map(
        tuple
    )


printable = sorted(HOSTS.keys() - {"the ends"})
written = st.builds(
    Written,
    action=st.sampled_from(["pass", "pass", "block", "reset", "log"]),
    source=some(printable),
    destination=some(printable),
    services=some(SERVICES, least=0),
    protocol=st.sampled_from(sorted(NUMBERS)),
    icmp=st.sampled_from([(None, None), (8, None), (8, 0), (None, 1)]),
    comes=st.sampled_from(["any", "in", "dmz1"]),
    leaves=st.sampled_from(["any", "out"]),
    others=st.tuples(st.booleans(), st.booleans()),
    on=st.sampled_from([True, True, True, False]),
)


def told(rules: list[Written], packet: Packet) -> Verdict:
    match = next((r for r in rules if r.action != "log" and r.matches(packet)), None)
    return Verdict.ACCEPT if match and match.action == "pass" else Verdict.DROP


@settings(deadline=None)
@given(st.lists(written, min_size=1, max_size=5))
def test_every_packet_fares_as_a_plain_interpreter_says(rules: list[Written]) -> None:
    inserted = four(*(rule.command for rule in rules))
    listed = printed(*(rule.line for rule in rules)).lists["filter IPv4"]
    for packet in PACKETS:
        assert fates(inserted, packet) == {told(rules, packet)}
        assert fates(listed, packet) == {told(rules, packet)}


@settings(deadline=None)
@given(st.lists(written, min_size=1, max_size=5), st.integers(0, 4), st.data())
def test_what_is_not_understood_leaves_both_fates_open(
    rules: list[Written], place: int, data: st.DataObject
) -> None:
    unknown = data.draw(st.sampled_from(["schedule=night", "srcuser=any", "new=1"]))
    at = min(place, len(rules) - 1)
    rules[at] = rules[at]._replace(action="pass" if rules[at].action == "log" else "block")
    commands = [rule.command for rule in rules]
    read = four(*commands[:at], f"{commands[at]} {unknown}", *commands[at + 1 :])
    without = [rule for number, rule in enumerate(rules) if number != at]
    for packet in PACKETS:
        assert {told(rules, packet), told(without, packet)} <= fates(read, packet)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("schedule=night", "schedule=night"),
        ("srcuser=any", "srcuser=any"),
        ("inspection=ids", "inspection=ids"),
        ("securityinspection=3", "securityinspection=3"),
        ("srcgeo=fr", "srcgeo=fr"),
        ("dsthostrep=50 dsthostrepop=gt", "dsthostrep=50"),
        ("via=ipsec", "via=ipsec"),
        ("proto=http", "proto=http"),
        ("natsrctarget=Firewall_out", "natsrctarget=Firewall_out"),
        ("dstport=https dstportop=ne", "dstportop=ne"),
        ("dstport=ssh", "service ssh is not in the file"),
        ("dstport=dns_any", "dstport=dns_any: of which protocols?"),
        ("ipproto=new", "ipproto=new"),
        ("icmptype=8", "icmptype=8"),
        ("srcif=!out", "device !out"),
        ("action=deleg", "action=deleg"),
        ("action=decrypt", "action=decrypt"),
        ("dsttarget=internet", "object internet is not in the file"),
        ("dsttarget=resolved", "object resolved: resolve=dynamic"),
        ("dsttarget=Network_internals", "its other members are not in the file"),
        ("dsttarget=!one,gone", "object gone is not in the file"),
        ("newoption=x", "newoption=x"),
    ],
)
def test_what_is_not_known_is_told_and_casts_no_shadow(options: str, why: str) -> None:
    found = clean_up(dump(f"{PLAIN} {options}", BLOCK, BLOCK))
    assert list(found.undecided) == [1]
    assert any(why in doubt for doubt in found.undecided[1])
    assert [(one.rule, one.blockers) for one in found.shadowed] == [(3, (2,))]
    packet = Packet(6, "10.0.0.1", "10.9.0.1", 40000, 53, "out")
    assert fates(four(f"{PLAIN} {options}"), packet) == BOTH


def test_a_service_of_any_protocol_is_known_once_the_rule_names_one() -> None:
    assert clean_up(dump(f"{PLAIN} dstport=dns_any ipproto=udp")).undecided == {}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('pass log from group="ruser"@low domain storm to one', "group=ruser@low"),
        ("pass from any port != https to one", "!= https"),
        ("pass from != low to one", "no srctarget"),
        ("pass inspection ids from any to any", "inspection=ids"),
        ("pass tos 8 from any to any", "tos=8"),
        ("pass newly from any to any", "newly"),
        ("pass from any to any newly", "newly"),
        ("pass from any", "no dsttarget"),
        ("from any to any", "no action"),
    ],
)
def test_a_printed_word_that_is_not_known_is_told(line: str, why: str) -> None:
    found = clean_up(printed(line))
    assert any(why in doubt for doubt in found.undecided[1])


def test_what_an_appliance_prints_is_read_as_it_is() -> None:
    text = OBJECTS + (
        'SRPClient> CONFIG FILTER EXPLICIT index=1 type=filter\n'
        '101 code=00a01000 msg="Begin" format="list"\n'
        "[Filter]\n"
        'position=1; separator color="c0c0c0" comment="DEFAULT" collapse="0" first_ruleid="1"\n'
        "position=2; usage=3 match=24994 ruleid=1: pass log settos 24 from low to one # le 2\n"
        "position=3; ruleid=2: pass ipproto icmp type 8 code 0 proto none from any to group1\n"
        "position=4; ruleid=3: off block from any on out to one port https|dns # Allow\n"
        '100 code=00a00100 msg="Ok"\n'
        "SRPClient> CONFIG FILTER EXPLICIT index=1 type=nat\n"
        "[Filter]\n"
        "position=1; ruleid=1: nat from low to any on out -> from Firewall_out to any\n"
        "SRPClient> CONFIG OBJECT GROUP SHOW name=group1\n"
        "[group1]\n"
        'name=printed type=host\n'
        "SRPClient> CONFIG OBJECT LIST type=host\n"
        "[Object]\n"
        'type=host global=0 name=printed ip=10.0.0.3 modify=1 comment="a host" resolve=static\n'
    )  # fmt: skip
    read = FORMS["sns"](text)
    assert list(read.lists) == ["slot 1 IPv4", "slot 1 IPv6"]
    assert read.count == 3
    found = clean_up(read)
    assert (found.undecided, found.inoperative) == ({}, (3,))
    lines = read.lists["slot 1 IPv4"].lines
    assert matching(lines, Packet(6, "10.0.0.0", "10.0.0.1", 1, 2)) == [(1, True)]
    assert matching(lines, Packet(1, "10.9.0.0", "10.0.0.3", 8, 0)) == [(2, True)]
    assert matching(lines, Packet(1, "10.9.0.0", "10.0.0.3", 8, 1)) == []


def test_each_family_has_the_addresses_of_its_objects() -> None:
    lists = dump("action=pass srctarget=low6 dsttarget=one", f"{PLAIN} ipproto=icmp").lists
    to_one = Packet(6, "fd00::", "fd00::1", 1, 2)
    assert fates(lists["slot 5 IPv6"], to_one) == {Verdict.ACCEPT}
    assert fates(lists["slot 5 IPv6"], to_one._replace(destination="fd00::")) == {Verdict.DROP}
    assert not lists["slot 5 IPv4"].lines[0].boxes
    assert not lists["slot 5 IPv4"].lines[1].doubts
    assert lists["slot 5 IPv6"].lines[1].doubts, "does 'icmp' mean IPv6's, too?"


def test_rules_stand_where_they_are_inserted() -> None:
    text = OBJECTS + "\n".join([
        "CONFIG FILTER RULE REMOVE index=5 type=filter position=all global=0",
        'CONFIG FILTER RULE ADDSEP index=5 type=filter collapse=0 color=c0c0c0 comment="first"',
        f"CONFIG FILTER RULE INSERT index=5 type=filter {PLAIN}",
        "CONFIG FILTER RULE INSERT index=5 type=nat action=nat srctarget=any dsttarget=any",
        f"CONFIG FILTER RULE INSERT index=5 type=filter position=2 {BLOCK}",
        f"CONFIG FILTER RULE INSERT index=6 type=filter {PLAIN}",
        "CONFIG SLOT ACTIVATE type=filter slot=5 global=0",
    ])  # fmt: skip
    lists = FORMS["sns"](text).lists
    assert [line.number for line in lists["slot 5 IPv4"].lines] == [3, 1]
    assert [line.number for line in lists["slot 6 IPv4"].lines] == [4]
    assert fates(lists["slot 5 IPv4"], PACKETS[0]) == {Verdict.DROP}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no rules"),
        ("hello", "line 1: not a command"),
        ('<?xml version="1.0"?>', "line 1: not a command"),
        ('200 code=00200200 msg="Command refused"', "line 1: the appliance refused"),
        (f"CONFIG FILTER RULE INSERT index=5 {PLAIN}", "line 1: type=filter"),
        (f"CONFIG FILTER RULE INSERT type=filter global=1 {PLAIN}", "line 1: rules of the global"),
        ("CONFIG FILTER RULE UPDATE index=5 type=filter position=1", "line 1: a command that"),
        ("CONFIG FILTER RULE REMOVE index=5 type=filter position=1", "line 1: a command that"),
        ("CONFIG OBJECT HOST DELETE name=one", "line 1: a command that"),
        ("CONFIG OBJECT GROUP ADDTO node=one", "line 1: group is missing"),
        (f'CONFIG FILTER RULE INSERT type=filter {PLAIN} comment="x', "line 1: not understood"),
        (f"CONFIG FILTER RULE INSERT type=filter {PLAIN} a-new=x", "line 1: not understood"),
        (f"CONFIG FILTER RULE INSERT type=filter position=x {PLAIN}", "line 1: invalid literal"),
    ],
)
def test_what_is_not_read_is_refused(text: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        FORMS["sns"](text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("mask=255.255.255.254", "mask=255.255.255.252"),
        ("toport=26", ""),
        ("node=mail", "node=https"),
        ("dsttarget=one", "dsttarget=high"),
        ("srcif=in", "srcif=out"),
        ("action=pass", "action=block"),
        ("state=on", "state=off"),
    ],
)
def test_a_change_is_found_with_a_packet(old: str, new: str) -> None:
    rule = "action=pass srctarget=low dsttarget=one dstport=plain srcif=in"
    text = f"{OBJECTS}CONFIG FILTER RULE INSERT index=5 type=filter state=on {rule}"
    assert old in text
    one, other = (
        FORMS["sns"](said).lists["slot 5 IPv4"] for said in (text, text.replace(old, new))
    )
    found = compare(one, other)
    assert found.equal is False
    for parting in found.partings:
        assert {parting.old[1], parting.new[1]} == BOTH


@pytest.mark.parametrize(
    "made",
    [
        "FQDN NEW name=odd ip=10.0.0.1",
        "HOST NEW name=odd mac=00:11:22:33:44:55",
        "HOST NEW name=odd ip=10.0.0.1 newly=1",
        "HOST NEW name=odd begin=10.0.0.9 end=10.0.0.1",
        "NETWORK NEW name=odd ip=10.0.0.0 mask=255.0.255.0",
    ],
)
def test_an_object_that_is_not_understood_is_undecided(made: str) -> None:
    found = clean_up(dump(f"{PLAIN[:-3]}odd", objects=f"CONFIG OBJECT {made}\n"))
    assert list(found.undecided) == [1]


@pytest.mark.parametrize(
    "made",
    ["port=80 proto=new", "port=80 toport=70 proto=tcp", "port=80 proto=tcp newly=1", "port=80"],
)
def test_a_service_that_is_not_understood_is_undecided(made: str) -> None:
    objects = f"CONFIG OBJECT SERVICE NEW name=odd {made}\n"
    assert list(clean_up(dump(f"{PLAIN} dstport=odd", objects=objects)).undecided) == [1]


@pytest.mark.parametrize(
    ("rule", "old", "new", "same"),
    [
        ("dsttarget=resolved", "ip=10.0.0.9", "ip=10.0.0.8", None),
        ("dsttarget=Network_internals", "internals node=one", "internals node=low", None),
        ("dsttarget=gone,high", "begin=10.0.0.2", "begin=10.0.0.3", None),
        ("dsttarget=gone", "dsttarget=gone", "dsttarget=!gone", None),
        ("dsttarget=gone dstport=plain", "port=25", "port=24", None),
        ("dsttarget=gone", 'comment="a host"', 'comment="the host"', True),
        ("dsttarget=gone", "port=25", "port=24", True),
    ],
)  # fmt: skip
def test_the_same_doubt_about_something_else_is_not_the_same(
    rule: str, old: str, new: str, *, same: bool | None
) -> None:
    insert = f"CONFIG FILTER RULE INSERT index=5 type=filter action=pass srctarget=any {rule}"
    text = OBJECTS + insert
    assert old in text
    one, other = (
        FORMS["sns"](said).lists["slot 5 IPv4"] for said in (text, text.replace(old, new))
    )
    assert compare(one, other).equal is same
