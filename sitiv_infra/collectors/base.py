"""What a collector is, and what it is given: it only reads, within bounds."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sitiv_infra.estate import Estate, Source
from sitiv_infra.facts import Facts
from sitiv_infra.secrets import Secrets


@dataclass(frozen=True)
class Session:
    """What a collector may use to read one source.

    timeout -- seconds for one operation: a connection, an answer. ca_file -- trust anchors beside
    the system's. known_hosts -- SSH host keys. ssh_config -- OpenSSH's configuration. drift --
    folder of what runs in check mode left. Secrets are asked for by name and never stored.
    """

    estate: Estate
    secrets: Secrets
    timeout: float
    ca_file: Path | None = None
    known_hosts: Path | None = None
    ssh_config: Path | None = None
    drift: Path | None = None

    def secret(self, name: str | None) -> str:
        """Give a secret by name; NotObserved says where it was looked for."""
        return self.secrets.get(name)

    def tls(self) -> ssl.SSLContext:
        """Give a context that verifies chain and name, TLS 1.2 or newer."""
        context = ssl.create_default_context()
        if self.ca_file is not None:
            context.load_verify_locations(self.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


@dataclass(frozen=True)
class Collector:
    """One family: how its sources are read.

    ``collect`` raises NotObserved, or anything else, when the source can't be read: the observer
    turns it into a gap. ``reads`` says in a few words what is read, for ``--dry-run``.
    """

    family: str
    reads: str
    collect: Callable[[Any, Session], Facts]

    def __call__(self, source: Source, session: Session) -> Facts:
        """Read one source."""
        return self.collect(source, session)
