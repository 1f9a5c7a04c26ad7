# GNU General Public License v3.0-or-later
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters of a vCenter as declared: there, and with HA and DRS on or off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sitiv.infra.plugins.module_utils.vsphere import (
    OPTIONS,
    Document,
    datacenter,
    done,
    session,
)

if TYPE_CHECKING:
    from pyVmomi import vim

DOCUMENTATION = r"""
module: vsphere_clusters
short_description: Clusters of a vCenter as declared
version_added: 0.1.0
author: sitiv_infra contributors
description:
  - Makes the clusters that are missing, without hosts, and turns HA and DRS on or off.
  - Other settings of HA and DRS are left as they are, and so are hosts and clusters that are not
    named.
extends_documentation_fragment: [sitiv.infra.vsphere]
options:
  clusters:
    description: Clusters that shall be there.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {description: Name of the cluster., type: str, required: true}
      ha: {description: Whether machines of a lost host start on others., type: bool, default: true}
      drs: {description: Whether load is balanced among hosts., type: bool, default: true}
"""
EXAMPLES = r"""
- name: Set clusters up
  sitiv.infra.vsphere_clusters:
    host: vcenter-a1.lab.test
    account: administrator@vsphere.local
    password: "{{ password }}"
    clusters: [{name: prod-a, ha: true, drs: true}]
"""
RETURN = r"""
changes:
  description: What was changed, or would be.
  type: list
  elements: str
  returned: always
"""
SPEC: dict[str, Document] = {
    **OPTIONS,
    "clusters": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "ha": {"type": "bool", "default": True},
            "drs": {"type": "bool", "default": True},
        },
    },
}
State = dict[str, bool]


def seen(content: vim.ServiceInstanceContent) -> dict[str, tuple[str, State]]:
    """Give the clusters that are there, by name: identity, and what is on."""
    from pyVmomi import vim  # noqa: PLC0415 - a third of a second, after the arguments are checked

    from sitiv_infra.collectors.vsphere import retrieve  # noqa: PLC0415 - as above

    kind = vim.ClusterComputeResource
    found = {}
    for item in retrieve(content, {kind: ("name", "configurationEx")})[kind]:
        config = item.value("configurationEx")
        ha, drs = getattr(config, "dasConfig", None), getattr(config, "drsConfig", None)
        found[item.name] = (item.id, {"ha": _on(ha), "drs": _on(drs)})
    return found


def _on(config: vim.cluster.DasConfigInfo | vim.cluster.DrsConfigInfo | None) -> bool:
    return config is not None and bool(config.enabled)


def specification(state: Mapping[str, bool]) -> vim.cluster.ConfigSpecEx:
    """Give the change that turns something on or off, and nothing else."""
    from pyVmomi import vim  # noqa: PLC0415 - as above

    spec = vim.cluster.ConfigSpecEx()
    if "ha" in state:
        spec.dasConfig = vim.cluster.DasConfigInfo(enabled=state["ha"])
    if "drs" in state:
        spec.drsConfig = vim.cluster.DrsConfigInfo(enabled=state["drs"])
    return spec


class Clusters:
    """The clusters of a vCenter, and what of them differs from what is declared."""

    def __init__(self, module: AnsibleModule, content: vim.ServiceInstanceContent) -> None:
        self._module, self._content = module, content
        self.changes: list[str] = []
        self.before: Document = {}
        self.after: Document = {}

    def apply(self) -> None:
        """Make the clusters that are missing, and turn on and off what differs."""
        present = seen(self._content)
        for wanted in self._module.params["clusters"]:
            name, state = wanted["name"], {key: wanted[key] for key in ("ha", "drs")}
            identity, now = present.get(name, ("", {}))
            self.before[name], self.after[name] = now or None, state
            differs = {key: value for key, value in state.items() if now.get(key) is not value}
            if not differs:
                continue
            told = ", ".join(f"{key} {'on' if on else 'off'}" for key, on in differs.items())
            self.changes.append(f"{name}: {told}" if identity else f"{name}: made, {told}")
            if not self._module.check_mode:
                self._reconfigure(identity or self._made(name), differs)

    def _made(self, name: str) -> str:
        folder = datacenter(self._content, self._module.params["datacenter"]).hostFolder
        cluster = folder.CreateClusterEx(name, specification({}))
        return str(cluster._GetMoId())  # noqa: SLF001 - pyVmomi's only way

    def _reconfigure(self, identity: str, state: Mapping[str, bool]) -> None:
        from pyVmomi import vim  # noqa: PLC0415 - as above

        stub = self._content.rootFolder._stub  # noqa: SLF001 - pyVmomi's only way to an object
        cluster = vim.ClusterComputeResource(identity, stub)
        task = cluster.ReconfigureComputeResource_Task(specification(state), True)
        done(task, self._module.params["timeout"])


def main() -> None:
    """Run the module."""
    module = AnsibleModule(SPEC, supports_check_mode=True)
    with session(module) as content:
        clusters = Clusters(module, content)
        clusters.apply()
    module.exit_json(
        changed=bool(clusters.changes),
        changes=clusters.changes,
        diff={"before": clusters.before, "after": clusters.after},
    )


if __name__ == "__main__":
    main()
