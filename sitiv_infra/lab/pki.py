"""A certificate authority for servers of the lab; its keys never leave the machine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)


class Authority:
    """A CA in a folder: ``ca_file`` is what clients trust."""

    def __init__(self, folder: Path, name: str = "Lab CA") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.ca_file = folder / "ca.pem"
        key_file = folder / "ca.key"
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        if key_file.exists() and self.ca_file.exists():
            known = serialization.load_pem_private_key(key_file.read_bytes(), None)
            if isinstance(known, ec.EllipticCurvePrivateKey):
                self._key = known
                return
        self._key = ec.generate_private_key(ec.SECP256R1())
        _store(key_file, self._key)
        _write(self.ca_file, _pem(self._certify()))

    def _certify(self) -> x509.Certificate:
        """Sign the authority's own certificate, for ten years."""
        now = datetime.now(UTC)
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True,
            content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        return (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + 3650 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )

    def issue(
        self, *names: str, valid: timedelta = 90 * DAY, age: timedelta = DAY
    ) -> tuple[Path, Path]:
        """Issue a server certificate for names and addresses; give (certificate, key) files.

        valid -- time from now to its end, negative for an expired one; age -- time since its start.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])]))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - age if valid > -age else now + valid - age)
            .not_valid_after(now + valid)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([_general(n) for n in names]), critical=False
            )
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        stem = names[0].replace("*", "any").replace(":", "-")
        files = self.folder / f"{stem}.pem", self.folder / f"{stem}.key"
        files[0].unlink(missing_ok=True)  # never beside another certificate's key
        _store(files[1], key)
        _write(files[0], _pem(certificate) + self.ca_file.read_bytes())
        return files


def _store(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write(path, text, 0o600)


def _write(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file whole or not at all: what runs may be killed at any moment."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.touch(mode=mode)
    fresh.write_bytes(content)
    fresh.replace(path)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
