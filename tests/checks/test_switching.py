"""Two switches on one site: as declared they pass every check, and each mutant fails its own."""

from __future__ import annotations

import pytest

from sitiv_infra.checking import Verdict
from sitiv_infra.switches import read_text
from sitiv_infra.testing import estate_of, judged

DECLARED = """
zones: {dmz: {title: DMZ}, app: {title: Applications}}
vlans:
  a-dmz: {vid: 110, zone: dmz, sites: [a], subnets: [10.10.10.0/24]}
  a-app: {vid: 120, zone: app, sites: [a], subnets: [10.10.20.0/24]}
  a-admin: {vid: 160, zone: admin, sites: [a], subnets: [10.10.60.0/24]}
firewalls: {fw: {site: a, host: fw.test, observed_from: admin}}
machines:
  fw: {site: a, role: firewall}
  web: {site: a, role: web, interfaces: [{vlan: a-dmz, addresses: [10.10.10.9]}]}
  app: {site: a, role: app, interfaces: [{vlan: a-app, addresses: [10.10.20.9]}]}
switches:
  one:
    {site: a, platform: ios, host: one.test, observed_from: admin, vlan: a-admin, native: 999,
     parking: 998,
     links: {GigabitEthernet0/1: {switch: two, port: Ethernet1},
             GigabitEthernet0/2: {machine: fw}, GigabitEthernet0/3: {machine: web}}}
  two:
    {site: a, platform: eos, host: two.test, observed_from: admin, native: 999, parking: 998,
     links: {Ethernet2: {machine: app}}}
"""
GOOD = {
    "one": """hostname one
no ip routing
vtp mode off
vlan 110,120,160,998,999
interface GigabitEthernet0/1
 switchport trunk native vlan 999
 switchport trunk allowed vlan 120
 switchport mode trunk
 switchport nonegotiate
interface GigabitEthernet0/2
 switchport trunk native vlan 999
 switchport trunk allowed vlan 110,120,160
 switchport mode trunk
 switchport nonegotiate
interface GigabitEthernet0/3
 switchport access vlan 110
 switchport mode access
 spanning-tree portfast
 spanning-tree bpduguard enable
interface GigabitEthernet0/4
 switchport access vlan 998
 switchport mode access
 shutdown
interface Vlan160
 ip address 10.10.60.2 255.255.255.0
end
""",
    "two": """hostname two
no ip routing
vlan 120,998,999
interface Ethernet1
 switchport trunk native vlan 999
 switchport trunk allowed vlan 120
 switchport mode trunk
interface Ethernet2
 switchport access vlan 120
 spanning-tree portfast
 spanning-tree bpduguard enable
end
""",
}
FED = (
    "switching.bypass", "switching.gateway", "switching.exact", "switching.native-vlan",
    "switching.vlan-1", "switching.negotiation", "switching.edge", "switching.unused-port",
)  # fmt: skip
ONE, TWO = "sitiv/switch/one", "sitiv/switch/two"


def changed(switch: str, old: str, new: str) -> dict[str, str]:
    assert old in GOOD[switch]
    return {**GOOD, switch: GOOD[switch].replace(old, new, 1)}


def verdicts(
    check: str, texts: dict[str, str], *, lost: str = "", declared: str = DECLARED
) -> dict[str, Verdict]:
    platforms = {"one": "ios", "two": "eos"}
    seen = {
        f"switch/{name}": read_text(text, platforms[name])
        for name, text in texts.items()
        if name != lost
    }
    gaps = {f"switch/{lost}": "no answer in time"} if lost else {}
    return judged(check, estate_of(declared), seen, gaps=gaps)


def statuses(check: str, texts: dict[str, str], **more: str) -> dict[str, str]:
    return {path: v.status.value for path, v in verdicts(check, texts, **more).items()}


@pytest.mark.parametrize("check", FED)
def test_as_declared_all_is_good(check: str) -> None:
    assert statuses(check, GOOD) == {ONE: "pass", TWO: "pass"}


@pytest.mark.parametrize("check", FED)
def test_a_line_that_is_not_understood_is_no_pass(check: str) -> None:
    odd = changed("one", " switchport access vlan 110", " switchport access vlan 110\n bridge 7")
    found = verdicts(check, odd)
    assert found[ONE].status == "unknown"
    assert found[ONE].evidence["lines"] == ["17: bridge 7"]
    assert found[TWO].status == "pass"


@pytest.mark.parametrize("check", FED)
def test_a_switch_that_was_not_read_is_unknown(check: str) -> None:
    found = statuses(check, GOOD, lost="two")
    assert found[TWO] == "unknown"
    assert found[ONE] == ("unknown" if check == "switching.bypass" else "pass")


def failing(texts: dict[str, str], declared: str = DECLARED) -> dict[tuple[str, str], Verdict]:
    return {
        (check, path): verdict
        for check in FED
        for path, verdict in verdicts(check, texts, declared=declared).items()
        if verdict.status == "fail"
    }


@pytest.mark.parametrize(
    ("switch", "old", "new", "expected"),
    [
        ("one", "allowed vlan 120\n", "allowed vlan 110,120\n",  # a VLAN that nobody needs there
         {("exact", ONE): "GigabitEthernet0/1 (line 5): +110"}),
        ("one", "allowed vlan 120\n", "allowed vlan 110\n",  # the wrong one
         {("exact", ONE): "GigabitEthernet0/1 (line 5): +110 -120"}),
        ("two", "allowed vlan 120\n", "allowed vlan all\n",
         {("exact", TWO): "Ethernet1 (line 4): +1-119,121-4094", ("vlan-1", TWO): "Ethernet1"}),
        ("two", "native vlan 999", "native vlan 120",
         {("exact", TWO): "Ethernet1", ("native-vlan", TWO): "Ethernet1",
          ("native-vlan", ONE): "GigabitEthernet0/1 (line 5): 999, two Ethernet1: 120"}),
        ("one", "native vlan 999", "native vlan 1",
         {("native-vlan", ONE): "GigabitEthernet0/1 (line 5)", ("native-vlan", TWO): "Ethernet1"}),
        ("one", "access vlan 110", "access vlan 120",  # a machine in the wrong zone
         {("exact", ONE): "GigabitEthernet0/3 (line 15): +120 -110"}),
        ("one", "nonegotiate\ninterface GigabitEthernet0/2",
         "block unicast\ninterface GigabitEthernet0/2",
         {("negotiation", ONE): "GigabitEthernet0/1 (line 5)"}),
        ("one", "vtp mode off\n", "", {("negotiation", ONE): "VTP is on (server)"}),
        ("two", " spanning-tree bpduguard enable\n", "", {("edge", TWO): "Ethernet2 (line 8)"}),
        ("one", " shutdown\n", " description free\n",
         {("unused-port", ONE): "GigabitEthernet0/4 (line 20)", ("edge", ONE): None}),
        ("one", "access vlan 998", "access vlan 110",
         {("unused-port", ONE): "GigabitEthernet0/4 (line 20)"}),
        ("one", "10.10.60.2", "10.10.60.1", {("gateway", ONE): "Vlan160 (line 24): a-admin"}),
        ("two", "vlan 120,998", "vlan 998", {("exact", TWO): "Ethernet1 (line 4): -120"}),
        ("two", "vlan 120,998,999\n", "vlan 998,999\nvlan 120\n state suspend\n",
         {("exact", TWO): "Ethernet1 (line 6): -120"}),
    ],
)  # fmt: skip
def test_each_mutant_is_caught_in_its_place(
    switch: str, old: str, new: str, expected: dict[tuple[str, str], str | None]
) -> None:
    found = failing(changed(switch, old, new))
    wanted = {(f"switching.{check}", path): told for (check, path), told in expected.items()}
    assert found.keys() == wanted.keys()
    for key, told in wanted.items():
        if told is not None:
            assert told in str(found[key].evidence), key


LEG = "interface Vlan110\n ip address 10.10.10.2 255.255.255.0\nend"


def test_a_switch_that_routes_between_zones_is_a_bypass() -> None:
    routing = {**GOOD, "one": GOOD["one"].replace("no ip routing", "ip routing")}
    routing["one"] = routing["one"].replace("end", LEG)
    found = verdicts("switching.bypass", routing)
    item = found[f"{ONE}/admin+dmz"]
    assert (item.status, item.severity.value) == ("fail", "critical")
    assert item.evidence["path"] == [
        "VLAN 160 (a-admin) on one", "one Vlan160", "one Vlan110", "VLAN 110 (a-dmz) on one"
    ]  # fmt: skip
    assert {p for p, v in found.items() if v.status == "fail"} == {f"{ONE}/admin+dmz"}


def test_whether_it_routes_is_unknown_where_it_does_not_say() -> None:
    silent = {**GOOD, "one": GOOD["one"].replace("no ip routing\n", "").replace("end", LEG)}
    assert statuses("switching.bypass", silent)[f"{ONE}/admin+dmz"] == "unknown"


def test_two_addresses_do_not_join_where_it_does_not_route_or_in_two_vrfs() -> None:
    still = {**GOOD, "one": GOOD["one"].replace("end", LEG)}
    assert statuses("switching.bypass", still) == {ONE: "pass", TWO: "pass"}
    apart = GOOD["one"].replace("no ip", "ip").replace("end", LEG)
    apart = apart.replace("Vlan110\n", "Vlan110\n vrf forwarding DMZ\n")
    assert statuses("switching.bypass", {**GOOD, "one": apart}) == {ONE: "pass", TWO: "pass"}


def test_a_routed_port_counts_by_its_address() -> None:
    port = "interface GigabitEthernet0/9\n no switchport\n ip address 10.10.20.3 255.255.255.0\nend"
    routing = GOOD["one"].replace("no ip", "ip").replace("end", port)
    assert statuses("switching.bypass", {**GOOD, "one": routing})[f"{ONE}/admin+app"] == "fail"


TRUNK_ONE = """ switchport trunk native vlan 999
 switchport trunk allowed vlan 120
 switchport mode trunk
 switchport nonegotiate
interface GigabitEthernet0/2"""
TRUNK_TWO = """ switchport trunk native vlan 999
 switchport trunk allowed vlan 120
 switchport mode trunk
"""


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (" switchport access vlan 110\n switchport mode access", " switchport access vlan 120\n"),
        (" switchport trunk native vlan 110\n switchport mode trunk\n switchport nonegotiate",
         " switchport access vlan 120\n"),
        (" switchport trunk native vlan 110\n switchport mode trunk\n switchport nonegotiate",
         " switchport trunk native vlan 120\n switchport mode trunk\n"),
    ],
    ids=["access-access", "native-access", "native-native"],
)  # fmt: skip
def test_frames_without_a_tag_join_what_the_ends_take_them_for(one: str, two: str) -> None:
    texts = changed("one", TRUNK_ONE, f"{one}\ninterface GigabitEthernet0/2")
    texts["two"] = GOOD["two"].replace(TRUNK_TWO, two)
    found = verdicts("switching.bypass", texts)
    (path,) = {str(v.evidence["path"]) for p, v in found.items() if p.endswith("/app+dmz")}
    assert "one GigabitEthernet0/1" in path
    assert "two Ethernet1" in path
    assert next(v for p, v in found.items() if p.endswith("/app+dmz")).status == "fail"


def test_the_way_may_lead_through_vlans_of_no_zone() -> None:
    access = " switchport access vlan {}\n switchport mode access\n"
    texts = changed("one", TRUNK_ONE, access.format(110) + "interface GigabitEthernet0/2")
    more = f"interface GigabitEthernet0/8\n{access.format(120)}end"
    texts["one"] = texts["one"].replace("end", more)
    two = " switchport access vlan 777\ninterface Ethernet8\n switchport access vlan 777\n"
    texts["two"] = GOOD["two"].replace(TRUNK_TWO, two)
    link = "links: {Ethernet8: {switch: one, port: GigabitEthernet0/8}, Ethernet2"
    declared = DECLARED.replace("links: {Ethernet2", link)
    found = verdicts("switching.bypass", texts, declared=declared)
    (item,) = [v for p, v in found.items() if p.endswith("/app+dmz")]
    assert item.status == "fail"
    assert "VLAN 777 (?) on two" in str(item.evidence["path"])


def test_a_port_that_negotiates_may_join() -> None:
    texts = changed("one", TRUNK_ONE, " switchport access vlan 110\ninterface GigabitEthernet0/2")
    texts["two"] = GOOD["two"].replace(TRUNK_TWO, " switchport access vlan 120\n")
    found = statuses("switching.bypass", texts)
    assert [s for p, s in found.items() if p.endswith("/app+dmz")] == ["unknown"]


def test_dual_homed_machines() -> None:
    check = "switching.dual-homed"
    found = judged(check, estate_of(DECLARED), {})
    assert {p: v.status.value for p, v in found.items()} == {
        "sitiv/machine/web": "pass", "sitiv/machine/app": "pass"
    }  # fmt: skip
    both = DECLARED.replace("addresses: [10.10.10.9]}]", "addresses: [10.10.10.9]}, {vlan: a-app}]")
    item = judged(check, estate_of(both), {})["sitiv/machine/web"]
    assert item.status == "fail"
    assert item.evidence["zones"] == ["app", "dmz"]
