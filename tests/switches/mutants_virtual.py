"""Port groups and cards of virtual machines with one thing changed, on the example estate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

from sitiv_infra.estate import Estate, Vcenter, load
from sitiv_infra.facts import HypervisorFacts, Unread
from sitiv_infra.facts.hypervisor import (
    ClusterState,
    HostState,
    PortGroup,
    PortVlan,
    VirtualMachine,
    VirtualNic,
)
from sitiv_infra.vlan_ids import ALL
from sitiv_infra.wanted.addressing import legs
from sitiv_infra.wanted.hypervisors import switches as virtual_switches
from tests.switches.mutants import Dice, Expected

EXAMPLE = Path(__file__).parents[2] / "inventory/estate"


@lru_cache
def example() -> tuple[Estate, Mapping[str, HypervisorFacts]]:
    """Give the example estate, and what its vCenters show where all is as declared."""
    estate = load(EXAMPLE)
    return estate, {v.source: _shown(estate, v) for v in estate.vcenters.values()}


def _shown(estate: Estate, vcenter: Vcenter) -> HypervisorFacts:
    clusters = [c for c in estate.clusters.values() if c.vcenter == vcenter.name]
    hosts = [(host, cluster.name) for cluster in clusters for host in cluster.hosts]
    groups = [
        _group(one.name, virtual.name, PortVlan(ids=frozenset({one.vid})), hosts)
        for virtual in virtual_switches(estate, vcenter)
        for one in virtual.portgroups
    ]
    machines = tuple(
        _machine(m.name, m.cluster, [leg.vlan.name for leg in legs(estate, m)])
        for m in estate.machines.values()
        if m.cluster in {c.name for c in clusters}
    )
    return HypervisorFacts(
        version="8.0.3", clusters=tuple(ClusterState(name=c.name, vsan=True) for c in clusters),
        hosts=tuple(_host(*one) for one in hosts), machines=machines, portgroups=tuple(groups),
    )  # fmt: skip


def _host(name: str, cluster: str) -> HostState:
    return HostState(
        name=name, cluster=cluster, version="8.0.3", connection="connected", lockdown="normal",
        running=("ntpd",), adapters=(),
    )  # fmt: skip


def _group(name: str, switch: str, vlan: PortVlan, hosts: list[tuple[str, str]]) -> PortGroup:
    return PortGroup(
        key=f"pg-{name}", name=name, switch=switch, hosts=tuple(host for host, _ in hosts),
        uplink=False, vlan=vlan, promiscuous=False, forged=False, mac_changes=False,
        vlan_override=False, security_override=False,
    )  # fmt: skip


def _machine(name: str, cluster: str | None, groups: list[str]) -> VirtualMachine:
    cards = (
        VirtualNic(label=f"Network adapter {n}", connected=True, portgroup=f"pg-{group}")
        for n, group in enumerate(groups, 1)
    )
    return VirtualMachine(
        name=name, host=None, cluster=cluster, powered_on=True, agent=False, nics=tuple(cards)
    )


Shown = tuple[HypervisorFacts, list[Expected]]


def _changed_group(
    check: str, names: str = "", **changes: object
) -> Callable[[Estate, str, HypervisorFacts, Dice], Shown]:
    """Change a port group that machines hang on which are no firewalls."""

    def changed(estate: Estate, vcenter: str, seen: HypervisorFacts, dice: Dice) -> Shown:
        groups, cards = _portgroups(seen), _cards(estate, seen)
        key, _ = dice.choice(cards)
        machine = next(name for other, name in cards if other == key)
        group = groups[key]
        groups[key] = group.model_copy(update=changes)
        subject = f"sitiv/vcenter/{vcenter}/{group.switch}/{group.name}"
        told = Expected(f"hypervisor.{check}", subject, names.format(machine=machine))
        return seen.model_copy(update={"portgroups": tuple(groups.values())}), [told]

    return changed


def _portgroups(seen: HypervisorFacts) -> dict[str, PortGroup]:
    assert not isinstance(seen.portgroups, Unread)
    return {group.key: group for group in seen.portgroups}


def _cards(estate: Estate, seen: HypervisorFacts) -> list[tuple[str, str]]:
    """Give the port groups of machines with one card, and the machines."""
    return [
        (str(m.nics[0].portgroup), m.name)
        for m in seen.machines
        if not isinstance(m.nics, Unread) and len(m.nics) == 1 and m.name not in estate.firewalls
    ]


def _moved(*, second: bool) -> Callable[[Estate, str, HypervisorFacts, Dice], Shown]:
    """Connect a machine to a port group of another zone: beside its own, or instead of it."""

    def changed(estate: Estate, _: str, seen: HypervisorFacts, dice: Dice) -> Shown:
        key, name = dice.choice(_cards(estate, seen))
        vlan = estate.vlans[key.removeprefix("pg-")]
        others = [
            other
            for group in _portgroups(seen).values()
            if (other := estate.vlans[group.name]).zone != vlan.zone
        ]
        other = dice.choice(others)
        mine = {m.name: m for m in seen.machines}
        both = [vlan.name, other.name] if second else [other.name]
        mine[name] = _machine(name, str(mine[name].cluster), both)
        owner = estate.machines[name].path
        told = [Expected("hypervisor.machine-vlans", owner, f"+{other.vid}")]
        if second:
            told.append(Expected("hypervisor.dual-homed", owner, other.zone))
        return seen.model_copy(update={"machines": tuple(mine.values())}), told

    return changed


GUESTS = {
    "vlan-4095": _changed_group(
        "guest-tagging", "{machine}", vlan=PortVlan(ids=ALL, guest=True, bare=True)
    ),
    "no-tag": _changed_group("portgroup-vlan", vlan=PortVlan(ids=frozenset(), bare=True)),
    "unknown-tag": _changed_group("portgroup-vlan", "4000", vlan=PortVlan(ids=frozenset({4000}))),
    "promiscuous": _changed_group("promiscuous", "{machine}", promiscuous=True),
    "forged": _changed_group("forged-frames", "{machine}", forged=True),
    "second-card": _moved(second=True),
    "other-group": _moved(second=False),
}
