"""A web server with several virtual hosts, with or without TLS, on any addresses and ports."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.process import Held, Server, answers, program

HEAD = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
  access_log off;
  server_tokens off;
  client_body_temp_path {folder}/temp;
  proxy_temp_path {folder}/temp;
  fastcgi_temp_path {folder}/temp;
  uwsgi_temp_path {folder}/temp;
  scgi_temp_path {folder}/temp;
"""
PLAIN = "  server {{ listen {listen}; server_name {host}; return 200 'lab'; }}\n"
TLS = """  server {{
    listen {listen} ssl; server_name {host};
    ssl_certificate {certificate}; ssl_certificate_key {key};
    return 200 'lab';
  }}
"""


@dataclass(frozen=True)
class Host:
    """A virtual host; ``files`` are its certificate and key, None for a port without TLS."""

    name: str
    address: str
    port: int
    files: tuple[Path, Path] | None = None

    @property
    def listen(self) -> str:
        """Address and port as nginx writes them."""
        version = ip_address(self.address).version
        return f"{self.address}:{self.port}" if version == 4 else f"[{self.address}]:{self.port}"


class NginxServer(Held):
    """An nginx in the foreground, ended on leaving."""

    def __init__(
        self, folder: Path, hosts: Sequence[Host], namespace: Namespace | None = None
    ) -> None:
        self.folder = folder
        self.hosts = tuple(hosts)
        self.namespace = namespace
        self.server: Server | None = None

    def start(self) -> None:
        """Start, and wait until every port answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        configuration = self.folder / "nginx.conf"
        configuration.write_text(self._configuration(), encoding="utf-8")
        command = [
            program("nginx"),
            "-p",
            str(self.folder),
            "-c",
            str(configuration),
            "-e",
            "stderr",
        ]
        name = self.namespace.name if self.namespace else None
        self.server = Server(command, self.folder / "nginx.log", namespace=name)
        self.server.wait(self._ready)

    def stop(self) -> None:
        """End the server."""
        if self.server is not None:
            self.server.stop()

    def _configuration(self) -> str:
        text = HEAD.format(folder=self.folder)
        for host in self.hosts:
            if host.files is None:
                text += PLAIN.format(listen=host.listen, host=host.name)
            else:
                certificate, key = host.files
                text += TLS.format(
                    listen=host.listen, host=host.name, certificate=certificate, key=key
                )
        return text + "}\n"

    def _ready(self) -> bool:
        with self.namespace.inside() if self.namespace else nullcontext():
            return all(answers(*end) for end in {(h.address, h.port) for h in self.hosts})
