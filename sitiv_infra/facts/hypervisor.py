"""What a vCenter says of its clusters, hosts and virtual machines."""

from __future__ import annotations

from typing import ClassVar, Literal

from sitiv_infra.facts.base import Fact, Facts, Unread
from sitiv_infra.facts.switch import VlanSet

OLDER = Unread(unread="it was observed before networks of virtual machines were")


class ClusterState(Fact):
    """One cluster; ``vsan`` tells whether the vSAN service is on, not whether it is healthy."""

    name: str
    vsan: bool | Unread


class HostState(Fact):
    """One ESXi host.

    cluster -- None for a host that stands alone. connection -- as vCenter reaches it. lockdown --
    as vSphere names its modes. running -- keys of the services that run (``TSM-SSH``, ``ntpd``).
    adapters -- keys of the port groups that the host itself stands in, to be managed or for vSAN;
    where they are unread, so are the port groups of the host's own switches.
    """

    name: str
    cluster: str | Unread | None
    version: str | Unread
    connection: Literal["connected", "disconnected", "notResponding"] | Unread
    lockdown: Literal["disabled", "normal", "strict"] | Unread
    running: tuple[str, ...] | Unread
    adapters: tuple[str, ...] | Unread = OLDER


class PortVlan(Fact):
    """Of which VLANs a port group takes frames.

    ids -- tags on the wire. guest -- the machine itself says and sees them (a trunk). bare --
    frames without a tag pass: alone, the VLAN is whatever the physical switch gives to them.
    primary -- of a private VLAN, whose id is then the secondary one, or again the primary.
    """

    ids: VlanSet
    guest: bool = False
    bare: bool = False
    primary: int | None = None


class PortGroup(Fact):
    """What network cards are connected to, on a distributed switch or on one host's own.

    key -- as cards name it. switch -- name of the virtual switch. hosts -- those that have it, by
    name. uplink -- it is the switch's way to physical ports. promiscuous, forged, mac_changes --
    whether a machine may see frames for others, send from others' MAC addresses, change its own.
    vlan_override, security_override -- whether one port may be set otherwise than the group.
    """

    key: str
    name: str
    switch: str
    hosts: tuple[str, ...] | Unread
    uplink: bool | Unread
    vlan: PortVlan | Unread
    promiscuous: bool | Unread
    forged: bool | Unread
    mac_changes: bool | Unread
    vlan_override: bool | Unread
    security_override: bool | Unread


class VirtualNic(Fact):
    """A network card of a machine; ``portgroup`` is a key, None where it hangs on nothing."""

    label: str
    portgroup: str | Unread | None
    connected: bool | Unread


class VirtualMachine(Fact):
    """One virtual machine.

    host, cluster -- None where it has none: an orphan, or a host that stands alone. agent --
    vSphere made it for itself (ESX Agent Manager, such as the vCLS machines of every cluster).
    """

    name: str
    host: str | Unread | None
    cluster: str | Unread | None
    powered_on: bool | Unread
    agent: bool | Unread
    nics: tuple[VirtualNic, ...] | Unread = OLDER


class HypervisorFacts(Facts):
    """One vCenter; port groups in the order of their switches and names."""

    family: ClassVar[str] = "hypervisor"

    version: str
    clusters: tuple[ClusterState, ...]
    hosts: tuple[HostState, ...]
    machines: tuple[VirtualMachine, ...]
    portgroups: tuple[PortGroup, ...] | Unread = OLDER
