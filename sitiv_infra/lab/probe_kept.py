"""A connection that stays open: asked ten times a second, to see whether faults break it."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from http.client import HTTPConnection

from sitiv_infra.lab.probe_http import FAILURES, word
from sitiv_infra.lab.probe_targets import Door
from sitiv_infra.report.continuity.records import Record

PERIOD = 0.1
PATIENCE = 60.0  # seconds without an answer after which a connection is given up: TCP tries long
AGAIN = 0.5  # seconds between two tries to connect
MOST_BYTES = 1 << 20
OK = 200
Start = tuple[datetime, float]


class _Fixed(HTTPConnection):
    """A connection to a declared address, for a declared name."""

    def __init__(self, door: Door, tls: ssl.SSLContext, seconds: float) -> None:
        super().__init__(door.host, door.port, timeout=seconds)
        self._door, self._tls, self._seconds = door, tls, seconds

    def connect(self) -> None:
        """Connect; the certificate is verified for the name."""
        place = (self._door.address, self._door.port)
        self.sock = socket.create_connection(place, self._seconds)
        if self._door.tls:
            self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._door.host)
        self.sock.settimeout(PATIENCE)


class Kept(threading.Thread):
    """One connection after another to a door, each kept as long as it lives.

    It stands beside the event loop, so that nothing there delays it. ``tell`` is given a record of
    each exchange.
    """

    def __init__(
        self,
        service: str,
        door: Door,
        tls: ssl.SSLContext,
        tell: Callable[[Record], None],
        connecting: float,
    ) -> None:
        super().__init__(name=f"kept-{service}", daemon=True)
        self._service, self._door, self._tls, self._tell = service, door, tls, tell
        self._connecting = connecting
        self._over = threading.Event()
        self._link: _Fixed | None = None

    def run(self) -> None:
        """Keep connecting and asking until ``end`` is called."""
        number = 0
        while not self._over.is_set():
            link = self._link = _Fixed(self._door, self._tls, self._connecting)
            start = self._now()
            try:
                link.connect()
            except FAILURES as failure:
                self._say(start, None, word(failure))
                self._over.wait(AGAIN)
                continue
            finally:
                if link.sock is None:
                    link.close()
            number += 1
            self._follow(link, number)
            link.close()

    def _follow(self, link: _Fixed, number: int) -> None:
        """Ask on one connection until it ends."""
        error = ""
        while not self._over.is_set() and error in {"", "status"}:
            start = self._now()
            error, status = self._exchange(link)
            self._say(start, number, error, status)
            self._over.wait(max(0.0, PERIOD - (time.monotonic() - start[1])))

    def _exchange(self, link: _Fixed) -> tuple[str, int | None]:
        try:
            link.request("GET", "/", headers={"User-Agent": "sitiv-probe"})
            answer = link.getresponse()
            answer.read(MOST_BYTES)
        except FAILURES:
            return ("unanswered" if self._over.is_set() else "broken"), None
        if answer.will_close:
            return "closed", answer.status
        return ("" if answer.status == OK else "status"), answer.status

    def _now(self) -> Start:
        return datetime.now(UTC), time.monotonic()

    def _say(self, start: Start, number: int | None, error: str, status: int | None = None) -> None:
        seconds = time.monotonic() - start[1]
        self._tell(
            Record(
                at=start[0],
                monotonic=start[1],
                kind="kept",
                service=self._service,
                door=str(self._door),
                seconds=seconds,
                status=status,
                error=error,
                connection=number,
            )
        )

    def end(self) -> None:
        """End it, even while it waits for an answer."""
        self._over.set()
        link = self._link
        if link is not None and link.sock is not None:
            with suppress(OSError):
                link.sock.shutdown(socket.SHUT_RDWR)
        self.join(PATIENCE)
