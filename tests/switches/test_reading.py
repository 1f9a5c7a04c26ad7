from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitiv_infra import vlan_ids
from sitiv_infra.errors import InvalidInput
from sitiv_infra.facts import SwitchFacts
from sitiv_infra.facts.switch import PortMode, SwitchPort
from sitiv_infra.switches import read_text
from tests.switches.configs import EOS, IOS, line_of


def port(switch: SwitchFacts, name: str) -> SwitchPort:
    return next(p for p in switch.ports if p.name == name)


def of_lines(*lines: str, platform: str = "ios", name: str = "GigabitEthernet1/0/1") -> SwitchPort:
    body = "\n".join(f" {line}" for line in lines)
    return port(read_text(f"interface {name}\n{body}\nend\n", platform), name)


def test_ios() -> None:
    switch = read_text(IOS, "ios")
    assert (switch.hostname, switch.vtp, switch.routing) == ("sw-a1", "transparent", {"": False})
    assert switch.doubts == ()
    assert [p.name for p in switch.ports] == [
        "Port-channel1", "GigabitEthernet1/0/1", "GigabitEthernet1/0/2", "GigabitEthernet1/0/3",
        "GigabitEthernet1/0/4",
    ]  # fmt: skip
    trunk = port(switch, "Port-channel1")
    assert trunk.line == line_of(IOS, "interface Port-channel1")
    assert (trunk.mode, trunk.native, trunk.negotiates) == (PortMode.TRUNK, 999, False)
    assert trunk.allowed == {110, 120, 160}
    assert trunk.untagged is None, "999 is not in the list"
    assert switch.port("gigabitethernet1/0/2") == trunk, "a part of a channel is the channel"
    edge = port(switch, "GigabitEthernet1/0/3")
    assert (edge.mode, edge.vlans, edge.edge, edge.guard) == (PortMode.ACCESS, {110}, True, True)
    assert edge.description == "web-a1"
    assert port(switch, "GigabitEthernet1/0/4").shut
    assert [(leg.name, leg.vlan, leg.addresses, leg.shut) for leg in switch.legs] == [
        ("Vlan1", 1, (), True),
        ("Vlan160", 160, ("10.10.60.2/24",), False),
    ]
    assert [v.id for v in switch.vlans] == [110, 120, 160, 998, 999]
    assert switch.vlans_whole


def test_eos() -> None:
    switch = read_text(EOS, "eos")
    assert (switch.hostname, switch.vtp, switch.doubts) == ("sw-b1", None, ())
    assert switch.routing == {"": False, "MGMT": True}
    assert port(switch, "Port-Channel1").allowed == {210, 260}
    assert switch.port("Ethernet1") == port(switch, "Port-Channel1")
    assert port(switch, "Ethernet2").vlans == {210}
    assert port(switch, "Ethernet4").mode is PortMode.ROUTED
    legs = {leg.name: (leg.vlan, leg.vrf) for leg in switch.legs}
    assert legs == {"Ethernet4": (None, ""), "Management1": (None, "MGMT"), "Vlan260": (260, "")}
    assert [p for p in switch.ports if p.doubts] == []


def test_what_is_said_of_nothing_is_the_platform_s_default() -> None:
    ios, eos = of_lines(), of_lines(platform="eos")
    assert (ios.mode, ios.negotiates, ios.vlans) == (PortMode.NEGOTIATED, True, vlan_ids.ALL)
    assert (eos.mode, eos.negotiates, eos.vlans) == (PortMode.ACCESS, False, {1})
    assert ios.bare
    assert not of_lines("description free").bare
    trunk = of_lines("switchport mode trunk")
    assert (trunk.native, trunk.allowed, trunk.negotiates) == (1, vlan_ids.ALL, True)


def test_a_platform_that_says_switchport_has_routed_ports_where_it_does_not() -> None:
    text = "interface GigabitEthernet1/1\n switchport\n switchport mode access\n!\n"
    switch = read_text(f"{text}interface GigabitEthernet1/2\n shutdown\nend\n", "ios")
    assert [p.mode for p in switch.ports] == [PortMode.ACCESS, PortMode.ROUTED]


def test_an_address_makes_a_port_routed_on_ios_alone() -> None:
    """EOS keeps it beside what the port does, and lists no such address as in use."""
    lines = ("vrf forwarding X", "ip address 10.1.1.1 255.255.255.0")
    assert of_lines(*lines).mode is PortMode.ROUTED
    found = of_lines("vrf X", "ip address 10.1.1.1/24", platform="eos", name="Ethernet3")
    assert (found.mode, found.vlans, found.doubts) == (PortMode.ACCESS, {1}, ())


def test_a_vlan_that_goes_over_other_networks_is_a_doubt() -> None:
    text = (
        f"{EOS.removesuffix('end' + chr(10))}interface Vxlan1\n   vxlan vlan 210 vni 10210\nend\n"
    )
    (vxlan,) = [p for p in read_text(text, "eos").ports if p.doubts]
    assert [d.words for d in vxlan.doubts] == ["interface Vxlan1", "vxlan vlan"]


VIDS = st.integers(1, 4094)


@st.composite
def lists(draw: st.DrawFn) -> tuple[str, set[int]]:
    spans = draw(st.lists(st.tuples(VIDS, st.integers(0, 300)), min_size=1, max_size=4))
    ends = [(low, min(low + more, 4094)) for low, more in spans]
    text = ",".join(f"{low}-{high}" if high > low else f"{low}" for low, high in ends)
    return text, {n for low, high in ends for n in range(low, high + 1)}


VERBS = ("", "add ", "remove ", "except ", "all", "none", "no")


@given(st.lists(st.tuples(st.sampled_from(VERBS), lists()), max_size=6), st.sampled_from("ie"))
def test_lists_of_trunks_are_absolute_or_relative(
    steps: list[tuple[str, tuple[str, set[int]]]], which: str
) -> None:
    """An interpreter of its own, one VLAN at a time, says the same."""
    carried = dict.fromkeys(range(1, 4095), True)
    lines = ["switchport mode trunk"]
    for verb, (text, given_ids) in steps:
        words = "switchport trunk allowed vlan"
        lines.append(
            f"no {words}"
            if verb == "no"
            else f"{words} {verb}{text if verb[-1:] in {'', ' '} else ''}"
        )
        for vid in carried:
            here = vid in given_ids
            carried[vid] = {
                "": here, "add ": carried[vid] or here, "remove ": carried[vid] and not here,
                "except ": not here, "all": True, "no": True, "none": False,
            }[verb]  # fmt: skip
    found = of_lines(*lines, platform={"i": "ios", "e": "eos"}[which])
    assert found.allowed == {vid for vid, passes in carried.items() if passes}
    assert found.doubts == ()


@given(st.frozensets(VIDS))
def test_a_set_is_written_as_it_is_read(ids: frozenset[int]) -> None:
    assert vlan_ids.read(vlan_ids.written(ids)) == ids


@given(st.frozensets(VIDS, max_size=20))
def test_a_port_is_the_same_after_it_was_kept(ids: frozenset[int]) -> None:
    one = SwitchPort(name="x", mode=PortMode.TRUNK, allowed=ids)
    assert SwitchPort.model_validate_json(one.model_dump_json()) == one


@pytest.mark.parametrize(
    "line",
    [
        "switchport mode dot1q-tunnel",
        "switchport mode private-vlan host",
        "switchport vlan mapping 10 20",
        "switchport trunk allowed vlan 10,4095",
        "switchport trunk allowed vlan 20-10",
        "switchport trunk allowed vlan or 7",
        "switchport access vlan 0",
        "switchport access vlan name guests",
        "authentication event fail action authorize vlan 20",
        "bridge-group 1",
        "source template USERS",
        "ip address 10.0.0.1 255.0.255.0",
    ],
)
def test_a_line_that_is_not_known_is_a_doubt_of_its_port(line: str) -> None:
    found = of_lines("description x", line)
    assert [(d.line, d.words) for d in found.doubts] == [(3, " ".join(line.split()[:2]))]


@pytest.mark.parametrize(
    "head", ["bridge irb", "monitor session 1 source vlan 10", "vlan filter X vlan-list 10",
             "interface range GigabitEthernet1/0/1 - 4", "l2 vfi X manual"],
)  # fmt: skip
def test_a_block_that_is_not_known_is_a_doubt_of_the_switch(head: str) -> None:
    text = f"{head}\n switchport mode trunk\ninterface GigabitEthernet1/0/1\nend\n"
    switch = read_text(text, "ios")
    assert [(d.line, d.words) for d in switch.doubts] == [(1, " ".join(head.split()[:2]))]


def test_a_configuration_that_is_cut_off_is_a_doubt() -> None:
    switch = read_text(IOS.removesuffix("end\n"), "ios")
    assert [d.words for d in switch.doubts] == ["(no 'end': it may be cut off)"]


def test_no_secret_is_kept() -> None:
    switch = read_text("enable secret 5 hidden\nnew-thing key hidden\n" + IOS, "ios")
    assert "hidden" not in switch.model_dump_json()
    assert [d.words for d in switch.doubts] == ["new-thing key"]


HEADINGS = ["name", "external_ids", "vlan_mode", "tag", "trunks"]
NONE = ["set", []]


def of_ovs(mode: object, tag: object, trunks: object) -> SwitchPort:
    row = ["p", ["map", []], mode, tag, trunks]
    return read_text(json.dumps({"headings": HEADINGS, "data": [row]}), "openvswitch").ports[0]


@pytest.mark.parametrize(
    ("columns", "untagged", "tagged"),
    [
        ((NONE, 10, NONE), 10, set()),
        (("access", 10, NONE), 10, set()),
        ((NONE, NONE, NONE), 0, vlan_ids.ALL),
        (("trunk", NONE, ["set", [10, 20]]), None, {10, 20}),
        (("trunk", 30, 10), None, {10}),
        (("trunk", NONE, ["set", [0, 10]]), 0, {10}),
        ((NONE, NONE, 4095), None, set()),
        (("native-untagged", 30, ["set", [10]]), 30, {10}),
        (("native-tagged", 30, NONE), 30, vlan_ids.ALL - {30}),
    ],
)
def test_open_vswitch(
    columns: tuple[object, object, object], untagged: int | None, tagged: set[int]
) -> None:
    found = of_ovs(*columns)
    assert (found.untagged, found.tagged, found.doubts) == (untagged, tagged, ())


def test_open_vswitch_tunnels_are_doubted() -> None:
    assert [d.words for d in of_ovs("dot1q-tunnel", 10, NONE).doubts] == ["vlan_mode=dot1q-tunnel"]


@pytest.mark.parametrize("platform", ["ios", "eos", "openvswitch"])
def test_what_is_no_configuration_is_refused(platform: str) -> None:
    with pytest.raises(InvalidInput):
        read_text("% Invalid input detected\n", platform)
