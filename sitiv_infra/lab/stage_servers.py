"""The stage's own process: starts the servers of a plan, then obeys its standard input.

It runs inside the stage's network namespace, so that names resolve as the estate says. A line
``stop SOURCE`` ends one server; the end of the input ends them all.
"""

from __future__ import annotations

import os
import pickle
import secrets
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import yaml

from sitiv_infra.estate import Backup, Directory, ObjectStore
from sitiv_infra.lab.minio import Keys, MinioServer, audit_policy
from sitiv_infra.lab.nginx import Host, NginxServer
from sitiv_infra.lab.pki import Authority
from sitiv_infra.lab.plan import PublicPort
from sitiv_infra.lab.process import LabError, Server
from sitiv_infra.lab.restic import Repository
from sitiv_infra.lab.samba import SambaDc
from sitiv_infra.lab.sshd import SshServer, make_key
from sitiv_infra.lab.stage import Order, addresses
from sitiv_infra.lab.vcsim import Settings, Vcsim, networks_as_declared


@dataclass
class Servers:
    """What runs: how each source is stopped, the secrets that open it, its process."""

    order: Order
    authority: Authority
    stack: ExitStack
    secrets: dict[str, str] = field(default_factory=dict)
    ends: dict[str, Callable[[], None]] = field(default_factory=dict)
    processes: dict[str, Server] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Look addresses up by name."""
        self.address = dict(addresses(self.order.estate))

    def keep(self, source: str, stop: Callable[[], None]) -> None:
        """Remember how to end a source's server, and end it when all is over."""
        self.ends[source] = stop
        self.stack.callback(stop)

    def word(self, name: str | None) -> str:
        """Make up the secret of a credential, strong enough for a directory's policy."""
        if name is None:
            raise LabError("a source of the stage has no credential")
        return self.secrets.setdefault(name, f"{secrets.token_urlsafe(18)}-Aa1")

    def start(self) -> None:
        """Start everything that the plan does not leave down."""
        for step in (_stores, _vcenters, _ports, _firewalls, _directories):
            step(self)
        file = self.order.folder / "secrets.yml"
        file.touch(mode=0o600)
        file.write_text(yaml.safe_dump(self.secrets), encoding="utf-8")


def _up(servers: Servers, source: str) -> bool:
    print(source, file=sys.stderr)
    return source not in servers.order.plan.down


def _stores(servers: Servers) -> None:
    estate, plan = servers.order.estate, servers.order.plan
    running: dict[str, MinioServer] = {}
    for store in estate.object_stores.values():
        host, _, port = store.endpoint.removeprefix("https://").partition(":")
        folder = servers.order.folder / store.name
        server = MinioServer(folder, servers.authority, at=(host, int(port or 443)), drives=4)
        if not _up(servers, store.source):
            servers.word(store.credential)
            continue
        server.start()
        servers.keep(store.source, server.stop)
        for name, bucket in plan.buckets[store.name].items():
            server.make_bucket(
                name,
                versioning=bucket.versioning,
                lock=bucket.lock,
                encrypted=bucket.encrypted,
                public=bucket.public,
            )
        reader = _reader(servers, store, server)
        servers.secrets[str(store.credential)] = reader.secret
        running[store.name] = server
    for backup in estate.backups.values():
        if backup.repository.store in running:
            _copies(servers, backup, running)


def _reader(servers: Servers, store: ObjectStore, server: MinioServer) -> Keys:
    repositories = {b.repository.bucket for b in servers.order.estate.backups.values()}
    read = [
        bucket.name
        for bucket in servers.order.estate.buckets.values()
        if store.name in bucket.stores and (bucket.lock or bucket.name in repositories)
    ]
    return server.add_reader(str(store.account), audit_policy(sorted(read)))


def _copies(servers: Servers, backup: Backup, running: dict[str, MinioServer]) -> None:
    """Make the restore points of one repository; one that is down is not there at all."""
    server = running[backup.repository.store]
    password = servers.word(backup.credential)
    if not _up(servers, backup.source):
        return
    place = f"{backup.repository.bucket}/{backup.repository.prefix}".rstrip("/")
    ca_file = servers.authority.ca_file
    repository = Repository(server.endpoint, place, server.root, password, ca_file)
    repository.init()
    folder = servers.order.folder / "data" / backup.name
    folder.mkdir(parents=True)
    now = datetime.now(UTC)
    for number, copy in enumerate(servers.order.plan.copies[backup.name]):
        (folder / f"file-{number}").write_text(f"{copy.host} {number}\n", encoding="utf-8")
        repository.back_up(folder, copy.host, now - copy.age)
    for store in servers.order.estate.buckets[backup.repository.bucket].stores:
        other = running.get(store)
        if other not in (None, server) and backup.name not in servers.order.plan.unreplicated:
            _replicate(server, other, backup)


def _replicate(source: MinioServer, target: MinioServer, backup: Backup) -> None:
    """Copy a repository to another store, as site replication would have done by now."""
    bucket, prefix = backup.repository.bucket, backup.repository.prefix
    with closing(source.client()) as near, closing(target.client()) as far:
        pages = near.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for key in (item["Key"] for page in pages for item in page.get("Contents", ())):
            body = near.get_object(Bucket=bucket, Key=key)["Body"].read()
            far.put_object(Bucket=bucket, Key=key, Body=body)


def _vcenters(servers: Servers) -> None:
    for vcenter in servers.order.estate.vcenters.values():
        password = servers.word(vcenter.credential)
        if not _up(servers, vcenter.source):
            continue
        settings = Settings(
            servers.address[vcenter.host], vcenter.port,
            account=str(vcenter.account), password=password,
        )  # fmt: skip
        server = Vcsim(
            servers.order.folder / vcenter.name, servers.authority,
            servers.order.plan.clusters[vcenter.name], settings, [vcenter.host],
            switches=networks_as_declared(servers.order.estate, vcenter.name),
        )  # fmt: skip
        server.start()
        servers.keep(vcenter.source, server.stop)


def _ports(servers: Servers) -> None:
    if not servers.order.plan.ports:
        return
    folder = servers.order.folder / "public"
    stranger = Authority(folder / "stranger", "Unknown CA")
    hosts = [_host(port, stranger, servers.authority) for port in servers.order.plan.ports]
    servers.stack.enter_context(NginxServer(folder, hosts))


def _host(port: PublicPort, stranger: Authority, known: Authority) -> Host:
    files = None
    if port.valid is not None:
        issuer = known if port.trusted else stranger
        files = issuer.issue(port.host, valid=port.valid, age=port.age)
    return Host(port.host, port.address, port.port, files)


def _firewalls(servers: Servers) -> None:
    known = []
    for firewall in servers.order.estate.firewalls.values():
        folder = servers.order.folder / firewall.name
        space = servers.order.namespaces[firewall.name]
        key = servers.order.folder / f"{firewall.credential}.key"
        public_key = make_key(key)  # one a credential, whoever shares it
        server = SshServer(
            folder, servers.address[firewall.host], firewall.port,
            command=f"ip netns exec {space} nft -j list ruleset",
        )  # fmt: skip
        if _up(servers, firewall.source):
            servers.stack.enter_context(server)
            servers.ends[firewall.source] = server.stop
            server.allow(public_key)
            public = (folder / "host.pub").read_text(encoding="utf-8").strip()
            known.append(f"{firewall.host} {public}")
        servers.secrets[str(firewall.credential)] = str(key)
    text = "\n".join([*known, ""])
    (servers.order.folder / "known_hosts").write_text(text, encoding="utf-8")


def _directories(servers: Servers) -> None:
    for directory in servers.order.estate.directories.values():
        password = servers.word(directory.credential)
        if _up(servers, directory.source):
            _controller(servers, directory, password)


def _controller(servers: Servers, directory: Directory, password: str) -> None:
    host = directory.servers[0]
    server = SambaDc(
        servers.order.folder / f"dc-{directory.name}", directory.domain, servers.address[host],
        servers.authority, names=[host],
    )  # fmt: skip
    server.provision()
    server.add_user(str(directory.account).partition("@")[0], password)
    for fault in servers.order.plan.directories[directory.name]:
        server.apply(fault)
    server.start()
    servers.keep(directory.source, server.stop)


def _obey(servers: Servers) -> None:
    for words in _lines():
        match words:
            case ["stop", source]:
                servers.ends[source]()
            case _:
                raise LabError(f"not an order: {' '.join(words)}")
        _ready()


def _lines() -> Iterator[list[str]]:
    for line in sys.stdin:
        yield line.split()


def _ready() -> None:
    print("ready", flush=True)


def main() -> None:
    """Start what the order in the file says, and obey until the input ends."""
    order: Order = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301 - our own process wrote it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.umask(0o077)
    with ExitStack() as stack:
        servers = Servers(order, Authority(order.folder / "pki"), stack)
        servers.start()
        _ready()
        _obey(servers)


if __name__ == "__main__":
    main()
