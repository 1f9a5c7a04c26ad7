"""Ansible sees the declared estate, and a broken one stops it before it starts."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import load
from sitiv_infra.lab.process import free_port
from sitiv_infra.testing import OPERATOR
from tests.servers.need import require

Run = Callable[..., subprocess.CompletedProcess[str]]
SYSTEM = platform.freedesktop_os_release()
HERE = f"{SYSTEM['ID']}-{SYSTEM['VERSION_ID']}"
MACHINES = f"""
vlans:
  web: {{vid: 10, zone: dmz-1, sites: [a, b], subnets: [127.0.0.0/24, fd00:10::/64]}}
  data: {{vid: 20, zone: admin, sites: [a], subnets: [10.1.20.0/24]}}
zones: {{dmz-1: {{title: DMZ}}}}
services:
  portal:
    {{title: Portal, domain: web, criticality: low, rpo: 1d, rto: 1d, zone: dmz-1, sites: [a]}}
machines:
  web-a1:
    site: a
    role: web.front
    os: {HERE}
    services: [portal]
    member: corbas
    interfaces:
      - {{vlan: web, addresses: [127.0.0.1, "fd00:10::1"]}}
      - {{vlan: data, addresses: [10.1.20.5]}}
      - {{vlan: web}}
  esx-b1: {{site: b, role: hypervisor, os: esxi-8.0, connection: none}}
"""


@pytest.fixture
def inventory(tmp_path: Path, repository: Path) -> Path:
    """Give an inventory like the project's own, with a small estate."""
    folder = tmp_path / "inventory"
    shutil.copytree(repository / "inventory" / "group_vars", folder / "group_vars")
    (folder / "estate").mkdir()
    (folder / "estate" / "operator.yml").write_text(OPERATOR)
    (folder / "estate" / "machines.yml").write_text(MACHINES)
    shutil.copy(repository / "inventory" / "estate.yml", folder / "estate.yml")
    return folder


@pytest.fixture
def ansible(tmp_path: Path, repository: Path) -> Run:
    """Run one of Ansible's commands with the project's configuration."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_")}
    environment |= {
        "ANSIBLE_CONFIG": str(repository / "ansible.cfg"),
        "ANSIBLE_HOME": str(tmp_path / "home"),
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
    }

    def run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name(program)), *map(str, arguments)]
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=120, check=False,
        )  # fmt: skip

    return run


def listed(ansible: Run, inventory: Path) -> dict[str, Any]:
    done = ansible("ansible-inventory", "-i", inventory / "estate.yml", "--list", "--export")
    assert done.returncode == 0, done.stderr
    data: dict[str, Any] = json.loads(done.stdout, object_hook=plain)
    return data


def plain(value: dict[str, Any]) -> Any:
    """Undo how ansible-inventory marks texts that it will not use as templates."""
    return value.get("__ansible_unsafe", value)


def test_the_graph_shows_every_group(ansible: Run, inventory: Path) -> None:
    done = ansible("ansible-inventory", "-i", inventory / "estate.yml", "--graph")
    assert done.returncode == 0, done.stderr
    for group in ("managed", "unmanaged", "site_a", "site_b", "member_corbas", "zone_dmz_1",
                  "zone_admin", "role_web_front", "role_hypervisor", "os_esxi"):  # fmt: skip
        assert f"@{group}:" in done.stdout
    assert "[WARNING]" not in done.stderr


def test_hosts_have_their_variables(ansible: Run, inventory: Path) -> None:
    data = listed(ansible, inventory)
    assert data["managed"]["hosts"] == ["web-a1"]
    assert data["unmanaged"]["hosts"] == ["esx-b1"]
    hosts = data["_meta"]["hostvars"]
    assert (
        hosts["web-a1"].items()
        >= {
            "ansible_host": "127.0.0.1",
            "sitiv_name": "web-a1",
            "sitiv_member": "corbas",
            "sitiv_os": HERE,
            "sitiv_role": "web.front",
            "sitiv_services": ["portal"],
            "sitiv_site": "a",
            "sitiv_zones": ["dmz-1", "admin"],
            "sitiv_gateways": ["127.0.0.1", "fd00:10::1"],
        }.items()
    )
    web = hosts["web-a1"]["sitiv_interfaces"][0]
    assert web["device"] == "vlan10"
    assert web["addresses"] == ["127.0.0.1/24", "fd00:10::1/64"]
    assert "ansible_host" not in hosts["esx-b1"]
    shared = data["all"]["vars"]
    assert shared["sitiv_operator"] == "Test"
    assert shared["sitiv_timezone"] == "Europe/Paris"
    assert shared["sitiv_member_domains"] == {"corbas": "corbas.test", "givors": "givors.test"}
    assert shared["sitiv_site_roles"] == {"a": "production", "b": "production"}


@pytest.mark.parametrize("folder", ["inventory", "inventory/lab"])
def test_the_estates_are_inventories(ansible: Run, repository: Path, folder: str) -> None:
    data = listed(ansible, repository / folder)
    estate = load(repository / folder / "estate")
    names = {*data["managed"]["hosts"], *data["unmanaged"]["hosts"]}
    assert names == set(estate.machines)
    for name, machine in estate.machines.items():
        values = data["_meta"]["hostvars"][name]
        assert values["sitiv_site"] == machine.site
        assert ("sitiv_routing" in values) == (name in estate.firewalls)


BROKEN = """
machines:
  web-a2: {site: nowhere, role: web}
  web-a3: {site: a, role: web, colour: blue}
"""


@pytest.mark.parametrize("arguments", [("ansible-inventory", "--list"), ("ansible-playbook",)])
def test_a_broken_estate_stops_everything(
    ansible: Run, inventory: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (inventory / "estate" / "zz.yml").write_text(BROKEN)
    proof = tmp_path / "the-play-ran"
    play = tmp_path / "play.yml"
    play.write_text(f"""
- hosts: localhost
  gather_facts: false
  tasks: [{{ansible.builtin.file: {{path: {proof}, state: touch}}}}]
""")
    more = (play,) if arguments[0] == "ansible-playbook" else ()
    done = ansible(*arguments, "-i", inventory / "estate.yml", *more)
    assert done.returncode != 0
    lines = {line for line in done.stderr.splitlines() if line.startswith("inventory/estate/")}
    with pytest.raises(InvalidInput) as refused:
        load(inventory / "estate")
    assert len(refused.value.problems) == 2
    file = "inventory/estate/zz.yml"
    assert lines == {
        f"{file}:3:18: 'nowhere' is not among the declared sites",
        f"{file}:4:32: unknown key 'colour'; did you mean 'cluster'?",
    }
    assert "Traceback" not in done.stderr
    assert not proof.exists()


def test_an_intact_estate_lets_that_play_run(ansible: Run, inventory: Path, tmp_path: Path) -> None:
    play = tmp_path / "play.yml"
    play.write_text("[{hosts: localhost, gather_facts: false, tasks: [ansible.builtin.ping: ]}]")
    done = ansible("ansible-playbook", "-i", inventory / "estate.yml", play)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("plugin: sitiv.infra.estate\nsource: elsewhere\n", "inventory/elsewhere:1:1: "),
        ("plugin: sitiv.infra.estate\nsuorce: estate\n", "unknown option 'suorce'"),
        ("plugin: somebody.elses.plugin\n", "Incorrect plugin name"),
        ("", "is empty"),
    ],
)
def test_wrong_settings_are_refused(
    ansible: Run, inventory: Path, settings: str, message: str
) -> None:
    (inventory / "estate.yml").write_text(settings)
    done = ansible("ansible-inventory", "-i", inventory / "estate.yml", "--list")
    assert done.returncode != 0
    assert message in done.stderr


def test_two_names_that_ansible_would_merge_are_refused(ansible: Run, inventory: Path) -> None:
    (inventory / "estate" / "zz.yml").write_text(
        "machines:\n  one: {site: a, role: web-front}\n  two: {site: a, role: web.front}\n"
    )
    done = ansible("ansible-inventory", "-i", inventory / "estate.yml", "--list")
    assert done.returncode != 0
    assert "would be one group" in " ".join(done.stderr.split())


def test_reaching_a_machine_changes_nothing(
    ansible: Run, inventory: Path, repository: Path
) -> None:
    """This machine stands in for a declared one, without SSH."""
    require(SYSTEM["ID"] == "debian", "Debian")
    play = ("ansible-playbook", "-e", "ansible_connection=local", "-i", inventory / "estate.yml",
            repository / "playbooks" / "reach.yml")  # fmt: skip
    done = ansible(*play)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=0" in done.stdout
    assert "esx-b1" not in done.stdout
    machines = inventory / "estate" / "machines.yml"
    machines.write_text(machines.read_text().replace(HERE, "debian-99"))
    done = ansible(*play)
    assert done.returncode == 2
    assert "answers; declared is debian-99" in done.stdout


def test_a_machine_that_does_not_answer_fails_the_play(
    ansible: Run, inventory: Path, repository: Path
) -> None:
    require(SYSTEM["ID"] == "debian", "Debian")
    done = ansible(
        "ansible-playbook", "-e", f"ansible_port={free_port()}", "-i", inventory / "estate.yml",
        repository / "playbooks" / "reach.yml",
    )  # fmt: skip
    assert done.returncode == 4, done.stdout + done.stderr
    assert "unreachable=1" in done.stdout
