"""Networks of a vCenter: as a real vcsim serves them, and as its schema allows beyond that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyVmomi import vim

from sitiv_infra.collectors import vsphere
from sitiv_infra.collectors.base import Session
from sitiv_infra.collectors.hypervisor import COLLECTOR
from sitiv_infra.collectors.portgroups import adapters, nics, portgroups
from sitiv_infra.collectors.vsphere import Seen
from sitiv_infra.estate import Vcenter
from sitiv_infra.facts import HypervisorFacts, Unread
from sitiv_infra.facts.hypervisor import PortGroup
from sitiv_infra.lab.pki import Authority
from sitiv_infra.lab.vcsim import Settings, as_declared, networks_as_declared
from sitiv_infra.lab.vcsim_model import Cluster, Guest, Hypervisor
from sitiv_infra.lab.vcsim_networks import DistributedGroup, HostGroup, Switch
from sitiv_infra.secrets import Secrets
from sitiv_infra.testing import estate_of
from sitiv_infra.vlan_ids import ALL
from tests.servers.vcsim import StartVcsim

Dvs = vim.dvs.VmwareDistributedVirtualSwitch
Card = vim.vm.device.VirtualEthernetCard
SWITCH = Switch(
    "site-a",
    (
        DistributedGroup("uplinks", (0, 4094), uplink=True),
        DistributedGroup("one", 110),
        DistributedGroup("range", (100, 102), allows=None),
        DistributedGroup("isolated", 111, private=True, overrides=("securityPolicy",)),
        DistributedGroup("unmapped", 119, private=True, overrides=("vlan",)),
        DistributedGroup("open", 0, allows=("allowPromiscuous", "forgedTransmits")),
    ),
    private=((110, 110), (110, 111)),
    allows=("macChanges",),
)
HOST = Hypervisor(
    "esx1",
    groups=(HostGroup("Management", 160), HostGroup("bare", 0, ("allowPromiscuous",)),
            HostGroup("all", 4095)),
)  # fmt: skip
GUESTS = (Guest("web", nics=("one", "bare")), Guest("off", on=False, nics=("range",)))
Read = Callable[..., HypervisorFacts]


@pytest.fixture
def read(authority: Authority) -> Read:
    def call(port: int) -> HypervisorFacts:
        secrets = Secrets(environment={"SITIV_SECRET_VC_A": Settings.password})
        source = Vcenter(
            name="vc-a", site="a", host="127.0.0.1", port=port, account=Settings.account,
            credential="vc-a", observed_from="admin",
        )  # fmt: skip
        facts = COLLECTOR(source, Session(estate_of(), secrets, 20, authority.ca_file))
        assert isinstance(facts, HypervisorFacts)
        return facts

    return call


def named(facts: HypervisorFacts) -> dict[str, PortGroup]:
    assert not isinstance(facts.portgroups, Unread)
    return {group.name: group for group in facts.portgroups}


def test_port_groups_and_cards_of_a_vcenter(start_vcsim: StartVcsim, read: Read) -> None:
    facts = read(start_vcsim([Cluster("c", (HOST,), GUESTS)], switches=[SWITCH]).port)
    groups = named(facts)
    vlans = {
        name: group.vlan for name, group in groups.items() if not isinstance(group.vlan, Unread)
    }
    assert {n: (v.ids, v.guest, v.bare, v.primary) for n, v in vlans.items()} == {
        "uplinks": (ALL, True, True, None),
        "one": ({110}, False, False, None),
        "range": ({100, 101, 102}, True, False, None),
        "isolated": ({111}, False, False, 110),
        "open": (set(), False, True, None),
        "Management": ({160}, False, False, None),
        "bare": (set(), False, True, None),
        "all": (ALL, True, True, None),
    }
    assert groups["unmapped"].vlan == Unread(
        unread="private VLAN 119 is not in the map of its switch"
    )
    assert [n for n, g in groups.items() if g.uplink] == ["uplinks"]
    assert {n for n, g in groups.items() if g.promiscuous} == {"bare", "open"}
    assert {n for n, g in groups.items() if g.forged} == {"open"}
    assert {n for n, g in groups.items() if g.mac_changes} == {"range"}  # inherited
    assert {n for n, g in groups.items() if g.security_override} == {"isolated"}
    assert {n for n, g in groups.items() if g.vlan_override} == {"unmapped"}
    assert {g.hosts for g in groups.values()} == {("esx1",)}
    assert groups["bare"].switch == "esx1/vSwitch0"
    cards = {m.name: m.nics for m in facts.machines}
    told = {
        name: [(nic.portgroup, nic.connected) for nic in found]
        for name, found in cards.items()
        if not isinstance(found, Unread)
    }
    assert told == {
        "web": [(groups["one"].key, True), (groups["bare"].key, True)],
        "off": [(groups["range"].key, False)],
    }
    assert facts.hosts[0].adapters == (groups["Management"].key,)
    assert HypervisorFacts.model_validate_json(facts.model_dump_json()) == facts


def test_calls_do_not_grow_with_what_is_read(
    start_vcsim: StartVcsim, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One view, one page, whatever there is: never a call for one object."""
    calls: list[int] = []
    original = vsphere.SoapStubAdapter.InvokeMethod

    def counted(stub: object, *words: object) -> object:
        calls[-1] += 1
        return original(stub, *words)

    monkeypatch.setattr(vsphere.SoapStubAdapter, "InvokeMethod", counted)
    for many in (1, 40):
        guests = tuple(Guest(f"vm{n}", nics=("one", "bare")) for n in range(many))
        hosts = tuple(Hypervisor(f"esx{n}", groups=HOST.groups) for n in range(many))
        groups = tuple(DistributedGroup(f"g{n}", 100 + n) for n in range(many))
        server = start_vcsim([Cluster("c", hosts, guests)], switches=[Switch("s", groups)])
        calls.append(0)
        assert len(read(server.port).machines) == many
    assert calls[0] == calls[1]


def test_networks_as_declared(start_vcsim: StartVcsim, read: Read) -> None:
    estate = estate_of("""
vlans:
  a-one: {vid: 110, zone: admin, sites: [a], subnets: [10.10.10.0/24]}
  b-one: {vid: 210, zone: admin, sites: [b], subnets: [10.20.10.0/24]}
vcenters: {vc-a: {site: a, host: vc-1.test, observed_from: admin}}
clusters: {one: {site: a, vcenter: vc-a, hosts: [esx1]}}
machines:
  vc-1: {site: a, role: vcenter, interfaces: [{vlan: a-one, addresses: [10.10.10.8]}]}
  web: {site: a, role: web, cluster: one, interfaces: [{vlan: a-one, addresses: [10.10.10.9]}]}
""")
    clusters, switches = as_declared(estate, "vc-a"), networks_as_declared(estate, "vc-a")
    facts = read(start_vcsim(clusters, switches=switches).port)
    groups = named(facts)
    assert groups.keys() == {"uplinks", "a-one", "Management Network"}
    (web,) = facts.machines
    assert not isinstance(web.nics, Unread)
    assert [nic.portgroup for nic in web.nics] == [groups["a-one"].key]


# What vcsim does not serve, from the types that pyVmomi makes of a vCenter's schema.


def item(kind: str, missing: dict[str, str] | None = None, **values: object) -> Seen:
    paths = {name.replace("__", "."): value for name, value in values.items()}
    return Seen(id=f"{kind}-1", values={"name": kind, **paths}, missing=missing or {})


def one_group(ports: object, policy: object = None, **config: Any) -> PortGroup:
    switch = item("dvs", config=Dvs.ConfigInfo(**config))
    group = item(
        "group", config__distributedVirtualSwitch=Dvs("dvs-1"), config__uplink=False,
        config__policy=policy, config__defaultPortConfig=ports,
    )  # fmt: skip
    (found,) = portgroups([group], [switch], [])
    return found


def test_the_older_security_policy_and_what_a_switch_hands_down() -> None:
    yes, no = (vim.BoolPolicy(inherited=False, value=value) for value in (True, False))
    empty = vim.BoolPolicy(inherited=True)
    older = Dvs.SecurityPolicy(allowPromiscuous=yes, macChanges=no, forgedTransmits=empty)
    above = Dvs.VmwarePortConfigPolicy(
        vlan=Dvs.VlanIdSpec(vlanId=130, inherited=False),
        securityPolicy=Dvs.SecurityPolicy(forgedTransmits=yes),
    )
    found = one_group(Dvs.VmwarePortConfigPolicy(securityPolicy=older), defaultPortConfig=above)
    assert (found.promiscuous, found.mac_changes, found.forged) == (True, False, True)
    assert not isinstance(found.vlan, Unread)
    assert found.vlan.ids == {130}
    assert found.vlan_override == Unread(unread="the vCenter holds no value for it")


def test_either_flag_lets_security_differ_at_a_port() -> None:
    ports = Dvs.VmwarePortConfigPolicy()
    for older, newer, expected in (
        (False, True, True), (True, None, True), (False, None, False), (False, False, False)
    ):  # fmt: skip
        policy = Dvs.VMwarePortgroupPolicy(
            securityPolicyOverrideAllowed=older, macManagementOverrideAllowed=newer,
            vlanOverrideAllowed=False,
        )  # fmt: skip
        assert one_group(ports, policy).security_override is expected


@pytest.mark.parametrize(
    ("spec", "ids", "bare"),
    [
        ([(0, 0), (10, 12), (4094, 4094)], {10, 11, 12, 4094}, True),
        ([(10, 11), (11, 12)], {10, 11, 12}, False),
        ([], set(), False),
    ],
)
def test_a_trunk_of_several_ranges(
    spec: list[tuple[int, int]],
    ids: set[int],
    bare: bool,  # noqa: FBT001 - a table's column
) -> None:
    ranges = [vim.NumericRange(start=low, end=high) for low, high in spec]
    vlan = one_group(
        Dvs.VmwarePortConfigPolicy(vlan=Dvs.TrunkVlanSpec(vlanId=ranges, inherited=False))
    ).vlan
    assert not isinstance(vlan, Unread)
    assert (vlan.ids, vlan.bare, vlan.guest) == (ids, bare, True)


def test_what_can_not_be_read_says_why() -> None:
    hidden = {"config.defaultPortConfig": "hidden", "config.policy": "hidden",
              "config.uplink": "hidden", "config.distributedVirtualSwitch": "hidden"}  # fmt: skip
    (found,) = portgroups([item("group", hidden)], [], [])
    cause = Unread(unread="hidden")
    assert (found.vlan, found.promiscuous, found.uplink) == (cause, cause, cause)
    assert (found.vlan_override, found.security_override) == (cause, cause)
    assert found.hosts == Unread(unread="the account can't see it")
    assert adapters(item("host", {"config.network.vnic": "hidden"})) == cause
    assert isinstance(adapters(item("host")), Unread)
    assert nics(item("vm", {"config.hardware.device": "hidden"})) == cause


def test_cards_on_what_is_not_known() -> None:
    opaque = Card.OpaqueNetworkBackingInfo(opaqueNetworkId="x", opaqueNetworkType="nsx.Network")
    cards = [vim.vm.device.VirtualVmxnet3(key=1, backing=opaque),
             vim.vm.device.VirtualE1000(key=2), vim.vm.device.VirtualDisk(key=3)]  # fmt: skip
    found = nics(item("vm", config__hardware__device=cards))
    assert not isinstance(found, Unread)
    assert [nic.label for nic in found] == ["card 1", "card 2"]
    assert isinstance(found[0].portgroup, Unread)
    assert "OpaqueNetworkBackingInfo" in found[0].portgroup.unread
    assert found[1].portgroup is None
    assert isinstance(found[1].connected, Unread)


def test_a_hosts_adapter_on_a_distributed_switch() -> None:
    port = vim.dvs.PortConnection(switchUuid="u", portgroupKey="dvportgroup-7")
    spec = vim.host.VirtualNic.Specification(distributedVirtualPort=port)
    own = [vim.host.VirtualNic(device="vmk0", key="k", portgroup="", spec=spec)]
    assert adapters(item("host", config__network__vnic=own)) == ("dvportgroup-7",)
