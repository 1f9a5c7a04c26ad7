"""Backups as the backup servers make them: the program, restic, and machines over real SSH."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitiv_infra.lab.pki import Authority
from sitiv_infra.lab.process import program
from sitiv_infra.lab.sshd import SshServer, make_key
from tests.playbooks.stores import WRITER, Stores
from tests.servers.need import need

MACHINES = {"web-a1": "192.0.2.31", "web-a2": "192.0.2.32"}
PASSWORD = "correct-horse-battery"


class BackupServer:
    """The program that backup servers run, its folders, and two machines to copy."""

    def __init__(self, stores: Stores, folder: Path) -> None:
        self.stores = stores
        self.parts = {name: folder / name for name in ("configuration", "state", "runtime")}
        for part in self.parts.values():
            part.mkdir()
        own = self.parts["configuration"]
        public = make_key(own / "ssh")
        (own / "counter.password").write_text(PASSWORD)
        self.machines: dict[str, SshServer] = {}
        known = ""
        for name, address in MACHINES.items():
            data = folder / name
            data.mkdir()
            (data / "letter").write_text(name)
            machine = SshServer(
                folder / f"{name}-ssh", address, 22,
                command=f"tar --create --file=- --directory={data} letter",
                namespace=stores.network,
            )  # fmt: skip
            machine.start()
            machine.allow(public)
            known += machine.known_hosts.read_text().replace(address, name)
            self.machines[name] = machine
        (own / "known_hosts").write_text(known)
        self.environment = {
            **{f"{name.upper()}_DIRECTORY": str(part) for name, part in self.parts.items()},
            "RESTIC_REPOSITORY": f"s3:{stores.servers['far'].endpoint}/backups/counter",
            "RESTIC_CACHE_DIR": str(folder / "cache"),
            "AWS_ACCESS_KEY_ID": WRITER.access,
            "AWS_SECRET_ACCESS_KEY": WRITER.secret,
            "AUTHORITIES": str(stores.servers["far"].ca_file),
            "ACCOUNT": self.machines["web-a1"].account,
            "MACHINES": " ".join(f"{name}={address}" for name, address in MACHINES.items()),
            "KEEP_DAYS": "30",
            "PRUNE_DAYS": "7",
            "STAMP": "counter.done",
        }

    def copy(self) -> subprocess.CompletedProcess[str]:
        script = self.stores.repository / "playbooks/roles/backup/files/sitiv-backup"
        return self.stores.run(["bash", str(script), "counter"], self.environment)

    def restic(self, *words: str) -> str:
        own = self.parts["configuration"] / "counter.password"
        options = ["--cacert", self.environment["AUTHORITIES"], "--password-file", str(own)]
        done = self.stores.run([program("restic"), *options, *words], self.environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def hosts(self) -> list[str]:
        listed = json.loads(self.restic("snapshots", "--json", "--no-lock")) or []
        return sorted(item["hostname"] for item in listed)

    def stop(self) -> None:
        for machine in self.machines.values():
            machine.stop()


def until_gone(group: int) -> None:
    """Wait until no process of a group is left."""
    end = time.monotonic() + 60
    with contextlib.suppress(ProcessLookupError):
        while True:
            os.killpg(group, 0)
            assert time.monotonic() < end, "a killed process does not go"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, repository: Path
) -> Iterator[BackupServer]:
    need("minio", "mc", "ip", "restic", "sshd", root=True)
    folder = tmp_path_factory.mktemp("backup")
    with Stores(folder / "stores", authority, repository, MACHINES.values()) as stores:
        made = BackupServer(stores, folder)
        yield made
        made.stop()


def test_a_copy_that_was_cut_short_is_none(server: BackupServer) -> None:
    broken = server.machines["web-a1"]
    whole, broken.command = broken.command, "head -c 300000 /dev/urandom; exit 3"
    public = (server.parts["configuration"] / "ssh.pub").read_text().strip()
    broken.allow(public)
    done = server.copy()
    assert done.returncode == 1
    assert "not copied: web-a1" in done.stderr
    assert server.hosts() == ["web-a2"]
    assert not (server.parts["state"] / "counter.done").exists()
    broken.command = whole
    broken.allow(public)


def test_every_machine_has_a_copy_that_can_be_read(server: BackupServer) -> None:
    done = server.copy()
    assert done.returncode == 0, done.stderr
    assert set(server.hosts()) == set(MACHINES)
    assert (server.parts["state"] / "counter.done").exists()
    archive = server.restic("dump", "--host", "web-a1", "latest", "/web-a1.tar")
    assert "web-a1" in archive
    assert server.copy().returncode == 0


def test_a_run_that_was_killed_is_in_nobodys_way(server: BackupServer) -> None:
    slow = server.machines["web-a2"]
    whole, slow.command = slow.command, "sleep 600"
    public = (server.parts["configuration"] / "ssh.pub").read_text().strip()
    slow.allow(public)
    before = server.hosts()
    script = server.stores.repository / "playbooks/roles/backup/files/sitiv-backup"
    inside = ["ip", "netns", "exec", server.stores.network.name]
    with subprocess.Popen(
        [*inside, "bash", str(script), "counter"],
        env={**os.environ, **server.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as run:
        while server.hosts() == before:  # until the first machine is copied
            assert run.poll() is None
        os.killpg(run.pid, signal.SIGKILL)
    until_gone(run.pid)  # a lock is held as long as its process is there, be it dying
    slow.command = whole
    slow.allow(public)
    done = server.copy()
    assert done.returncode == 0, done.stderr
    assert "web-a2 is copied" in done.stdout
