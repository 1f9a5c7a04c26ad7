"""Fixtures: a Samba domain controller, and servers that misbehave in its place."""

from __future__ import annotations

import secrets
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from sitiv_infra.collectors.base import Session
from sitiv_infra.estate import Directory, Estate
from sitiv_infra.lab.pki import Authority
from sitiv_infra.lab.samba import SambaDc
from sitiv_infra.secrets import Secrets
from sitiv_infra.testing import estate_of
from tests.servers.need import need

ADDRESS, SILENT = "127.0.31.1", "127.0.31.2"
REALM = "corbas.test"
Answer = Callable[[socket.socket], object]


def need_directory_extra() -> None:
    need(modules=["ldap"])


def declared(*servers: str, port: int = 636, account: str = f"audit@{REALM}") -> Estate:
    return estate_of(f"""
directories:
  corbas:
    member: corbas
    domain: {REALM}
    servers: [{", ".join(servers)}]
    port: {port}
    account: {account}
    credential: ad-corbas
    observed_from: admin
""")


def session_of(estate: Estate, password: str, ca_file: Path | None, timeout: float = 10) -> Session:
    known = Secrets(environment={"SITIV_SECRET_AD_CORBAS": password})
    return Session(estate=estate, secrets=known, timeout=timeout, ca_file=ca_file)


@dataclass(frozen=True)
class Domain:
    """A domain controller that is good in every point, and the account that reads it."""

    dc: SambaDc
    authority: Authority
    password: str

    @property
    def estate(self) -> Estate:
        return declared(self.dc.address)

    @property
    def source(self) -> Directory:
        return self.estate.directories["corbas"]

    @property
    def session(self) -> Session:
        return session_of(self.estate, self.password, self.authority.ca_file)

    def dn(self, name: str, container: str = "CN=Users") -> str:
        return f"CN={name},{container},{self.dc.base}"

    def change(self, name: str, *lines: str, container: str = "CN=Users") -> None:
        text = "\n".join([f"dn: {self.dn(name, container)}", "changetype: modify", *lines, ""])
        self.dc.modify(text, as_given=True)

    @contextmanager
    def group(self, name: str, *members: str) -> Iterator[str]:
        """A security group for a while; members by distinguished name."""
        listed = "".join(f"member: {member}\n" for member in members)
        self.dc.modify(
            f"dn: {self.dn(name)}\nchangetype: add\nobjectClass: group\n"
            f"sAMAccountName: {name}\ngroupType: -2147483646\n{listed}"
        )
        try:
            yield self.dn(name)
        finally:
            self.dc.modify(f"dn: {self.dn(name)}\nchangetype: delete\n")


@pytest.fixture(scope="session")
def domain(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Domain]:
    need("samba", "samba-tool", "ldbmodify", "ss", root=True)
    need_directory_extra()
    dc = SambaDc(tmp_path_factory.mktemp("samba"), REALM, ADDRESS, authority)
    password = f"{secrets.token_urlsafe(12)}-aA1"
    dc.provision()
    dc.add_user("audit", password)
    dc.start()
    try:
        yield Domain(dc, authority, password)
    finally:
        dc.stop()


@pytest.fixture
def bad_server() -> Iterator[Callable[..., int]]:
    """Serve one connection after another in a way of one's own; gives the port."""
    need_directory_extra()
    with ExitStack() as stack:

        def serve(answer: Answer, tls: ssl.SSLContext | None = None) -> int:
            listener = stack.enter_context(socket.create_server((SILENT, 0)))
            done = threading.Event()
            stack.callback(done.set)

            def run() -> None:
                with suppress(OSError):  # the test is over: the listener was closed
                    while not done.is_set():
                        connection, _ = listener.accept()
                        _answer(connection, answer, tls, done)

            threading.Thread(target=run, daemon=True).start()
            # A blocked accept() is not woken by a close from another thread, a shutdown does.
            stack.callback(listener.shutdown, socket.SHUT_RDWR)
            return int(listener.getsockname()[1])

        yield serve


def _answer(
    connection: socket.socket, answer: Answer, tls: ssl.SSLContext | None, done: threading.Event
) -> None:
    with suppress(OSError), connection:
        spoken = tls.wrap_socket(connection, server_side=True) if tls else connection
        with spoken:
            if answer(spoken) is None:  # nothing more to say, but stay connected
                done.wait(30)
