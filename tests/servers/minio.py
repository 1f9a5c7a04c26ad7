"""Fixtures: two real MinIO servers with TLS, restic repositories in them, and bad company."""

from __future__ import annotations

import contextlib
import http.server
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sitiv_infra.collectors.base import Session
from sitiv_infra.estate import Estate
from sitiv_infra.lab.minio import Keys, MinioServer, audit_policy
from sitiv_infra.lab.pki import Authority
from sitiv_infra.lab.process import free_port
from sitiv_infra.lab.restic import Repository
from sitiv_infra.secrets import Secrets
from sitiv_infra.testing import estate_of
from tests.servers.need import need

PASSWORD = "correct-horse-battery"
SERVICE = """
services:
  mail: {title: Mail, domain: mail, criticality: high, rpo: 24h, rto: 4h, zone: admin,
         sites: [a, b], members: [corbas]}
machines:
  mail-01: {site: a, role: mail, services: [mail]}
buckets:
  backup: {stores: [near], purpose: backups, lock: {mode: compliance, retention: 30d}}
  documents: {stores: [near], purpose: documents}
  scratch: {stores: [near], purpose: scratch, versioning: false}
"""


@dataclass
class Place:
    """A store as a collector is told of it: where, with which keys, trusting whom."""

    endpoint: str
    keys: Keys
    ca_file: Path | None
    timeout: str = "10min"
    operation: float = 20
    password: str = PASSWORD
    prefix: str = "mail"
    bucket: str = "backup"
    extra: str = ""

    def estate(self) -> Estate:
        store = (
            f"{{site: a, endpoint: '{self.endpoint}', account: {self.keys.access}, "
            f"credential: s3-near, observed_from: admin, timeout: {self.timeout}}}"
        )
        backup = (
            f"{{services: [mail], machines: [mail-01], credential: restic-mail, "
            f"observed_from: admin, "
            f"timeout: {self.timeout}, repository: "
            f"{{store: near, bucket: {self.bucket}, prefix: '{self.prefix}'}}}}"
        )
        text = f"object_stores: {{near: {store}}}\nbackups: {{mail: {backup}}}\n"
        return estate_of(SERVICE, text, *([self.extra] if self.extra else []))

    def session(self, estate: Estate) -> Session:
        known = {
            "SITIV_SECRET_S3_NEAR": self.keys.secret,
            "SITIV_SECRET_RESTIC_MAIL": self.password,
        }
        secrets = Secrets(environment=known)
        return Session(estate, secrets, timeout=self.operation, ca_file=self.ca_file)


def new_minio(folder: Path, authority: Authority, drives: int = 1) -> MinioServer:
    need("minio")
    return MinioServer(folder, authority, at=("127.0.0.1", free_port()), drives=drives)


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[MinioServer]:
    """A server with the declared buckets, one more that is public, and a reader's account."""
    server = new_minio(tmp_path_factory.mktemp("minio"), authority, drives=4)
    server.start()
    try:
        server.make_bucket("backup", lock=("COMPLIANCE", 30))
        server.make_bucket("documents")
        server.make_bucket("scratch", versioning=False, encrypted=False)
        server.make_bucket("forgotten", public=True)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def reader(minio: MinioServer) -> Keys:
    return minio.add_reader("auditor", audit_policy(["backup"]))


@pytest.fixture
def place(minio: MinioServer, reader: Keys) -> Place:
    return Place(minio.endpoint, reader, minio.ca_file)


@pytest.fixture(scope="session")
def points() -> dict[str, datetime]:
    """When each host was copied."""
    now = datetime.now(UTC).replace(microsecond=0)
    return {"mail-01": now - timedelta(hours=3), "mail-02": now - timedelta(days=9)}


@pytest.fixture(scope="session")
def repository_in_s3(
    minio: MinioServer, tmp_path_factory: pytest.TempPathFactory, points: dict[str, datetime]
) -> Repository:
    """A restic repository ``backup/mail`` with a restore point for each host."""
    need("restic")
    folder = tmp_path_factory.mktemp("data")
    (folder / "letter.txt").write_text("dear colleague")
    made = Repository(minio.endpoint, "backup/mail", minio.root, PASSWORD, minio.ca_file)
    made.init()
    for host, taken in points.items():
        made.back_up(folder, host, taken)
    return made


class Relay:
    """Passes TCP on to a server; calls ``then`` once, after so many connections or bytes.

    With no target it accepts and never answers; with ``says`` it answers that and closes.
    """

    def __init__(
        self,
        target: tuple[str, int] | None = None,
        *,
        after: int = 0,
        then: Callable[[], object] | None = None,
        says: bytes = b"",
    ) -> None:
        self._target, self._says = target, says
        self._left, self._then = after, then
        self._guard = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.accepted = 0
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def endpoint(self) -> str:
        return f"https://127.0.0.1:{self._server.getsockname()[1]}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self._open.append(client)
                self.accepted += 1
                if self._says:
                    client.sendall(self._says)
                    client.shutdown(socket.SHUT_RDWR)
                elif self._target is not None:
                    self._join(client, self._target)

    def _join(self, client: socket.socket, target: tuple[str, int]) -> None:
        try:
            server = socket.create_connection(target)
        except OSError:
            client.close()
            return
        self._open.append(server)
        for source, sink, counted in ((client, server, False), (server, client, True)):
            thread = threading.Thread(
                target=self._pass, args=(source, sink), kwargs={"counted": counted}
            )
            thread.start()
            self._threads.append(thread)

    def _pass(self, source: socket.socket, sink: socket.socket, *, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if counted and self._spent(len(data)):
                    break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _spent(self, size: int) -> bool:
        """Count answers down; True from the moment that they are used up."""
        if self._then is None:
            return False
        with self._guard:
            spent, self._left = self._left <= size, max(0, self._left - size)
            if spent and self._then is not None:
                action, self._then = self._then, lambda: None
                action()
        return spent

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(10)  # it opens no link from here on
        self._server.close()
        for link in self._open:
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
            link.close()
        for thread in self._threads:
            thread.join(10)


@pytest.fixture
def relay() -> Iterator[Callable[..., Relay]]:
    """Make relays that are closed after the test."""
    made: list[Relay] = []

    def make(*args: object, **options: object) -> Relay:
        made.append(Relay(*args, **options))  # type: ignore[arg-type]  # passed on as given
        return made[-1]

    yield make
    for one in made:
        one.close()


@contextlib.contextmanager
def answering(authority: Authority, body: bytes) -> Iterator[str]:
    """Run a web server with a good certificate that answers everything with one text."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the library
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("127.0.0.1"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
