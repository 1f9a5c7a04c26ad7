"""Networks of a simulated vCenter: distributed switches, hosts' own switches, machines' cards.

What vcsim adds nothing to: it serves these objects as they are written here, so that a private
VLAN, a trunk or an inherited setting is as a vCenter's schema has it, but nothing is forwarded, and
no port exists that could be set otherwise than its group.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import count

from sitiv_infra.lab.vcsim_xml import data, managed, references, string

SETTINGS = ("allowPromiscuous", "macChanges", "forgedTransmits")


@dataclass(frozen=True)
class DistributedGroup:
    """A port group of a distributed switch.

    vlan -- an id, or a trunk's range. private -- it is the id of a private VLAN. allows -- those of
    ``SETTINGS`` that it has on; None leaves all to the switch. overrides -- what ports may differ
    in: ``vlan``, ``securityPolicy``.
    """

    name: str
    vlan: int | tuple[int, int] = 0
    private: bool = False
    uplink: bool = False
    allows: tuple[str, ...] | None = ()
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Switch:
    """A distributed switch over every host; ``private`` are primary and secondary ids."""

    name: str
    groups: tuple[DistributedGroup, ...] = ()
    private: tuple[tuple[int, int], ...] = ()
    allows: tuple[str, ...] = ()


@dataclass(frozen=True)
class HostGroup:
    """A port group of a host's own switch."""

    name: str
    vlan: int = 0
    allows: tuple[str, ...] = ()


class Networks:
    """The distributed switches with the ids that they and their port groups get."""

    def __init__(self, switches: Sequence[Switch]) -> None:
        numbers = count(1)
        self.switches = [(f"dvs-{next(numbers)}", switch) for switch in switches]
        self.groups = {
            (switch.name, group.name): f"dvportgroup-{next(numbers)}"
            for switch in switches
            for group in switch.groups
        }

    def children(self, others: str) -> str:
        """Give the list of a folder's networks, with others that it already holds."""
        tag = "ManagedObjectReference"
        ids = [(DVS, id_) for id_, _ in self.switches] + [(GROUP, g) for g in self.groups.values()]
        more = "".join(f'<{tag} type="{kind}">{id_}</{tag}>' for kind, id_ in ids)
        return others.replace("</val>", f"{more}</val>")

    def cards(self, nics: Iterable[str], own: Iterable[HostGroup], *, on: bool) -> str:
        """Give a machine's devices: one card for each name of a port group that is there."""
        keys = {name: key for (_, name), key in self.groups.items()}
        standard = {group.name for group in own}
        found = ""
        for number, name in enumerate(nics):
            if name in keys:
                port = f"<switchUuid>uuid</switchUuid><portgroupKey>{keys[name]}</portgroupKey>"
                kind, backing = "DistributedVirtualPort", f"<port>{port}</port>"
            elif name in standard:
                kind, backing = "Network", f"<deviceName>{escape(name)}</deviceName>"
            else:
                continue
            state = (
                "<startConnected>true</startConnected><allowGuestControl>true</allowGuestControl>"
            )
            found += (
                f'<device xsi:type="VirtualVmxnet3"><key>{4000 + number}</key>'
                f"<deviceInfo><label>Network adapter {number + 1}</label><summary/></deviceInfo>"
                f'<backing xsi:type="VirtualEthernetCard{kind}BackingInfo">{backing}</backing>'
                f"<connectable>{state}<connected>{str(on).lower()}</connected></connectable>"
                "</device>"
            )
        return found


DVS, GROUP = "VmwareDistributedVirtualSwitch", "DistributedVirtualPortgroup"


def network_objects(networks: Networks, parent: str, hosts: Sequence[str]) -> Iterator[str]:
    """Yield the distributed switches and their port groups."""
    for id_, switch in networks.switches:
        keys = {group.name: networks.groups[switch.name, group.name] for group in switch.groups}
        members = "".join(
            f'<host><config><host type="HostSystem">{host}</host></config></host>' for host in hosts
        )
        rows = "".join(_row(primary, secondary) for primary, secondary in switch.private)
        config = (
            f"<uuid>uuid</uuid><name>{escape(switch.name)}</name>{members}"
            f"{_ports(_security(switch.allows))}{rows}"
        )
        yield managed(
            DVS, id_, name=string(switch.name), parent=parent,
            config=data("VMwareDVSConfigInfo", config),
            portgroup=references(GROUP, keys.values()),
        )  # fmt: skip
        for group in switch.groups:
            yield managed(
                GROUP, keys[group.name], name=string(group.name), parent=parent,
                key=string(keys[group.name]), config=_group(group, keys[group.name], id_),
            )  # fmt: skip


def _row(primary: int, secondary: int) -> str:
    kind = "promiscuous" if primary == secondary else "isolated"
    return (
        f"<pvlanConfig><primaryVlanId>{primary}</primaryVlanId>"
        f"<secondaryVlanId>{secondary}</secondaryVlanId><pvlanType>{kind}</pvlanType></pvlanConfig>"
    )


def _ports(settings: str) -> str:
    kind = "VMwareDVSPortSetting"
    return f'<defaultPortConfig xsi:type="{kind}">{settings}</defaultPortConfig>'


def _security(allows: Iterable[str]) -> str:
    held = "".join(f"<{name}>{str(name in allows).lower()}</{name}>" for name in SETTINGS)
    return f"<macManagementPolicy><inherited>false</inherited>{held}</macManagementPolicy>"


def _group(group: DistributedGroup, key: str, switch: str) -> str:
    security = "" if group.allows is None else _security(group.allows)
    flags = "".join(
        f"<{name}OverrideAllowed>{str(name in group.overrides).lower()}</{name}OverrideAllowed>"
        for name in ("vlan", "securityPolicy", "macManagement")
    )
    policy = f'<policy xsi:type="VMwareDVSPortgroupPolicy">{flags}</policy>'
    return data(
        "DVPortgroupConfigInfo",
        f"<key>{key}</key><name>{escape(group.name)}</name>"
        f'<distributedVirtualSwitch type="{DVS}">{switch}</distributedVirtualSwitch>'
        f"{_ports(_vlan(group) + security)}{policy}<uplink>{str(group.uplink).lower()}</uplink>",
    )


def _vlan(group: DistributedGroup) -> str:
    if isinstance(group.vlan, tuple):
        start, end = group.vlan
        kind, inner = "TrunkVlan", f"<vlanId><start>{start}</start><end>{end}</end></vlanId>"
    elif group.private:
        kind, inner = "Pvlan", f"<pvlanId>{group.vlan}</pvlanId>"
    else:
        kind, inner = "VlanId", f"<vlanId>{group.vlan}</vlanId>"
    return (
        f'<vlan xsi:type="VmwareDistributedVirtualSwitch{kind}Spec">'
        f"<inherited>false</inherited>{inner}</vlan>"
    )


def host_network(groups: Sequence[HostGroup]) -> str:
    """Give the network of a host: one switch of its own, and the adapter that manages it."""
    if not groups:
        return ""
    listed = "".join(map(_host_group, groups))
    adapter = (
        f"<vnic><device>vmk0</device><key>vmk0</key><portgroup>{escape(groups[0].name)}</portgroup>"
        "<spec/></vnic>"
    )
    return f"<network>{listed}{adapter}</network>"


def _host_group(group: HostGroup) -> str:
    flags = "".join(f"<{n}>{str(n in group.allows).lower()}</{n}>" for n in SETTINGS)
    return (
        f"<portgroup><key>key-{escape(group.name)}</key><vswitch>vSwitch0</vswitch>"
        f"<computedPolicy><security>{flags}</security></computedPolicy>"
        f"<spec><name>{escape(group.name)}</name><vlanId>{group.vlan}</vlanId>"
        "<vswitchName>vSwitch0</vswitchName><policy/></spec></portgroup>"
    )
