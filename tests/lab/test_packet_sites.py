"""Which packets are expected to pass where flows hold at some sites; nothing is sent here."""

from __future__ import annotations

from datetime import UTC, date, datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sitiv_infra.estate import Estate, Vlan
from sitiv_infra.facts import PacketFacts
from sitiv_infra.facts.packets import Fate, Finding
from sitiv_infra.lab.packets.plan import Plan, planned
from sitiv_infra.lab.packets.proof import joined
from sitiv_infra.lab.packets.wire import ICMP, ICMP6, TCP, UDP, Packet
from tests.wanted.worlds import small, with_sites

TODAY = date(2026, 11, 1)
SITES = st.sampled_from([(), ("a",), ("b",), ("a", "b")])


def expected(estate: Estate, source: Vlan, destination: Vlan, packet: Packet) -> set[bool]:
    """Say whether a packet passes, for each site that may lead; written without the plan's code."""
    answers = set()
    for lead in "ab":
        passed = {lead if _stretched(estate, v) else v.sites[0] for v in (source, destination)}
        answers.add(all(_let(estate, source, destination, packet, site) for site in passed))
    return answers


def _stretched(estate: Estate, vlan: Vlan) -> bool:
    internet = estate.zones[vlan.zone].internet
    return vlan.transit or internet or {"a", "b"} <= set(vlan.sites)


def _let(estate: Estate, source: Vlan, destination: Vlan, packet: Packet, site: str) -> bool:
    if (source.zone, source.owner) == (destination.zone, destination.owner):
        return True
    return any(
        flow.holds_at(site)
        and (flow.source, flow.destination) == (source.zone, destination.zone)
        and any(_is(packet, service) for service in flow.services)
        # What is in our VLANs of the internet counts as the internet's.
        for flow in estate.flows.values()
    )


def _is(packet: Packet, service: str) -> bool:
    name, _, ports = service.partition("/")
    low, _, high = ports.partition("-")
    if name == "icmp":
        return packet.protocol in {ICMP, ICMP6}
    wanted = {"tcp": TCP, "udp": UDP}[name]
    return packet.protocol == wanted and int(low) <= packet.port <= int(high or low)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
@given(sites=st.fixed_dictionaries(dict.fromkeys(("public", "store", "trial", "names"), SITES)))
def test_a_packet_passes_where_every_firewall_on_its_way_lets_it(
    sites: dict[str, tuple[str, ...]],
) -> None:
    estate = with_sites(**sites)
    plan = planned(estate, TODAY)
    for probe in plan.probes:
        source, destination = estate.vlans[probe.source], estate.vlans[probe.destination]
        assert expected(estate, source, destination, probe.packet) == {probe.flow is not None}
    every = planned(small(), TODAY)
    left = {(p.source, p.destination, p.packet) for p in every.probes}
    left -= {(p.source, p.destination, p.packet) for p in plan.probes}
    wavering: set[str] = set()
    for name, other, packet in left:
        found = expected(estate, estate.vlans[name], estate.vlans[other], packet)
        assert found != {True}, "what surely passes is always sent"
        wavering |= {f": {name} > {other}"} if len(found) == 2 else set()
    assert {text[text.index(":") :] for text in plan.unsent} == wavering


def fates(plan: Plan, source: str, destination: str, port: int) -> list[str | None]:
    return [
        p.flow
        for p in plan.probes
        if (p.source, p.destination, p.packet.protocol, p.packet.port)
        == (source, destination, TCP, port)
    ]


def test_what_hangs_on_who_leads_is_not_sent_and_told() -> None:
    plan = planned(with_sites(store=("a",), public=("b",)), TODAY)
    assert fates(plan, "web-a", "data-a", 9000) == ["store"]
    assert fates(plan, "web-b", "data-a", 9000) == [None], "b's firewalls are on its way"
    assert fates(plan, "outside", "web-b", 443) == []
    assert set(fates(plan, "outside", "web-a", 443)) == {None}
    assert plan.unsent == ("public: outside > web-b",)
    assert planned(small(), TODAY).unsent == ()


def test_on_a_bench_one_firewall_decides_alone() -> None:
    estate = with_sites(store=("a",), public=("b",))
    for site, passing in (("a", "store"), ("b", "public")):
        plan = planned(estate, TODAY, site)
        assert {probe.flow for probe in plan.probes} & {"store", "public"} == {passing}
        assert plan.unsent == ()
        pairs = {(probe.source, probe.destination) for probe in plan.probes}
        assert pairs == {(p.source, p.destination) for p in planned(small(), TODAY).probes}


def test_proofs_of_several_sites_are_one() -> None:
    found = Finding(fate=Fate.STUCK, firewall="firewall (b)", destinations=("x",), count=1,
                    witness="w")  # fmt: skip
    empty = PacketFacts(
        ended=datetime(2026, 11, 21, tzinfo=UTC),
        packets=3,
        delivered=3,
        dropped=0,
        lost=1,
        counted=3,
    )
    more = empty.model_copy(update={"packets": 4, "delivered": 4, "findings": (found,)})
    facts = [empty, more.model_copy(update={"counted": 4})]
    one = joined(facts)
    assert (one.packets, one.delivered, one.lost, one.counted) == (7, 7, 2, 7)
    assert one.findings == (found,)
    assert joined(facts[:1]) == facts[0]
