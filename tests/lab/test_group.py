"""Processes that were started by one command, and are found and ended by another."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitiv_infra.lab.group import Group, until
from sitiv_infra.lab.process import LabError
from tests.servers.need import need

STARTER = """
import sys, time
from pathlib import Path
from sitiv_infra.lab.group import Group
Group(sys.argv[1]).start(["sleep", "600"], Path(sys.argv[2]))
print("started", flush=True)
time.sleep(600)
"""


@pytest.fixture
def group() -> Iterator[Group]:
    need("setsid", "unshare", root=True)
    found = Group(f"sitiv-tests-{os.getpid()}/one")
    yield found
    Group(f"sitiv-tests-{os.getpid()}").kill()


def gone(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    try:
        return "State:\tZ" in status.read_text()
    except OSError:
        return True


def test_nobody_escapes(group: Group, tmp_path: Path) -> None:
    """Children, grandchildren, and those that leave session and parent."""
    script = "sleep 601 & setsid --fork sleep 602; (setsid sleep 603 &); echo $GREETING; sleep 604"
    first = group.start(["sh", "-c", script], tmp_path / "log", {"GREETING": "hello"})
    until(10, lambda: len(group.pids()) >= 5, "five processes")
    pids = group.pids()
    assert "hello" in (tmp_path / "log").read_text()
    group.kill()
    assert group.pids() == []
    assert all(gone(pid) for pid in pids)
    assert not Path(f"/proc/{first}").exists(), "our own child is no zombie"
    group.kill()  # what is not there needs no killing


def test_a_group_holds_those_below_it(group: Group, tmp_path: Path) -> None:
    whole = Group(group.name.partition("/")[0])
    other = Group(f"{whole.name}/other")
    for one in (group, other):
        one.start(["sleep", "600"], tmp_path / "log")
        until(10, lambda one=one: len(one.pids()) == 1, "one process")  # type: ignore[misc]
    assert sorted(group.pids() + other.pids()) == whole.pids()
    group.kill()
    assert whole.pids() == other.pids() != []
    whole.kill()
    assert other.pids() == []
    assert not [folder for folder in whole._folders if folder.exists()]


def test_what_a_killed_command_started_is_found(group: Group, tmp_path: Path) -> None:
    words = [sys.executable, "-c", STARTER, group.name, str(tmp_path / "log")]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"started\n"
        starter.kill()
    until(10, lambda: len(group.pids()) == 1, "the process that is left")
    (left,) = group.pids()
    assert left != starter.pid
    group.kill()
    assert gone(left)


def test_the_first_process_of_a_host_is_known(group: Group, tmp_path: Path) -> None:
    group.start(["sleep", "600"], tmp_path / "log")
    group.start(["unshare", "--pid", "--fork", "sleep", "600"], tmp_path / "log")
    until(10, lambda: bool(group.inits()), "a first process")
    (first,) = group.inits()
    command = Path(f"/proc/{first}/cmdline")
    until(10, lambda: command.read_bytes() == b"sleep\x00600\x00", "the command")
    group.kill()
    assert group.inits() == []


def test_a_command_that_there_is_not_leaves_its_complaint(group: Group, tmp_path: Path) -> None:
    group.start(["no-such-command"], tmp_path / "log")
    until(10, lambda: "not found" in (tmp_path / "log").read_text(), "a complaint")
    until(10, lambda: not group.pids(), "its end")


def test_waiting_ends() -> None:
    until(0, lambda: True, "unheard")
    with pytest.raises(LabError, match=r"the moon does not rise \(after 0 s\)"):
        until(0, lambda: False, "the moon does not rise")
