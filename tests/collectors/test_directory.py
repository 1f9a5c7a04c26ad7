from __future__ import annotations

import shutil
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, sleep

import pytest

from sitiv_infra.collectors import ldaps
from sitiv_infra.collectors.ad_values import domain_of, filetime, first_name, generalized, sid
from sitiv_infra.collectors.directory import COLLECTOR, closure
from sitiv_infra.collectors.ldaps import Place, reading, trust
from sitiv_infra.errors import NotObserved
from sitiv_infra.estate import Estate
from sitiv_infra.facts import DirectoryFacts, Unread
from sitiv_infra.facts.directory import Accounts, Privileged
from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.pki import Authority
from sitiv_infra.lab.samba import PRINTER, SCANNER, SambaDc
from tests.servers.need import need
from tests.servers.samba import ADDRESS, SILENT, Domain, declared, session_of

Serve = Callable[..., int]
CLOSED = "127.0.31.9"
CANARY = "Canary-Passw0rd"
SOCKETS = shutil.ignore_patterns("msg.*", "ldapi", "ldap_priv", "ncalrpc")
COMPATIBLE = "Pre-Windows 2000 Compatible Access"


def collect(domain: Domain) -> DirectoryFacts:
    facts = COLLECTOR(domain.source, domain.session)
    assert isinstance(facts, DirectoryFacts)
    assert domain.password not in facts.model_dump_json()
    return facts


def cause(
    estate: Estate, password: str = CANARY, ca_file: Path | None = None, timeout: float = 10
) -> str:
    session = session_of(estate, password, ca_file, timeout)
    with pytest.raises(NotObserved) as caught:
        COLLECTOR(estate.directories["corbas"], session)
    assert password not in str(caught.value)
    return str(caught.value)


def privileged(facts: DirectoryFacts) -> Privileged:
    assert isinstance(facts.privileged, Privileged)
    return facts.privileged


def names(facts: DirectoryFacts) -> list[str]:
    return [account.name for account in privileged(facts).accounts]


# What is read of single values.


def test_sid() -> None:
    raw = bytes([1, 5]) + (5).to_bytes(6, "big") + struct.pack("<5I", 21, 1, 2, 4294967295, 500)
    assert sid(raw) == "S-1-5-21-1-2-4294967295-500"
    assert sid(bytes([1, 1]) + (5).to_bytes(6, "big") + struct.pack("<I", 11)) == "S-1-5-11"


@pytest.mark.parametrize("raw", [b"", b"\x01", b"\x01\x05" + bytes(10), b"S-1-5-32-544"])
def test_not_a_sid(raw: bytes) -> None:
    assert sid(raw) is None


def test_filetime() -> None:
    assert filetime(b"116444736000000000") == datetime(1970, 1, 1, tzinfo=UTC)
    assert filetime(b"134397963142301000") == datetime(2026, 11, 22, 4, 45, 14, 230100, tzinfo=UTC)


@pytest.mark.parametrize("value", [b"0", b"9223372036854775807", b"-1", b"9223372036854775806"])
def test_filetime_that_is_no_date(value: bytes) -> None:
    assert filetime(value) is None


def test_generalized_time() -> None:
    assert generalized(b"20261121020304.0Z") == datetime(2026, 11, 21, 2, 3, 4, tzinfo=UTC)
    with pytest.raises(ValueError, match="does not match"):
        generalized(b"yesterday")


def test_names() -> None:
    assert first_name(r"CN=Martin\, Alex,OU=A\,B,DC=corbas,DC=test") == "Martin, Alex"
    assert first_name("CN=S-1-5-11,CN=ForeignSecurityPrincipals,DC=corbas,DC=test") == "S-1-5-11"
    assert domain_of("DC=Corbas,DC=test") == "corbas.test"


def test_closure_follows_nesting_and_survives_a_loop() -> None:
    groups = {"cn=a": "A", "cn=b": "B", "cn=c": "C", "cn=d": "D"}
    members = {"A": ["CN=b", "CN=x"], "B": ["CN=C"], "C": ["CN=a", "CN=y"], "D": ["CN=z"]}
    found = closure(["A"], lambda group: members[group], groups)
    assert found.groups == {"A", "B", "C"}
    assert found.others == {"CN=x", "CN=y"}


# A good day.


def test_a_good_day(domain: Domain) -> None:
    facts = collect(domain)
    assert facts.server == ADDRESS
    assert abs(facts.server_time - datetime.now(UTC)) < timedelta(minutes=5)
    assert (facts.domain_level, facts.forest_level) == (7, 7)
    assert facts.machine_account_quota == 0
    assert facts.guest_enabled is False
    assert isinstance(facts.krbtgt_password_set, datetime)
    assert facts.server_time - facts.krbtgt_password_set < timedelta(days=2)
    assert isinstance(facts.accounts, Accounts)
    assert facts.accounts.enabled >= 4
    assert facts.accounts.hidden == 0
    assert names(facts) == ["Administrator"]
    assert privileged(facts).unseen == ()


def test_the_server_is_closed_and_no_thread_is_left(domain: Domain) -> None:
    collect(domain)
    for thread in threading.enumerate():
        if thread.name == "ldaps":
            thread.join(10)
            assert not thread.is_alive()


def test_privileges_through_nested_groups_and_a_loop(domain: Domain) -> None:
    with (
        domain.group("inner", domain.dn(SCANNER)) as inner,
        domain.group("outer", inner) as outer,
    ):
        domain.change("inner", "add: member", f"member: {outer}")
        domain.change("Domain Admins", "add: member", f"member: {outer}")
        assert names(collect(domain)) == ["Administrator", SCANNER]
    assert names(collect(domain)) == ["Administrator"]


def test_privileges_through_the_primary_group(domain: Domain) -> None:
    admins = "Domain Admins"
    domain.change(admins, "add: member", f"member: {domain.dn(PRINTER)}")
    try:
        domain.change(PRINTER, "replace: primaryGroupID", "primaryGroupID: 512")
        assert names(collect(domain)) == ["Administrator", PRINTER]
    finally:
        domain.change(PRINTER, "replace: primaryGroupID", "primaryGroupID: 513")
        domain.change(admins, "delete: member", f"member: {domain.dn(PRINTER)}")


def test_privileges_do_not_hang_on_a_name(domain: Domain) -> None:
    with domain.group("Admins du domaine", domain.dn(SCANNER)):
        assert names(collect(domain)) == ["Administrator"]


def test_a_disabled_member_is_no_danger_tonight(domain: Domain) -> None:
    with domain.group("helpers", domain.dn(SCANNER)) as helpers:
        domain.change(
            "Backup Operators", "add: member", f"member: {helpers}", container="CN=Builtin"
        )
        domain.change(SCANNER, "replace: userAccountControl", "userAccountControl: 514")
        try:
            facts = collect(domain)
        finally:
            domain.change(SCANNER, "replace: userAccountControl", "userAccountControl: 512")
        assert names(facts) == ["Administrator"]
        assert privileged(facts).unseen == ()
        assert names(collect(domain)) == ["Administrator", SCANNER]


def test_a_member_of_another_domain_is_told(domain: Domain) -> None:
    foreign = "S-1-5-21-11-22-33-1105"
    domain.dc.modify(
        f"dn: {domain.dn('Administrators', 'CN=Builtin')}\nchangetype: modify\n"
        f"add: member\nmember: <SID={foreign}>\n"
    )
    try:
        assert privileged(collect(domain)).unseen == (foreign,)
    finally:
        name = domain.dn(foreign, "CN=ForeignSecurityPrincipals")
        domain.dc.modify(f"dn: {name}\nchangetype: delete\n")


# Sizes.


def test_pages_and_ranges_give_the_same(domain: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
    with domain.group("many", domain.dn(SCANNER), domain.dn(PRINTER), domain.dn("audit")) as many:
        domain.change("Server Operators", "add: member", f"member: {many}", container="CN=Builtin")
        whole = collect(domain)
        monkeypatch.setattr(ldaps, "PAGE", 3)
        monkeypatch.setattr(ldaps, "RANGE", 2)
        pieces = collect(domain)
    assert names(whole) == ["Administrator", "audit", PRINTER, SCANNER]
    assert pieces.model_copy(update={"server_time": whole.server_time}) == whole


def test_more_values_than_one_range(domain: Domain) -> None:
    count = 2 * ldaps.RANGE + 100
    domain.change(
        SCANNER, "replace: otherTelephone", *(f"otherTelephone: {n}" for n in range(count))
    )
    try:
        place = Place(ADDRESS, 636, trust(domain.session), 10, monotonic() + 60)
        with reading(place, "audit@corbas.test", domain.password) as reader:
            first = reader.one(domain.dn(SCANNER), [f"otherTelephone;range=0-{ldaps.RANGE - 1}"])
            values = list(reader.values(domain.dn(SCANNER), "otherTelephone"))
    finally:
        domain.change(SCANNER, "replace: otherTelephone")
    assert [len(found) for found in first.values()] == [ldaps.RANGE]
    assert sorted(map(int, values)) == list(range(count))


# Rights.


def test_hidden_attributes_are_unread_and_never_a_default(domain: Domain) -> None:
    everyone = domain.dn("S-1-5-11", "CN=ForeignSecurityPrincipals")
    domain.change(COMPATIBLE, "replace: member", container="CN=Builtin")
    try:
        facts = collect(domain)
    finally:
        domain.change(COMPATIBLE, "add: member", f"member: {everyone}", container="CN=Builtin")
    assert facts.krbtgt_password_set == Unread(
        unread="the attribute 'pwdLastSet' is not visible to the account"
    )
    assert isinstance(facts.guest_enabled, Unread)
    assert isinstance(facts.accounts, Accounts)
    assert facts.accounts.hidden >= 4
    assert names(facts) == []
    assert privileged(facts).unseen == ("Administrator",)


# Bad days.


def test_wrong_password(domain: Domain) -> None:
    text = cause(domain.estate, ca_file=domain.authority.ca_file)
    assert text == "the account 'audit@corbas.test' was refused: wrong account or password"


def test_a_refused_account_is_not_tried_on_the_next_server(domain: Domain) -> None:
    text = cause(declared(ADDRESS, CLOSED), ca_file=domain.authority.ca_file)
    assert "wrong account or password" in text
    assert CLOSED not in text


def test_disabled_account(domain: Domain) -> None:
    domain.change("audit", "replace: userAccountControl", "userAccountControl: 514")
    try:
        text = cause(domain.estate, domain.password, domain.authority.ca_file)
    finally:
        domain.change("audit", "replace: userAccountControl", "userAccountControl: 512")
    assert text.endswith("was refused: the account is disabled")


def test_no_account() -> None:
    estate = declared(CLOSED)
    source = estate.directories["corbas"].model_copy(update={"account": None})
    with pytest.raises(NotObserved, match="no account is declared"):
        COLLECTOR(source, session_of(estate, CANARY, None))


def test_the_next_server_is_used(domain: Domain) -> None:
    estate = declared(CLOSED, ADDRESS)
    session = session_of(estate, domain.password, domain.authority.ca_file)
    facts = COLLECTOR(estate.directories["corbas"], session)
    assert isinstance(facts, DirectoryFacts)
    assert facts.server == ADDRESS


def test_stopped_server(domain: Domain) -> None:
    domain.dc.stop()
    try:
        text = cause(domain.estate, domain.password, domain.authority.ca_file)
    finally:
        domain.dc.start()
    assert text == "can't be reached: Connection refused"
    assert names(collect(domain)) == ["Administrator"]


def test_every_server_has_its_cause(domain: Domain) -> None:
    estate = declared(ADDRESS, "no-such-host.invalid")
    text = cause(estate, domain.password)
    assert text.startswith("none of the servers could be read: ")
    assert f"{ADDRESS}: the server's certificate was not verified" in text
    assert "no-such-host.invalid: can't be reached: " in text


def test_untrusted_authority(domain: Domain) -> None:
    text = cause(domain.estate, domain.password)
    assert text.startswith("the server's certificate was not verified: self-signed certificate")


def test_certificate_for_another_name(domain: Domain) -> None:
    domain.dc.certify("dc9.elsewhere.test")
    domain.dc.restart()
    try:
        text = cause(domain.estate, domain.password, domain.authority.ca_file)
    finally:
        domain.dc.certify()
        domain.dc.restart()
    assert text.startswith("the server's certificate was not verified: IP address mismatch")


def test_file_of_authorities_is_no_good(domain: Domain, tmp_path: Path) -> None:
    assert "can't be read: No such file" in cause(domain.estate, ca_file=tmp_path / "none.pem")
    (tmp_path / "empty.pem").write_text("not a certificate\n")
    text = cause(domain.estate, ca_file=tmp_path / "empty.pem")
    assert text.endswith("empty.pem holds no certificate to trust")


def test_another_domain(domain: Domain) -> None:
    source = domain.source.model_copy(update={"domain": "givors.test"})
    with pytest.raises(NotObserved, match=r"holds the domain corbas\.test, not givors\.test"):
        COLLECTOR(source, domain.session)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ldap", None)
    assert "pip install 'sitiv-infra[directory]'" in cause(declared(CLOSED))


# Servers that misbehave.


SOON = 3.0  # seconds: enough for a busy machine to come as far as the silence


def server_tls(authority: Authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue(SILENT))
    return context


def test_a_server_that_never_answers(bad_server: Serve) -> None:
    port = bad_server(lambda _: None)
    assert cause(declared(SILENT, port=port), timeout=SOON) == "no answer in time"


def test_no_answer_inside_tls(bad_server: Serve, authority: Authority) -> None:
    port = bad_server(lambda _: None, server_tls(authority))
    text = cause(declared(SILENT, port=port), ca_file=authority.ca_file, timeout=SOON)
    assert text == "no answer to the bind"


def test_a_server_that_hangs_up(bad_server: Serve, authority: Authority) -> None:
    port = bad_server(lambda link: link.recv(1000), server_tls(authority))
    text = cause(declared(SILENT, port=port), ca_file=authority.ca_file)
    assert text == "no answer to the bind"


@pytest.mark.parametrize(
    "noise",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", bytes(64), b"\x30\x84\x7f\xff\xff\xff", b"\xff" * 4096],
)
def test_noise_inside_tls(bad_server: Serve, authority: Authority, noise: bytes) -> None:
    port = bad_server(lambda link: link.sendall(noise), server_tls(authority))
    text = cause(declared(SILENT, port=port), ca_file=authority.ca_file, timeout=SOON)
    assert text.startswith(("no answer to the bind", "the bind was refused: "))


def test_noise_instead_of_tls(bad_server: Serve) -> None:
    port = bad_server(lambda link: link.sendall(b"220 mail.corbas.test ESMTP\r\n"))
    assert cause(declared(SILENT, port=port)).startswith("no TLS with this server: ")


BOUND = bytes.fromhex("300c02010161070a010004000400")  # bindResponse: success, message 1


def test_silence_after_the_bind(bad_server: Serve, authority: Authority) -> None:
    port = bad_server(lambda link: link.sendall(BOUND), server_tls(authority))
    text = cause(declared(SILENT, port=port), ca_file=authority.ca_file, timeout=SOON)
    assert text == "no answer in time to a search"


def test_an_answer_in_drops_ends_with_the_sources_time(
    bad_server: Serve, authority: Authority
) -> None:
    def drip(link: socket.socket) -> None:
        link.sendall(b"\x30\x84\x00\xff\xff\xff")
        while True:
            link.sendall(b"\x04")
            sleep(0.05)

    estate = declared(SILENT, port=bad_server(drip, server_tls(authority)))
    source = estate.directories["corbas"].model_copy(update={"timeout": timedelta(seconds=1)})
    began = monotonic()
    with pytest.raises(NotObserved, match="no answer to the bind"):
        COLLECTOR(source, session_of(estate, CANARY, authority.ca_file, 5))
    assert monotonic() - began < 20


def test_the_password_never_leaves_in_the_clear(bad_server: Serve, authority: Authority) -> None:
    """After a lost connection nothing is opened again: libldap would, without TLS."""
    heard: list[bytes] = []

    def listen(link: socket.socket) -> object:
        heard.append(link.recv(4096))
        return True

    port = bad_server(listen)
    cause(declared(SILENT, port=port), ca_file=authority.ca_file)
    assert len(heard) == 1
    assert heard[0][:1] == b"\x16"  # a TLS handshake
    assert CANARY.encode() not in heard[0]


# The lab.


def test_two_controllers_side_by_side(domain: Domain, tmp_path: Path) -> None:
    need("ip", root=True)
    address = "192.0.2.31"
    shutil.copytree(domain.dc.folder, tmp_path / "dc", ignore=SOCKETS)
    estate = declared(address)
    session = session_of(estate, domain.password, domain.authority.ca_file)
    with Namespace("twins", [f"{address}/32", "192.0.2.32/32"]) as space:
        dc = SambaDc(
            tmp_path / "dc", "corbas.test", address, domain.authority, namespace=space.name
        )
        dc.certify()
        dc.start()
        try:
            with space.inside():
                seen = COLLECTOR(estate.directories["corbas"], session)
        finally:
            dc.stop()
    assert isinstance(seen, DirectoryFacts)
    assert seen.server == address
    assert names(collect(domain)) == names(seen)
