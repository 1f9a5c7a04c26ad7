"""A vCenter is read as it is, and what can't be read says why; against a real vcsim."""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pyVmomi import vim
from pyVmomi.SoapAdapter import SoapStubAdapter

from sitiv_infra.collectors import vsphere
from sitiv_infra.collectors.base import Session
from sitiv_infra.collectors.hypervisor import COLLECTOR
from sitiv_infra.errors import NotObserved
from sitiv_infra.estate import Vcenter
from sitiv_infra.facts import HypervisorFacts, Unread
from sitiv_infra.lab.pki import Authority
from sitiv_infra.lab.process import LabError, Server, answers, free_port, program
from sitiv_infra.lab.vcsim import Settings, Vcsim, as_declared
from sitiv_infra.lab.vcsim_model import Cluster, Guest, Hypervisor
from sitiv_infra.secrets import Secrets
from sitiv_infra.testing import estate_of
from tests.servers.need import need
from tests.servers.vcsim import StartVcsim

GOOD = Cluster(
    "corbas-1",
    (Hypervisor("esx1.corbas.test"), Hypervisor("esx2.corbas.test", lockdown="strict")),
    (Guest("web"), Guest("db", on=False)),
)
Read = Callable[..., HypervisorFacts]


def vcenter(port: int, account: str | None = Settings.account) -> Vcenter:
    return Vcenter(
        name="vc-a", site="a", host="127.0.0.1", port=port, account=account,
        credential="vc-a", observed_from="admin",
    )  # fmt: skip


@pytest.fixture
def read(authority: Authority) -> Read:
    estate = estate_of()

    def call(
        port: int, password: str = Settings.password, timeout: float = 20, **source: str | None
    ) -> HypervisorFacts:
        secrets = Secrets(environment={"SITIV_SECRET_VC_A": password})
        session = Session(estate, secrets, timeout, authority.ca_file)
        facts = COLLECTOR(vcenter(port, **source), session)
        assert isinstance(facts, HypervisorFacts)
        return facts

    return call


def test_a_good_day(start_vcsim: StartVcsim, read: Read) -> None:
    server = start_vcsim([GOOD, Cluster("corbas-2", vsan=False)])
    facts = read(server.port)
    assert facts.version == "8.0.3"
    assert [(c.name, c.vsan) for c in facts.clusters] == [("corbas-1", True), ("corbas-2", False)]
    assert [(h.name, h.lockdown, h.cluster) for h in facts.hosts] == [
        ("esx1.corbas.test", "normal", "corbas-1"),
        ("esx2.corbas.test", "strict", "corbas-1"),
    ]
    assert [(m.name, m.powered_on, m.host) for m in facts.machines] == [
        ("db", False, "esx2.corbas.test"),
        ("web", True, "esx1.corbas.test"),
    ]
    assert HypervisorFacts.model_validate_json(facts.model_dump_json()) == facts


def test_faults_are_seen(start_vcsim: StartVcsim, read: Read) -> None:
    hosts = (
        Hypervisor("esx1", lockdown="disabled", running=("TSM-SSH",), version="7.0.3"),
        Hypervisor("esx2", connection="disconnected"),
        Hypervisor("esx3", connection="notResponding"),
    )
    guests = (Guest("vCLS-1", agent=True, host="esx1"), Guest("a b/<c>&%", host="esx2"))
    server = start_vcsim([Cluster("one", hosts, guests, vsan=False)])
    facts = read(server.port)
    assert facts.clusters[0].vsan is False
    assert [h.lockdown for h in facts.hosts] == ["disabled", "normal", "normal"]
    assert [h.connection for h in facts.hosts] == ["connected", "disconnected", "notResponding"]
    assert facts.hosts[0].running == ("TSM-SSH",)
    assert facts.hosts[0].version == "7.0.3"
    assert [(m.name, m.agent) for m in facts.machines] == [("a b/<c>&%", False), ("vCLS-1", True)]


def test_names_are_unescaped(start_vcsim: StartVcsim, read: Read) -> None:
    server = start_vcsim([Cluster("one", (Hypervisor("esx1"),), (Guest("web %2f %25"),))])
    assert [m.name for m in read(server.port).machines] == ["web / %"]


def test_a_machine_without_host(start_vcsim: StartVcsim, read: Read) -> None:
    server = start_vcsim([Cluster("empty", (), (Guest("orphan"),))])
    (machine,) = read(server.port).machines
    assert (machine.host, machine.cluster) == (None, None)


def test_many_pages(start_vcsim: StartVcsim, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vsphere, "PAGE", 7)
    guests = tuple(Guest(f"vm{i:03}") for i in range(60))
    server = start_vcsim([Cluster("one", (Hypervisor("esx1"),), guests)])
    assert [m.name for m in read(server.port).machines] == [g.name for g in guests]


def test_an_account_that_sees_nothing(start_vcsim: StartVcsim, read: Read) -> None:
    server = start_vcsim([])
    with pytest.raises(NotObserved, match=r"sees no cluster.*Read-only"):
        read(server.port)


def test_sessions_are_logged_out(
    start_vcsim: StartVcsim, read: Read, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_vcsim([GOOD])
    kept: list[str] = []
    original = vsphere.retrieve

    def while_open(content: vim.ServiceInstanceContent, _: object) -> object:
        manager = content.sessionManager
        assert manager is not None
        assert manager.currentSession is not None
        kept.append(manager._stub.cookie)
        raise ssl.SSLError(1, "[SSL: BROKEN] the line broke")

    monkeypatch.setattr(vsphere, "retrieve", while_open)
    with pytest.raises(NotObserved, match="no TLS"):
        read(server.port)
    monkeypatch.setattr(vsphere, "retrieve", original)
    stub = SoapStubAdapter(
        host="127.0.0.1", port=server.port, version="vim.version.version10",
        sslContext=ssl.create_default_context(cafile=authority.ca_file),
    )  # fmt: skip
    (stub.cookie,) = kept
    manager = vim.ServiceInstance("ServiceInstance", stub).RetrieveContent().sessionManager
    assert manager is not None
    try:
        with pytest.raises(vim.fault.NotAuthenticated):
            manager.currentSession  # noqa: B018 - asking for a property is a call
    finally:
        stub.DropConnections()


def test_a_wrong_password(start_vcsim: StartVcsim, read: Read) -> None:
    server = start_vcsim([GOOD])
    with pytest.raises(NotObserved, match=r"'audit@vsphere.local' or its password") as error:
        read(server.port, password="not-the-password")
    assert "not-the-password" not in str(error.value)
    assert error.value.__suppress_context__


def test_no_account(read: Read) -> None:
    with pytest.raises(NotObserved, match="no account is declared"):
        read(1, account=None)


def test_an_untrusted_authority(start_vcsim: StartVcsim, read: Read, tmp_path: Path) -> None:
    """On loopback too, where pyVmomi alone would not verify."""
    server = start_vcsim([GOOD], issuer=Authority(tmp_path / "other", "Other CA"))
    with pytest.raises(NotObserved, match=r"certificate was not verified: .*self-signed"):
        read(server.port)


def test_a_name_that_the_certificate_lacks(start_vcsim: StartVcsim, authority: Authority) -> None:
    server = start_vcsim([GOOD])
    source = vcenter(server.port).model_copy(update={"host": "localhost"})
    secrets = Secrets(environment={"SITIV_SECRET_VC_A": Settings.password})
    with pytest.raises(NotObserved, match=r"not verified: [Hh]ostname mismatch"):
        COLLECTOR(source, Session(estate_of(), secrets, 20, authority.ca_file))


def test_a_stopped_server(start_vcsim: StartVcsim, read: Read) -> None:
    server = start_vcsim([GOOD])
    server.stop()
    with pytest.raises(NotObserved, match="can't be reached: Connection refused"):
        read(server.port)


def test_a_server_that_never_answers(read: Read) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    with silent, pytest.raises(NotObserved, match="no answer in time"):
        read(silent.getsockname()[1], timeout=0.3)


def test_a_vcenter_that_stalls(read: Read, authority: Authority) -> None:
    over = threading.Event()

    def stall(request: BaseHTTPRequestHandler) -> tuple[int, bytes]:
        if request.command == "POST":
            over.wait(20)
        return 200, VERSIONS

    server, thread = serve(authority, stall)
    try:
        with pytest.raises(NotObserved, match="no answer in time"):
            read(server.server_port, timeout=0.5)
    finally:
        over.set()
        end(server, thread)


def test_a_server_without_tls(read: Read) -> None:
    server, thread = serve(None, lambda _: (200, b"hello"))
    with pytest.raises(NotObserved, match="no TLS with this server"):
        read(server.server_port)
    end(server, thread)


VERSIONS = (
    b"<namespaces version='1.0'><namespace><name>urn:vim25</name>"
    b"<version>8.0.3.0</version></namespace></namespaces>"
)
BOMB = b"<!DOCTYPE a [<!ENTITY b 'bbbbbbbb'><!ENTITY c '&b;&b;&b;'>]><namespaces>&c;</namespaces>"


@pytest.mark.parametrize(
    ("status", "body", "cause"),
    [
        (404, b"", "this is not a vCenter: HTTP 404"),
        (200, b"<html><p>It works!", "is no list of versions"),
        (200, b"", "is no list of versions"),
        (200, b"\xff\x00\x12", "is no list of versions"),
        (200, BOMB, "is no list of versions"),
        (200, b"<namespaces/>", "no version of the API"),
        (200, VERSIONS, "answers are not those of a vCenter"),
    ],
)
def test_garbage(read: Read, authority: Authority, status: int, body: bytes, cause: str) -> None:
    server, thread = serve(authority, lambda _: (status, body))
    try:
        with pytest.raises(NotObserved, match=cause):
            read(server.server_port)
    finally:
        end(server, thread)


def test_what_an_account_may_not_read(
    start_vcsim: StartVcsim, read: Read, authority: Authority
) -> None:
    """A relay takes values out of the vCenter's answers, as a role without privileges would."""
    upstream = start_vcsim([GOOD])
    hidden = ("config.lockdownMode", "config.service.service", "configurationEx",
              "runtime.host", "runtime.powerState")  # fmt: skip

    def relay(request: BaseHTTPRequestHandler) -> tuple[int, bytes]:
        status, body = forward(request, upstream.port, authority)
        for path in hidden:
            body = without(body, path)
        return status, body

    server, thread = serve(authority, relay)
    try:
        facts = read(server.server_port)
    finally:
        end(server, thread)
    cause = Unread(unread="'config.lockdownMode' can't be read: NoPermission (needs System.Read)")
    assert {h.lockdown for h in facts.hosts} == {cause}
    assert all(isinstance(h.running, Unread) for h in facts.hosts)
    assert all(isinstance(c.vsan, Unread) for c in facts.clusters)
    assert all(isinstance(m.powered_on, Unread) for m in facts.machines)
    assert all(isinstance(m.host, Unread) for m in facts.machines)
    assert all(isinstance(m.cluster, Unread) for m in facts.machines)
    assert {h.connection for h in facts.hosts} == {"connected"}


def test_the_simulator_keeps_its_password_to_itself(start_vcsim: StartVcsim) -> None:
    server = start_vcsim([GOOD])
    command = Path(f"/proc/{server.server.process.pid}/cmdline").read_bytes()
    assert Settings.password.encode() not in command
    assert Settings.password not in server.server.log.read_text()
    assert Settings.password not in repr(server.settings)


def test_an_inventory_as_declared(start_vcsim: StartVcsim, read: Read) -> None:
    estate = estate_of("""
vcenters:
  vc-a: {site: a, host: 127.0.0.1, observed_from: admin}
  vc-b: {site: b, host: 127.0.0.1, observed_from: admin}
clusters:
  one: {site: a, vcenter: vc-a, hosts: [esx1, esx2]}
  two: {site: b, vcenter: vc-b, vsan: false, hosts: [esx3]}
machines:
  web: {site: a, role: web, cluster: one}
  db: {site: b, role: db, cluster: two}
""")
    facts = read(start_vcsim(as_declared(estate, "vc-b")).port)
    assert [(c.name, c.vsan) for c in facts.clusters] == [("two", False)]
    assert [(m.name, m.cluster) for m in facts.machines] == [("db", "two")]
    with pytest.raises(LabError, match="no host 'esx9'"):
        start_vcsim([Cluster("one", (Hypervisor("esx1"),), (Guest("web", host="esx9"),))])


def test_several_in_a_namespace(tmp_path: Path, authority: Authority) -> None:
    need("vcsim", "ip", root=True)
    name = f"vcsim{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    servers: list[Vcsim] = []
    try:
        for command in ("link set lo up", "addr add 192.0.2.1/32 dev lo",
                        "addr add 192.0.2.2/32 dev lo"):  # fmt: skip
            subprocess.run(["ip", "-n", name, *command.split()], check=True)
        for number in (1, 2):
            where = Settings(address=f"192.0.2.{number}", port=443, namespace=name)
            servers.append(Vcsim(tmp_path / str(number), authority, [GOOD], where))
            servers[-1].start()
            port = where.port
            assert port is not None
            assert not answers(where.address, port)
            assert inside(
                name, f"import socket; socket.create_connection(('{where.address}', 443), 5)"
            )
    finally:
        for server in servers:
            server.stop()
        subprocess.run(["ip", "netns", "delete", name], check=True)


def inside(namespace: str, script: str) -> bool:
    command = ["ip", "netns", "exec", namespace, sys.executable, "-c", script]
    return subprocess.run(command, check=False).returncode == 0


def test_a_model_that_vcsim_refuses(tmp_path: Path) -> None:
    need("vcsim")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "0.xml").write_text("not XML")
    port = free_port()
    command = [program("vcsim"), "-load", str(tmp_path / "model"), "-l", f"127.0.0.1:{port}"]
    server = Server(command, tmp_path / "log")
    with pytest.raises(LabError, match="ended with"):
        server.wait(lambda: answers("127.0.0.1", port))


Answer = Callable[[BaseHTTPRequestHandler], tuple[int, bytes]]


def serve(
    authority: Authority | None, answer: Answer
) -> tuple[ThreadingHTTPServer, threading.Thread]:
    """Start an HTTP server that says what ``answer`` gives; TLS where there is an authority."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body = answer(self)
            self.send_response(status)
            for line in getattr(self, "cookies", ()):
                self.send_header("Set-Cookie", line)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name that the server looks for

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    if authority is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue("127.0.0.1"))
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    return server, thread


def end(server: ThreadingHTTPServer, thread: threading.Thread) -> None:
    server.shutdown()
    server.server_close()
    thread.join()


def forward(request: BaseHTTPRequestHandler, port: int, authority: Authority) -> tuple[int, bytes]:
    context = ssl.create_default_context(cafile=authority.ca_file)
    length = int(request.headers.get("Content-Length", 0))
    headers = {k: v for k, v in request.headers.items() if k in {"Cookie", "SOAPAction"}}
    connection = HTTPSConnection("127.0.0.1", port, context=context, timeout=20)
    connection.request(request.command, request.path, request.rfile.read(length), headers)
    answer = connection.getresponse()
    body = answer.read()
    request.cookies = answer.headers.get_all("Set-Cookie") or []  # type: ignore[attr-defined]
    connection.close()
    return answer.status, body


def without(body: bytes, path: str) -> bytes:
    """Take a property out of SOAP answers and say NoPermission in its place."""
    name = re.escape(path.encode())
    fault = (
        b"<missingSet><path>" + path.encode() + b"</path><fault>"
        b'<fault xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="NoPermission">'
        b"<privilegeId>System.Read</privilegeId></fault>"
        b"<localizedMessage/></fault></missingSet>"
    )
    pattern = rb"<propSet><name>" + name + rb"</name>.*?</propSet>"
    return re.sub(pattern, fault, body, flags=re.DOTALL)
