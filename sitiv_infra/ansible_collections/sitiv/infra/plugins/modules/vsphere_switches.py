# GNU General Public License v3.0-or-later
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Distributed switches of a vCenter as declared: a port group for each VLAN, and no other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sitiv.infra.plugins.module_utils.vsphere import (
    OPTIONS,
    Document,
    Refused,
    datacenter,
    done,
    session,
)

if TYPE_CHECKING:
    from pyVmomi import vim

DOCUMENTATION = r"""
module: vsphere_switches
short_description: Distributed switches of a vCenter as declared
version_added: 0.1.0
author: sitiv_infra contributors
description:
  - Makes the switches that are missing, and their port groups, each with its VLAN. In every port
    group promiscuous mode, changed MAC addresses and forged transmits are rejected.
  - It connects no host to a switch. Port groups that are not named are left alone, and told as
    RV(undeclared).
  - It refuses to give another VLAN to a port group that machines are connected to, since they
    would lose their network; see O(renumber_connected).
extends_documentation_fragment: [sitiv.infra.vsphere]
options:
  switches:
    description: Switches that shall be there.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {description: Name of the switch., type: str, required: true}
      portgroups:
        description: Its port groups.
        type: list
        elements: dict
        required: true
        suboptions:
          name: {description: Name of the port group., type: str, required: true}
          vid: {description: Id of its VLAN (802.1Q)., type: int, required: true}
  renumber_connected:
    description: Also change the VLAN of port groups that machines are connected to.
    type: bool
    default: false
"""
EXAMPLES = r"""
- name: Set networks up
  sitiv.infra.vsphere_switches:
    host: vcenter-a1.lab.test
    account: administrator@vsphere.local
    password: "{{ password }}"
    switches:
      - {name: site-a, portgroups: [{name: a-dmz, vid: 110}, {name: a-storage, vid: 140}]}
"""
RETURN = r"""
changes:
  description: What was changed, or would be.
  type: list
  elements: str
  returned: always
undeclared:
  description: Port groups of these switches that nobody declared.
  type: list
  elements: str
  returned: always
"""
PORTGROUP = {
    "name": {"type": "str", "required": True},
    "vid": {"type": "int", "required": True},
}
SWITCH = {
    "name": {"type": "str", "required": True},
    "portgroups": {"type": "list", "elements": "dict", "required": True, "options": PORTGROUP},
}
SPEC: dict[str, Document] = {
    **OPTIONS,
    "switches": {"type": "list", "elements": "dict", "required": True, "options": SWITCH},
    "renumber_connected": {"type": "bool", "default": False},
}
REJECTED = ("allowPromiscuous", "macChanges", "forgedTransmits")
UPLINKS = "-DVUplinks-"  # vCenter's own name for the port group of a switch's uplinks
PORTS = 8  # of a new port group; it grows by itself


@dataclass(frozen=True)
class Seen:
    """A port group that is there; ``vid`` is None where it is no single VLAN of its own."""

    id: str
    name: str
    vid: int | None
    allowed: tuple[str, ...]
    version: str | None
    connected: int
    uplinks: bool

    def shown(self) -> Document:
        """Give what a difference shows."""
        return {"vid": self.vid, "rejects_all": not self.allowed}


def read(content: vim.ServiceInstanceContent) -> tuple[dict[str, str], dict[str, list[Seen]]]:
    """Give the switches' identities by name, and the port groups by their switch's identity."""
    from pyVmomi import vim  # noqa: PLC0415 - a third of a second, after the arguments are checked

    from sitiv_infra.collectors.vsphere import retrieve  # noqa: PLC0415 - as above

    switch, group = vim.DistributedVirtualSwitch, vim.dvs.DistributedVirtualPortgroup
    found = retrieve(content, {switch: ("name",), group: ("name", "config", "vm")})
    groups: dict[str, list[Seen]] = {}
    for item in found[group]:
        config = item.values.get("config")
        if config is None or config.distributedVirtualSwitch is None:
            raise Refused(f"the settings of port group '{item.name}' can't be read")
        owner = config.distributedVirtualSwitch._GetMoId()  # noqa: SLF001 - pyVmomi's only way
        groups.setdefault(owner, []).append(_seen(item.id, item.name, config, item.value("vm")))
    return {item.name: item.id for item in found[switch]}, groups


def _seen(identity: str, name: str, config: Any, machines: Any) -> Seen:  # noqa: ANN401 - made at run time
    ports = config.defaultPortConfig
    vlan = getattr(ports, "vlan", None)
    vid = getattr(vlan, "vlanId", None)
    policy = getattr(ports, "macManagementPolicy", None)
    own = policy is not None and not policy.inherited
    return Seen(
        id=identity,
        name=name,
        vid=vid if isinstance(vid, int) and not vlan.inherited else None,
        allowed=tuple(key for key in REJECTED if not own or getattr(policy, key) is not False),
        version=config.configVersion,
        connected=len(machines) if isinstance(machines, list) else 0,
        uplinks=bool(config.uplink) or UPLINKS in name,
    )


def specification(
    name: str, vid: int, version: str | None = None
) -> vim.dvs.DistributedVirtualPortgroup.ConfigSpec:
    """Give a port group's settings whole: what is left out may be dropped by the other side."""
    from pyVmomi import vim  # noqa: PLC0415 - as above

    kinds = vim.dvs.VmwareDistributedVirtualSwitch
    rejected = kinds.MacManagementPolicy(inherited=False, **dict.fromkeys(REJECTED, False))
    vlan = kinds.VlanIdSpec(vlanId=vid, inherited=False)
    ports = kinds.VmwarePortConfigPolicy(vlan=vlan, macManagementPolicy=rejected)
    spec = vim.dvs.DistributedVirtualPortgroup.ConfigSpec(name=name, defaultPortConfig=ports)
    if version is None:
        spec.type, spec.numPorts, spec.autoExpand = "earlyBinding", PORTS, True
    else:
        spec.configVersion = version
    return spec


class Networks:
    """The switches of a vCenter, and what of them differs from what is declared."""

    def __init__(self, module: AnsibleModule, content: vim.ServiceInstanceContent) -> None:
        self._module, self._content = module, content
        self._dry: bool = module.check_mode
        self._switches, self._groups = read(content)
        self.changes: list[str] = []
        self.undeclared: list[str] = []
        self.before: Document = {}
        self.after: Document = {}

    def apply(self) -> None:
        """Refuse what would cut machines off, before anything is changed; then change."""
        wanted = self._module.params["switches"]
        if not self._module.params["renumber_connected"]:
            for switch in wanted:
                self._refuse_to_cut_off(switch)
        for switch in wanted:
            self._switch(switch)

    def _present(self, switch: Document) -> dict[str, Seen]:
        groups = self._groups.get(self._switches.get(switch["name"], ""), [])
        return {group.name: group for group in groups if not group.uplinks}

    def _refuse_to_cut_off(self, switch: Document) -> None:
        present = self._present(switch)
        for group in switch["portgroups"]:
            seen = present.get(group["name"])
            if seen is not None and seen.vid != group["vid"] and seen.connected:
                raise Refused(
                    f"port group '{seen.name}' has VLAN {seen.vid}, not {group['vid']}, and"
                    f" {seen.connected} machines are connected to it, which would lose their"
                    " network: move them first, or set renumber_connected"
                )

    def _switch(self, switch: Document) -> None:
        name, present = switch["name"], self._present(switch)
        self.before[name] = {n: seen.shown() for n, seen in sorted(present.items())} or None
        wanted = {group["name"]: group["vid"] for group in switch["portgroups"]}
        shown = {n: {"vid": vid, "rejects_all": True} for n, vid in wanted.items()}
        others = {n: seen.shown() for n, seen in present.items() if n not in wanted}
        self.after[name] = dict(sorted({**shown, **others}.items()))
        self.undeclared += [f"{name}/{other}" for other in sorted(others)]
        if name not in self._switches:
            self.changes.append(f"{name}: made")
            if not self._dry:
                self._make(name)
        missing = {n: vid for n, vid in wanted.items() if n not in present}
        if missing:
            self.changes += [f"{name}/{n}: made, VLAN {vid}" for n, vid in missing.items()]
            if not self._dry:
                specs = [specification(n, vid) for n, vid in missing.items()]
                self._done(self._object(name).AddDVPortgroup_Task(specs))
        for group in present.values():
            if group.name in wanted:
                self._reconfigure(name, group, wanted[group.name])

    def _make(self, name: str) -> None:
        from pyVmomi import vim  # noqa: PLC0415 - as above

        config = vim.dvs.VmwareDistributedVirtualSwitch.ConfigSpec(name=name)
        spec = vim.DistributedVirtualSwitch.CreateSpec(configSpec=config)
        folder = datacenter(self._content, self._module.params["datacenter"]).networkFolder
        made = self._done(folder.CreateDVS_Task(spec))
        self._switches[name] = made._GetMoId()  # noqa: SLF001 - pyVmomi's only way

    def _reconfigure(self, switch: str, group: Seen, vid: int) -> None:
        from pyVmomi import vim  # noqa: PLC0415 - as above

        if group.vid == vid and not group.allowed:
            return
        told = [f"VLAN {vid} instead of {group.vid}"] if group.vid != vid else []
        told += [f"{', '.join(group.allowed)} rejected"] if group.allowed else []
        self.changes.append(f"{switch}/{group.name}: {', '.join(told)}")
        if not self._dry:
            portgroup = vim.dvs.DistributedVirtualPortgroup(group.id, self._stub)
            spec = specification(group.name, vid, group.version or "")
            self._done(portgroup.ReconfigureDVPortgroup_Task(spec))

    def _object(self, name: str) -> vim.DistributedVirtualSwitch:
        from pyVmomi import vim  # noqa: PLC0415 - as above

        return vim.DistributedVirtualSwitch(self._switches[name], self._stub)

    @property
    def _stub(self) -> Any:  # noqa: ANN401 - pyVmomi's connection
        return self._content.rootFolder._stub  # noqa: SLF001 - pyVmomi's only way to an object

    def _done(self, task: vim.Task) -> Any:  # noqa: ANN401 - each task has its own result
        return done(task, self._module.params["timeout"])


def main() -> None:
    """Run the module."""
    module = AnsibleModule(SPEC, supports_check_mode=True)
    with session(module) as content:
        networks = Networks(module, content)
        networks.apply()
    if networks.undeclared:
        module.warn(f"port groups that nobody declared: {', '.join(networks.undeclared)}")
    module.exit_json(
        changed=bool(networks.changes),
        changes=networks.changes,
        undeclared=networks.undeclared,
        diff={"before": networks.before, "after": networks.after},
    )


if __name__ == "__main__":
    main()
