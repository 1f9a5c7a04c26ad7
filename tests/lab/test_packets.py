"""The proof by packets: every fault that is planted is named, and nothing else is."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitiv_infra.cli import run
from sitiv_infra.estate import Estate, load
from sitiv_infra.facts.packets import Fate, Finding
from sitiv_infra.lab.netns import FOLDER
from sitiv_infra.lab.packets.bench import FIREWALL, SWITCH, bench
from sitiv_infra.lab.packets.fates import findings
from sitiv_infra.lab.packets.frames import Leg, judged, vlan
from sitiv_infra.lab.packets.plan import Plan, planned
from sitiv_infra.lab.packets.stand import Stand
from sitiv_infra.lab.packets.walk import Account, walked
from sitiv_infra.lab.packets.wire import EXPERIMENTS, ICMP, ICMP6, TCP, UDP, Packet, number_of
from sitiv_infra.lab.place import Place
from sitiv_infra.lab.switch import Switch
from sitiv_infra.testing import estate_of
from tests.servers.need import need
from tests.twin.looking import quiet

TODAY = date(2026, 11, 1)
INVENTORY = Path(__file__).parents[2] / "inventory"
ESTATE = """
zones:
  internet: {title: Internet, internet: true}
  web: {title: Web}
  data: {title: Data}
  desk: {title: Administration}
vlans:
  out: {vid: 100, zone: internet, sites: [a], subnets: [203.0.113.0/28, '2001:db8:113::/64']}
  web: {vid: 110, zone: web, sites: [a], subnets: [10.1.0.0/24, 'fd00:1::/64']}
  web2: {vid: 111, zone: web, sites: [a], subnets: [10.1.1.0/24]}
  data: {vid: 120, zone: data, sites: [a], subnets: [10.2.0.0/24, 'fd00:2::/64']}
  desk: {vid: 130, zone: desk, sites: [a], subnets: [10.3.0.0/29]}
flows:
  in: {source: internet, destination: web, services: [tcp/443], owner_team: t, reason: r}
  sql: {source: web, destination: data, services: [tcp/5432-5440], owner_team: t, reason: r}
  ssh: {source: desk, destination: data, services: [tcp/22, icmp], owner_team: t, reason: r}
  log: {source: data, destination: desk, services: [udp/514], owner_team: t, reason: r}
  old:
    {source: desk, destination: web, services: [tcp/22], owner_team: t, reason: r,
     until: 2026-10-31}
"""


@pytest.fixture(scope="module")
def estate() -> Estate:
    need("ip", "nft", "ovs-vswitchd", "ovsdb-server", "ovs-vsctl", root=True)
    return estate_of(ESTATE)


@pytest.fixture(scope="module")
def place() -> Place:
    return Place("packets")


@pytest.fixture(scope="module")
def plan(estate: Estate) -> Plan:
    return planned(estate, TODAY)


@pytest.fixture(scope="module")
def stand(estate: Estate, plan: Plan, place: Place) -> Iterator[Stand]:
    with bench(estate, "a", plan.ends, TODAY, place) as found:
        yield found
    assert place.namespaces() == []
    assert place.group().pids() == []
    assert not place.folder.exists()


def proved(plan: Plan, stand: Stand) -> tuple[Account, list[Finding]]:
    account = walked(stand, plan.probes, quiet)
    assert account.delivered + account.dropped + account.lost == len(plan.probes)
    return account, findings(plan.probes, account.traces, stand.firewalls)


def test_what_is_declared_passes_and_nothing_else(plan: Plan, stand: Stand) -> None:
    before = stand.counted()
    account, found = proved(plan, stand)
    assert found == []
    assert stand.counted() - before == account.dropped > 100
    assert account.lost == 0
    assert account.delivered == sum(probe.flow is not None for probe in plan.probes) > 20


@contextmanager
def ruled(stand: Stand, *commands: str) -> Iterator[None]:
    """Change the rules by hand, and set them back."""
    firewall = stand.firewalls[FIREWALL]
    before = firewall.run("nft", "list", "ruleset")
    try:
        for command in commands:
            firewall.run("nft", "-f", "-", text=command)
        yield
    finally:
        firewall.filter(before)


FORWARD = "rule inet filter forward"


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        (
            f'add {FORWARD} ip saddr 10.1.0.0/24 tcp dport 5441 accept comment "wide"',
            (Fate.UNDECLARED, "web", ("data",), ""),
        ),
        (
            f'add {FORWARD} ip saddr 10.3.0.0/29 tcp dport 22 accept comment "any"',
            (Fate.UNDECLARED, "desk", ("out", "web", "web2"), ""),
        ),
        (
            f'insert {FORWARD} ip daddr 10.2.0.0/24 tcp dport 22 drop comment "stop"',
            (Fate.REFUSED, "desk", ("data",), "ssh"),
        ),
        (
            f'add {FORWARD} ip6 saddr fd00:2::/64 meta l4proto {{ 253, 254 }} accept comment "odd"',
            (Fate.UNDECLARED, "data", ("out", "web"), ""),
        ),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_named(
    plan: Plan, stand: Stand, command: str, wanted: tuple[Fate, str, tuple[str, ...], str]
) -> None:
    with ruled(stand, command):
        found = proved(plan, stand)[1]
    assert [(f.fate, f.source, f.destinations, f.flow) for f in found] == [wanted]
    name = command.rpartition("comment ")[2].strip('"')
    assert found[0].firewall == FIREWALL
    assert found[0].rule.startswith("inet filter forward #")
    assert f"({name})" in found[0].rule


@contextmanager
def tagged(place: Place, port: str, setting: str) -> Iterator[None]:
    """Set a port of the switch by hand, and set it back."""
    switch = Switch(place, SWITCH)
    before = switch.ask("get", "port", port, "tag")
    try:
        switch.ask("set", "port", port, setting)
        yield
    finally:
        switch.ask("clear", "port", port, "trunks", "vlan_mode")
        switch.ask("set", "port", port, f"tag={before}")


def test_a_wrong_tag_at_a_firewall_is_named(plan: Plan, stand: Stand, place: Place) -> None:
    with tagged(place, f"{FIREWALL}.120", "tag=110"):
        account, found = proved(plan, stand)
    assert account.lost > 0
    assert {(f.fate, f.source, f.firewall, f.device) for f in found} == {
        (Fate.LOST, "", FIREWALL, "vlan120"),
        (Fate.UNSEEN, "data", "", ""),
    }


def test_what_comes_out_in_another_vlan_is_named(plan: Plan, stand: Stand, place: Place) -> None:
    """The firewall's cables are swapped: what is for one VLAN is sent into the other."""
    port = f"{FIREWALL}.110", f"{FIREWALL}.120"
    with tagged(place, port[0], "tag=120"), tagged(place, port[1], "tag=110"):
        account, found = proved(plan, stand)
    assert account.lost > 0
    assert {name for f in found for name in (f.source, *f.destinations)} >= {"web", "data"}


def test_a_firewall_that_forwards_nothing_is_named(plan: Plan, stand: Stand) -> None:
    firewall = stand.firewalls[FIREWALL]
    firewall.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
    try:
        found = proved(plan, stand)[1]
    finally:
        firewall.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    assert [(f.fate, f.firewall, {*f.destinations}) for f in found] == [
        (Fate.STUCK, FIREWALL, {"web", "web2", "data", "desk"})
    ]


def test_every_edge_of_a_flow_is_asked(plan: Plan) -> None:
    asked = {
        (p.packet.protocol, p.packet.port): p.flow
        for p in plan.probes
        if (p.source, p.destination, p.packet.version) == ("web", "data", 4)
    }
    assert {port: flow for (protocol, port), flow in asked.items() if protocol == TCP} == {
        22: None, 443: None, 5431: None, 5432: "sql", 5440: "sql", 5441: None,
    }  # fmt: skip
    assert asked[ICMP, 0] is asked[EXPERIMENTS[0], 0] is asked[UDP, 514] is None


def test_a_full_subnet_is_told() -> None:
    taken = ", ".join(f"10.1.0.{n}" for n in range(2, 5))
    full = estate_of(f"""
zones: {{web: {{title: Web}}}}
vlans: {{web: {{vid: 110, zone: web, sites: [a], subnets: [10.1.0.0/29]}}}}
machines: {{m: {{site: a, role: x, interfaces: [{{vlan: web, addresses: [{taken}]}}]}}}}
""")
    assert planned(full, TODAY).left_out == ("web 10.1.0.0/29",)


@pytest.mark.parametrize("folder", ["estate", "lab/estate"])
def test_ends_are_nobodys(folder: str) -> None:
    declared = load(INVENTORY / folder)
    found = planned(declared, TODAY)
    used = {a for m in declared.machines.values() for leg in m.interfaces for a in leg.addresses}
    used |= {a for v in declared.virtual_addresses.values() for a in (*v.addresses, *v.publishes)}
    used |= {gateway.ip for v in declared.vlans.values() for gateway in v.gateways}
    assert not used & {end.address for end in found.ends}
    assert found.left_out == ()


@pytest.mark.usefixtures("estate")  # it asks for what a bench needs
def test_the_command_proves(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lab", "prove", "--from", str(INVENTORY / "lab")]) == 0
    said = capsys.readouterr()
    assert " 0 not accounted for" in said.out
    assert not list(FOLDER.glob("sitiv-bench-*"))


addresses = st.one_of(
    st.tuples(*2 * [st.integers(1, 2**32 - 2).map(IPv4Address)]),
    st.tuples(*2 * [st.integers(1, 2**128 - 2).map(IPv6Address)]),
)
numbers = st.integers(0, 2**32 - 1)


ports = st.integers(0, 65535)
protocols = st.sampled_from([TCP, UDP, 1, *EXPERIMENTS])


@given(addresses, protocols, ports, ports, numbers, numbers)
def test_a_packet_is_written_as_it_is_read(
    ends: tuple[IPv4Address, IPv4Address], protocol: int, port: int, source_port: int,
    token: int, number: int,
) -> None:  # fmt: skip
    kind = ICMP6 if protocol == ICMP and ends[0].version == 6 else protocol
    packet = Packet(*ends, kind, port)
    data = packet.written(token, number, source_port)
    assert number_of(data, token) == number
    assert number_of(data, token ^ 1) is None
    start = 20 if packet.version == 4 else 40
    head, body = data[:start], data[start:]
    assert ip_address(head[-8:-4] if start == 20 else head[8:24]) == packet.source
    if start == 20:
        assert summed(head) == 0xFFFF
        assert struct.unpack("!H", head[2:4])[0] == len(data)
    over = ends[0].packed + ends[1].packed + struct.pack("!IxxxB", len(body), kind)
    if kind not in EXPERIMENTS:
        assert summed(body if kind == ICMP else over + body) == 0xFFFF


def summed(data: bytes) -> int:
    """Sum as a receiver does, which must give all ones (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def heard(places: Mapping[Leg, int]) -> dict[Leg, dict[Leg, int]]:
    """Say who hears whom where legs are in these VLANs."""
    return {
        one: {other: 1 for other, vid in places.items() if other != one and vid == own}
        for one, own in places.items()
    }


legs = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 4).map("vlan{}".format)),
    min_size=4, max_size=20, unique=True,
)  # fmt: skip


@given(legs, st.data())
def test_one_leg_in_a_wrong_vlan_is_named_alone(found: list[Leg], data: st.DataObject) -> None:
    right = {leg: vlan(leg) for leg in found}
    assert judged(heard(right), "") == []
    crowded = [leg for leg in found if sum(vlan(o) == vlan(leg) for o in found) > 2]
    if crowded:
        leg = crowded[0]
        other = data.draw(st.sampled_from([vid for vid in range(1, 6) if vid != vlan(leg)]))
        named = judged(heard({**right, leg: other}), "")
        wanted = f"{leg[0]}: its leg in VLAN {vlan(leg)} is in VLAN {other}"
        alone = f"VLAN {vlan(leg)} is in parts that do not hear each other: "
        if any(vlan(one) == other for one in found):
            assert named == [wanted]
        else:
            assert [text.startswith(alone) for text in named] == [True]


def test_joined_vlans_and_parts_are_told() -> None:
    legs = {(name, f"vlan{vid}"): vid for vid in (10, 20) for name in "abcd"}
    both = heard(dict.fromkeys(legs, 10))
    assert judged(both, "") == ["VLANs 10 and 20 are joined"]
    cut = heard({leg: vid + (leg[0] in "cd" and vid == 20) for leg, vid in legs.items()})
    assert judged(cut, "") == ["VLAN 20 is in parts that do not hear each other: a, b | c, d"]
