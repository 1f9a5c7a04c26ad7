"""Two sites of virtual machines: as declared they pass, and each mutant fails its own check."""

from __future__ import annotations

import pytest

from sitiv_infra.checking import Verdict
from sitiv_infra.facts import Facts, HypervisorFacts, Unread
from sitiv_infra.facts.hypervisor import (
    ClusterState,
    HostState,
    PortGroup,
    PortVlan,
    VirtualMachine,
    VirtualNic,
)
from sitiv_infra.switches import read_text
from sitiv_infra.testing import estate_of, judged
from sitiv_infra.vlan_ids import ALL

DECLARED = """
zones: {dmz: {title: DMZ}, app: {title: Applications}, data: {title: Databases}}
vlans:
  a-dmz: {vid: 110, zone: dmz, sites: [a], subnets: [10.10.10.0/24]}
  a-app: {vid: 120, zone: app, sites: [a], subnets: [10.10.20.0/24]}
  a-data: {vid: 130, zone: data, sites: [a], subnets: [10.10.30.0/24]}
  b-dmz: {vid: 210, zone: dmz, sites: [b], subnets: [10.20.10.0/24]}
vcenters: {vc: {site: a, host: vc.test, observed_from: admin}}
clusters: {prod: {site: a, vcenter: vc, hosts: [esx1, esx2]}}
firewalls: {fw: {site: a, host: fw.test, observed_from: admin}}
machines:
  fw: {site: a, role: firewall, cluster: prod}
  web: {site: a, role: web, cluster: prod, interfaces: [{vlan: a-dmz, addresses: [10.10.10.9]}]}
  app: {site: a, role: app, cluster: prod, interfaces: [{vlan: a-app, addresses: [10.10.20.9]}]}
switches:
  sw: {site: a, platform: ios, host: sw.test, observed_from: admin, native: 999,
       links: {GigabitEthernet0/1: {cluster: prod}}}
"""
CONFIG = """hostname sw
no ip routing
vtp mode off
vlan 110,120,130,999
interface GigabitEthernet0/1
 switchport trunk native vlan 999
 switchport trunk allowed vlan {allowed}
 switchport mode trunk
 switchport nonegotiate
end
"""
HIDDEN = Unread(unread="NoPermission (needs System.Read)")
VC, SW = "sitiv/vcenter/vc", "sitiv/switch/sw"
GROUP_CHECKS = (
    "hypervisor.portgroup-vlan", "hypervisor.guest-tagging", "hypervisor.promiscuous",
    "hypervisor.forged-frames", "hypervisor.port-override",
)  # fmt: skip
CHECKS = (
    *GROUP_CHECKS, "hypervisor.dual-homed", "hypervisor.machine-vlans", "switching.bypass",
    "switching.uplink",
)  # fmt: skip


def tag(*ids: int, **more: object) -> PortVlan:
    return PortVlan.model_validate({"ids": frozenset(ids), **more})


TRUNK = PortVlan(ids=ALL, guest=True, bare=True)


def group(name: str, vlan: PortVlan | Unread, **changed: object) -> PortGroup:
    good = PortGroup(
        key=f"pg-{name}", name=name, switch="site-a", hosts=("esx1", "esx2"), uplink=False,
        vlan=vlan, promiscuous=False, forged=False, mac_changes=False, vlan_override=False,
        security_override=False,
    )  # fmt: skip
    return good.model_copy(update=changed)


def machine(name: str, *groups: str | Unread, **changed: object) -> VirtualMachine:
    nics = tuple(
        VirtualNic(
            label=f"Network adapter {number}", connected=True,
            portgroup=key if isinstance(key, Unread) else f"pg-{key}",
        )
        for number, key in enumerate(groups, 1)
    )  # fmt: skip
    good = VirtualMachine(
        name=name, host="esx1", cluster="prod", powered_on=True, agent=False, nics=nics
    )
    return good.model_copy(update=changed)


def host(name: str, **changed: object) -> HostState:
    good = HostState(
        name=name, cluster="prod", version="8.0.3", connection="connected", lockdown="normal",
        running=("ntpd",), adapters=(f"{name}/mgmt",),
    )  # fmt: skip
    return good.model_copy(update=changed)


GROUPS = {
    g.name: g
    for g in (
        group("uplinks", TRUNK, uplink=True, security_override=True),
        group("a-dmz", tag(110)),
        group("a-app", tag(120)),
        group("a-data", tag(130)),
        group("firewalls", TRUNK, promiscuous=True, forged=True),
    )
}
WEB, APP, FW = machine("Web", "a-dmz"), machine("app", "a-app"), machine("fw", "firewalls")


def facts(
    *machines: VirtualMachine, groups: dict[str, PortGroup | None] | None = None, **more: object
) -> HypervisorFacts:
    named = [m.name.casefold() for m in machines]
    standing = [m for m in (WEB, APP, FW) if m.name.casefold() not in named]
    chosen = {**GROUPS, **(groups or {})}
    found = HypervisorFacts(
        version="8.0.3", clusters=(ClusterState(name="prod", vsan=True),),
        hosts=(host("esx1"), host("esx2")), machines=(*standing, *machines),
        portgroups=tuple(g for g in chosen.values() if g is not None),
    )  # fmt: skip
    return found.model_copy(update=more)


def say(
    check: str, found: HypervisorFacts | None, allowed: str = "110,120,130", text: str = DECLARED
) -> dict[str, Verdict]:
    estate = estate_of(text)
    seen: dict[str, Facts] = {"switch/sw": read_text(CONFIG.format(allowed=allowed), "ios")}
    if not estate.switches:
        seen = {}
    gaps = {} if found else {"hypervisor/vc": "no answer in time"}
    return judged(check, estate, {**seen, **({"hypervisor/vc": found} if found else {})}, gaps=gaps)


def statuses(check: str, found: HypervisorFacts | None, **more: str) -> dict[str, str]:
    return {path: v.status.value for path, v in say(check, found, **more).items()}


@pytest.mark.parametrize("check", CHECKS)
def test_as_declared_all_is_good(check: str) -> None:
    found = statuses(check, facts())
    assert found
    assert set(found.values()) == {"pass"}


@pytest.mark.parametrize("check", CHECKS)
def test_a_vcenter_that_was_not_read_is_unknown(check: str) -> None:
    found = statuses(check, None)
    assert "pass" not in {s for p, s in found.items() if check != "switching.bypass" or p == VC}
    assert "unknown" in found.values()


@pytest.mark.parametrize("check", CHECKS)
def test_a_recording_from_before_networks_were_read_is_unknown(check: str) -> None:
    old = facts().model_dump(mode="json")
    del old["portgroups"]
    for one in old["machines"]:
        del one["nics"]
    for one in old["hosts"]:
        del one["adapters"]
    found = statuses(check, HypervisorFacts.model_validate(old))
    if check == "switching.bypass":
        assert found.pop(SW) == "pass"
    assert set(found.values()) == {"unknown"}


def test_a_machine_in_two_zones_is_a_bypass_and_is_told_once() -> None:
    for name, subject in (("web", "sitiv/machine/web"), ("stray vm", f"{VC}/stray_vm")):
        found = facts(machine(name, "a-dmz", "a-data"))
        item = say("hypervisor.dual-homed", found)[subject]
        assert (item.status, item.severity.value) == ("fail", "critical")
        assert item.evidence["zones"] == ["data", "dmz"]
        assert "site-a/a-data > VLAN 130 (a-data) on vc/prod/site-a" in str(item.evidence["ways"])
        assert statuses("switching.bypass", found) == {SW: "pass", VC: "pass"}


@pytest.mark.parametrize(
    "changed",
    [
        {"powered_on": False},
        {"nics": (VirtualNic(label="1", portgroup="pg-a-dmz", connected=True),
                  VirtualNic(label="2", portgroup="pg-a-data", connected=False))},
    ],
    ids=["off", "disconnected"],
)  # fmt: skip
def test_what_is_off_or_disconnected_joins_nothing(changed: dict[str, object]) -> None:
    found = facts(machine("web", "a-dmz", "a-data", **changed))
    assert "fail" not in statuses("hypervisor.dual-homed", found).values()


@pytest.mark.parametrize(
    ("networks", "groups"),
    [
        (("a-dmz", HIDDEN), {}),
        (("a-dmz", "gone"), {}),
        (("a-dmz", "a-data"), {"a-data": group("a-data", HIDDEN)}),
        (("a-dmz", "a-data"), {"a-data": group("a-data", tag(130), vlan_override=True)}),
        (("a-dmz", "lost"), {"lost": group("lost", tag(777))}),
        (("a-dmz", "bare"), {"bare": group("bare", tag(bare=True))}),
        ((HIDDEN,), {}),
    ],
    ids=["card", "group", "vlan", "override", "undeclared", "untagged", "one-card"],
)
def test_what_is_not_known_may_join(
    networks: tuple[str | Unread, ...], groups: dict[str, PortGroup]
) -> None:
    found = statuses("hypervisor.dual-homed", facts(machine("web", *networks), groups={**groups}))
    assert found["sitiv/machine/web"] == "unknown"


def test_a_trunk_is_every_zone_that_it_lets_through() -> None:
    wide = facts(machine("web", "firewalls"))
    assert say("hypervisor.dual-homed", wide)["sitiv/machine/web"].evidence["zones"] == [
        "app", "data", "dmz"
    ]  # fmt: skip
    narrow = facts(machine("web", "some"), groups={"some": group("some", tag(110, guest=True))})
    assert statuses("hypervisor.dual-homed", narrow)["sitiv/machine/web"] == "pass"
    assert statuses("hypervisor.guest-tagging", narrow)[f"{VC}/site-a/some"] == "fail"


@pytest.mark.parametrize(
    "text",
    [
        DECLARED.replace("firewalls: {fw:", "firewalls: {other:"),
        DECLARED.replace("role: firewall, cluster: prod", "role: firewall"),
    ],
    ids=["undeclared", "declared-as-a-box"],
)
def test_who_is_no_declared_virtual_firewall_is_none(text: str) -> None:
    found = say("hypervisor.dual-homed", facts(), text=text)
    assert [v.status.value for p, v in found.items() if p.endswith("/fw")] == ["fail"]


def test_two_machines_of_a_firewalls_name_are_none() -> None:
    twice = facts().model_copy(update={"machines": (WEB, APP, FW, FW)})
    assert statuses("hypervisor.dual-homed", twice)["sitiv/machine/fw"] == "fail"


def test_several_machines_join_over_a_vlan_of_no_zone() -> None:
    lost = {"lost": group("lost", tag(777))}
    found = facts(machine("web", "a-dmz", "lost"), machine("x", "lost", "a-data"), groups={**lost})
    (item,) = [v for p, v in say("switching.bypass", found).items() if p.endswith("data+dmz")]
    assert item.status == "fail"
    assert {"Web", "web"} & set(item.evidence["path"])  # type: ignore[call-overload]
    assert "x" in item.evidence["path"]  # type: ignore[operator]


def test_frames_without_a_tag_are_in_the_switchs_native_vlan() -> None:
    bare = {"bare": group("bare", tag(bare=True))}
    native = CONFIG.replace("native vlan 999", "native vlan 130")
    estate = estate_of(DECLARED)
    seen = {
        "switch/sw": read_text(native.format(allowed="110,120,130"), "ios"),
        "hypervisor/vc": facts(machine("web", "a-dmz", "bare"), groups={**bare}),
    }
    item = judged("hypervisor.dual-homed", estate, seen)["sitiv/machine/web"]
    assert (item.status, item.evidence["zones"]) == ("fail", ["data", "dmz"])


def test_a_private_vlan_is_of_its_primarys_zone() -> None:
    private = {"isolated": group("isolated", tag(111, primary=110))}
    one = facts(machine("web", "isolated"), groups={**private})
    assert statuses("hypervisor.dual-homed", one)["sitiv/machine/web"] == "pass"
    assert statuses("hypervisor.portgroup-vlan", one)[f"{VC}/site-a/isolated"] == "pass"
    assert statuses("hypervisor.machine-vlans", one)["sitiv/machine/web"] == "pass"
    other = facts(machine("web", "isolated", "a-app"), groups={**private})
    assert statuses("hypervisor.dual-homed", other)["sitiv/machine/web"] == "fail"
    clash = {"isolated": group("isolated", tag(120, primary=110))}
    found = say("switching.bypass", facts(machine("web", "isolated"), groups={**clash}))
    assert [v.status.value for p, v in found.items() if p.endswith("/app+dmz")] == ["fail"]


@pytest.mark.parametrize(
    ("check", "changed", "status"),
    [
        ("hypervisor.promiscuous", {"promiscuous": True}, "fail"),
        ("hypervisor.promiscuous", {"promiscuous": HIDDEN}, "unknown"),
        ("hypervisor.forged-frames", {"forged": True}, "fail"),
        ("hypervisor.forged-frames", {"mac_changes": True}, "fail"),
        ("hypervisor.forged-frames", {"mac_changes": HIDDEN}, "unknown"),
        ("hypervisor.port-override", {"security_override": True}, "fail"),
        ("hypervisor.port-override", {"vlan_override": True}, "fail"),
        ("hypervisor.port-override", {"vlan_override": HIDDEN}, "unknown"),
        ("hypervisor.portgroup-vlan", {"vlan": tag(130)}, "fail"),  # its name says 110
        ("hypervisor.portgroup-vlan", {"vlan": tag(777), "name": "a-dmz"}, "fail"),
        ("hypervisor.portgroup-vlan", {"vlan": tag(210)}, "fail"),  # of the other site
        ("hypervisor.portgroup-vlan", {"vlan": tag(bare=True)}, "fail"),
        ("hypervisor.portgroup-vlan", {"vlan": HIDDEN}, "unknown"),
        ("hypervisor.guest-tagging", {"vlan": TRUNK}, "fail"),
        ("hypervisor.guest-tagging", {"vlan": tag(110, 111, guest=True)}, "fail"),
        ("hypervisor.guest-tagging", {"vlan": HIDDEN}, "unknown"),
        ("hypervisor.guest-tagging", {"uplink": HIDDEN, "vlan": TRUNK}, "fail"),
    ],
)
def test_each_setting_of_a_port_group(check: str, changed: dict[str, object], status: str) -> None:
    found = statuses(check, facts(groups={"a-dmz": GROUPS["a-dmz"].model_copy(update=changed)}))
    assert {s for p, s in found.items() if p.endswith("/a-dmz")} == {status}
    assert {s for p, s in found.items() if not p.endswith("/a-dmz")} == {"pass"}


def test_uplinks_and_port_groups_of_firewalls_alone_are_no_finding() -> None:
    for check in GROUP_CHECKS:
        found = statuses(check, facts())
        assert f"{VC}/site-a/uplinks" not in found
        assert found[f"{VC}/site-a/firewalls"] == "pass"
    mixed = facts(machine("web", "firewalls"))
    assert statuses("hypervisor.promiscuous", mixed)[f"{VC}/site-a/firewalls"] == "fail"


@pytest.mark.parametrize("check", GROUP_CHECKS)
def test_a_host_whose_own_switches_were_not_read_is_unknown(check: str) -> None:
    found = statuses(check, facts(hosts=(host("esx1", adapters=HIDDEN), host("esx2"))))
    assert found[f"{VC}/esx1"] == "unknown"


@pytest.mark.parametrize("check", GROUP_CHECKS)
def test_of_two_groups_of_one_name_the_worse_one_counts(check: str) -> None:
    other = group(
        "a-dmz", TRUNK if check == "hypervisor.guest-tagging" else tag(777), key="pg-other",
        promiscuous=True, forged=True, vlan_override=True,
    )  # fmt: skip
    stray = machine("stray").model_copy(
        update={"nics": (VirtualNic(label="1", portgroup="pg-other", connected=True),)}
    )
    found = statuses(check, facts(stray, groups={"second": other}))
    assert found[f"{VC}/site-a/a-dmz"] == "fail"


@pytest.mark.parametrize(
    ("networks", "status"),
    [
        (("a-dmz",), "pass"), (("a-app",), "fail"), (("a-dmz", "a-app"), "fail"),
        (("firewalls",), "fail"), ((HIDDEN,), "unknown"), ((), "unknown"),
    ],
)  # fmt: skip
def test_a_machine_stands_where_it_is_declared(
    networks: tuple[str | Unread, ...], status: str
) -> None:
    found = statuses("hypervisor.machine-vlans", facts(machine("web", *networks)))
    assert found["sitiv/machine/web"] == status


@pytest.mark.parametrize(
    ("allowed", "groups", "told"),
    [
        ("110,120,130,777", {}, "+777"),
        ("110,130", {}, "-120"),
        ("110,120", {}, None),  # nothing stands in 130
        ("110,120,130", {"a-data": None, "firewalls": group("firewalls", tag(110))}, "+130"),
    ],
)
def test_an_uplink_carries_what_is_needed_behind_it(
    allowed: str, groups: dict[str, PortGroup | None], told: str | None
) -> None:
    item = say("switching.uplink", facts(groups=groups), allowed=allowed)[SW]
    assert item.status == ("fail" if told else "pass")
    assert (told or "") in str(item.evidence)


def test_an_uplink_behind_which_something_is_not_known_is_unknown() -> None:
    for found in (
        facts(groups={"a-data": group("a-data", HIDDEN)}),
        facts(hosts=(host("esx1", adapters=HIDDEN), host("esx2"))),
        facts(machine("web", nics=HIDDEN)),
    ):
        assert statuses("switching.uplink", found, allowed="110,120,130")[SW] == "unknown"


def test_without_a_switch_that_is_read_machines_are_judged_still() -> None:
    text = DECLARED[: DECLARED.index("switches:")]
    assert statuses("switching.bypass", facts(), text=text) == {VC: "pass"}
    bad = facts(machine("web", "a-dmz", "a-app"))
    assert statuses("hypervisor.dual-homed", bad, text=text)["sitiv/machine/web"] == "fail"
