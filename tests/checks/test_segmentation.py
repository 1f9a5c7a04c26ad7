from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from sitiv_infra.checking import Status, Verdict
from sitiv_infra.estate import Estate
from sitiv_infra.facts import FirewallFacts
from sitiv_infra.facts.firewall import Hit
from sitiv_infra.messages import Language
from sitiv_infra.policy import mismatch
from sitiv_infra.policy.compare import compare
from sitiv_infra.policy.lists import NO_RULE
from sitiv_infra.policy.nft_text import ruleset
from sitiv_infra.testing import NOW, estate_of, judged
from sitiv_infra.wanted import nftables

ZONES = """
zones:
  web: {title: Web}
  data: {title: Data}
  far: {title: Only on the other site}
  internet: {title: Internet, internet: true}
vlans:
  web-a: {vid: 10, zone: web, sites: [a], subnets: [10.1.0.0/24, 'fd00:1::/64']}
  data-a: {vid: 20, zone: data, sites: [a], subnets: [10.2.0.0/24]}
  far-b: {vid: 30, zone: far, sites: [b], subnets: [10.3.0.0/24]}
firewalls:
  fw: {site: a, host: 192.0.2.1, account: audit, credential: fw, observed_from: admin}
"""
FLOW = "{{source: {0}, destination: {1}, services: [{2}], owner_team: net, reason: a test{3}}}"
SOURCE, DESTINATION = "saddr", "daddr"


def declared(**flows: str) -> Estate:
    if not flows:
        return estate_of(ZONES)
    lines = [f"  {name}: {text}" for name, text in flows.items()]
    return estate_of(ZONES, "flows:\n" + "\n".join(lines) + "\n")


def flow(source: str, destination: str, services: str, more: str = "") -> str:
    return FLOW.format(source, destination, services, more)


def address(field: str, prefix: str, version: str = "ip") -> dict[str, object]:
    net, length = prefix.split("/")
    left = {"payload": {"protocol": version, "field": field}}
    right = {"prefix": {"addr": net, "len": int(length)}}
    return {"match": {"op": "==", "left": left, "right": right}}


def port(number: int, protocol: str = "tcp") -> dict[str, object]:
    left = {"payload": {"protocol": protocol, "field": "dport"}}
    return {"match": {"op": "==", "left": left, "right": number}}


def on(name: str) -> dict[str, object]:
    return {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": name}}


NEW = {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": "new"}}
WEB, DATA = address(SOURCE, "10.1.0.0/24"), address(DESTINATION, "10.2.0.0/24")


def rules(*bodies: list[dict[str, object]], policy: str = "drop") -> FirewallFacts:
    place = {"family": "inet", "table": "filter"}
    chain = {
        "chain": {
            **place, "name": "forward", "type": "filter", "hook": "forward", "prio": 0,
            "policy": policy,
        }
    }  # fmt: skip
    listed = [
        {"rule": {**place, "chain": "forward", "handle": n, "expr": [*body, NEW, {"accept": None}]}}
        for n, body in enumerate(bodies, start=4)
    ]
    return FirewallFacts(engine="nftables", version="1.0.6", ruleset=(chain, *listed))


def verdicts(
    check: str, estate: Estate, facts: FirewallFacts | None, now: datetime = NOW
) -> dict[str, Verdict]:
    seen = {"firewall/fw": facts} if facts is not None else {}
    gaps = {} if facts is not None else {"firewall/fw": "its SSH host key has changed"}
    return judged(check, estate, seen, gaps=gaps, now=now)


def statuses(check: str, estate: Estate, facts: FirewallFacts | None) -> dict[str, str]:
    return {path: v.status.value for path, v in verdicts(check, estate, facts).items()}


FIREWALL = "sitiv/firewall/fw"


def test_only_declared_flows_pass() -> None:
    estate = declared(https=flow("web", "data", "tcp/443"))
    found = verdicts("segmentation.undeclared-flow", estate, rules([WEB, DATA, port(443)]))
    assert {k: v.status for k, v in found.items()} == {FIREWALL: Status.PASS}
    assert found[FIREWALL].evidence["count"] == 6, "web, data and internet; far is elsewhere"


def test_an_undeclared_flow_is_named_with_a_witness() -> None:
    facts = rules([WEB, DATA, port(443)], [WEB, DATA, port(5432)])
    estate = declared(https=flow("web", "data", "tcp/443"))
    found = verdicts("segmentation.undeclared-flow", estate, facts)
    item = found[f"{FIREWALL}/web>data"]
    assert item.status is Status.FAIL
    assert item.evidence["services"] == ["tcp/5432"]
    assert item.evidence["witness"] == "tcp 10.1.0.1 > 10.2.0.1 port 5432"
    assert item.sites == ("a",)
    assert list(found) == [f"{FIREWALL}/web>data"]


def test_a_flow_is_not_declared_the_other_way_round() -> None:
    estate = declared(https=flow("data", "web", "tcp/443"))
    found = statuses("segmentation.undeclared-flow", estate, rules([WEB, DATA, port(443)]))
    assert found == {f"{FIREWALL}/web>data": "fail"}


def test_a_rule_without_ports_opens_all_that_is_not_declared() -> None:
    estate = declared(https=flow("web", "data", "tcp/443"))
    found = verdicts("segmentation.undeclared-flow", estate, rules([WEB, DATA]))
    services = found[f"{FIREWALL}/web>data"].evidence["services"]
    assert services == ["tcp/0-442", "tcp/444-65535", "udp/all", "ip/all"]


def test_an_open_firewall_fails_for_every_pair() -> None:
    found = statuses("segmentation.undeclared-flow", declared(), rules(policy="accept"))
    pairs = {
        f"{one}>{two}" for one in ("web", "data", "internet") for two in ("web", "data", "internet")
    }
    expected = {p for p in pairs if len(set(p.split(">"))) == 2}
    assert found == {f"{FIREWALL}/{pair}": "fail" for pair in expected}


def test_what_is_in_no_zone_reaches_nothing() -> None:
    rests = "zones: {lost: {title: Nobody's, unassigned: true}}"
    lan = address(SOURCE, "192.168.7.0/24")
    estate = estate_of(ZONES, rests)
    found = verdicts("segmentation.undeclared-flow", estate, rules([lan, DATA, port(22)]))
    assert [k for k, v in found.items() if v.status is Status.FAIL] == [f"{FIREWALL}/lost>data"]
    witness = found[f"{FIREWALL}/lost>data"].evidence["witness"]
    assert witness == "tcp 192.168.7.1 > 10.2.0.1 port 22"


def test_a_zone_behind_a_carrier_is_not_the_internet() -> None:
    partner = "zones: {them: {title: A partner, networks: [192.0.2.0/25]}}"
    theirs, whole = address(SOURCE, "192.0.2.0/25"), address(SOURCE, "192.0.2.0/24")
    estate = estate_of(ZONES, partner, f"flows: {{x: {flow('them', 'data', 'tcp/443')}}}")
    good = statuses("segmentation.undeclared-flow", estate, rules([theirs, DATA, port(443)]))
    assert good == {FIREWALL: "pass"}
    wide = statuses("segmentation.undeclared-flow", estate, rules([whole, DATA, port(443)]))
    assert wide == {f"{FIREWALL}/internet>data": "fail"}
    closed = statuses("segmentation.declared-closed", estate, rules())
    assert closed == {"sitiv/flow/x@fw": "fail"}


def test_the_internet_is_what_no_vlan_has() -> None:
    inside = rules([address(SOURCE, "10.0.0.0/8"), DATA])
    found = statuses("segmentation.undeclared-flow", declared(), inside)
    assert found == {f"{FIREWALL}/web>data": "fail"}
    outside = rules([address(SOURCE, "198.51.100.0/24"), DATA])
    found = statuses("segmentation.undeclared-flow", declared(), outside)
    assert found == {f"{FIREWALL}/internet>data": "fail"}


def test_ipv6_is_judged_too() -> None:
    facts = rules([address(SOURCE, "2001:db8::/32", "ip6")])
    found = verdicts("segmentation.undeclared-flow", declared(), facts)
    assert list(found) == [f"{FIREWALL}/internet>web"]
    assert "2001:db8::1 > fd00:1::1" in str(found[f"{FIREWALL}/internet>web"].evidence["witness"])


LIVE = "segmentation.live-exact"


def test_what_is_open_where_no_zone_is_named() -> None:
    estate = declared(https=flow("web", "data", "tcp/443"))
    good = [WEB, DATA, port(443)]
    assert statuses(LIVE, estate, rules(good)) == {FIREWALL: "pass"}
    inside = [address(SOURCE, "10.1.0.0/25"), address(DESTINATION, "10.1.0.128/25"), port(22)]
    found = verdicts(LIVE, estate, rules(good, inside))[FIREWALL]
    assert found.status is Status.FAIL
    by = "10.1.0.0/25 > 10.1.0.128/25 tcp/22, let through by inet filter forward #5"
    assert found.evidence["passing"] == [f"{by}, such as tcp 10.1.0.1 > 10.1.0.129 port 22"]
    found = verdicts(LIVE, estate, rules())[FIREWALL]
    by = f"10.1.0.0/24 > 10.2.0.0/24 tcp/443, wanted by https, dropped by {NO_RULE}"
    assert found.evidence["dropped"] == [f"{by}, such as tcp 10.1.0.1 > 10.2.0.1 port 443"]
    said = Language("fr").message(found.message, found.evidence)
    assert "voulu par https, rejeté par le défaut, aucune règle ne s" in said


STATE: dict[str, object] = {"ct": {"key": "state"}}


def state(name: str) -> dict[str, object]:
    return {"match": {"op": "in", "left": STATE, "right": name}}


@pytest.mark.parametrize(
    ("first", "states", "kinds"),
    [
        ((), None, ["an invalid packet"]),
        (("invalid",), None, ["an untracked packet"]),
        (("invalid", "untracked"), None, []),
        ((), "new", []),
        ((), "untracked", ["an untracked packet"]),
        ((), "invalid", ["an invalid packet"]),
        (("untracked",), "established", []),
    ],
)
def test_packets_of_no_connection_are_dropped(
    first: tuple[str, ...], states: str | None, kinds: list[str]
) -> None:
    """One that is declared for new connections, whatever a rule says or leaves out of states."""
    estate = declared(https=flow("web", "data", "tcp/443"))
    facts = rules([WEB, DATA, port(443)], [WEB, DATA, port(443)])
    chain, good, other = facts.ruleset
    expr = [WEB, DATA, port(443), *([state(states)] if states else []), {"accept": None}]
    body = {**other["rule"], "expr": expr} if isinstance(other["rule"], dict) else {}
    drops = [
        {"rule": {**body, "handle": 9, "expr": [state(name), {"drop": None}]}} for name in first
    ]
    ruleset = (chain, *drops, good, {"rule": body})
    found = verdicts(LIVE, estate, facts.model_copy(update={"ruleset": ruleset}))[FIREWALL]
    told = [
        f"10.1.0.0/24 > 10.2.0.0/24 tcp/443, let through by inet filter forward #5, such as"
        f" {kind}, tcp 10.1.0.1 > 10.2.0.1 port 443"
        for kind in kinds
    ]
    assert found.evidence.get("passing", []) == told
    assert found.status is (Status.FAIL if kinds else Status.PASS)


def test_flags_of_packets_of_no_connection_are_not_known() -> None:
    """A rule on TCP's flags may let an invalid packet pass; a drop that may not match harms not."""
    estate = declared(https=flow("web", "data", "tcp/443"))
    facts = rules([WEB, DATA, port(443)])
    chain, good = facts.ruleset
    body = good["rule"] if isinstance(good["rule"], dict) else {}
    flags = {"payload": {"protocol": "tcp", "field": "flags"}}
    acks = {"match": {"op": "==", "left": flags, "right": "ack"}}

    def judge(verdict: str) -> Status:
        rule = {"rule": {**body, "handle": 9, "expr": [acks, DATA, {verdict: None}]}}
        seen = facts.model_copy(update={"ruleset": (chain, rule, good)})
        return verdicts(LIVE, estate, seen)[FIREWALL].status

    assert judge("accept") is Status.UNKNOWN
    assert judge("drop") is Status.PASS


def test_what_surely_passes_is_told_though_the_budget_is_spent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    estate = declared(https=flow("web", "data", "tcp/443"))
    good, more = [WEB, DATA, port(443)], [DATA, port(22)]
    unclear = [on("eth1"), WEB, DATA, port(25)]
    monkeypatch.setattr(mismatch, "compare", partial(compare, most=0))
    assert statuses(LIVE, estate, rules(good, more)) == {FIREWALL: "unknown"}
    monkeypatch.setattr(mismatch, "compare", partial(compare, most=1))
    assert statuses(LIVE, estate, rules(good, more)) == {FIREWALL: "fail"}
    assert statuses(LIVE, estate, rules(good, unclear)) == {FIREWALL: "unknown"}


def test_a_flow_that_has_ended_is_open_no_more() -> None:
    estate = declared(https=flow("web", "data", "tcp/443", ", until: 2026-11-20"))
    assert statuses(LIVE, estate, rules()) == {FIREWALL: "pass"}
    assert statuses(LIVE, estate, rules([WEB, DATA, port(443)])) == {FIREWALL: "fail"}


def test_what_is_not_understood_is_not_exact() -> None:
    estate = declared(https=flow("web", "data", "tcp/443"))
    facts = rules([WEB, DATA, port(443)], [on("eth1"), WEB, DATA, port(22)])
    found = verdicts(LIVE, estate, facts)[FIREWALL]
    assert found.status is Status.UNKNOWN
    assert "10.1.0.0/24 > 10.2.0.0/24 tcp/22" in str(found.evidence["causes"])


RENDERED = "segmentation.render-exact"


def test_what_is_rendered_is_what_is_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    estate = declared(https=flow("web", "data", "tcp/443"))
    good = judged(RENDERED, estate, {})["sitiv/operator/sitiv"]
    assert (good.status, good.evidence["count"]) == (Status.PASS, 1)
    monkeypatch.setattr(nftables, "_ports", lambda _: [("tcp . ", (0, 65535))])
    bad = judged(RENDERED, estate, {})["sitiv/operator/sitiv"]
    assert bad.status is Status.FAIL
    assert "10.1.0.0/24 > 10.2.0.0/24 tcp/0-442,tcp/444-65535" in str(bad.evidence["passing"])
    none = judged(RENDERED, estate_of("zones: {x: {title: X}}"), {})
    assert {v.status for v in none.values()} == {Status.NOT_APPLICABLE}


def test_pairs_are_alike() -> None:
    second = "firewalls: {fx: {site: b, host: 192.0.2.2, observed_from: admin}}"
    estate = estate_of(ZONES, second)
    one, other = rules([WEB, DATA, port(443)]), rules([WEB, DATA, port(443)], [DATA, port(22)])

    def told(first: FirewallFacts | None, second: FirewallFacts) -> Verdict:
        seen = {"firewall/fx": second} | ({"firewall/fw": first} if first else {})
        gaps = {} if first else {"firewall/fw": "refused"}
        return judged("segmentation.pair-alike", estate, seen, gaps=gaps)["sitiv/firewall/fx"]

    assert told(one, one).status is Status.PASS
    assert told(one, other).evidence["passing"]
    assert told(other, one).evidence["dropped"]
    assert told(None, one).status is Status.UNKNOWN
    lone = judged(
        "segmentation.pair-alike", estate, {"firewall/fw": one}, gaps={"firewall/fx": "no"}
    )
    assert {v.status for v in lone.values()} == {Status.UNKNOWN}


def test_of_four_firewalls_the_one_that_differs_is_named_once() -> None:
    more = [f"  f{n}: {{site: b, host: 192.0.2.{n}, observed_from: admin}}" for n in (2, 3, 4)]
    estate = estate_of(ZONES, "firewalls:\n" + "\n".join(more) + "\n")
    usual, other = rules([WEB, DATA, port(443)]), rules([WEB, DATA, port(22)])
    for odd in ("fw", "f2", "f3", "f4"):
        names = ("fw", "f2", "f3", "f4")
        seen = {f"firewall/{name}": other if name == odd else usual for name in names}
        found = judged("segmentation.pair-alike", estate, seen)
        failed = [name for name, one in found.items() if one.status is Status.FAIL]
        assert failed == [f"sitiv/firewall/{odd}"]
        assert {one.status for one in found.values()} == {Status.FAIL, Status.PASS}


def test_of_two_firewalls_the_one_that_is_not_as_declared_is_named() -> None:
    second = "firewalls: {fx: {site: b, host: 192.0.2.2, observed_from: admin}}"
    flows = f"flows:\n  https: {flow('web', 'data', 'tcp/443')}\n"
    estate = estate_of(ZONES, second, flows)
    sets = nftables.forward_sets(estate, "a", NOW.date())
    listed = ruleset([one.text for one in sets], [one.rule for one in sets])
    good = FirewallFacts(engine="nftables", version="1", ruleset=tuple(listed))
    bad = rules([WEB, DATA, port(22)])
    for first, odd in ((good, "fx"), (bad, "fw")):
        seen = {"firewall/fw": first, "firewall/fx": bad if first is good else good}
        found = judged("segmentation.pair-alike", estate, seen)
        failed = [name for name, one in found.items() if one.status is Status.FAIL]
        assert failed == [f"sitiv/firewall/{odd}"]


def test_an_undecided_rule_is_unknown_and_named() -> None:
    estate = declared(https=flow("web", "data", "tcp/443"))
    facts = rules([WEB, DATA, port(443)], [on("eth1"), WEB, DATA, port(22)])
    found = verdicts("segmentation.undeclared-flow", estate, facts)
    item = found[f"{FIREWALL}/web>data"]
    assert item.status is Status.UNKNOWN
    assert item.evidence["causes"] == ["inet filter forward #5: meta iifname"]


def test_an_undecided_rule_about_a_declared_flow_does_not_matter() -> None:
    estate = declared(ssh=flow("web", "data", "tcp/22"))
    facts = rules([on("eth1"), WEB, DATA, port(22)])
    assert statuses("segmentation.undeclared-flow", estate, facts) == {FIREWALL: "pass"}
    found = verdicts("segmentation.declared-closed", estate, facts)
    assert found["sitiv/flow/ssh@fw"].status is Status.UNKNOWN


def test_declared_flows_pass() -> None:
    estate = declared(both=flow("web", "data", "tcp/443, udp/5000-5001, icmp"))
    left = {"meta": {"key": "l4proto"}}
    icmp: dict[str, object] = {"match": {"op": "==", "left": left, "right": "icmp"}}
    facts = rules([WEB, DATA, port(443)], [WEB, DATA, port(5000, "udp")], [WEB, DATA, icmp])
    found = verdicts("segmentation.declared-closed", estate, facts)
    item = found["sitiv/flow/both@fw"]
    assert (item.status, item.message) == (
        Status.FAIL,
        "blocked in part: {services:list}, such as {witness}",
    )
    assert item.evidence["services"] == ["udp/5001"]
    facts = rules(
        [WEB, DATA, port(443)], [WEB, DATA, port(5000, "udp")], [WEB, DATA, port(5001, "udp")],
        [WEB, DATA, icmp],
    )  # fmt: skip
    found = verdicts("segmentation.declared-closed", estate, facts)
    assert found["sitiv/flow/both@fw"].status is Status.PASS


def test_a_blocked_flow_has_a_witness() -> None:
    estate = declared(https=flow("web", "data", "tcp/443"))
    item = verdicts("segmentation.declared-closed", estate, rules())["sitiv/flow/https@fw"]
    assert (item.status, item.message) == (
        Status.FAIL,
        "blocked: {services:list}, such as {witness}",
    )
    assert item.evidence["witness"] == "tcp 10.1.0.1 > 10.2.0.1 port 443"


def test_a_flow_that_no_firewall_carries_is_unknown() -> None:
    estate = declared(away=flow("web", "far", "tcp/443"))
    assert statuses("segmentation.declared-closed", estate, rules()) == {
        "sitiv/flow/away": "unknown"
    }


def test_an_expired_flow_may_be_closed() -> None:
    estate = declared(old=flow("web", "data", "tcp/443", ", until: 2026-01-01"))
    assert statuses("segmentation.declared-closed", estate, rules()) == {
        "sitiv/operator/sitiv": "not-applicable"
    }


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        (rules(), Status.PASS),
        (rules(policy="accept"), Status.FAIL),
        (FirewallFacts(engine="nftables", version=None, ruleset=()), Status.FAIL),
    ],
)
def test_default_drop(facts: FirewallFacts, status: Status) -> None:
    found = verdicts("segmentation.default-drop", declared(), facts)
    assert found[FIREWALL].status is status


def test_default_drop_of_one_family_is_not_enough() -> None:
    chain = {
        "family": "ip", "table": "filter", "name": "forward", "type": "filter", "hook": "forward",
        "prio": 0, "policy": "drop",
    }  # fmt: skip
    facts = FirewallFacts(engine="nftables", version=None, ruleset=({"chain": chain},))
    item = verdicts("segmentation.default-drop", declared(), facts)[FIREWALL]
    assert (item.status, item.evidence) == (Status.FAIL, {"families": ["IPv6"]})


@pytest.mark.parametrize(
    ("now", "status"),
    [
        (datetime(2026, 11, 30, 22, 59, tzinfo=UTC), Status.PASS),
        (datetime(2026, 11, 30, 23, 1, tzinfo=UTC), Status.FAIL),  # 1 December in Paris
    ],
)
def test_flow_expired(now: datetime, status: Status) -> None:
    estate = declared(
        short=flow("web", "data", "tcp/443", ", until: 2026-11-30"),
        lasting=flow("data", "web", "tcp/443"),
    )
    found = verdicts("segmentation.flow-expired", estate, None, now)
    assert {k: v.status for k, v in found.items()} == {"sitiv/flow/short": status}


@pytest.mark.parametrize(
    "check",
    ["segmentation.undeclared-flow", "segmentation.declared-closed", "segmentation.default-drop"],
)
def test_an_unread_firewall_is_unknown(check: str) -> None:
    estate = declared(https=flow("web", "data", "tcp/443"))
    found = verdicts(check, estate, None)
    assert found
    for item in found.values():
        assert item.status is Status.UNKNOWN
        assert item.evidence["cause"] == "its SSH host key has changed"


def test_without_two_zones_nothing_is_proved() -> None:
    alone = estate_of(
        "firewalls:\n  fw: {site: b, host: 192.0.2.1, observed_from: admin}\n"
        "flows:\n  f: " + flow("admin", "admin", "tcp/22") + "\n"
    )
    found = judged("segmentation.undeclared-flow", alone, {"firewall/fw": rules()})
    assert {v.status for v in found.values()} == {Status.UNKNOWN}


def test_a_flow_without_any_firewall_is_unknown() -> None:
    estate = estate_of("flows:\n  f: " + flow("admin", "admin", "tcp/22") + "\n")
    found = judged("segmentation.declared-closed", estate, {})
    assert {v.status for v in found.values()} == {Status.UNKNOWN}


def test_a_dormant_table_drops_nothing_for_certain() -> None:
    facts = rules()
    table = {"table": {"family": "inet", "name": "filter", "flags": "dormant"}}
    dormant = facts.model_copy(update={"ruleset": (table, *facts.ruleset)})
    found = judged("segmentation.default-drop", declared(), {"firewall/fw": dormant})
    assert {v.status for v in found.values()} == {Status.UNKNOWN}


CELL = (
    "cells: {{c: {{sources: [web], destinations: [data], access: allow-all, properties: {{{0}}}}}}}"
)


@pytest.mark.parametrize(
    ("properties", "body", "missing"),
    [
        ("explicit_source: true", [DATA, port(22)], "explicit_source"),
        ("explicit_source: true", [WEB, DATA], None),
        ("explicit_destination: true", [WEB, port(22)], "explicit_destination"),
        ("explicit_service: true", [WEB, DATA], "explicit_service"),
        ("explicit_service: true", [WEB, DATA, port(22)], None),
        ("commented: true", [WEB, DATA], "commented"),
        ("logged: true", [WEB, DATA, {"log": {"prefix": "x"}}], None),
        ("logged: true", [WEB, DATA], "logged"),
        ("most_sources: 256", [WEB, DATA], None),
        ("most_sources: 255", [WEB, DATA], "most_sources"),
        ("most_destinations: 10", [WEB, DATA], "most_destinations"),
        ("most_services: 1", [WEB, DATA, port(22)], None),
        ("most_services: 1", [WEB, DATA], "most_services"),
    ],
)
def test_rule_properties(
    properties: str, body: list[dict[str, object]], missing: str | None
) -> None:
    estate = estate_of(ZONES, CELL.format(properties))
    found = verdicts("segmentation.rule-properties", estate, rules(body))["sitiv/cell/c@fw"]
    told = [f"inet filter forward #4: {missing}"] if missing else None
    assert (found.status, found.evidence.get("told")) == (
        Status.FAIL if missing else Status.PASS,
        told,
    )


def test_rule_properties_where_they_are_not_asked_or_not_known() -> None:
    check = "segmentation.rule-properties"
    other = rules([address(SOURCE, "10.9.0.0/24"), port(22)])
    estate = estate_of(ZONES, CELL.format("explicit_service: true"))
    assert {v.status for v in verdicts(check, estate, other).values()} == {Status.NOT_APPLICABLE}
    days = estate_of(ZONES, CELL.format("hit_within_days: 90"))
    found = verdicts(check, days, rules([WEB, DATA]))["sitiv/cell/c@fw"]
    assert found.status is Status.UNKNOWN


def test_a_rule_that_was_hit_lately_is_proved_by_its_counter() -> None:
    days = estate_of(ZONES, CELL.format("hit_within_days: 90"))
    facts = rules([WEB, DATA, port(443)], [WEB, DATA, port(22)])

    def judge(*ages: int | None) -> Verdict:
        hits = {
            n: Hit(count=5, after=None if age is None else NOW - timedelta(days=age))
            for n, age in enumerate(ages, 1)
        }
        seen = facts.model_copy(update={"hits": hits})
        return verdicts("segmentation.rule-properties", days, seen)["sitiv/cell/c@fw"]

    assert judge(1, 89).status is Status.PASS
    late = judge(1, 91)
    assert (late.status, late.evidence["rules"]) == (Status.UNKNOWN, ["inet filter forward #5"])
    assert judge(1, None).status is Status.UNKNOWN
    assert judge(1).status is Status.UNKNOWN
