from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sitiv_infra.lab.netns import FOLDER, Namespace
from sitiv_infra.lab.process import LabError
from tests.servers.need import need

KILLED = """
import os, signal
from pathlib import Path
from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.process import Server
with Namespace("killed", ["192.0.2.7"]) as namespace:
    server = Server(["sleep", "600"], Path(os.devnull), namespace=namespace.name)
    print(server.process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def root() -> None:
    need("ip", "nft", root=True)


def network() -> str:
    return str(Path("/proc/thread-self/ns/net").readlink())


def test_addresses_are_there_inside_and_only_inside() -> None:
    outside = network()
    with Namespace("inside", ["192.0.2.7", "2001:db8::7/128"]) as namespace:
        with namespace.inside():
            assert network() != outside
            for address in ("192.0.2.7", "2001:db8::7"):
                socket.create_server(
                    (address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET
                ).close()
        assert network() == outside
        with pytest.raises(OSError, match="assign"):
            socket.create_server(("192.0.2.7", 0))
    assert not (FOLDER / namespace.name).exists()


def test_the_way_back_is_found_after_an_error() -> None:
    outside = network()
    with Namespace("inside") as namespace:
        with pytest.raises(ZeroDivisionError), namespace.inside():
            _ = 1 / 0
        assert network() == outside


def test_what_a_killed_run_left_is_cleared() -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = int(killed.stdout)
    os.kill(left, 0)
    with Namespace("killed", ["192.0.2.8"]) as again:
        assert "192.0.2.8" in again.run("ip", "address")
        assert "192.0.2.7" not in again.run("ip", "address")
        command = Path(f"/proc/{left}/cmdline")
        assert not command.exists() or not command.read_bytes(), "gone, or a zombie"
    assert not (FOLDER / "sitiv-killed").exists()


def test_a_bad_address_leaves_nothing_behind() -> None:
    with pytest.raises(LabError, match="ip"), Namespace("broken", ["192.0.2.7/32"]) as namespace:
        namespace.run("ip", "route", "add", "default", "via", "198.51.100.1")
    assert not (FOLDER / "sitiv-broken").exists()


def test_rules_that_nft_refuses() -> None:
    with Namespace("rules") as namespace, pytest.raises(LabError, match="syntax error"):
        namespace.filter("table inet x { nonsense }")
