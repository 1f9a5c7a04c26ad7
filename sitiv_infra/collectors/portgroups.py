"""Networks of virtual machines, out of what was retrieved of a vCenter: port groups and cards.

A port group of a distributed switch has the switch's settings where it has none of its own; one of
a host's own switch has those that the host worked out for it (``computedPolicy``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from pyVmomi import vim

from sitiv_infra.collectors.vsphere import Seen
from sitiv_infra.facts import Unread
from sitiv_infra.facts.hypervisor import PortGroup, PortVlan, VirtualNic
from sitiv_infra.vlan_ids import ALL, FIRST, LAST

GUEST = 4095  # a host's own switch: every tag goes to the machine
UNSET = Unread(unread="the vCenter holds no value for it")
HIDDEN = Unread(unread="the account can't see it")
SECURITY = {
    "promiscuous": "allowPromiscuous",
    "forged": "forgedTransmits",
    "mac_changes": "macChanges",
}
Card = vim.vm.device.VirtualEthernetCard


def portgroups(
    groups: Iterable[Seen], switches: Iterable[Seen], hosts: Iterable[Seen]
) -> tuple[PortGroup, ...]:
    """Give the port groups of distributed switches, and those of each host's own.

    Those of a host whose network can't be read are not in it; ``adapters`` says so of the host.
    """
    hosts = list(hosts)
    names = {host.id: host.title for host in hosts}
    known = {switch.id: switch for switch in switches}
    found = [_distributed(group, known, names) for group in groups]
    for host in hosts:
        own = host.value("config.network.portgroup") or ()
        if not isinstance(own, Unread):
            found += [_standard(host, group) for group in own]
    return tuple(sorted(found, key=lambda g: (g.switch, g.name, g.key)))


def nics(machine: Seen) -> tuple[VirtualNic, ...] | Unread:
    """Give the network cards of a machine."""
    devices = machine.value("config.hardware.device")
    if isinstance(devices, Unread):
        return devices
    place = machine.value("runtime.host")
    host = place._GetMoId() if place is not None and not isinstance(place, Unread) else ""  # noqa: SLF001 - pyVmomi's only way
    cards = (device for device in devices or () if isinstance(device, Card))
    return tuple(sorted((_nic(card, host) for card in cards), key=lambda nic: nic.label))


def adapters(host: Seen) -> tuple[str, ...] | Unread:
    """Give the keys of the port groups that a host's own adapters stand in."""
    own = host.value("config.network.vnic") or UNSET  # no host is without one: it is managed by it
    for part in (own, host.value("config.network.portgroup")):
        if isinstance(part, Unread):
            return part
    keys = {_adapter(host.id, cast("vim.host.VirtualNic", adapter)) for adapter in own}
    return tuple(sorted(key for key in keys if key is not None))


def _adapter(host: str, adapter: vim.host.VirtualNic) -> str | None:
    port = adapter.spec.distributedVirtualPort
    if port is not None:
        return str(port.portgroupKey)
    return f"{host}/{adapter.portgroup}" if adapter.portgroup else None


def _nic(card: vim.vm.device.VirtualEthernetCard, host: str) -> VirtualNic:
    label = card.deviceInfo.label if card.deviceInfo else f"card {card.key}"
    state = card.connectable
    connected = UNSET if state is None else bool(state.connected)
    return VirtualNic(label=label, portgroup=_backing(card.backing, host), connected=connected)


def _backing(backing: object, host: str) -> str | Unread | None:
    """Give the key of the port group that a card hangs on."""
    if backing is None:
        return None
    if isinstance(backing, Card.DistributedVirtualPortBackingInfo):
        return backing.port.portgroupKey
    if isinstance(backing, Card.NetworkBackingInfo):
        return f"{host}/{backing.deviceName}" if backing.deviceName else None
    kind = type(backing).__name__.rpartition(".")[2]
    return Unread(unread=f"the card hangs on something that is not known here ({kind})")


def _distributed(group: Seen, switches: Mapping[str, Seen], hosts: Mapping[str, str]) -> PortGroup:
    place = group.value("config.distributedVirtualSwitch")
    switch = switches.get("" if place is None or isinstance(place, Unread) else place._GetMoId())  # noqa: SLF001 - as above
    config = switch.value("config") if switch else HIDDEN
    own = group.value("config.defaultPortConfig")
    above = UNSET if config is None else config
    above = above if isinstance(above, Unread) else above.defaultPortConfig
    policy = group.value("config.policy")
    uplink = group.value("config.uplink")  # unset before vSphere 6: then, a trunk is judged as one
    return PortGroup(
        key=group.id,
        name=group.title,
        switch=switch.title if switch else group.id,
        hosts=_members(config, hosts),
        uplink=uplink if isinstance(uplink, Unread) else bool(uplink),
        vlan=_vlan(_own(own, above, "vlan"), config),
        vlan_override=_flag(policy, "vlanOverrideAllowed"),
        security_override=_either(policy),
        **{field: _security(own, above, name) for field, name in SECURITY.items()},
    )


def _members(config: Any, hosts: Mapping[str, str]) -> tuple[str, ...] | Unread:  # noqa: ANN401 - pyVmomi makes its types at run time
    if config is None or isinstance(config, Unread):
        return UNSET if config is None else config
    members = (member.config.host for member in config.host or () if member.config)
    return tuple(sorted(hosts.get(m._GetMoId(), m._GetMoId()) for m in members if m))  # noqa: SLF001 - as above


def _own(own: Any, above: Any, name: str) -> Any:  # noqa: ANN401 - as above
    """Give a part of a port group's settings, the switch's where the group has none."""
    if isinstance(own, Unread):
        return own
    value = getattr(own, name, None)
    return value if value is not None or isinstance(above, Unread) else getattr(above, name, None)


def _security(own: Any, above: Any, name: str) -> bool | Unread:  # noqa: ANN401 - as above
    """Give a setting as it is in force; since vSphere 6.7 it stands in the management of MACs."""
    if isinstance(own, Unread):
        return own
    for settings in (own, above):
        modern = getattr(settings, "macManagementPolicy", None)
        value = getattr(modern, name, None)
        if value is not None:
            return bool(value)
        value = getattr(getattr(settings, "securityPolicy", None), name, None)
        if value is not None and value.value is not None:
            return bool(value.value)
    return above if isinstance(above, Unread) else UNSET


def _flag(policy: Any, name: str) -> bool | Unread:  # noqa: ANN401 - as above
    if isinstance(policy, Unread):
        return policy
    value = getattr(policy, name, None)
    return UNSET if value is None else bool(value)


def _either(policy: Any) -> bool | Unread:  # noqa: ANN401 - as above
    """Tell whether security may differ at a port, by its older name or its newer one."""
    flags = [
        _flag(policy, f"{what}OverrideAllowed") for what in ("securityPolicy", "macManagement")
    ]
    if True in flags:
        return True
    return flags[0]  # the newer is unset where the switch is of an older version


def _vlan(spec: Any, config: Any) -> PortVlan | Unread:  # noqa: ANN401 - as above
    """Read a VLAN of a distributed switch: one id, a trunk, or a private one."""
    if spec is None or isinstance(spec, Unread):
        return UNSET if spec is None else spec
    if isinstance(spec, vim.dvs.VmwareDistributedVirtualSwitch.VlanIdSpec):
        return tagged(spec.vlanId)
    if isinstance(spec, vim.dvs.VmwareDistributedVirtualSwitch.TrunkVlanSpec):
        ids = {i for run in spec.vlanId or () for i in range(run.start, run.end + 1)}
        return PortVlan(ids=frozenset(ids) & ALL, guest=True, bare=0 in ids)
    if isinstance(spec, vim.dvs.VmwareDistributedVirtualSwitch.PvlanSpec):
        rows = getattr(config, "pvlanConfig", None) or ()
        for row in rows:
            if row.secondaryVlanId == spec.pvlanId:
                return PortVlan(ids=frozenset({spec.pvlanId}), primary=row.primaryVlanId)
        return Unread(unread=f"private VLAN {spec.pvlanId} is not in the map of its switch")
    kind = type(spec).__name__.rpartition(".")[2]
    return Unread(unread=f"a VLAN of a kind that is not known here ({kind})")


def tagged(vid: int) -> PortVlan | Unread:
    """Read an id as port groups have it: 0 is no tag, 4095 every tag for the machine."""
    if vid == 0:
        return PortVlan(ids=frozenset(), bare=True)
    if vid == GUEST:
        return PortVlan(ids=ALL, guest=True, bare=True)
    if FIRST <= vid <= LAST:
        return PortVlan(ids=frozenset({vid}))
    return Unread(unread=f"{vid} is no VLAN id")


def _standard(host: Seen, group: vim.host.PortGroup) -> PortGroup:
    """Read a port group of a host's own switch; its ports can't differ from it."""
    policy = group.computedPolicy.security
    return PortGroup(
        key=f"{host.id}/{group.spec.name}",
        name=group.spec.name,
        switch=f"{host.title}/{group.spec.vswitchName}",
        hosts=(host.title,),
        uplink=False,
        vlan=tagged(group.spec.vlanId),
        vlan_override=False,
        security_override=False,
        **{field: _flag(policy, name) for field, name in SECURITY.items()},
    )
