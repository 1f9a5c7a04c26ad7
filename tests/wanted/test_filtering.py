"""The rendered rules, loaded by nft and judged by the project's own policy engine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from datetime import date
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from sitiv_infra.estate import Estate, load
from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.plan import rule_base
from sitiv_infra.lab.process import program
from sitiv_infra.policy.exact import mismatches
from sitiv_infra.policy.matrix import blocked, carried, undeclared
from sitiv_infra.policy.nftables import read
from sitiv_infra.policy.rules import RuleBase, Verdict
from sitiv_infra.policy.space import Dimension, Intervals, box
from sitiv_infra.testing import estate_of
from sitiv_infra.wanted import forward_sets
from sitiv_infra.wanted.filtering import (
    Accept,
    Translation,
    current,
    host_accepts,
    translations,
)
from sitiv_infra.wanted.nftables import FlowSet
from tests.servers.need import need
from tests.wanted.worlds import estates, small

INVENTORY = Path(__file__).parents[2] / "inventory"
BEFORE, LAST, AFTER = date(2026, 11, 1), date(2026, 11, 20), date(2026, 11, 21)


@pytest.fixture(scope="module")
def bench() -> Iterator[Namespace]:
    need("ip", "nft", root=True)
    with Namespace(f"wanted-{os.getpid()}") as namespace:
        yield namespace


def loaded(bench: Namespace, sets: Sequence[FlowSet]) -> list[dict[str, object]]:
    """Let nft take the sets, and give them as it lists them."""
    bench.filter(rule_base(sets))
    listed = json.loads(bench.run(program("nft"), "-j", "list", "ruleset"))["nftables"]
    assert isinstance(listed, list)
    return listed


def judged(bench: Namespace, estate: Estate, today: date) -> list[dict[str, object]]:
    """Ask that exactly what is declared passes every firewall."""
    ruleset = loaded(bench, forward_sets(estate, "a", today))
    lasting = {flow.name: flow for flow in current(estate, today)}
    rest = estate.model_copy(update={"flows": lasting})
    for firewall in estate.firewalls.values():
        live = carried(rest, firewall, ruleset)
        assert list(undeclared(rest, live)) == []
        assert [d for flow in lasting.values() if (d := blocked(flow, live)) is not None] == []
    assert list(mismatches(estate, "a", ruleset, today)) == []
    return ruleset


@pytest.mark.parametrize("folder", ["estate", "lab/estate"])
def test_exactly_the_declared_flows_pass(bench: Namespace, folder: str) -> None:
    estate = load(INVENTORY / folder)
    ruleset = judged(bench, estate, BEFORE)
    live = carried(estate, next(iter(estate.firewalls.values())), ruleset)
    assert len(live.pairs) > 20


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(estate=estates())
def test_exactly_the_declared_flows_pass_in_any_estate(bench: Namespace, estate: Estate) -> None:
    ruleset = judged(bench, estate, BEFORE)
    rules = {version: read(ruleset, version) for version in (4, 6)}
    for zone in estate.zones.values():
        vlans = [v for v in estate.vlans.values() if v.zone == zone.name and not zone.internet]
        for one in vlans:
            for other in vlans:
                found = between(rules, estate, one.name, other.name)
                if one.name != other.name:
                    together = one.owner == other.owner
                    assert found <= {Verdict.ACCEPT if together else Verdict.DROP}


def between(
    rules: dict[int, RuleBase], estate: Estate, one: str, other: str
) -> set[Verdict | None]:
    """Give the fates of new TCP connections between two VLANs."""
    found: set[Verdict | None] = set()
    for version, base in rules.items():
        here, there = (_nets(estate, name, version) for name in (one, other))
        if here and there:
            sides = {Dimension.PROTOCOL: ((6, 6),), Dimension.SOURCE: here,
                     Dimension.DESTINATION: there}  # fmt: skip
            found |= {part.certain for part in base.fates([box(sides)])}
    return found


def _nets(estate: Estate, vlan: str, version: int) -> Intervals:
    nets = (net for net in estate.vlans[vlan].subnets if net.version == version)
    return tuple((int(net.network_address), int(net.broadcast_address)) for net in nets)


@pytest.mark.parametrize("folder", ["estate", "lab/estate"])
def test_members_do_not_reach_each_others_directories(bench: Namespace, folder: str) -> None:
    estate = load(INVENTORY / folder)
    ruleset = loaded(bench, forward_sets(estate, "a", BEFORE))
    rules = {version: read(ruleset, version) for version in (4, 6)}
    owned = [v for v in estate.vlans.values() if v.zone == "directory"]
    assert len(owned) >= 2
    for one in owned:
        for other in owned:
            if one is not other:
                assert between(rules, estate, one.name, other.name) == {Verdict.DROP}


def test_one_members_vlans_are_one_network(bench: Namespace) -> None:
    estate = small()
    ruleset = loaded(bench, forward_sets(estate, "a", BEFORE))
    rules = {version: read(ruleset, version) for version in (4, 6)}
    assert between(rules, estate, "corbas", "corbas-b") == {Verdict.ACCEPT}
    assert between(rules, estate, "corbas", "givors") == {Verdict.DROP}
    assert between(rules, estate, "givors", "corbas-b") == {Verdict.DROP}
    assert between(rules, estate, "web-a", "web-b") == {Verdict.ACCEPT}


def test_a_flow_passes_on_its_last_day_and_not_after(bench: Namespace) -> None:
    estate = small()
    for today, there in ((BEFORE, True), (LAST, True), (AFTER, False)):
        assert any('"trial"' in one.text for one in forward_sets(estate, "a", today)) == there
        judged(bench, estate, today)
        accepts = host_accepts(estate, estate.machines["data-a1"], today)
        assert ("trial" in {a.flow for a in accepts}) == there
    # The engine, too, knows the difference.
    ruleset = loaded(bench, forward_sets(estate, "a", AFTER))
    live = carried(estate, estate.firewalls["fw-a1"], ruleset)
    missed = blocked(estate.flows["trial"], live)
    assert missed is not None
    assert missed.services == ("tcp/22",)


PUBLIC_OF_OURS = """
zones:
  internet: {title: Internet, internet: true}
  dmz: {title: Public servers}
  web: {title: Web}
vlans:
  dmz: {vid: 10, zone: dmz, sites: [a], subnets: [198.51.100.0/28, '2001:db8:1::/64']}
  web: {vid: 20, zone: web, sites: [a], subnets: [10.1.0.0/24, 'fd00:1::/64']}
firewalls: {fw: {site: a, host: fw.test, observed_from: admin}}
flows:
  in: {source: internet, destination: web, services: [tcp/443], owner_team: n, reason: r}
  out: {source: web, destination: internet, services: [tcp/80], owner_team: n, reason: r}
"""


def test_public_servers_of_ours_are_not_the_internet(bench: Namespace) -> None:
    estate = estate_of(PUBLIC_OF_OURS)
    ruleset = judged(bench, estate, BEFORE)
    rules = {version: read(ruleset, version) for version in (4, 6)}
    assert between(rules, estate, "dmz", "web") == {Verdict.DROP}
    assert between(rules, estate, "web", "dmz") == {Verdict.DROP}


def test_a_host_accepts_what_is_declared_towards_its_zones() -> None:
    estate = small()
    data = list(host_accepts(estate, estate.machines["data-a1"], BEFORE))
    web = ("10.1.10.0/24", "10.2.10.0/24")
    assert data == [
        Accept("zone data", "ip", ("10.1.20.0/24",), "", ()),
        Accept("store", "ip", web, "tcp", ("9000", "8000-8010")),
        Accept("store", "ip", web, "udp", ("53",)),
        Accept("store", "ip", web, "icmp", ()),
        # Whoever has IPv6 in that zone is known by it, too.
        Accept("store", "ip6", ("fd00:1:10::/64",), "tcp", ("9000", "8000-8010")),
        Accept("store", "ip6", ("fd00:1:10::/64",), "udp", ("53",)),
        Accept("store", "ip6", ("fd00:1:10::/64",), "ipv6-icmp", ()),
        Accept("trial", "ip", web, "tcp", ("22",)),
        Accept("trial", "ip6", ("fd00:1:10::/64",), "tcp", ("22",)),
    ]
    front = list(host_accepts(estate, estate.machines["web-a1"], BEFORE))
    assert [a for a in front if a.flow == "public"] == [
        Accept("public", "ip", (), "tcp", ("443",)), Accept("public", "ip6", (), "tcp", ("443",)),
    ]  # fmt: skip
    directory = list(host_accepts(estate, estate.machines["dc-corbas"], BEFORE))
    assert directory == [
        Accept("zone directory", "ip", ("10.40.1.0/28", "10.40.3.0/28"), "", ()),
        Accept("names", "ip", ("10.1.20.0/24",), "udp", ("53",)),
    ]


@pytest.mark.parametrize("folder", ["estate", "lab/estate"])
def test_hosts_accept_no_more_than_firewalls_forward(folder: str) -> None:
    """Whoever a host accepts is of its own zone and member, or of a flow towards it."""
    estate = load(INVENTORY / folder)
    for machine in estate.machines.values():
        zones = {estate.vlans[leg.vlan].zone for leg in machine.interfaces}
        for accept in host_accepts(estate, machine, BEFORE):
            if accept.flow.startswith("zone "):
                owners = {estate.vlans[leg.vlan].owner for leg in machine.interfaces}
                sources = {ip_network(net) for net in accept.sources}
                near = {net for v in estate.vlans.values()
                        if v.zone in zones and v.owner in owners for net in v.subnets}  # fmt: skip
                assert sources <= near
                assert sources
            else:
                flow = estate.flows[accept.flow]
                assert flow.destination in zones
                source = estate.zones[flow.source]
                assert bool(accept.sources) != source.internet, "everybody is the internet alone"


def test_public_ports_are_translated_to_the_sites_own_proxies() -> None:
    estate = small()
    assert list(translations(estate, "a", BEFORE)) == [
        Translation("ip", "203.0.113.10", "tcp", 443, "10.1.10.10"),
        Translation("ip", "203.0.113.10", "tcp", 8443, "10.1.10.10"),
        Translation("ip", "203.0.113.10", "udp", 443, "10.1.10.10"),
    ], "no address of the family, no translation"
    assert {t.to for t in translations(estate, "b", BEFORE)} == {"10.2.10.10"}
    assert list(translations(estate, "c", BEFORE)) == []
    # An exposure that has ended is no way in any more.
    assert 8443 in {t.port for t in translations(estate, "a", LAST)}
    assert 8443 not in {t.port for t in translations(estate, "a", AFTER)}


def test_the_lab_translates_both_families() -> None:
    estate = load(INVENTORY / "lab" / "estate")
    for site, four, six in (("a", "10.10.10.10", "fd00:10:10::10"),
                            ("b", "10.20.10.10", "fd00:20:10::10")):  # fmt: skip
        found = set(translations(estate, site, BEFORE))
        assert found == {
            Translation(family, public, "tcp", port, to)
            for family, public, to in (
                ("ip", "203.0.113.10", four), ("ip6", "2001:db8:113::10", six),
            )
            for port in (80, 443)
        }  # fmt: skip
