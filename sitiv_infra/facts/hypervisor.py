"""What a vCenter says of its clusters, hosts and virtual machines."""

from __future__ import annotations

from typing import ClassVar, Literal

from sitiv_infra.facts.base import Fact, Facts, Unread


class ClusterState(Fact):
    """One cluster."""

    name: str
    vsan: bool | Unread


class HostState(Fact):
    """One ESXi host; ``lockdown`` as vSphere names its modes."""

    name: str
    cluster: str | None
    version: str
    connected: bool
    lockdown: Literal["disabled", "normal", "strict"] | Unread


class VirtualMachine(Fact):
    """One virtual machine."""

    name: str
    host: str | None
    cluster: str | None
    powered_on: bool


class HypervisorFacts(Facts):
    """One vCenter."""

    family: ClassVar[str] = "hypervisor"

    version: str
    clusters: tuple[ClusterState, ...]
    hosts: tuple[HostState, ...]
    machines: tuple[VirtualMachine, ...]
