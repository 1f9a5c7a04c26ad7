"""The declared estate as an Ansible inventory: a thin shell over ``sitiv_infra.estate``."""

# Copyright: sitiv_infra contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin

if TYPE_CHECKING:
    from ansible.inventory.data import InventoryData
    from ansible.parsing.dataloader import DataLoader

DOCUMENTATION = r"""
name: estate
short_description: The declared estate as hosts and groups
version_added: 0.1.0
author: sitiv_infra contributors
description:
  - Reads the YAML files of an estate with C(sitiv_infra.estate), the same models that the checks
    use. A mistake in them stops the play, with every mistake as C(file:line:column).
  - Makes the groups C(site_NAME), C(member_NAME), C(zone_NAME), C(role_NAME) and C(os_FAMILY); what
    Ansible does not allow in a group's name becomes an underscore.
  - Machines that Ansible may reach are in the group C(managed), those declared with
    C(connection=none) in C(unmanaged). Playbooks target C(managed).
  - Sets C(ansible_host) to the first declared address, and what the estate asks of each host as
    C(sitiv_...) variables, computed by C(sitiv_infra.wanted); see them with C(ansible-inventory
    --host NAME).
requirements:
  - The Python package sitiv-infra, in the Python that runs Ansible
options:
  plugin:
    description: Name of this plugin.
    type: str
    required: true
    choices: [sitiv.infra.estate]
  source:
    description:
      - Folder of the estate's YAML files, from the folder of the inventory file; or the
        C(estate.json) of a lab.
    type: str
    default: estate
"""

EXAMPLES = r"""
# inventory/estate.yml, beside the folder inventory/estate/
plugin: sitiv.infra.estate
source: estate
"""

try:
    from sitiv_infra.errors import InvalidInput
    from sitiv_infra.estate import Estate, Machine, load
    from sitiv_infra.wanted import legs, shared, variables
except ImportError as error:
    MISSING: ImportError | None = error
else:
    MISSING = None


class InventoryModule(BaseInventoryPlugin):
    """Feeds one estate to Ansible."""

    NAME = "sitiv.infra.estate"

    def verify_file(self, path: str) -> bool:
        """Accept ``estate.yml``, or a name that ends so."""
        return super().verify_file(path) and path.endswith(("estate.yml", "estate.yaml"))

    def parse(
        self,
        inventory: InventoryData,
        loader: DataLoader,
        path: str,
        cache: bool = True,  # noqa: FBT001, FBT002 - Ansible's own signature
    ) -> None:
        """Add every declared machine; AnsibleParserError lists what is wrong with the estate."""
        super().parse(inventory, loader, path, cache)
        if MISSING is not None:
            raise AnsibleParserError(
                f"install sitiv-infra in the Python that runs Ansible: {MISSING}"
            )
        unknown = sorted(self._read_config_data(path).keys() - {"plugin", "source"})
        if unknown:
            raise AnsibleParserError(f"unknown option '{unknown[0]}'; there are: plugin, source")
        folder = Path(path).parent / self.get_option("source")
        try:
            estate = load(folder)
        except InvalidInput as refused:
            raise AnsibleParserError(f"the estate is refused:\n{refused}") from None
        self._add(estate)

    def _add(self, estate: Estate) -> None:
        for name, value in shared(estate).items():
            self.inventory.set_variable("all", name, value)
        origins: dict[str, str] = {}
        for kind in ("managed", "unmanaged"):
            self.inventory.add_group(kind)
        for machine in estate.machines.values():
            self.inventory.add_host(machine.name)
            for group, origin in groups(estate, machine):
                first = origins.setdefault(group, origin)
                if first != origin:
                    raise AnsibleParserError(
                        f"'{first}' and '{origin}' would be one group for Ansible, '{group}'"
                    )
                self.inventory.add_group(group)
                self.inventory.add_child(group, machine.name)
            for name, value in variables(estate, machine, datetime.now(UTC).date()).items():
                self.inventory.set_variable(machine.name, name, value)


def groups(estate: Estate, machine: Machine) -> Iterator[tuple[str, str]]:
    """Yield each group of a machine, and what it is made of."""
    reached = "unmanaged" if machine.connection == "none" else "managed"
    yield reached, reached
    family = machine.os.partition("-")[0] if machine.os else None
    named = [("site", machine.site), ("member", machine.member), ("role", machine.role)]
    named += [("zone", leg.vlan.zone) for leg in legs(estate, machine)]
    for kind, name in [*named, ("os", family)]:
        if name:
            yield f"{kind}_{name}".translate(UNDERSCORE), f"{kind} {name}"


UNDERSCORE = {ord(sign): "_" for sign in "-. "}
