"""The network, as the page draws it."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sitiv_infra.checking import Status, Verdict
from sitiv_infra.estate import Estate, Severity
from sitiv_infra.messages import Language
from sitiv_infra.report.audit import Audit, Finding, State
from sitiv_infra.report.formats import FORMATS
from sitiv_infra.report.labels import fit
from sitiv_infra.report.plan import Plan, Rect, plans
from sitiv_infra.report.topology import Topology, topology
from sitiv_infra.testing import estate_of
from tests.report import factory
from tests.report.pages import Element, complaints, parsed

ESTATE = """
sites: {c: {title: Third}}
zones:
  net: {title: N, internet: true}
  partners: {title: P, networks: [192.0.2.0/25]}
  web: {title: W}
  data: {title: D}
  users: {title: U}
  transit: {title: T}
  rest: {title: R, unassigned: true}
vlans:
  outside: {vid: 100, zone: net, sites: [a, b]}
  transit: {vid: 900, zone: transit, sites: [a, b, c], transit: true}
  a-web: {vid: 110, zone: web, sites: [a], subnets: [10.1.1.0/24]}
  a-data: {vid: 130, zone: data, sites: [a], subnets: [10.1.3.0/24]}
  b-data: {vid: 230, zone: data, sites: [b], subnets: [10.2.3.0/24]}
  c-data: {vid: 330, zone: data, sites: [c], subnets: [10.3.3.0/24]}
  users-corbas: {vid: 401, zone: users, sites: [a, b], member: corbas}
  users-givors: {vid: 402, zone: users, sites: [a, b], member: givors}
firewalls:
  fw-a: {site: a, host: fw-a.test, observed_from: admin}
  fw-b: {site: b, host: fw-b.test, observed_from: admin}
machines:
  fw-a: {site: a, role: firewall, interfaces: [{vlan: a-web, addresses: [10.1.1.2]}]}
  fw-b: {site: b, role: firewall}
  w1: {site: a, role: web, interfaces: [{vlan: a-web, addresses: [10.1.1.9]}]}
  w2: {site: a, role: web, interfaces: [{vlan: a-web, addresses: [10.1.1.8]}]}
"""
SEVERITIES = {
    "hypervisor.dual-homed": "critical", "switching.bypass": "critical", "switching.exact": "high",
    "hypervisor.port-override": "medium", "segmentation.live-exact": "high",
    "switching.dual-homed": "high", "host.clock": "low",
}  # fmt: skip
RULES = {n: factory.rule(n, "It is as declared.", s) for n, s in SEVERITIES.items()}


def seen(
    check: str, subject: str, status: Status = Status.FAIL, site: str = "a", **evidence: object
) -> Finding:
    severity = Severity(SEVERITIES[check])
    return Finding(
        Verdict(check, subject, status, severity, "said", evidence, sites=(site,)), RULES[check]
    )


GOOD = seen("switching.exact", "sitiv/switch/s", Status.PASS)
BOTH = seen("hypervisor.dual-homed", "sitiv/machine/w1", zones=["data", "web"])


def drawn(*findings: Finding, estate: Estate | None = None) -> Topology:
    found = topology(factory.audit(*findings, estate=estate or estate_of(ESTATE)))
    assert found is not None
    return found


def page(audit: Audit) -> str:
    return FORMATS["html"].encode(audit, Language("fr")).decode()


def figure(told: str) -> Element:
    return next(e for e in parsed(told).all("figure") if e.attributes.get("class") == "topology")


def test_what_stands_where() -> None:
    found = drawn(GOOD)
    assert (found.home, found.outside) == ("switching", ("net", "partners"))
    assert [v.name for v in found.links] == ["transit"]
    assert found.zones == ("web", "data", "users")
    a, b, c = found.halves
    assert list(a.places) == ["web", "data", "users"]
    assert a.places["web"].machines == 2, "a firewall stands in every zone, and counts in none"
    assert a.places["users"].members == ("corbas", "givors")
    assert (list(a.firewalls), list(b.firewalls), list(c.firewalls)) == (["fw-a"], ["fw-b"], [])
    assert list(c.places) == ["data"]


@pytest.mark.parametrize(
    ("finding", "joins", "marked"),
    [
        (BOTH, [("web", "data")], {"web", "data"}),
        (seen("switching.bypass", "s", one="users", other="web", path=[]),
         [("web", "users")], {"web", "users"}),
        (seen("switching.dual-homed", "m", zones=["web", "data", "users"]),
         [("web", "data", "users")], {"web", "data", "users"}),
        (seen("switching.bypass", "s", one="web", other="net"), [], {"web"}),  # one is not there
        (seen("hypervisor.dual-homed", "m", Status.UNKNOWN, doubts=["card 1"]), [], set()),
        (seen("hypervisor.dual-homed", "m", Status.PASS, zones=["web", "data"]), [], set()),
        (seen("hypervisor.dual-homed", "m", site="b", zones=["web", "data"]), [], set()),
        (seen("hypervisor.dual-homed", "m", zones="web"), [], set()),
    ],
)  # fmt: skip
def test_zones_that_are_joined(
    finding: Finding, joins: list[tuple[str, ...]], marked: set[str]
) -> None:
    half = drawn(GOOD, finding).halves[0]
    assert [join.zones for join in half.joins] == joins
    assert {zone for zone, place in half.places.items() if place.mark} == marked


def test_the_worst_of_a_pair_counts_and_a_waiver_is_no_mark() -> None:
    unsure = seen("switching.bypass", "s", Status.UNKNOWN, one="web", other="data")
    accepted = replace(BOTH.verdict, waiver="w")
    (join,) = drawn(unsure, BOTH, BOTH).halves[0].joins
    assert (join.mark.state, join.mark.look, join.mark.count) == (State.OPEN, "critical", 2)
    assert drawn(unsure).halves[0].joins[0].mark.look == "unknown"
    assert drawn(GOOD, replace(BOTH, verdict=accepted)).halves[0].joins == ()


def test_firewalls_and_what_is_below() -> None:
    found = drawn(
        seen("segmentation.live-exact", "sitiv/firewall/fw-a"),
        seen("segmentation.live-exact", "sitiv/flow/x@fw-b", Status.UNKNOWN, "b"),
        seen("switching.exact", "sitiv/switch/s"),
        seen("hypervisor.port-override", "sitiv/vcenter/v/d/p", Status.UNKNOWN),
        seen("host.clock", "sitiv/machine/w1"),
    )
    a, b, c = found.halves
    assert found.home == "segmentation"
    marks = {**a.firewalls, **b.firewalls}
    assert {name: mark.look for name, mark in marks.items() if mark} == {
        "fw-a": "high", "fw-b": "unknown"
    }  # fmt: skip
    assert [(m.check.id, m.look) for m in a.below] == [
        ("switching.exact", "high"), ("hypervisor.port-override", "unknown")
    ]  # fmt: skip
    assert (b.good, c.good) == (False, False), "nothing was judged there"


def test_what_is_accepted_is_not_called_good() -> None:
    bad = seen("switching.exact", "sitiv/switch/s2")
    accepted = replace(bad, verdict=replace(bad.verdict, waiver="w"))
    assert drawn(GOOD).halves[0].good
    assert not drawn(GOOD, accepted).halves[0].good
    assert drawn(GOOD, accepted).halves[0].below == ()


def test_nothing_is_drawn_without_a_vlan_or_a_verdict_of_the_network() -> None:
    assert topology(factory.audit(GOOD)) is None
    other = seen("host.clock", "sitiv/machine/w1")
    assert topology(factory.audit(other, estate=estate_of(ESTATE))) is None


def apart(one: Rect, other: Rect) -> bool:
    return (
        one.right <= other.x or other.right <= one.x
        or one.bottom <= other.y or other.bottom <= one.y
    )  # fmt: skip


def check_plan(plan: Plan) -> None:
    boxes = list(plan.boxes())
    for one, other in combinations(boxes, 2):
        assert apart(one, other), (one, other)
    for one, other in combinations([side.frame for side in plan.sides], 2):
        assert apart(one, other), (one, other)
    for box in (*boxes, *(side.frame for side in plan.sides)):
        assert box.x >= 0
        assert box.y >= 0
        assert box.right <= plan.width + 0.01
        assert box.bottom <= plan.height + 0.01
        assert min(box.w, box.h) > 0
    for side in plan.sides:
        for box in (*(rect for _, rect in side.places), *(rect for _, rect in side.below)):
            assert side.frame.x <= box.x
            assert box.right <= side.frame.right
            assert box.bottom <= side.frame.bottom
        for _, _, box in side.guards:
            assert side.wall is not None
            assert side.wall.y <= box.y
            assert box.bottom <= side.wall.bottom
        for lane in side.lanes:
            assert side.frame.x <= lane.x - 9
            assert lane.x + 9 <= side.frame.right
            assert all(apart(Rect(lane.x - 9, lane.y - 9, 18, 18), r) for _, r in side.places)


NAMES = [f"zone-{n}" for n in range(30)]


@given(
    st.lists(st.sampled_from(["a", "b", "ab", "abc", "c", ""]), min_size=30, max_size=30),
    st.lists(st.lists(st.sampled_from(NAMES), min_size=2, max_size=4, unique=True), max_size=12),
    st.integers(0, 3),
    st.integers(0, 5),
    st.booleans(),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_covers_anything_else(
    stands: list[str],
    joined: list[list[str]],
    below: int,
    walls: int,
    links: bool,  # noqa: FBT001 - drawn
) -> None:
    zones = "".join(f"  {name}: {{title: Z}}\n" for name in NAMES)
    vlans = "".join(
        f"  {name}: {{vid: {number + 2}, zone: {name}, sites: [{','.join(sites)}]}}\n"
        for number, (name, sites) in enumerate(zip(NAMES, stands, strict=True)) if sites
    )  # fmt: skip
    vlans += "  x: {vid: 3000, zone: admin, sites: [a]}\n"
    vlans += "  t: {vid: 4000, zone: admin, sites: [a, b, c], transit: true}\n" if links else ""
    zones += "  net: {title: N, internet: true}\n"
    text = f"sites: {{c: {{title: C}}}}\nzones:\n{zones}vlans:\n{vlans}"
    names = [f"fw-{n}" for n in range(walls)]
    fw = "".join(f"  {n}: {{site: a, host: f.test, observed_from: admin}}\n" for n in names)
    machines = "".join(f"  {n}: {{site: a, role: firewall}}\n" for n in names)
    fw = f"firewalls:\n{fw}machines:\n{machines}" if names else "machines: {}"
    findings = [
        seen("switching.bypass", str(n), site=site, zones=pair)
        for n, pair in enumerate(joined) for site in "ab"
    ]  # fmt: skip
    marks = ("switching.exact", "hypervisor.port-override", "host.clock")
    findings += [seen(check, "s") for check in marks[:below]]
    found = drawn(GOOD, *findings, estate=estate_of(text, fw))
    wide, narrow = plans(found)
    check_plan(wide)
    check_plan(narrow)
    places = [
        {(p.zone, s.half.site.name) for s in plan.sides for p, _ in s.places}
        for plan in (wide, narrow)
    ]
    assert places[0] == places[1] == {
        (zone, half.site.name) for half in found.halves for zone in half.places
    }  # fmt: skip
    # A zone has one row on the two sites of a pair, and the same network has the same plan.
    rows = [{p.zone: r.y for p, r in side.places} for side in wide.sides[:2]]
    if len(rows) == 2:
        assert all(rows[0][z] == rows[1][z] for z in rows[0].keys() & rows[1].keys())
    assert plans(found)[0] == wide


def test_the_page_holds_it_and_each_mark_leads_to_its_check() -> None:
    told = page(factory.audit(GOOD, BOTH, estate=estate_of(ESTATE)))
    assert complaints(told) == []
    drawing = figure(told)
    wide, narrow = drawing.all("svg")
    for svg in (wide, narrow):
        targets = {link.attributes["href"] for link in svg.all("a")}
        assert targets == {"#hypervisor.dual-homed"}
        assert all(next(link.all("title")).text for link in svg.all("a"))
        assert "VLAN 401-402 · membres" in svg.text
        assert svg.attributes["role"] == "group"
    for half in ("a", "b"):
        assert len(re.findall(f"fw-{half}", wide.text)) >= 1
    assert "<script" not in told
    assert page(factory.audit(GOOD, BOTH, estate=estate_of(ESTATE))) == told


@pytest.mark.parametrize("hostile", factory.HOSTILE)
def test_names_are_escaped(hostile: str) -> None:
    estate = estate_of(ESTATE)
    sites = {**estate.sites, "a": estate.sites["a"].model_copy(update={"title": hostile})}
    vlan = estate.vlans["a-web"].model_copy(update={"name": hostile})
    bad = estate.model_copy(update={"sites": sites, "vlans": {**estate.vlans, "a-web": vlan}})
    told = page(factory.audit(GOOD, estate=bad))
    assert hostile not in told
    assert complaints(told) == []


def test_long_names_end_where_they_no_longer_fit() -> None:
    assert fit("short", 100) == "short"
    assert fit("a-very-long-name-indeed", 67) == "a-very-lo…"
