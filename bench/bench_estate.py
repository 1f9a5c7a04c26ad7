"""Loading a 2 000-machine estate beside ``ansible-inventory --list`` on an equal plain inventory.

Both sides are whole processes, their start included.
"""

from __future__ import annotations

import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import yaml
from measure import Side, beside, in_turn, line

from sitiv_infra.estate import Estate, load
from tests.estate.big import write_big_estate

SIZES = (200, 1000, 2000)
LOAD = "import sys; from sitiv_infra.estate import load; load(sys.argv[1])"


def plain_inventory(estate: Estate) -> dict[str, object]:
    """Give the same machines and groups as Ansible's own YAML inventory, variables included."""
    hosts: dict[str, object] = {}
    groups: dict[str, dict[str, dict[str, object]]] = {}
    for machine in estate.machines.values():
        hosts[machine.name] = {
            "ansible_host": machine.primary_address,
            "sitiv_site": machine.site,
            "sitiv_role": machine.role,
            "sitiv_services": list(machine.services),
            "sitiv_interfaces": [leg.model_dump(mode="json") for leg in machine.interfaces],
        }
        for group in (f"site_{machine.site}", f"role_{machine.role}"):
            groups.setdefault(group.replace("-", "_"), {"hosts": {}})["hosts"][machine.name] = {}
    return {"all": {"hosts": hosts, "children": groups}}


def main() -> None:
    """Print one line a size."""
    peer = str(Path(sys.executable).parent / "ansible-inventory")
    for size in SIZES:
        with tempfile.TemporaryDirectory() as scratch:
            folder, file = Path(scratch, "estate"), Path(scratch, "inventory.yml")
            settings = Path(scratch, "ansible.cfg")  # not the repository's own
            settings.touch()
            write_big_estate(folder, size)
            file.write_text(yaml.dump(plain_inventory(load(folder))), encoding="utf-8")
            ours, theirs = in_turn(
                Side([sys.executable, "-c", LOAD, str(folder)]),
                Side([peer, "-i", str(file), "--list"], {"ANSIBLE_CONFIG": str(settings)}),
                runs=3,
            )
        name = f"ansible-inventory {version('ansible-core')}"
        line("estate.load", size, ours, **beside(name, theirs, ours, "seconds"), aim_seconds=1.5)
