"""LDAP inside TLS, to read only: one verified connection, every wait bounded.

TLS is Python's, so that trust, names and causes are those of every other collector. The library
sees only the bytes inside, over a pair of sockets: libldap 2.5 built on GnuTLS, as Debian's is,
turns in circles for ever, whatever its timeouts, where a server accepts and then says nothing.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

from sitiv_infra.collectors.base import Session
from sitiv_infra.errors import NotObserved
from sitiv_infra.messages import noop

PAGE = 1000  # entries in one answer: the most that Active Directory gives by default
RANGE = 1500  # values in one answer: the same, for one attribute
CHUNK = 65_536
# Where the library would reconnect to by itself, in the clear, if this led anywhere.
NOWHERE = "ldapi://%2Fnonexistent"
# What Active Directory adds to a refused bind ("data 52e"), as Microsoft documents it.
REFUSALS: Mapping[str, str] = {
    "525": noop("no such account"),
    "52e": noop("wrong account or password"),
    "530": noop("not allowed to log on at this hour"),
    "531": noop("not allowed to log on from here"),
    "532": noop("its password has expired"),
    "533": noop("the account is disabled"),
    "701": noop("the account has expired"),
    "773": noop("its password must be changed first"),
    "775": noop("the account is locked out"),
}
OTHER_REFUSAL = noop("wrong account or password")

Attributes = Mapping[str, list[bytes]]


class Unreachable(NotObserved):
    """One server could not be used; another one of the same domain may be."""


class Refused(NotObserved):
    """The account was refused; trying again elsewhere would only help to lock it out."""


def library() -> Any:  # noqa: ANN401 - an untyped extra
    """Give python-ldap, which is an extra; NotObserved says how to get it."""
    try:
        import ldap  # noqa: PLC0415 - an extra
        import ldap.controls.libldap  # noqa: PLC0415 - an extra
    except ImportError:
        text = "reading directories is an extra: pip install 'sitiv-infra[directory]'"
        raise NotObserved(text) from None
    return ldap


@dataclass(frozen=True)
class Place:
    """One server; ``timeout`` bounds each wait in seconds, ``deadline`` (monotonic) the reading."""

    host: str
    port: int
    tls: ssl.SSLContext
    timeout: float
    deadline: float


def trust(session: Session) -> ssl.SSLContext:
    """Give the session's TLS context; NotObserved where its file of authorities is no good."""
    try:
        return session.tls()
    except ssl.SSLError:
        raise NotObserved(f"{session.ca_file} holds no certificate to trust") from None
    except OSError as error:
        text = f"{session.ca_file}, the authorities to trust, can't be read: {error.strerror}"
        raise NotObserved(text) from None


def secured(place: Place) -> ssl.SSLSocket:
    """Connect and verify chain and name; Unreachable with the cause."""
    raw: socket.socket | None = None
    try:
        raw = socket.create_connection((place.host, place.port), timeout=place.timeout)
        return place.tls.wrap_socket(raw, server_hostname=place.host)
    except ssl.SSLCertVerificationError as error:
        cause = f"the server's certificate was not verified: {error.verify_message}"
    except TimeoutError:
        cause = "no answer in time" if raw else "can't be reached: no connection in time"
    except ssl.SSLError as error:
        cause = f"no TLS with this server: {error.reason or error}"
    except OSError as error:
        cause = f"can't be reached: {error.strerror or error}"
    if raw is not None:
        raw.close()
    raise Unreachable(cause)


def relay(outside: ssl.SSLSocket, inside: socket.socket, place: Place) -> None:
    """Carry bytes both ways until either side ends, is idle for too long, or time is up.

    Both are ended then, which also frees the library where it waits for the rest of an answer.
    """
    idle = place.timeout + 1  # the library's own timeout first: it knows what it waits for
    with outside, inside, selectors.DefaultSelector() as selector, suppress(OSError):
        inside.settimeout(idle)
        selector.register(outside, selectors.EVENT_READ)
        selector.register(inside, selectors.EVENT_READ)
        while (left := place.deadline - monotonic()) > 0:
            # What TLS has already decrypted is no longer seen by the selector.
            seen = selector.select(0 if outside.pending() else min(idle, left))
            ready = {key.fileobj for key, _ in seen}
            if not ready and not outside.pending():
                return
            if inside in ready:
                data = inside.recv(CHUNK)
                if not data:
                    return
                outside.settimeout(idle)
                outside.sendall(data)
            if outside in ready or outside.pending():
                answer = _received(outside)
                if answer == b"":
                    return
                inside.sendall(answer or b"")


def _received(outside: ssl.SSLSocket) -> bytes | None:
    """Give what came, b"" at the end, or None where it was no whole record, or none of ours.

    It must not wait: TLS 1.3 sends tickets that hold no data, and the next request would starve.
    """
    outside.setblocking(False)
    try:
        return outside.recv(CHUNK)
    except ssl.SSLWantReadError:
        return None


@dataclass(frozen=True)
class Reader:
    """A bound connection; every method raises NotObserved with the cause."""

    ldap: Any
    link: Any
    timeout: float
    deadline: float

    def one(self, name: str, attributes: list[str]) -> Attributes:
        """Read one entry by its distinguished name; empty where it is not there, or hidden."""
        scope = self.ldap.SCOPE_BASE
        with explained(self.ldap):
            try:
                found = self.link.search_ext_s(
                    name, scope, "(objectClass=*)", attributes, timeout=self._left()
                )
            except self.ldap.NO_SUCH_OBJECT:
                return {}
        return _plain(found[0][1]) if found else {}

    def every(
        self, base: str, query: str, attributes: list[str]
    ) -> Iterator[tuple[str, Attributes]]:
        """Stream the entries below ``base`` that match, page by page, with their names."""
        control = self.ldap.controls.libldap.SimplePagedResultsControl(True, size=PAGE, cookie=b"")
        while True:
            entries, answers = self._page(base, query, attributes, control)
            # A referral to another partition has no name.
            yield from ((name, _plain(values)) for name, values in entries if name)
            cookies = [c.cookie for c in answers if c.controlType == control.controlType]
            control.cookie = cookies[0] if cookies else b""
            if not control.cookie:
                return

    def _page(
        self, base: str, query: str, attributes: list[str], control: object
    ) -> tuple[list[tuple[str | None, Any]], list[Any]]:
        scope = self.ldap.SCOPE_SUBTREE
        with explained(self.ldap):
            asked = self.link.search_ext(base, scope, query, attributes, serverctrls=[control])
            _, entries, _, answers = self.link.result3(asked, timeout=self._left())
        return entries, answers

    def values(self, name: str, attribute: str) -> Iterator[str]:
        """Stream the values of one attribute of one entry, range by range ([MS-ADTS] 3.1.1.3)."""
        first = 0
        while True:
            wanted = f"{attribute};range={first}-{first + RANGE - 1}"
            answer = self.one(name, [wanted])
            key = next((k for k in answer if k.startswith(f"{attribute.lower()};range=")), None)
            if key is None:  # no value, or a server that gives all at once
                yield from map(bytes.decode, answer.get(attribute.lower(), []))
                return
            yield from map(bytes.decode, answer[key])
            last = key.rpartition("-")[2]
            if last == "*":
                return
            first = int(last) + 1

    def _left(self) -> float:
        """Seconds that the next answer may take."""
        left = min(self.timeout, self.deadline - monotonic())
        if left <= 0:
            raise NotObserved("reading took longer than the source's timeout")
        return left


def _plain(values: Mapping[str, list[bytes]]) -> Attributes:
    return {name.lower(): found for name, found in values.items()}


@contextmanager
def reading(place: Place, account: str, password: str) -> Iterator[Reader]:
    """Connect and bind; yields a Reader, and closes whatever happens.

    Raises Unreachable or Refused before anything is read, NotObserved afterwards.
    """
    ldap = library()
    outside = secured(place)
    inside, end = socket.socketpair()
    threading.Thread(target=relay, args=(outside, inside, place), daemon=True, name="ldaps").start()
    link = ldap.initialize(NOWHERE, fileno=end.detach())
    try:
        link.set_option(ldap.OPT_REFERRALS, 0)
        link.set_option(ldap.OPT_TIMEOUT, place.timeout)
        link.set_option(ldap.OPT_NETWORK_TIMEOUT, place.timeout)
        _bind(ldap, link, account, password)
        yield Reader(ldap, link, place.timeout, place.deadline)
    finally:
        with suppress(ldap.LDAPError):  # the other side may be gone already
            link.unbind_s()


def _bind(ldap: Any, link: Any, account: str, password: str) -> None:  # noqa: ANN401 - untyped
    try:
        link.simple_bind_s(account, password)
    except ldap.INVALID_CREDENTIALS as error:
        code = _info(error).rpartition(" data ")[2].partition(",")[0].lower()
        reason = REFUSALS.get(code, OTHER_REFUSAL)
        cause = f"the account '{account}' was refused: {reason}"
        raise Refused(cause) from None
    except (ldap.TIMEOUT, ldap.SERVER_DOWN):
        cause = "no answer to the bind"
    except ldap.LDAPError as error:
        cause = f"the bind was refused: {_said(error)}"
    else:
        return
    raise Unreachable(cause)


@contextmanager
def explained(ldap: Any) -> Iterator[None]:  # noqa: ANN401 - untyped
    """Turn what a search can raise into NotObserved with a cause that a person understands."""
    try:
        yield
    except (ldap.TIMEOUT, ldap.TIMELIMIT_EXCEEDED):
        raise NotObserved("no answer in time to a search") from None
    except (ldap.SERVER_DOWN, ldap.CONNECT_ERROR):
        raise NotObserved(
            "the server ended the connection, or fell silent within an answer"
        ) from None
    except ldap.INSUFFICIENT_ACCESS:
        raise NotObserved("the account is not allowed to search this directory") from None
    except ldap.LDAPError as error:
        raise NotObserved(f"the directory refused a search: {_said(error)}") from None


def _info(error: Exception) -> str:
    details = error.args[0] if error.args else {}
    return str(details.get("info", "")) if isinstance(details, dict) else ""


def _said(error: Exception) -> str:
    details = error.args[0] if error.args else {}
    described = details.get("desc", "") if isinstance(details, dict) else ""
    return described or type(error).__name__
