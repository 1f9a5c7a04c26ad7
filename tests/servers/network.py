"""Fixtures: network namespaces, a public face to look at, and a firewall to pass through."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

import pytest

from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.nginx import Host, NginxServer
from sitiv_infra.lab.pki import Authority
from sitiv_infra.lab.sshd import SshServer
from tests.servers.need import need

DAY = timedelta(days=1)
V4, V6 = "203.0.113.5", "2001:db8:5::5"


@dataclass(frozen=True)
class Face:
    """Public addresses in a namespace: good and bad certificates, and a port nobody declared."""

    namespace: Namespace
    authority: Authority


@pytest.fixture(scope="session")
def public_face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    need("ip", "nginx", "nmap", "nft", root=True)
    folder = tmp_path_factory.mktemp("face")
    ours, other = Authority(folder / "ours"), Authority(folder / "other", "Unknown CA")
    hosts = [
        Host("portal.corbas.test", V4, 443, ours.issue("portal.corbas.test")),
        Host("mail.corbas.test", V4, 443, ours.issue("mail.corbas.test", valid=9 * DAY)),
        Host("old.corbas.test", V4, 443, ours.issue("old.corbas.test", valid=-3 * DAY)),
        Host("private.corbas.test", V4, 443, other.issue("private.corbas.test")),
        Host("wrong.corbas.test", V4, 443, ours.issue("elsewhere.corbas.test")),
        Host("both.corbas.test", V4, 8443, other.issue("both.corbas.test", valid=-DAY)),
        Host("portal.corbas.test", V6, 443, ours.issue("portal.corbas.test")),
        Host("plain.corbas.test", V4, 8080),
        Host("forgotten", V4, 3389),
        Host("forgotten", V6, 8006),
    ]
    with (
        Namespace("face", [f"{V4}/32", "203.0.113.6/32", f"{V6}/128"]) as namespace,
        NginxServer(folder / "nginx", hosts, namespace),
    ):
        yield Face(namespace, ours)


@pytest.fixture(scope="session")
def rules_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    """A firewall in a namespace, read over SSH."""
    need("ip", "nft", "ssh", "sshd", root=True)
    with (
        Namespace("rules", ["192.0.2.1/32"]) as namespace,
        SshServer(
            tmp_path_factory.mktemp("sshd"), "192.0.2.1", 2222, namespace=namespace
        ) as server,
    ):
        yield server


@dataclass(frozen=True)
class Routed:
    """Two networks with a filtering host between them."""

    left: Namespace
    firewall: Namespace
    right: Namespace


@pytest.fixture(scope="session")
def routed() -> Iterator[Routed]:
    """10.1.0.0/24 and fd00:1::/64 on the left, 10.2.0.0/24 and fd00:2::/64 on the right."""
    need("ip", "nft", "sysctl", root=True)
    mine = os.environ.get("PYTEST_XDIST_WORKER", "only")  # two groups of tests ask for it
    with ExitStack() as stack:
        left, firewall, right = (
            stack.enter_context(Namespace(f"{name}-{mine}"))
            for name in ("left", "firewall", "right")
        )
        firewall.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        for side, number in ((left, 1), (right, 2)):
            _cable(firewall, side, number)
        yield Routed(left, firewall, right)


def _cable(firewall: Namespace, side: Namespace, number: int) -> None:
    """Join a network of four hosts to the firewall; both know each other's hardware address."""
    near = f"in{number}"
    firewall.connect(near, side, "out")
    ends = [(f"10.{number}.0.{host}", f"fd00:{number}::{host}") for host in (1, 2, 3, 4)]
    gateway = f"10.{number}.0.254", f"fd00:{number}::fe"
    firewall.add(f"{gateway[0]}/24", near)
    firewall.add(f"{gateway[1]}/64", near)
    for v4, v6 in ends:
        side.add(f"{v4}/24", "out")
        side.add(f"{v6}/64", "out")
        _introduce(firewall, near, (v4, v6), _hardware(side, "out"))
    _introduce(side, "out", gateway, _hardware(firewall, near))
    side.run("ip", "route", "add", "default", "via", gateway[0])
    side.run("ip", "-6", "route", "add", "default", "via", gateway[1])


def _hardware(namespace: Namespace, device: str) -> str:
    listed = json.loads(namespace.run("ip", "-j", "link", "show", "dev", device))
    return str(listed[0]["address"])


def _introduce(namespace: Namespace, device: str, addresses: tuple[str, str], mac: str) -> None:
    for address in addresses:
        end = ["lladdr", mac, "dev", device, "nud", "permanent"]
        namespace.run("ip", "neighbour", "replace", address, *end)
