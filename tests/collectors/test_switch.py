from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sitiv_infra.collectors.base import Session
from sitiv_infra.collectors.switch import COLLECTOR
from sitiv_infra.errors import NotObserved
from sitiv_infra.facts import Facts, SwitchFacts
from sitiv_infra.lab.sshd import SshServer
from sitiv_infra.secrets import Secrets
from sitiv_infra.switches import read_text
from sitiv_infra.testing import estate_of
from tests.servers.need import need
from tests.switches.configs import IOS


@contextmanager
def showing(folder: Path, shown: bytes) -> Iterator[SshServer]:
    """Serve what a switch would show, on loopback, with OpenSSH."""
    need("ssh", "sshd")
    (folder / "shown").write_bytes(shown)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = f"cat {folder / 'shown'}"
    with SshServer(folder / "sshd", "127.0.0.1", port, command=command) as server:
        yield server


def collected(server: SshServer) -> Facts:
    estate = estate_of(
        f"switches:\n  sw-a1: {{site: a, platform: ios, host: {server.address},"
        f" port: {server.port}, account: {server.account}, credential: sw-key,"
        " observed_from: admin}\n"
    )
    secrets = Secrets(environment={"SITIV_SECRET_SW_KEY": str(server.key)})
    session = Session(estate, secrets, 5, known_hosts=server.known_hosts)
    assert estate.sources["switch/sw-a1"].where == f"ssh://127.0.0.1:{server.port}"
    return COLLECTOR(estate.switches["sw-a1"], session)


def test_reads_the_configuration_and_keeps_no_secret(tmp_path: Path) -> None:
    with showing(tmp_path, IOS.encode()) as server:
        facts = collected(server)
    assert facts == read_text(IOS, "ios")
    text = facts.model_dump_json()
    assert "notapassword" not in text
    assert SwitchFacts.model_validate_json(text) == facts


@pytest.mark.parametrize("shown", [b"% Invalid input detected at '^' marker.\n", b"\xff\xfe", b""])
def test_anything_else_is_not_observed(tmp_path: Path, shown: bytes) -> None:
    with (
        showing(tmp_path, shown) as server,
        pytest.raises(NotObserved, match="the answer is not its configuration"),
    ):
        collected(server)
