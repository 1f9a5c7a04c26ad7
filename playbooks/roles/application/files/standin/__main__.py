"""The program: `python3 -m standin SETTINGS.json`, where systemd starts it."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from standin.stores import Documents, Store, Unavailable

LINGER = 3  # seconds from being told to stop to closing: the proxies have seen it by then
LARGEST = 32 * 1024 * 1024
NAME = re.compile(r"/documents/([A-Za-z0-9][A-Za-z0-9._-]{0,199})")


class Application(ThreadingHTTPServer):
    """Answers on IPv4 and IPv6, and counts the requests that are not yet answered."""

    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, settings: Mapping[str, Any], secret: str, runtime: Path) -> None:
        self.name = str(settings["name"])
        self.page = str(settings["page"]).encode()
        stores = [Store(endpoint, settings, secret) for endpoint in settings["stores"]]
        self.documents = Documents(stores) if stores else None
        self.leaving = threading.Event()
        self.active = 0
        self._counting = threading.Lock()
        self._drain = runtime / "drain"
        super().__init__(("::", int(settings["port"])), Handler)

    def server_bind(self) -> None:
        """Listen on IPv4 as well."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    @property
    def state(self) -> str:
        """Tell in a word whether this is a place to send requests to."""
        if self.leaving.is_set() or self._drain.exists():
            return "draining"
        return "ready" if self.documents is None or self.documents.up else "no store"

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Count a request while it lasts."""
        with self._counting:
            self.active += 1
        try:
            yield
        finally:
            with self._counting:
                self.active -= 1


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server: Application
    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True
    server_version = "standin"
    sys_version = ""

    def handle(self) -> None:
        """Answer until the client goes, however it goes."""
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        """Answer with the health, the page or a document."""
        if self.path == "/health":
            state = self.server.state
            body = {"service": self.server.name, "state": state, "active": self.server.active}
            good = state == "ready"
            status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, json.dumps(body).encode(), "application/json")
            return
        with self.server.busy():
            if self.path == "/":
                self._answer(HTTPStatus.OK, self.server.page, "text/html; charset=utf-8")
            else:
                self._document(None)

    def do_PUT(self) -> None:
        """Keep a document; 201 once it is kept."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self._refuse(HTTPStatus.LENGTH_REQUIRED)
        elif int(length) > LARGEST:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            with self.server.busy():
                body = self.rfile.read(int(length))
                if len(body) < int(length):
                    self.close_connection = True  # the client left
                else:
                    self._document(body)

    def _document(self, body: bytes | None) -> None:
        """Keep a document, or give it where there is no body."""
        named = NAME.fullmatch(self.path)
        documents = self.server.documents
        if named is None or documents is None:
            self._answer(HTTPStatus.NOT_FOUND)
            return
        try:
            if body is not None:
                documents.put(named[1], body)
                self._answer(HTTPStatus.CREATED)
            elif (found := documents.get(named[1])) is not None:
                self._answer(HTTPStatus.OK, found)
            else:
                self._answer(HTTPStatus.NOT_FOUND)
        except Unavailable as cause:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, str(cause).encode(), "text/plain")

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer without having read the body: what follows on the connection is no request."""
        self.close_connection = True
        self._answer(status)

    def _answer(
        self, status: HTTPStatus, body: bytes = b"", kind: str = "application/octet-stream"
    ) -> None:
        self.close_connection = self.close_connection or self.server.leaving.is_set()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", "default-src 'none'")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: the reverse proxies log requests."""


def tell_systemd(state: str) -> None:
    """Tell the service manager of a state, where there is one (sd_notify(3))."""
    if place := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(state.encode(), place.replace("@", "\0", 1))


def main() -> None:
    """Serve until told to stop; the settings are in the file given."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    credential = Path(os.environ.get("CREDENTIALS_DIRECTORY", ""), "s3-secret")
    secret = credential.read_text(encoding="utf-8").strip() if settings["stores"] else ""
    with Application(settings, secret, Path(os.environ["RUNTIME_DIRECTORY"])) as application:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: application.leaving.set())
        threading.Thread(target=application.serve_forever, args=(0.1,)).start()
        tell_systemd("READY=1")
        application.leaving.wait()
        tell_systemd("STOPPING=1")
        time.sleep(LINGER)
        application.shutdown()
        while application.active:  # systemd ends what lasts too long
            time.sleep(0.1)


if __name__ == "__main__":
    main()
