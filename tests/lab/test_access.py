"""Keys, certificates and ways of a lab: made once, and mended where a killed command left half."""

from __future__ import annotations

import shutil
import stat
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from sitiv_infra.estate import Estate, load
from sitiv_infra.lab import place as module
from sitiv_infra.lab.access import Access
from sitiv_infra.lab.place import Place
from sitiv_infra.lab.scale import chosen
from sitiv_infra.testing import estate_of
from tests.servers.need import need

INVENTORY = Path(__file__).parents[2] / "inventory"
NAMES = ["bastion-*", "fw-a1", "sw-c1", "proxy-a1", "guichet-b1"]


@pytest.fixture(scope="module")
def estate() -> Estate:
    return chosen(load(INVENTORY / "lab" / "estate"), NAMES)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    need("ssh-keygen", "ssh", "nc")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    yield Place("keys")
    shutil.rmtree(tmp_path / "keys", ignore_errors=True)


def prepared(place: Place, estate: Estate) -> Access:
    access = Access(place, estate)
    access.prepare(list(estate.machines.values()))
    return access


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_everything_is_made_once(place: Place, estate: Estate) -> None:
    prepared(place, estate)
    first = contents(place.folder)
    prepared(place, estate)
    assert contents(place.folder) == first


def test_secrets_are_for_root_alone(place: Place, estate: Estate) -> None:
    access = prepared(place, estate)
    file = place.folder / "secrets.yml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(access.folder.stat().st_mode) == 0o700
    for key in [*place.folder.rglob("*.key"), access.folder / "id", access.folder / "audit"]:
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    known = yaml.safe_load(file.read_text())
    wanted = {s.credential for s in estate.sources.values() if s.credential}
    assert wanted | {"minio-root", "minio-kms", "app-guichet"} <= set(known)
    assert len(b64decode(known["minio-kms"])) == 32
    assert known["ssh-audit"] == str(access.folder / "audit"), "what is read by SSH has a key"
    values = [value for name, value in known.items() if name != "ssh-audit"]
    assert len(set(values)) == len(values)
    assert access.secrets() == known


def test_a_source_without_a_credential_needs_no_secret(place: Place) -> None:
    estate = estate_of("firewalls: {fw: {site: a, host: fw.test, observed_from: admin}}")
    assert "None" not in Access(place, estate).secrets()


def test_hosts_that_are_read_have_the_audit_key_whatever_its_name(place: Place) -> None:
    estate = estate_of("""
vlans: {v: {vid: 10, zone: admin, sites: [a], subnets: [10.1.0.0/24]}}
machines:
  web: {site: a, role: web, os: debian-12, interfaces: [{vlan: v, addresses: [10.1.0.5]}]}
hosts: {all: {account: svc-audit, credential: ssh-hosts, observed_from: admin}}
""")
    access = Access(place, estate)
    assert access.secrets()["ssh-hosts"] == str(access.folder / "audit")


def names_of(certificate: x509.Certificate) -> set[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = map(str, found.get_values_for_type(x509.IPAddress))
    return {*found.get_values_for_type(x509.DNSName), *addresses}


def test_certificates_are_for_what_a_machine_serves(place: Place, estate: Estate) -> None:
    access = prepared(place, estate)
    proxy, key = access.certificate(estate.machines["proxy-a1"])
    found = x509.load_pem_x509_certificates(proxy.read_bytes())
    authority = x509.load_pem_x509_certificate(access.authority.ca_file.read_bytes())
    assert found[1] == authority
    found[0].verify_directly_issued_by(authority)
    assert {"proxy-a1.lab.test", "proxy-a.lab.test", "guichet.lab.test", "10.10.10.11",
            "fd00:10:10::11", "localhost"} <= names_of(found[0])  # fmt: skip
    own = serialization.load_pem_private_key(key.read_bytes(), None)
    assert own.public_key() == found[0].public_key()
    firewall, _ = access.certificate(estate.machines["fw-a1"])
    (first, _) = x509.load_pem_x509_certificates(firewall.read_bytes())
    assert "guichet.lab.test" not in names_of(first)
    files = dict(access.files(estate.machines["fw-a1"]))
    assert files["etc/ssl/sitiv/host.pem.key"][1] == 0o600
    assert files["etc/ssh/ssh_host_ed25519_key"][1] == 0o600
    assert "fw-a1.lab.test" in files["etc/hosts"][0]


KILLED = ("pki/ca.key", "pki/ca.pem", "pki/fw-a1.lab.test.pem", "pki/fw-a1.lab.test.key",
          "ssh/id", "ssh/id.pub", "ssh/hosts/fw-a1", "ssh/hosts/fw-a1.pub", "secrets.yml",
          "ssh/config", "ssh/known_hosts")  # fmt: skip


@pytest.mark.parametrize("missing", KILLED)
def test_what_a_killed_command_did_not_make_is_made(
    place: Place, estate: Estate, missing: str
) -> None:
    """Files are written whole or not at all: what is not there is all that can be wrong."""
    prepared(place, estate)
    (place.folder / missing).unlink()
    access = prepared(place, estate)
    assert (place.folder / missing).read_bytes()
    for machine in estate.machines.values():
        for text, _ in dict(access.files(machine)).values():
            assert text.strip()
    certificate, key = access.certificate(estate.machines["fw-a1"])
    (own, _) = x509.load_pem_x509_certificates(certificate.read_bytes())
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    assert loaded.public_key() == own.public_key()


def test_no_file_is_ever_half_written(
    place: Place, estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file of the lab takes its name only when it is whole."""
    replaced: list[str] = []
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        replaced.append(target.name)
        assert self.read_bytes()
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    prepared(place, estate)
    made = {name.rpartition("/")[2] for name in contents(place.folder)}
    assert made == set(replaced)


def blocks(text: str) -> dict[str, dict[str, str]]:
    """Read an OpenSSH configuration: options by the first name of each Host."""
    found: dict[str, dict[str, str]] = {}
    here: dict[str, str] = {}
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "Host":
            here = found.setdefault(rest.split()[0], {})
        elif word and not word.startswith("#"):
            here[word] = rest
    return found


def test_hosts_are_reached_through_the_bastion_of_their_site(place: Place, estate: Estate) -> None:
    access = prepared(place, estate)
    ways = blocks((access.folder / "config").read_text())
    assert ways["fw-a1"]["ProxyJump"] == "bastion-a1"
    assert ways["guichet-b1"]["ProxyJump"] == "bastion-b1"
    assert ways["sw-c1"]["ProxyJump"] in {"bastion-a1", "bastion-b1"}, "its site has none"
    assert "sitiv-keys-station" in ways["bastion-b1"]["ProxyCommand"]
    assert "ProxyJump" not in ways["bastion-a1"]
    assert ways["*"]["StrictHostKeyChecking"] == "yes"
    assert ways["*"]["User"] == "ansible"
    audit = blocks((access.folder / "audit_config").read_text())
    assert audit["*"]["User"] == "svc-audit"
    assert audit["*"]["IdentityFile"] == str(access.folder / "audit")
    known = (access.folder / "known_hosts").read_text().splitlines()
    assert len(known) == len(estate.machines)
    assert any(
        line.startswith("fw-a1,fw-a1.lab.test,10.10.60.11,fd00:10:60::11,") for line in known
    )


def test_without_a_bastion_the_way_is_direct(place: Place, estate: Estate) -> None:
    small = chosen(estate, ["fw-a1"])
    access = prepared(place, small)
    assert "ProxyCommand" in blocks((access.folder / "config").read_text())["fw-a1"]
