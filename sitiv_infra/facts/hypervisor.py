"""What a vCenter says of its clusters, hosts and virtual machines."""

from __future__ import annotations

from typing import ClassVar, Literal

from sitiv_infra.facts.base import Fact, Facts, Unread


class ClusterState(Fact):
    """One cluster; ``vsan`` tells whether the vSAN service is on, not whether it is healthy."""

    name: str
    vsan: bool | Unread


class HostState(Fact):
    """One ESXi host.

    cluster -- None for a host that stands alone. connection -- as vCenter reaches it. lockdown --
    as vSphere names its modes. running -- keys of the services that run (``TSM-SSH``, ``ntpd``).
    """

    name: str
    cluster: str | Unread | None
    version: str | Unread
    connection: Literal["connected", "disconnected", "notResponding"] | Unread
    lockdown: Literal["disabled", "normal", "strict"] | Unread
    running: tuple[str, ...] | Unread


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


class HypervisorFacts(Facts):
    """One vCenter."""

    family: ClassVar[str] = "hypervisor"

    version: str
    clusters: tuple[ClusterState, ...]
    hosts: tuple[HostState, ...]
    machines: tuple[VirtualMachine, ...]
