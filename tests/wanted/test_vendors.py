"""What is rendered for other firewalls, read back, is what nftables is told: both inclusions."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Estate, load
from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.plan import rule_base
from sitiv_infra.lab.process import program
from sitiv_infra.policy import readback
from sitiv_infra.policy.cleanup import clean_up
from sitiv_infra.policy.compare import Comparison, compare
from sitiv_infra.policy.dumps import FORMS, Dump
from sitiv_infra.policy.iptables_options import DEVICES, whole
from sitiv_infra.policy.lists import Line, RuleList
from sitiv_infra.policy.objects import WITH_DEVICES
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.space import MACS, PORTS, Box, Intervals, union, without
from sitiv_infra.testing import estate_of
from sitiv_infra.wanted import fortios, forward_sets, sns
from sitiv_infra.wanted.filtering import End
from tests.servers.need import need
from tests.wanted.test_filtering import PUBLIC_OF_OURS
from tests.wanted.worlds import estates, small

INVENTORY = Path(__file__).parents[2] / "inventory"
BEFORE, AFTER = date(2026, 11, 1), date(2026, 11, 21)
ELEMENT = re.compile(
    r"(?P<source>\S+) \. (?P<destination>\S+) \. "
    r'(?:(?P<ported>tcp|udp) \. (?P<ports>\S+)|(?P<protocols>\S+)) comment "(?P<comment>[^"]*)"'
)


def of_nftables(estate: Estate, today: date, version: int) -> RuleList:
    """Give the boxes of what nftables is told, for one family."""
    elements = [
        element
        for one in forward_sets(estate, "a", today)
        if one.name.endswith(str(version))
        for element in one.elements
    ]
    lines = [Line(n, one, Verdict.ACCEPT, (_packets(one),)) for n, one in enumerate(elements, 1)]
    return RuleList(tuple(lines), Verdict.DROP, whole(version)[:WITH_DEVICES])


def _packets(element: str) -> Box:
    """Read one element; whatever is not understood fails the test."""
    found = ELEMENT.fullmatch(element)
    assert found is not None, element
    ends = (_span(found["source"]),), (_span(found["destination"]),)
    number = {"tcp": 6, "udp": 17}.get(found["ported"] or "")
    protocols = (number, number) if number else _numbers(found["protocols"])
    ports = _numbers(found["ports"]) if number else (0, 65535)
    return ((protocols,), *ends, PORTS, (ports,), MACS, DEVICES, DEVICES)


def _span(text: str) -> tuple[int, int]:
    if "-" in text:
        low, high = (int(ip_address(end)) for end in text.split("-"))
        return low, high
    net = ip_network(text)
    return int(net.network_address), int(net.broadcast_address)


def _numbers(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    return int(low), int(high or low)


Render = Callable[[Estate, str, date], Iterable[str]]
FORMATS: dict[str, tuple[Render, str]] = {
    "fortios": (fortios.fortios_rules, "root"),
    "sns": (sns.sns_commands, "slot 5"),
}


def written(form: str, estate: Estate, today: date = BEFORE) -> str:
    render, _ = FORMATS[form]
    return "\n".join(render(estate, "a", today)) + "\n"


def compared(form: str, text: str, estate: Estate, today: date = BEFORE) -> list[Comparison]:
    read: Dump = FORMS[form](text)
    name = FORMATS[form][1]
    return [
        compare(of_nftables(estate, today, version), read.lists[f"{name} IPv{version}"])
        for version in (4, 6)
    ]


each_form = pytest.mark.parametrize("form", FORMATS)


@each_form
@pytest.mark.parametrize("folder", ["estate", "lab/estate"])
def test_what_is_rendered_is_what_nftables_is_told(form: str, folder: str) -> None:
    estate = load(INVENTORY / folder)
    text = written(form, estate)
    assert [one.equal for one in compared(form, text, estate)] == [True, True]
    assert clean_up(FORMS[form](text)).undecided == {}
    assert text == written(form, estate), "the same estate, the same text"


@each_form
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(estate=estates())
def test_and_in_any_estate(form: str, estate: Estate) -> None:
    text = written(form, estate)
    assert [one.equal for one in compared(form, text, estate)] == [True, True]


@pytest.mark.parametrize("folder", ["estate", "lab/estate"])
def test_and_what_the_kernel_says_that_it_was_told(folder: str) -> None:
    """The same, but nft itself reads the rules, with all that stands around them."""
    need("ip", "nft", root=True)
    estate = load(INVENTORY / folder)
    with Namespace(f"vendors-{os.getpid()}") as bench:
        bench.filter(rule_base(forward_sets(estate, "a", BEFORE)))
        live = FORMS["nft-json"](bench.run(program("nft"), "-j", "list", "ruleset")).lists
    for form, (_, name) in FORMATS.items():
        read = FORMS[form](written(form, estate)).lists
        for version in (4, 6):
            kernel = _by_any_device(live[f"inet filter forward IPv{version}"])
            assert compare(kernel, read[f"{name} IPv{version}"]).equal


def _by_any_device(rules: RuleList) -> RuleList:
    lines = (
        line._replace(boxes=tuple((*box, DEVICES, DEVICES) for box in line.boxes))
        for line in rules.lines
    )
    return RuleList(tuple(lines), rules.policy, (*rules.whole, DEVICES, DEVICES))


@each_form
def test_what_is_printed_was_proved(form: str) -> None:
    estate = small()
    text = written(form, estate)
    readback.prove(text, form, estate, "a", BEFORE, (4, 6))
    for changed in (text.replace("9000", "9001"), text.replace("10.1.20.0", "10.1.16.0")):
        assert changed != text
        with pytest.raises(InvalidInput, match=r"is not proved to be .*: .*, such as "):
            readback.prove(changed, form, estate, "a", BEFORE, (4, 6))


def test_a_packet_that_surely_fares_otherwise_is_named_first() -> None:
    estate = small()
    text = written("fortios", estate)
    lost = text.replace('        set srcaddr "zone web"\n', "")
    assert lost != text
    with pytest.raises(InvalidInput, match=r", undecided by policy \d+ .* \(line \d+\)"):
        readback.prove(lost, "fortios", estate, "a", BEFORE, (4, 6))
    both = lost.replace("8000-8010", "8000-8011").replace("set action deny", "set action accept")
    with pytest.raises(InvalidInput, match=r"such as \S.*") as caught:
        readback.prove(both, "fortios", estate, "a", BEFORE, (4, 6))
    assert ", let through by " in str(caught.value)


@each_form
def test_public_servers_of_ours_are_not_the_internet(form: str) -> None:
    estate = estate_of(PUBLIC_OF_OURS)
    text = written(form, estate)
    assert [one.equal for one in compared(form, text, estate)] == [True, True]


@each_form
def test_a_flow_that_has_ended_is_not_rendered(form: str) -> None:
    estate = small()
    assert "trial" in written(form, estate)
    later = written(form, estate, AFTER)
    assert "trial" not in later
    assert [one.equal for one in compared(form, later, estate, AFTER)] == [True, True]
    missed = [one.equal for one in compared(form, later, estate, BEFORE)]
    assert missed == [False, True], "data has no IPv6: only IPv4 misses the flow"


NO_IPV6 = """
zones: {web: {title: Web}, data: {title: Data}, empty: {title: Nothing}}
vlans:
  web: {vid: 10, zone: web, sites: [a], subnets: [10.1.0.0/24, 'fd00:1::/64']}
  data: {vid: 20, zone: data, sites: [a], subnets: [10.2.0.1/32]}
flows:
  store: {source: web, destination: data, services: [tcp/80, icmp], owner_team: n, reason: r}
  none: {source: web, destination: empty, services: [tcp/80], owner_team: n, reason: r}
  back: {source: empty, destination: data, services: [icmp], owner_team: n, reason: r}
"""


@each_form
def test_a_zone_without_addresses_of_a_family_has_no_rule_of_it(form: str) -> None:
    estate = estate_of(NO_IPV6)
    text = written(form, estate)
    lists = FORMS[form](text).lists
    name = FORMATS[form][1]
    passing = [line for line in lists[f"{name} IPv6"].lines if line.verdict is Verdict.ACCEPT]
    assert not any(line.boxes for line in passing)
    assert [one.equal for one in compared(form, text, estate)] == [True, True]
    assert "empty" not in text


MUTANTS = {
    "fortios": [
        ("set subnet 10.1.20.0 255.255.255.0", "set subnet 10.1.20.0 255.255.254.0"),
        ("set ip6 2000::/3", "set ip6 ::/0"),
        ("set subnet 8.0.0.0 254.0.0.0", "set subnet 8.0.0.0 255.0.0.0"),
        ("set tcp-portrange 8000-8010", "set tcp-portrange 8000-8009"),
        ("set tcp-portrange 9000", "set tcp-portrange 9000 9001"),
        ('"tcp/8000-8010" "udp/53"', '"tcp/8000-8010"'),
        ('"tcp/8000-8010" "udp/53"', '"tcp/8000-8010" "ip/any"'),
        ('set dstaddr "zone data"', 'set dstaddr "zone directory"'),
        ('set srcaddr "zone internet"', 'set srcaddr "all"'),
        ('set srcintf "any"', 'set srcintf "port1"'),
        ("set action deny", "set action accept"),
        ("set srcaddr-negate disable", "set srcaddr-negate enable"),
        ("set status enable", "set status disable"),
    ],
    "sns": [
        ("ip=10.1.20.0 prefixlen=24", "ip=10.1.20.0 prefixlen=23"),
        ("ipv6=2000:: prefixlenv6=3", "ipv6=2000:: prefixlenv6=2"),
        ("port=8000 toport=8010", "port=8000 toport=8009"),
        ("port=9000 proto=tcp", "port=9000 toport=9001 proto=tcp"),
        ("dstport=tcp_9000,", "dstport="),
        ("dsttarget=zone_data", "dsttarget=zone_directory"),
        ("dsttarget=zone_web", "dsttarget=!zone_web"),
        ("ipproto=icmp", "ipproto=any"),
        ("action=block", "action=pass"),
        ("state=on", "state=off"),
    ],
}


def mutants() -> Iterator[tuple[str, str, str]]:
    for form, changes in MUTANTS.items():
        for old, new in changes:
            yield form, old, new


def changed(text: str, old: str, new: str) -> str:
    """Change one place; a group of Stormshield's takes the other's whole name."""
    assert old in text
    if new.startswith("dsttarget=zone_directory"):
        name = re.findall(r"name=(zone_directory_[0-9a-f]{12})", text)[0]
        return re.sub(r"dsttarget=zone_data_\w+", f"dsttarget={name}", text, count=1)
    return text.replace(old, new, 1)


@pytest.mark.parametrize(("form", "old", "new"), list(mutants()))
def test_a_mutant_is_found_with_a_packet_that_fares_otherwise(
    form: str, old: str, new: str
) -> None:
    estate = small()
    found = compared(form, changed(written(form, estate), old, new), estate)
    assert False in [one.equal for one in found]
    for one in found:
        for parting in one.partings:
            assert parting.certain
            assert {parting.old[1], parting.new[1]} == set(Verdict)


@each_form
def test_every_policy_names_its_flow(form: str) -> None:
    estate = small()
    texts = FORMS[form](written(form, estate)).texts
    told = "\n".join(texts.values()) if form == "sns" else written(form, estate)
    assert all(f'"{name}"' in told for name in estate.flows)


@pytest.mark.parametrize("name", ['a"b', "a\nb", "a?b", "<b>", "é", "", "a" * 80, "a\\b"])
def test_what_cannot_be_written_safely_is_refused_by_fortios(name: str) -> None:
    with pytest.raises(InvalidInput, match="rename it"):
        fortios.quoted(name)


@pytest.mark.parametrize("name", ['a"b', "a\nb", "é", "a\\b"])
def test_what_cannot_be_written_safely_is_refused_by_sns(name: str) -> None:
    with pytest.raises(InvalidInput, match="rename it"):
        sns.quoted(name)


@pytest.mark.parametrize("name", ["a b", "", "-a", 'a"', "a,b", "!a", "a=b"])
def test_an_object_of_sns_has_a_plain_name(name: str) -> None:
    with pytest.raises(InvalidInput, match="rename it"):
        sns.plain(name)


@pytest.mark.parametrize("slot", [0, 11])
def test_there_are_ten_slots(slot: int) -> None:
    with pytest.raises(InvalidInput, match="slot"):
        list(sns.sns_commands(small(), "a", BEFORE, slot))


def test_an_end_is_made_up_of_networks_exactly() -> None:
    end = End("x", ("10.0.0.0/29",), ("10.0.0.1/32", "10.0.0.4/30", "10.9.0.0/16"))
    assert [str(net) for net in end.networks] == ["10.0.0.0/32", "10.0.0.2/31"]
    assert End("x", ("10.0.0.0/29",), ("10.0.0.0/8",)).networks == ()
    spans: Intervals = union(
        (int(net.network_address), int(net.broadcast_address))
        for net in End("x", (), ("128.0.0.0/1", "7.0.0.0/8")).networks
    )
    assert spans == without(((0, 2**31 - 1),), ((7 << 24, (8 << 24) - 1),))
