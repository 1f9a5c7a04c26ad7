from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import IPv4Network, ip_address
from pathlib import Path

import pytest

from sitiv_infra.collectors.base import Session
from sitiv_infra.collectors.exposure import COLLECTOR
from sitiv_infra.collectors.scan import sweep
from sitiv_infra.errors import NotObserved
from sitiv_infra.estate import Estate
from sitiv_infra.facts import ExposureFacts, Unread
from sitiv_infra.facts.exposure import Certificate, Endpoint
from sitiv_infra.secrets import Secrets
from sitiv_infra.testing import estate_of
from tests.servers.network import V4, V6, Face, Routed

SERVICES = """
services:
  web: {title: Web, domain: citizens, criticality: low, rpo: 1d, rto: 1d, zone: admin, sites: [a]}
"""
PORTS = "80,443,3389,8000-8500"


def estate(
    hosts: str = "", networks: str = f"[{V4}/32, {V6}/128]", timeout: str = "1min"
) -> Estate:
    lines = []
    for number, word in enumerate(hosts.split()):
        host, address, port = word.split("|")
        lines.append(
            f"  e{number}: {{address: '{address}', port: {port}, host: {host}, service: web,"
            " reason: a test, approved_by: the CISO}"
        )
    exposures = "exposures:\n" + "\n".join(lines) if lines else ""
    return estate_of(
        f"{SERVICES}\n{exposures}\nvantages:\n  outside: {{networks: {networks},"
        f" ports: '{PORTS}', observed_from: admin, timeout: {timeout}}}\n"
    )


def look(face: Face, declared: Estate, ca: Path | None = None) -> ExposureFacts:
    session = Session(declared, Secrets(environment={}), 5, ca or face.authority.ca_file)
    with face.namespace.inside():
        facts = COLLECTOR(declared.vantages["outside"], session)
    assert isinstance(facts, ExposureFacts)
    return facts


def shown(facts: ExposureFacts) -> dict[str, Certificate]:
    return {
        f"{e.host}|{e.port}": e.certificate
        for e in facts.endpoints
        if isinstance(e.certificate, Certificate)
    }


def test_open_ports_of_both_families(public_face: Face) -> None:
    facts = look(public_face, estate())
    found = {(p.address, p.port) for p in facts.open_ports}
    assert found == {
        (V4, 443), (V4, 3389), (V4, 8080), (V4, 8443), (V6, 443), (V6, 8006)
    }  # fmt: skip
    assert {p.port: p.service for p in facts.open_ports}[3389] == "ms-wbt-server"
    assert facts.scanned == (f"{V4}/32", f"{V6}/128")
    assert not facts.unread


def test_certificates_by_name(public_face: Face) -> None:
    names = ("portal", "mail", "old", "private", "wrong")
    seen: dict[str, Certificate] = {}
    for name in names:  # one address and port is declared once: one estate a name
        hosts = f"{name}.corbas.test|{V4}|443 both.corbas.test|{V4}|8443"
        seen |= shown(look(public_face, estate(hosts)))
    assert seen["portal.corbas.test|443"].distrusted is None
    assert seen["mail.corbas.test|443"].distrusted is None
    assert seen["old.corbas.test|443"].distrusted is None, "its dates are judged apart"
    assert seen["old.corbas.test|443"].not_after < seen["portal.corbas.test|443"].not_after
    assert "its authority" in str(seen["private.corbas.test|443"].distrusted)
    assert "another name" in str(seen["wrong.corbas.test|443"].distrusted)
    assert seen["both.corbas.test|8443"].distrusted is not None, "expired, and of an unknown CA"


def test_ipv6_certificate(public_face: Face) -> None:
    facts = look(public_face, estate(f"portal.corbas.test|{V6}|443"))
    assert shown(facts)["portal.corbas.test|443"].subject == "CN=portal.corbas.test"


def test_declared_port_outside_the_vantage_s_list_is_tried_too(public_face: Face) -> None:
    facts = look(public_face, estate(f"portal.corbas.test|{V4}|9999"))
    assert facts.ports == f"{PORTS},9999"
    assert not facts.endpoints


def test_no_tls_on_a_tls_port_is_unread(public_face: Face) -> None:
    (endpoint,) = look(public_face, estate(f"plain.corbas.test|{V4}|8080")).endpoints
    assert isinstance(endpoint.certificate, Unread)
    assert endpoint.certificate.unread.startswith("no TLS")


def test_a_port_that_never_answers_the_handshake_is_unread(public_face: Face) -> None:
    with public_face.namespace.inside(), silent(V4, 8123):
        facts = look(public_face, estate(f"mute.corbas.test|{V4}|8123"), None)
    (endpoint,) = facts.endpoints
    assert endpoint == Endpoint(
        address=V4, port=8123, host="mute.corbas.test", protocol=None,
        certificate=Unread(unread="no answer in time"),
    )  # fmt: skip


@contextmanager
def silent(address: str, port: int) -> Iterator[None]:
    with socket.create_server((address, port)) as server:
        held: list[socket.socket] = []
        ended = threading.Event()
        server.settimeout(0.1)

        def accept() -> None:
            while not ended.is_set():
                try:
                    held.append(server.accept()[0])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=accept)
        thread.start()
        yield
        ended.set()
        thread.join()
        for one in held:
            one.close()


def test_unknown_authority_is_distrusted(public_face: Face, tmp_path: Path) -> None:
    from sitiv_infra.lab.pki import Authority  # noqa: PLC0415 - only this test needs another one

    other = Authority(tmp_path / "stranger", "Stranger").ca_file
    facts = look(public_face, estate(f"portal.corbas.test|{V4}|443"), other)
    assert shown(facts)["portal.corbas.test|443"].distrusted is not None


def test_host_that_drops_everything_is_unread_not_closed(public_face: Face) -> None:
    public_face.namespace.filter("""
table inet dark {
  chain input {
    type filter hook input priority 0
    ip daddr 203.0.113.6 drop
  }
}
""")
    try:
        declared = estate(networks=f"[{V4}/32, 203.0.113.6/32]", timeout="1min")
        session = Session(declared, Secrets(environment={}), 5)
        vantage = declared.vantages["outside"].model_copy(
            update={"packets_per_second": 80, "timeout": timedelta(seconds=10)}
        )
        with public_face.namespace.inside():
            facts = COLLECTOR(vantage, session)
    finally:
        public_face.namespace.filter("")
    assert isinstance(facts, ExposureFacts)
    assert "not swept" in facts.unread["203.0.113.6"].unread
    assert not facts.looked_at(ip_address("203.0.113.6"))
    assert facts.looked_at(ip_address(V4)) or V4 in facts.unread


def test_nothing_swept_at_all_is_not_observed(public_face: Face) -> None:
    declared = estate(networks="[198.51.100.0/29]")
    with pytest.raises(NotObserved, match=r"no route to 198\.51\.100\.0/29"):
        look(public_face, declared)


def test_too_large_a_network_is_unread_but_its_declared_addresses_are_swept(
    public_face: Face,
) -> None:
    facts = look(
        public_face, estate(f"portal.corbas.test|{V6}|443", networks="['2001:db8:5::/64']")
    )
    assert facts.scanned == (f"{V6}/128",)
    assert "too large" in facts.unread["2001:db8:5::/64"].unread
    assert (V6, 443) in {(p.address, p.port) for p in facts.open_ports}


def test_addresses_that_nobody_has_on_the_same_wire_are_no_gap(routed: Routed) -> None:
    nets = [IPv4Network("10.1.0.248/29"), IPv4Network("10.1.0.1/32")]
    routed.firewall.filter("")
    with routed.left.inside():
        found = sweep(nets, "22,80", 1000, 30)
    assert not found.open_ports
    assert not found.unread


def test_a_scan_that_had_to_be_killed_is_not_observed(public_face: Face) -> None:
    declared = estate().vantages["outside"]
    nets = [net for net in declared.networks if net.version == 4]
    with public_face.namespace.inside(), pytest.raises(NotObserved, match="had not ended"):
        sweep(nets, "1-65535", 10, 0.3)


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ("#!/bin/sh\necho '<nmaprun><host>'", "not whole"),
        ("#!/bin/sh\necho '<nmaprun></nmaprun>'", "did not finish"),
        ("#!/bin/sh\necho 'it broke' >&2; exit 1", "it broke"),
    ],
)
def test_bad_answers_of_nmap(
    script: str, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nmap"
    program.write_text(script)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    nets = estate(networks="[127.0.0.1/32]").vantages["outside"].networks
    with pytest.raises(NotObserved, match=cause):
        sweep([net for net in nets if net.version == 4], "1", 100, 5)
