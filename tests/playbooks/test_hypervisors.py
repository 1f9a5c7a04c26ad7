"""The playbook of the vCenters, against VMware's own simulator: directly and through a bastion."""

from __future__ import annotations

import getpass
import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from sitiv_infra.collectors.vsphere import Place, logged_in, retrieve
from sitiv_infra.estate import load
from sitiv_infra.lab.netns import FOLDER, Namespace
from sitiv_infra.lab.pki import Authority
from sitiv_infra.lab.process import Server, listens, program
from sitiv_infra.lab.sshd import PRIVILEGE_SEPARATION, make_key
from sitiv_infra.lab.vcsim import Settings, Vcsim, as_declared
from sitiv_infra.testing import estate_of
from sitiv_infra.wanted.hypervisors import vcenter
from tests.servers.need import need

ROOT = Path(__file__).parents[2]
ESTATE = load(ROOT / "inventory/lab/estate")
NAME, ACCOUNT, PASSWORD = "vcenter-a1.lab.test", "svc-audit@vsphere.local", "no-real-word-1"
DECLARED = {v.name: v.vid for v in ESTATE.vlans.values() if "a" in v.sites}


@dataclass
class Control:
    """A simulator, and the way from here to it."""

    server: Vcsim
    ca_file: Path
    address: str
    tunnel: tuple[str, ...] = ()
    space: Namespace | None = None

    def play(self, *words: str, **more: object) -> tuple[int, int, str]:
        """Run the playbook; give the exit code, how many tasks changed something, what was said."""
        variables = {
            "hypervisors_address": self.address, "hypervisors_port": self.server.port,
            "hypervisors_ca_file": str(self.ca_file), "hypervisors_tunnel": list(self.tunnel),
            "hypervisors_password": PASSWORD, "hypervisors_timeout": 20, **more,
        }  # fmt: skip
        playbook = Path(sys.executable).parent / "ansible-playbook"
        command = [str(playbook), "-i", "inventory/lab", "playbooks/hypervisors.yml", *words]
        command += ["--limit", "vcenter-a1", "--extra-vars", json.dumps(variables)]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
            env={**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"},
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert PASSWORD not in said
        changed = re.search(r"vcenter-a1 .*changed=(\d+)", said)
        return done.returncode, int(changed[1]) if changed else -1, said

    @contextmanager
    def content(self) -> Iterator[Any]:
        trust = ssl.create_default_context(cafile=self.ca_file)
        with logged_in(Place(self.address, self.server.port, trust, 20), ACCOUNT, PASSWORD) as it:
            yield it

    def networks(self) -> dict[str, tuple[int, tuple[bool, ...]]]:
        """Give VLAN, and what is let through, of each port group but the uplinks'."""
        from pyVmomi import vim  # noqa: PLC0415 - slow to import

        kind = vim.dvs.DistributedVirtualPortgroup
        with self.content() as content:
            found = {s.name: s.values["config"].defaultPortConfig
                     for s in retrieve(content, {kind: ("name", "config")})[kind]}  # fmt: skip
        return {
            name: (ports.vlan.vlanId, (policy.allowPromiscuous, policy.macChanges,
                                       policy.forgedTransmits))
            for name, ports in found.items()
            if "Uplinks" not in name and (policy := ports.macManagementPolicy)
        }  # fmt: skip

    def clusters(self) -> dict[str, tuple[bool, bool]]:
        """Give whether HA and DRS are on."""
        from pyVmomi import vim  # noqa: PLC0415 - as above

        kind = vim.ClusterComputeResource
        with self.content() as content:
            seen = retrieve(content, {kind: ("name", "configurationEx")})[kind]
        found = {item.name: item.value("configurationEx") for item in seen}
        return {
            name: (bool(config.dasConfig.enabled), bool(config.drsConfig.enabled))
            for name, config in found.items()
        }

    def by_hand(self, act: Callable[[Any], None]) -> None:
        """Change what the playbook made, as somebody in a hurry would."""
        with self.content() as content:
            act(content)


@pytest.fixture
def control(tmp_path: Path, authority: Authority) -> Iterator[Control]:
    need("vcsim", modules=["ansible"])
    settings = Settings(account=ACCOUNT, password=PASSWORD)
    clusters = as_declared(ESTATE, "vcenter-a")
    with Vcsim(tmp_path / "vc", authority, clusters, settings, [NAME]) as server:
        yield Control(server, authority.ca_file, "127.0.0.1")


def test_everything_is_made_once(control: Control) -> None:
    assert control.clusters() == {"prod-a": (False, False)}
    code, changed, said = control.play("--check", "--diff")
    assert (code, changed) == (0, 2), said
    assert '"vid": 110' in said, "the difference is shown"
    assert control.clusters() == {"prod-a": (False, False)}, "checking changes nothing"
    assert control.networks() == {}
    code, changed, said = control.play()
    assert (code, changed) == (0, 2), said
    assert control.clusters() == {"prod-a": (True, True)}
    rejected = (False, False, False)
    assert control.networks() == {name: (vid, rejected) for name, vid in DECLARED.items()}
    for words in ((), ("--check", "--diff")):
        code, changed, said = control.play(*words)
        assert (code, changed) == (0, 0), said


def test_what_was_changed_by_hand_is_told_and_mended(control: Control) -> None:
    assert control.play()[0] == 0
    control.by_hand(_spoil)
    assert control.networks()["a-dmz"] == (999, (True, False, False))
    code, changed, said = control.play("--check", "--diff")
    assert (code, changed) == (0, 2), said
    for wanted in ('"vid": 999', '"drs": false', "site-a/by-hand"):
        assert wanted in said, wanted
    assert control.play()[:2] == (0, 2)
    assert control.networks()["a-dmz"] == (110, (False, False, False))
    assert control.clusters() == {"prod-a": (True, True)}
    assert "by-hand" in control.networks(), "what nobody declared is told, not removed"
    assert control.play()[:2] == (0, 0)


def _spoil(content: Any) -> None:
    from pyVmomi import vim  # noqa: PLC0415 - as above

    kinds = vim.dvs.VmwareDistributedVirtualSwitch
    group, cluster = vim.dvs.DistributedVirtualPortgroup, vim.ClusterComputeResource
    found = retrieve(content, {group: ("name",), cluster: ("name",),
                               vim.DistributedVirtualSwitch: ("name",)})  # fmt: skip
    stub = content.rootFolder._stub
    policy = kinds.MacManagementPolicy(allowPromiscuous=True, macChanges=False,
                                       forgedTransmits=False, inherited=False)  # fmt: skip
    ports = kinds.VmwarePortConfigPolicy(
        vlan=kinds.VlanIdSpec(vlanId=999, inherited=False), macManagementPolicy=policy
    )
    dmz = next(s.id for s in found[group] if s.name == "a-dmz")
    group(dmz, stub).ReconfigureDVPortgroup_Task(
        group.ConfigSpec(name="a-dmz", defaultPortConfig=ports)
    )
    [switch] = found[vim.DistributedVirtualSwitch]
    spec = group.ConfigSpec(name="by-hand", type="earlyBinding", defaultPortConfig=ports)
    vim.DistributedVirtualSwitch(switch.id, stub).AddDVPortgroup_Task([spec])
    drs = vim.cluster.ConfigSpecEx(drsConfig=vim.cluster.DrsConfigInfo(enabled=False))
    cluster(found[cluster][0].id, stub).ReconfigureComputeResource_Task(drs, True)


def test_a_cluster_that_is_missing_is_made(control: Control) -> None:
    wanted = [{"name": "prod-a", "ha": True, "drs": False}, {"name": "test", "ha": True,
                                                             "drs": True}]  # fmt: skip
    assert control.play(hypervisors_clusters=wanted)[:2] == (0, 2)
    assert control.clusters() == {"prod-a": (True, False), "test": (True, True)}
    assert control.play(hypervisors_clusters=wanted)[:2] == (0, 0)


@pytest.mark.parametrize(
    ("variables", "cause"),
    [
        ({"hypervisors_password": "wrong-word"}, "or its password was refused"),
        ({"hypervisors_host": "vcenter-b1.lab.test"}, "certificate was not verified"),
        ({"hypervisors_ca_file": ""}, "certificate was not verified"),
        ({"hypervisors_port": 1}, "can't be reached"),
        ({"hypervisors_datacenter": "Elsewhere"}, "there are: Lab"),
        ({"hypervisors_tunnel": ["ssh", "-F", "/dev/null", "-p", "1", "127.0.0.1"]},
         "no tunnel to it: ssh: connect to host 127.0.0.1 port 1: Connection refused"),
    ],
)  # fmt: skip
def test_what_does_not_work_is_said(
    control: Control, variables: dict[str, object], cause: str
) -> None:
    code, _, said = control.play(**variables)
    assert code != 0
    assert cause in re.sub(r"\s+", " ", said)


@pytest.fixture
def beyond(tmp_path: Path, authority: Authority) -> Iterator[Control]:
    """A vCenter that only a bastion reaches, both in a network of their own."""
    need("vcsim", "ip", "nc", "nsenter", "ssh", "sshd", root=True)
    settings = Settings("192.0.2.30", 443, f"sitiv-hv{os.getpid()}", account=ACCOUNT,
                        password=PASSWORD)  # fmt: skip
    clusters = as_declared(ESTATE, "vcenter-a")
    folder = tmp_path / "vc"
    with (
        Namespace(str(settings.namespace), ["192.0.2.20", "192.0.2.30"]) as space,
        Vcsim(folder, authority, clusters, settings, [NAME]) as server,
        _bastion(tmp_path, space) as tunnel,
    ):
        yield Control(server, authority.ca_file, "192.0.2.30", tunnel, space)


@contextmanager
def _bastion(folder: Path, space: Namespace) -> Iterator[tuple[str, ...]]:
    """Run an sshd that lets connections through; give the command that reaches it."""
    PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
    host, client = make_key(folder / "host"), make_key(folder / "client")
    (folder / "authorized").write_text(f"{client}\n")
    (folder / "known_hosts").write_text(f"bastion {host}\n")
    (folder / "sshd_config").write_text(
        f"Port 22\nListenAddress 192.0.2.20\nHostKey {folder}/host\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nPermitRootLogin yes\n"
        "PasswordAuthentication no\nAllowTcpForwarding yes\n"
    )
    relay = f"nsenter --net={FOLDER / space.name} {program('nc')} %h %p"
    (folder / "config").write_text(
        f"Host bastion\n  HostName 192.0.2.20\n  HostKeyAlias bastion\n  User {getpass.getuser()}\n"
        f"  IdentityFile {folder}/client\n  UserKnownHostsFile {folder}/known_hosts\n"
        f"  ProxyCommand {relay}\n"
    )
    command = [program("sshd"), "-D", "-e", "-f", str(folder / "sshd_config")]
    server = Server(command, folder / "sshd.log", namespace=space.name)
    try:
        server.wait(lambda: listens(server.pid, 22, space.name))
        yield ("ssh", "-F", str(folder / "config"), "bastion")
    finally:
        server.stop()


def test_it_is_reached_through_a_bastion_and_nothing_stays_open(beyond: Control) -> None:
    assert beyond.play()[:2] == (0, 2)
    assert beyond.play()[:2] == (0, 0)
    assert beyond.space is not None
    with beyond.space.inside():
        assert beyond.clusters() == {"prod-a": (True, True)}
        assert set(beyond.networks()) == set(DECLARED)
    left = [p for p in Path("/proc").glob("[0-9]*/cmdline") if beyond.tunnel[2] in _words(p)]
    assert left == []
    code, _, said = beyond.play(hypervisors_host="vcenter-b1.lab.test")
    assert code != 0
    assert "certificate was not verified" in re.sub(r"\s+", " ", said)


def _words(path: Path) -> list[str]:
    try:
        return path.read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


@pytest.fixture
def switches(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import the module as Ansible does, from the collection."""
    need(modules=["ansible"])
    monkeypatch.syspath_prepend(str(ROOT / "sitiv_infra"))
    return import_module("ansible_collections.sitiv.infra.plugins.modules.vsphere_switches")


class Stopped(Exception):
    """The module asked for a change."""


@pytest.mark.parametrize(
    ("connected", "renumber", "refused"),
    [(3, False, True), (3, True, False), (0, False, False)],
)
def test_machines_are_not_cut_off_unless_told(
    switches: ModuleType, monkeypatch: pytest.MonkeyPatch, connected: int,
    renumber: bool, refused: bool,  # noqa: FBT001 - three facts of a case
) -> None:  # fmt: skip
    group = switches.Seen("pg-1", "a-dmz", 120, (), "1", connected, uplinks=False)
    monkeypatch.setattr(switches, "read", lambda _: ({"site-a": "dvs-1"}, {"dvs-1": [group]}))
    wanted = [{"name": "site-a", "portgroups": [{"name": "a-dmz", "vid": 110}]}]
    params = {"switches": wanted, "renumber_connected": renumber, "timeout": 1, "datacenter": None}
    networks = switches.Networks(SimpleNamespace(params=params, check_mode=True), None)
    if refused:
        with pytest.raises(Exception, match="3 machines are connected to it"):
            networks.apply()
    else:
        networks.apply()
        assert networks.changes == ["site-a/a-dmz: VLAN 110 instead of 120"]


def test_what_is_wanted_follows_from_the_estate() -> None:
    estate = estate_of("""
vlans:
  a-dmz: {vid: 110, zone: admin, sites: [a]}
  b-dmz: {vid: 210, zone: admin, sites: [b]}
  both: {vid: 300, zone: admin, sites: [a, b]}
vcenters:
  one: {site: a, host: vc1.lab.test, account: audit@vsphere.local, credential: vc,
        observed_from: admin}
  two: {site: b, host: vc2.lab.test, observed_from: admin}
  idle: {site: b, host: vc3.lab.test, observed_from: admin}
clusters:
  a1: {site: a, vcenter: one, drs: false}
  b1: {site: b, vcenter: one, ha: false}
  b2: {site: b, vcenter: two}
machines:
  vc1: {site: a, role: vcenter, connection: none}
  vc2: {site: b, role: vcenter, connection: none}
  vc3: {site: b, role: vcenter, connection: none}
  web: {site: b, role: web}
""")
    found = {name: vcenter(estate, machine) for name, machine in estate.machines.items()}
    one, two, idle = found["vc1"], found["vc2"], found["vc3"]
    assert one is not None
    assert two is not None
    assert idle is not None
    assert found["web"] is None
    assert [(c.name, c.ha, c.drs) for c in one.clusters] == [("a1", True, False),
                                                             ("b1", False, True)]  # fmt: skip
    assert [(s.name, [g.vid for g in s.portgroups]) for s in one.switches] == [
        ("one", [110, 210, 300])
    ], "names are unique in a vCenter: one that manages two sites has one switch"
    assert [(s.name, [g.vid for g in s.portgroups]) for s in two.switches] == [
        ("site-b", [210, 300])
    ]
    assert idle.switches == ()
