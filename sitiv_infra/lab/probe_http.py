"""One HTTP request on a connection of its own, within a bound of time, and what became of it."""

from __future__ import annotations

import asyncio
import errno
import io
import ssl
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException, HTTPResponse, IncompleteRead, RemoteDisconnected
from pathlib import Path
from typing import Literal

from sitiv_infra.lab.probe_targets import Door, content
from sitiv_infra.report.continuity.records import Record

MOST_BYTES = 1 << 20
CREATED, OK, NOT_FOUND, REDIRECTS = 201, 200, 404, range(200, 400)
FAILURES = (OSError, HTTPException, EOFError)  # what an exchange may raise


@dataclass(frozen=True)
class Ask:
    """A request to make: ``name`` is a document's, empty for the service's first page."""

    kind: Literal["put", "get", "verify"]
    service: str
    door: Door
    name: str = ""

    @property
    def path(self) -> str:
        """Path of what is asked for."""
        return f"/documents/{self.name}" if self.name else "/"

    def message(self) -> bytes:
        """Write the request as it goes over the wire."""
        body = content(self.name) if self.kind == "put" else b""
        lines = [
            f"{'PUT' if self.kind == 'put' else 'GET'} {self.path} HTTP/1.1",
            f"Host: {self.door.authority}",
            "User-Agent: sitiv-probe",
            "Connection: close",
            *([f"Content-Length: {len(body)}"] if body else []),
        ]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def judge(self, status: int, body: bytes) -> str:
        """Say what is wrong with an answer; nothing when it is as it should be."""
        if self.kind == "put":
            return "" if status == CREATED else "status"
        if not self.name:
            return "" if status == OK or (not self.door.tls and status in REDIRECTS) else "status"
        if status == NOT_FOUND:
            return "missing"
        if status != OK:
            return "status"
        return "" if body == content(self.name) else "content"


class _Raw:
    """What the standard library's parser of answers takes for a socket."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self._raw)


@dataclass(frozen=True)
class Client:
    """Makes requests; ``timeout`` bounds each one whole, from connecting to the last byte."""

    ca_file: Path
    timeout: float
    tls: ssl.SSLContext = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Trust the lab's authority and nobody else."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        object.__setattr__(self, "tls", context)

    async def ask(self, ask: Ask, lag: float = 0.0) -> Record:
        """Make a request, and tell what became of it; no failure of it is raised."""
        at, start = datetime.now(UTC), time.monotonic()
        status, error = None, ""
        try:
            status, body = parsed(await self._exchange(ask), ask.kind)
            error = ask.judge(status, body)
        except FAILURES as failure:
            error = word(failure)
        return Record(
            at=at, monotonic=start, kind=ask.kind, service=ask.service, door=str(ask.door),
            seconds=time.monotonic() - start, name=ask.name, status=status, error=error, lag=lag,
        )  # fmt: skip

    async def _exchange(self, ask: Ask) -> bytes:
        door = ask.door
        tls, name = (self.tls, door.host) if door.tls else (None, None)
        async with asyncio.timeout(self.timeout):
            reader, writer = await asyncio.open_connection(
                door.address, door.port, ssl=tls, server_hostname=name
            )
            try:
                writer.write(ask.message())
                await writer.drain()
                return await _whole(reader)
            finally:
                writer.transport.abort()


async def _whole(reader: asyncio.StreamReader) -> bytes:
    """Read until the server closes."""
    parts, size = [], 0
    while size < MOST_BYTES:
        part = await reader.read(MOST_BYTES)
        if not part:
            break
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def parsed(raw: bytes, kind: str) -> tuple[int, bytes]:
    """Give status and body of an answer; HTTPException when it is cut short or is no answer."""
    method = "PUT" if kind == "put" else "GET"
    response = HTTPResponse(_Raw(raw), method=method)  # type: ignore[arg-type]  # it only reads
    if raw and b"\r\n\r\n" not in raw:
        raise IncompleteRead(raw)
    response.begin()
    return response.status, response.read()


NAMES: tuple[tuple[type[BaseException], str], ...] = (  # the first that fits
    (TimeoutError, "timeout"),
    (ssl.SSLCertVerificationError, "certificate"),
    (ssl.SSLError, "tls"),
    (RemoteDisconnected, "closed"),
    (ConnectionResetError, "ECONNRESET"),  # asyncio raises it without its number
)


def word(failure: BaseException) -> str:
    """Name a failure in one word: the system's own name of an error where it has one."""
    for kind, name in NAMES:
        if isinstance(failure, kind):
            return name
    if isinstance(failure, OSError):
        return errno.errorcode.get(failure.errno or 0, type(failure).__name__)
    return "garbled"
