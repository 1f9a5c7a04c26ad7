"""Flows that hold at some sites: what the proofs excuse between sites, and what they do not."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sitiv_infra.checking import Status, Verdict
from sitiv_infra.estate import Estate, Flow
from sitiv_infra.facts import FirewallFacts
from sitiv_infra.policy.nft_text import ruleset
from sitiv_infra.testing import NOW, estate_of, judged
from sitiv_infra.wanted import forward_sets, nftables
from sitiv_infra.wanted.filtering import bound, together

ALIKE, LIVE, RENDERED = (
    "segmentation.pair-alike", "segmentation.live-exact", "segmentation.render-exact",
)  # fmt: skip
STEADY = "segmentation.flow-steady"
NAMES = ("fw-a1", "fw-a2", "fw-b1", "fw-b2")
TWO_SITES = """
zones:
  web: {title: Web}
  data: {title: Data}
  users: {title: Users}
  internet: {title: Internet, internet: true}
vlans:
  web-a: {vid: 10, zone: web, sites: [a], subnets: [10.1.1.0/24, 'fd00:11::/64']}
  web-b: {vid: 11, zone: web, sites: [b], subnets: [10.2.1.0/24]}
  data-a: {vid: 20, zone: data, sites: [a], subnets: [10.1.2.0/24, 'fd00:12::/64']}
  data-b: {vid: 21, zone: data, sites: [b], subnets: [10.2.2.0/24]}
  users: {vid: 30, zone: users, sites: [a, b], subnets: [10.3.0.0/16]}
firewalls:
  fw-a1: {site: a, host: fw-a1.test, observed_from: admin}
  fw-a2: {site: a, host: fw-a2.test, observed_from: admin}
  fw-b1: {site: b, host: fw-b1.test, observed_from: admin}
  fw-b2: {site: b, host: fw-b2.test, observed_from: admin}
"""
SQL = (
    "flows: {{sql: {{source: web, destination: data, services: [tcp/5432], owner_team: bases,"
    " reason: a test, ticket: GLPI-7{0}}}, ssh: {{source: web, destination: data,"
    " services: [tcp/22], owner_team: net, reason: a test}}}}"
)


def declared(more: str = ", sites: [a]") -> Estate:
    return estate_of(TWO_SITES, SQL.format(more))


def rules(estate: Estate, *flows: str) -> FirewallFacts:
    """Give a firewall that lets these flows pass, wherever and until when they are declared to."""
    anyway = {"sites": (), "until": None}
    kept = {name: estate.flows[name].model_copy(update=anyway) for name in flows}
    sets = forward_sets(estate.model_copy(update={"flows": kept}), "a", NOW.date())
    listed = ruleset([one.text for one in sets], [one.rule for one in sets])
    return FirewallFacts(engine="nftables", version="1", ruleset=tuple(listed))


def told(check: str, estate: Estate, live: Mapping[str, tuple[str, ...]]) -> dict[str, Verdict]:
    seen = {f"firewall/{name}": rules(estate, *flows) for name, flows in live.items()}
    found = judged(check, estate, seen)
    return {path.removeprefix("sitiv/firewall/"): verdict for path, verdict in found.items()}


def failing(check: str, estate: Estate, live: Mapping[str, tuple[str, ...]]) -> list[str]:
    found = told(check, estate, live)
    assert {one.status for one in found.values()} <= {Status.PASS, Status.FAIL}
    return [name for name, one in found.items() if one.status is Status.FAIL]


BOTH, ALONE = ("sql", "ssh"), ("ssh",)
AS_DECLARED = {"fw-a1": BOTH, "fw-a2": BOTH, "fw-b1": ALONE, "fw-b2": ALONE}


def test_a_declared_difference_is_none_to_find() -> None:
    estate = declared()
    assert failing(LIVE, estate, AS_DECLARED) == []
    found = told(ALIKE, estate, AS_DECLARED)
    assert {one.status for one in found.values()} == {Status.PASS}
    assert {tuple(one.evidence["flows"]) for one in found.values()} == {("sql",)}  # type: ignore[arg-type]
    assert "declared for some sites" in found["fw-b1"].message
    plain = dict.fromkeys(NAMES, BOTH)
    assert {one.evidence.get("flows") for one in told(ALIKE, declared(""), plain).values()} == {
        None
    }


@pytest.mark.parametrize(
    ("changes", "live", "alike"),
    [
        # What is a's is live at b: by one of the pair, by both.
        ({"fw-b1": BOTH}, ["fw-b1"], ["fw-b1"]),
        ({"fw-b1": BOTH, "fw-b2": BOTH}, ["fw-b1", "fw-b2"], ["fw-b1", "fw-b2"]),
        # It is missing where it is declared: at one of the pair, at both, although all are alike.
        ({"fw-a2": ALONE}, ["fw-a2"], ["fw-a2"]),
        ({"fw-a1": ALONE, "fw-a2": ALONE}, ["fw-a1", "fw-a2"], ["fw-a1", "fw-a2"]),
        # The sites are exchanged.
        (dict(zip(NAMES, (ALONE, ALONE, BOTH, BOTH), strict=True)), [*NAMES], [*NAMES]),
        # Another difference hides behind none that is declared.
        ({"fw-b2": ()}, ["fw-b2"], ["fw-b2"]),
        ({"fw-b1": (), "fw-b2": ()}, ["fw-b1", "fw-b2"], ["fw-b1", "fw-b2"]),
        ({"fw-a1": ("sql",), "fw-b1": ()}, ["fw-a1", "fw-b1"], ["fw-a1", "fw-b1"]),
        # What most of them do is the measure, though it is not what is declared.
        ({"fw-a1": ("sql",), "fw-b1": (), "fw-b2": ()}, ["fw-a1", "fw-b1", "fw-b2"], ["fw-a2"]),
    ],
)  # fmt: skip
def test_what_is_not_declared_so_is_named(
    changes: dict[str, tuple[str, ...]], live: list[str], alike: list[str]
) -> None:
    estate = declared()
    assert failing(LIVE, estate, AS_DECLARED | changes) == live
    assert failing(ALIKE, estate, AS_DECLARED | changes) == alike


def test_a_declared_difference_weighs_nothing_in_what_most_do() -> None:
    """Three firewalls of two sites do the same, but for what is declared: they are most."""
    third = "firewalls: {fw-a3: {site: a, host: fw-a3.test, observed_from: admin}}"
    estate = estate_of(TWO_SITES, third, SQL.format(", sites: [a]"))
    changes = {"fw-a1": ("sql",), "fw-b1": (), "fw-b2": (), "fw-a3": BOTH}
    assert failing(ALIKE, estate, AS_DECLARED | changes) == ["fw-a2", "fw-a3"]


def test_what_passes_and_what_misses_is_told_by_name() -> None:
    estate = declared()
    extra = told(ALIKE, estate, AS_DECLARED | {"fw-b1": BOTH})["fw-b1"]
    assert "10.1.1.0/24,10.2.1.0/24 > 10.1.2.0/24,10.2.2.0/24 tcp/5432" in str(
        extra.evidence["passing"]
    )
    for check in (ALIKE, LIVE):
        lost = told(check, estate, AS_DECLARED | {"fw-a2": ALONE})["fw-a2"]
        assert "tcp/5432, wanted by sql" in str(lost.evidence["dropped"])


def test_a_flow_that_has_ended_is_no_difference_any_more() -> None:
    estate = declared(", sites: [a], until: 2026-11-20")
    assert failing(ALIKE, estate, dict.fromkeys(NAMES, ALONE)) == []
    assert failing(ALIKE, estate, AS_DECLARED) != []
    assert bound(estate, NOW.date()) == []


def test_what_all_sites_let_pass_is_no_difference() -> None:
    estate = declared(", sites: [a, b]")
    assert bound(estate, NOW.date()) == []
    assert together(estate, NOW.date()) == [("a", "b")]
    assert failing(ALIKE, estate, dict.fromkeys(NAMES, BOTH)) == []


def test_a_live_rule_that_is_declared_elsewhere_is_undeclared() -> None:
    estate, check = declared(), "segmentation.undeclared-flow"
    found = told(check, estate, AS_DECLARED | {"fw-b1": BOTH})
    assert [n for n, one in found.items() if one.status is Status.FAIL] == ["fw-b1/web>data"]
    closed = judged(
        "segmentation.declared-closed", estate,
        {f"firewall/{name}": rules(estate, *flows) for name, flows in AS_DECLARED.items()},
    )  # fmt: skip
    assert set(closed) == {
        *(f"sitiv/flow/ssh@{name}" for name in NAMES), "sitiv/flow/sql@fw-a1",
        "sitiv/flow/sql@fw-a2",
    }  # fmt: skip
    assert {one.status for one in closed.values()} == {Status.PASS}


def test_what_is_rendered_is_proved_for_each_site(monkeypatch: pytest.MonkeyPatch) -> None:
    found = judged(RENDERED, declared(), {})
    assert {path: one.status for path, one in found.items()} == {
        "sitiv/operator/sitiv/a": Status.PASS, "sitiv/operator/sitiv/b": Status.PASS,
    }  # fmt: skip
    original = nftables.filled
    monkeypatch.setattr(nftables, "filled", lambda e, _, day: original(e, "a", day))
    bad = judged(RENDERED, declared(), {})
    assert bad["sitiv/operator/sitiv/a"].status is Status.PASS
    assert bad["sitiv/operator/sitiv/b"].status is Status.FAIL


@pytest.mark.parametrize(
    ("ends", "sites", "ways"),
    [
        (("web", "data"), "a", None),
        (("users", "web"), "a", ["users > web-a (a)"]),
        (("users", "web"), "b", ["users > web-b (b)"]),
        (("internet", "web"), "b", ["internet > web-b (b)"]),
        (("web", "users"), "a", ["web-a > users (a)"]),
        (("users", "data"), "a, b", "all"),
    ],
)
def test_what_hangs_on_who_leads_is_told(
    ends: tuple[str, str], sites: str, ways: list[str] | str | None
) -> None:
    flow = (
        f"flows: {{f: {{source: {ends[0]}, destination: {ends[1]}, services: [tcp/1],"
        f" owner_team: t, reason: r, sites: [{sites}]}}}}"
    )
    found = judged(STEADY, estate_of(TWO_SITES, flow), {})
    if ways == "all":
        assert {one.status for one in found.values()} == {Status.NOT_APPLICABLE}
        return
    one = found["sitiv/flow/f"]
    assert one.status is (Status.FAIL if ways else Status.PASS)
    assert one.evidence.get("ways") == ways


PAIRS = (("web", "data"), ("data", "web"), ("users", "data"))
SERVICES = ("tcp/9", "tcp/20-25", "tcp/22", "tcp/24-30")
Case = tuple[Estate, dict[str, tuple[str, ...]]]


@cache
def base() -> Estate:
    return estate_of(TWO_SITES)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw flows, and what is live on each firewall: mostly what is declared there."""
    flows: dict[str, Flow] = {}
    for number in range(draw(st.integers(1, 4))):
        pair = draw(st.sampled_from(PAIRS))
        flows[f"f{number}"] = Flow(
            name=f"f{number}",
            source=pair[0],
            destination=pair[1],
            owner_team="t",
            reason="r",
            services=(draw(st.sampled_from(SERVICES)),),
        ).model_copy(update={"sites": draw(st.sampled_from([(), ("a",), ("b",), ("a", "b")]))})
    estate = base().model_copy(update={"flows": flows})
    odd = draw(st.sets(st.tuples(st.sampled_from(NAMES), st.sampled_from(sorted(flows)))))
    live = {
        name: tuple(f for f in flows if flows[f].holds_at(name[3]) is not ((name, f) in odd))
        for name in NAMES
    }
    return estate, live


Packet = tuple[tuple[str, str], int]


def passing(flows: list[Flow]) -> set[Packet]:
    """Give the packets that flows let pass, each as its zones and its port."""
    return {
        ((f.source, f.destination), port)
        for f in flows
        for text in f.services
        for port in range(1, 40)
        if _has(text, port)
    }


def _has(service: str, port: int) -> bool:
    low, _, high = service.removeprefix("tcp/").partition("-")
    return int(low) <= port <= int(high or low)


@settings(
    max_examples=25, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(case=cases())
def test_the_proofs_say_what_packet_by_packet_is_so(case: Case) -> None:
    estate, live = case
    flows = list(estate.flows.values())
    seen = {name: passing([estate.flows[f] for f in found]) for name, found in live.items()}
    due = {name: passing([f for f in flows if f.holds_at(name[3])]) for name in NAMES}
    assert failing(LIVE, estate, live) == [name for name in NAMES if seen[name] != due[name]]

    partly = [f for f in flows if f.sites not in {(), ("a", "b")}]
    apart = passing(partly) - passing([f for f in flows if f not in partly])
    agreed = len({frozenset(found - apart) for found in seen.values()}) == 1
    own = all(seen[name] & apart == due[name] & apart for name in NAMES)
    assert (failing(ALIKE, estate, live) == []) is (agreed and own)
    if agreed:
        wrong = [name for name in NAMES if seen[name] & apart != due[name] & apart]
        assert failing(ALIKE, estate, live) == wrong
