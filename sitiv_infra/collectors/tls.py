"""The certificate that a port shows for a host name, and why it isn't to be trusted if it isn't."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime

from cryptography import x509

from sitiv_infra.facts import Unread
from sitiv_infra.facts.exposure import Certificate, Endpoint

NOT_YET_VALID, EXPIRED = 9, 10  # X509_V_ERR_* of OpenSSL's x509_vfy.h, as are the others
NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of the same
CAUSES = {
    NOT_YET_VALID: "a certificate of its chain is not yet valid",
    EXPIRED: "a certificate of its chain has ended",
    18: "it is signed by itself",
    19: "its authority is not a known one",
    20: "its issuer is not known, or an intermediate certificate is missing",
    21: "its issuer is not known, or an intermediate certificate is missing",
    62: "it was issued for another name",
    64: "it was issued for another address",
}
Shown = tuple[bytes, str | None]


def endpoint(
    address: str, port: int, host: str, context: Callable[[], ssl.SSLContext], timeout: float
) -> Endpoint | None:
    """Ask one port for one host's certificate, in at most three connections.

    context -- makes a context that verifies. Gives None where nothing accepts a connection, and
    Unread in the place of the certificate where no TLS is spoken.
    """

    def ask(using: ssl.SSLContext) -> Shown:
        return _ask(address, port, host, using, timeout)

    try:
        (encoded, protocol), cause = _judged(ask, context)
        certificate: Certificate | Unread = _read(encoded, cause)
    except (ConnectionRefusedError, TimeoutError) as error:
        if isinstance(error, ConnectionRefusedError):
            return None
        certificate, protocol = Unread(unread="no answer in time"), None
    except (OSError, ValueError) as error:
        certificate, protocol = Unread(unread=f"no TLS: {_reason(error)}"), None
    return Endpoint(
        address=address, port=port, host=host, protocol=protocol, certificate=certificate
    )


def _judged(
    ask: Callable[[ssl.SSLContext], Shown], context: Callable[[], ssl.SSLContext]
) -> tuple[Shown, str | None]:
    """Ask with verification, and without it, to read the dates, where it fails."""
    try:
        return ask(context()), None
    except ssl.SSLCertVerificationError as error:
        why, code = _distrust(error), error.verify_code
    unverified = context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    shown = ask(unverified)
    if code in {EXPIRED, NOT_YET_VALID} and _out_of_date(shown[0]):
        return shown, _beside_dates(ask, context())
    return shown, why


def _distrust(error: ssl.SSLCertVerificationError) -> str:
    """Say in plain words why a certificate is not trusted."""
    return CAUSES.get(error.verify_code, error.verify_message)


def _beside_dates(ask: Callable[[ssl.SSLContext], Shown], context: ssl.SSLContext) -> str | None:
    """Say what else is wrong with a certificate that is out of date: dates are judged apart."""
    context.verify_flags |= NO_CHECK_TIME
    try:
        ask(context)
    except ssl.SSLCertVerificationError as error:
        return _distrust(error)
    return None


def _ask(address: str, port: int, host: str, context: ssl.SSLContext, timeout: float) -> Shown:
    with (
        socket.create_connection((address, port), timeout=timeout) as plain,
        context.wrap_socket(plain, server_hostname=host) as secured,
    ):
        return secured.getpeercert(binary_form=True) or b"", secured.version()


def _out_of_date(encoded: bytes) -> bool:
    certificate = x509.load_der_x509_certificate(encoded)
    now = datetime.now(UTC)
    return not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _read(encoded: bytes, cause: str | None) -> Certificate:
    certificate = x509.load_der_x509_certificate(encoded)
    return Certificate(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        distrusted=cause,
    )


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "handshake failed").replace("_", " ").lower()
    return getattr(error, "strerror", None) or type(error).__name__
