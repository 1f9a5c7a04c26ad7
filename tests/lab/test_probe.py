"""The probe against a real TLS server in a namespace, which breaks in every way that is planned."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest

from sitiv_infra.estate import Estate
from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.pki import Authority
from sitiv_infra.lab.probe import main
from sitiv_infra.lab.probe_http import FAILURES, Ask, parsed, word
from sitiv_infra.lab.probe_targets import Door, content, targets
from sitiv_infra.report.continuity import EVENTS, Event, Probing, append, read, rehearsal
from sitiv_infra.report.continuity.figures import Connection
from sitiv_infra.report.continuity.promises import Rehearsal, Standing
from sitiv_infra.testing import estate_of
from tests.servers.need import need

V4, V6 = "203.0.113.10", "2001:db8:113::10"
ESTATE = f"""
services:
  guichet: &one {{title: Counter, domain: d, criticality: critical, rpo: 0s, rto: 1min,
                 zone: admin, sites: [a, b], members: [corbas]}}
  portail: {{title: Portal, domain: d, criticality: critical, rpo: 24h, rto: 1min,
            zone: admin, sites: [a, b], members: [corbas]}}
  hidden: {{title: Inside, domain: d, criticality: low, rpo: 24h, rto: 1h, zone: admin, sites: [a]}}
exposures:
  guichet: {{address: {V4}, port: 443, host: guichet.lab.test, service: guichet, reason: r,
            approved_by: RSSI}}
  guichet-v6: {{address: '{V6}', port: 443, host: guichet.lab.test, service: guichet, reason: r,
               approved_by: RSSI}}
  portail: {{address: {V4}, port: 443, host: portail.lab.test, service: portail, reason: r,
            approved_by: RSSI}}
  web: {{address: {V4}, port: 80, host: portail.lab.test, service: portail, tls: false, reason: r,
        approved_by: RSSI}}
  mail: {{address: {V4}, port: 25, host: mail.lab.test, service: portail, tls: false, reason: r,
         approved_by: RSSI}}
""".replace("&one ", "")


class Counter:
    """A service in a namespace that takes documents; ``stop`` is a crash, with all connections."""

    def __init__(self, space: Namespace, authority: Authority) -> None:
        self.space = space
        self.files = authority.issue("guichet.lab.test", "portail.lab.test")
        self.documents: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.forget: Callable[[int], bool] = lambda _: False
        self.answer: int | None = None
        self.delay = 0.0
        self._servers: list[ThreadingHTTPServer] = []
        self._open: set[socket.socket] = set()

    def start(self) -> None:
        for address, port in ((V4, 443), (V6, 443), (V4, 80)):
            with self.space.inside():
                server = self._listen(address, port)
            self._servers.append(server)
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def _listen(self, address: str, port: int) -> ThreadingHTTPServer:
        counter = self

        class Server(ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
            daemon_threads = True

            def get_request(self) -> tuple[socket.socket, object]:  # type: ignore[override]
                link, where = super().get_request()
                counter._open.add(link)
                return link, where

            def handle_error(self, *_: object) -> None:
                """Say nothing: clients are cut off on purpose."""

        server = Server((address, port), _handler(counter, port))
        if port == 443:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(*self.files)
            server.socket = tls.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        return server

    def stop(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._servers.clear()
        for link in self._open:
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
            link.close()
        self._open.clear()


def _handler(counter: Counter, port: int) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            name = self.path.removeprefix("/documents/")
            if counter.answer is None and not counter.forget(len(counter.asked)):
                counter.documents[name] = body
            counter.asked.append(name)
            self._say(counter.answer or 201, b"")

        def do_GET(self) -> None:
            time.sleep(counter.delay)
            if port == 80:
                self._say(301, b"")
            elif not self.path.startswith("/documents/"):
                self._say(counter.answer or 200, b"page")
            else:
                body = counter.documents.get(self.path.removeprefix("/documents/"))
                self._say(counter.answer or (404 if body is None else 200), body or b"")

        def _say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture(scope="module")
def estate() -> Estate:
    return estate_of(ESTATE)


@pytest.fixture
def counter(authority: Authority) -> Iterator[Counter]:
    need("ip", root=True)
    with Namespace(f"probe{os.getpid()}", [f"{V4}/32", f"{V6}/128"]) as space:
        server = Counter(space, authority)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def probing(
    counter: Counter, estate: Estate, authority: Authority, folder: Path, *more: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the probe until the block ends, as the lab does; then it reads everything back."""
    declared = folder / "estate.json"
    declared.write_text(estate.model_dump_json())
    command = ["ip", "netns", "exec", counter.space.name, sys.executable, "-m",
               "sitiv_infra.lab.probe", "--estate", str(declared), "--ca", str(authority.ca_file),
               "--folder", str(folder), "--timeout", "2", *more]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        process.wait(120)
    finally:
        process.kill()
        _, said = process.communicate()
        assert b"Traceback" not in said, said.decode()


def settle(folder: Path, service: str, good: bool, more: int = 12) -> None:  # noqa: FBT001
    """Wait until a service has answered, or failed, so many more times."""
    start, end = len(_outcomes(folder, service, good)), time.monotonic() + 60
    while len(_outcomes(folder, service, good)) < start + more:
        assert time.monotonic() < end, "the probe writes nothing"
        time.sleep(0.05)


def _outcomes(folder: Path, service: str, good: bool) -> list[str]:  # noqa: FBT001
    path = folder / "probe.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    found = [json.loads(line) for line in lines]
    return [r["kind"] for r in found if r.get("service") == service and r["kind"] in ("put", "get")
            and (not r["error"]) is good]  # fmt: skip


def told(estate: Estate, folder: Path) -> tuple[Rehearsal, Probing]:
    found = read(folder)
    return rehearsal(estate, found), found


def test_a_crash_and_its_end_are_measured(
    counter: Counter, estate: Estate, authority: Authority, tmp_path: Path
) -> None:
    with probing(counter, estate, authority, tmp_path) as process:
        settle(tmp_path, "guichet", good=True)
        append(tmp_path / EVENTS, Event.now("fault", "host", "guichet-a1"))
        counter.stop()
        settle(tmp_path, "guichet", good=False)
        append(tmp_path / EVENTS, Event.now("heal", "host", "guichet-a1"))
        counter.start()
        settle(tmp_path, "guichet", good=True, more=30)
    assert process.returncode == 0
    found, left = told(estate, tmp_path)
    assert left.end is not None
    assert left.end.verified
    before, fault, heal = (r.figures for r in found.rows if r.service.name == "guichet")
    assert (before.failed, before.outages, before.lost) == (0, (), ())
    assert before.acknowledged > 0
    assert fault.failed >= 12
    assert fault.recovery is None
    assert {outage.door for outage in fault.outages} == {f"{V4}:443", f"[{V6}]:443"}
    assert set(fault.errors) <= {"ECONNREFUSED", "ECONNRESET", "garbled", "closed", "EPIPE"}
    assert fault.connection is Connection.BROKEN
    assert heal.recovery is not None
    assert not heal.lost
    assert heal.connection in (Connection.UNMEASURED, Connection.SURVIVED)


def test_what_a_server_acknowledged_and_forgot_is_named(
    counter: Counter, estate: Estate, authority: Authority, tmp_path: Path
) -> None:
    counter.forget = lambda number: number % 3 == 0
    with probing(counter, estate, authority, tmp_path) as process:
        settle(tmp_path, "guichet", good=True)
        append(tmp_path / EVENTS, Event.now("fault", "disk", "store-a1"))
        settle(tmp_path, "guichet", good=True)
        altered = next(iter(counter.documents))
        counter.documents[altered] += b"!"
    assert process.returncode == 1
    found, _ = told(estate, tmp_path)
    rows = [row for row in found.rows if row.service.name == "guichet"]
    lost = {loss.name: loss.cause for row in rows for loss in row.figures.lost}
    forgotten = set(counter.asked) - set(counter.documents)
    assert lost == {**dict.fromkeys(forgotten, "missing"), altered: "content"}
    assert forgotten
    broken = [row.rpo for row in rows if row.rpo and row.rpo.standing is Standing.BROKEN]
    assert len(broken) == 2, "before the fault too"


def test_a_slow_answer_slows_nothing_and_a_kill_loses_nothing(
    counter: Counter, estate: Estate, authority: Authority, tmp_path: Path
) -> None:
    counter.delay = 1.0
    with probing(counter, estate, authority, tmp_path, "--service", "guichet") as process:
        settle(tmp_path, "guichet", good=True, more=30)
        process.kill()
        process.wait()
    found = read(tmp_path)
    assert found.end is None
    reads = found.of("guichet", "get")
    together = max(sum(a.monotonic <= b.monotonic < a.end for a in reads) for b in reads)
    assert together > 2, "the next request left before the answer was there"
    acknowledged = {r.name for r in found.of("guichet", "put") if r.good}
    assert set(counter.asked) - acknowledged <= {counter.asked[-1]}
    counter.delay = 0.0
    with (tmp_path / "probe.jsonl").open("ab") as stream:
        stream.write(b'{"kind":"put","cut off by the ki')
    words = ("--verify",)
    with probing(counter, estate, authority, tmp_path, *words) as process:
        process.wait(60)
    again = read(tmp_path)
    assert process.returncode == 0
    assert again.end is not None
    assert {r.name for r in again.of("guichet", "verify") if r.good} == acknowledged


def test_a_server_that_refuses_and_one_that_hangs(
    counter: Counter, estate: Estate, authority: Authority, tmp_path: Path
) -> None:
    with probing(counter, estate, authority, tmp_path, "--service", "portail"):
        settle(tmp_path, "portail", good=True)
        counter.answer = 503
        settle(tmp_path, "portail", good=False)
        counter.answer, counter.delay = None, 9.0
        settle(tmp_path, "portail", good=False)
        counter.delay = 0.0
    found = read(tmp_path)
    asked = found.of("portail", "get")
    assert {r.error for r in asked if not r.good} == {"status", "timeout"}
    assert {r.door for r in asked} == {f"{V4}:443", f"{V4}:80"}
    kept = found.of("portail", "kept")
    assert {r.connection for r in kept} == {1}, "slow and refused answers break no connection"
    assert not found.of("portail", "put")


def test_a_certificate_of_somebody_else_is_no_answer(
    counter: Counter, estate: Estate, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "stranger")
    with probing(counter, estate, stranger, tmp_path):
        settle(tmp_path, "guichet", good=False)
    found = read(tmp_path)
    assert {r.error for r in found.of("guichet", "put", "get")} == {"certificate"}
    assert not counter.documents
    assert {r.connection for r in found.of("guichet", "kept")} == {None}


def test_it_refuses_to_run_elsewhere_or_over_another_run(
    estate: Estate, authority: Authority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    declared = tmp_path / "estate.json"
    declared.write_text(estate.model_dump_json())
    words = ["--estate", str(declared), "--ca", str(authority.ca_file), "--folder", str(tmp_path)]
    assert main(words) == 3
    assert "inside a lab" in capsys.readouterr().err
    need("ip", root=True)
    (tmp_path / "probe.jsonl").touch()
    with Namespace(f"probe{os.getpid()}") as space, space.inside():
        assert main(words) == 3
    assert "is there already" in capsys.readouterr().err


def test_only_published_services_are_asked(estate: Estate) -> None:
    found = {t.service: t for t in targets(estate)}
    assert list(found) == ["guichet", "portail"]
    assert [str(door) for door in found["guichet"].doors] == [f"{V4}:443", f"[{V6}]:443"]
    assert [str(door) for door in found["portail"].doors] == [f"{V4}:443", f"{V4}:80"]
    assert found["guichet"].documents
    assert not found["portail"].documents
    assert [t.documents for t in targets(estate, ["portail"])] == [False, True]


DOOR = Door("guichet.lab.test", V4, 443, tls=True)


@pytest.mark.parametrize(
    ("ask", "status", "body", "error"),
    [
        (Ask("put", "s", DOOR, "n"), 201, b"", ""),
        (Ask("put", "s", DOOR, "n"), 200, b"", "status"),
        (Ask("put", "s", DOOR, "n"), 503, b"", "status"),
        (Ask("get", "s", DOOR, "n"), 200, content("n"), ""),
        (Ask("get", "s", DOOR, "n"), 200, content("m"), "content"),
        (Ask("verify", "s", DOOR, "n"), 404, b"", "missing"),
        (Ask("get", "s", DOOR), 301, b"", "status"),
        (Ask("get", "s", Door("h", V4, 80, tls=False)), 301, b"", ""),
    ],
)
def test_what_is_a_good_answer(ask: Ask, status: int, body: bytes, error: str) -> None:
    assert ask.judge(status, body) == error


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200",
    ],
)
def test_an_answer_that_was_cut_short_is_a_failure(raw: bytes) -> None:
    with pytest.raises(FAILURES) as caught:
        parsed(raw, "get")
    assert word(caught.value) in {"garbled", "closed"}


def test_errors_have_names() -> None:
    assert word(TimeoutError()) == "timeout"
    assert word(ConnectionRefusedError(111, "refused")) == "ECONNREFUSED"
    assert word(ssl.SSLCertVerificationError(1, "no")) == "certificate"
    assert word(ssl.SSLError(1, "no")) == "tls"
