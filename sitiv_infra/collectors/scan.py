"""Open TCP ports, found by the installed nmap; what it did not finish is told apart."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from io import BytesIO
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import TYPE_CHECKING

from defusedxml import DefusedXmlException, ElementTree

from sitiv_infra.collectors.child import run
from sitiv_infra.errors import NotObserved
from sitiv_infra.facts import Unread
from sitiv_infra.facts.exposure import OpenPort

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

Networks = Sequence[IPv4Network] | Sequence[IPv6Network]
RETRIES = 2  # a lost packet must not hide an open port
PER_HOST = 0.85  # share of the run's time after which nmap gives up on a host, and says so
MOST_BYTES = 64 * 1024 * 1024
UNFINISHED = "nmap did not finish its run"
TOGETHER = 256  # hosts at a time: one that is silent must not hold the others up
UNSENT = ("sendto in send_ip_packet", "failed to determine route", "Operation not permitted")


@dataclass
class Sweep:
    """Open ports, and the addresses that were not swept to the end."""

    open_ports: list[OpenPort] = field(default_factory=list)
    unread: dict[str, Unread] = field(default_factory=dict)


def has_route(net: IPv4Network | IPv6Network) -> bool:
    """Whether this machine knows a way to a network; nothing is sent to find out."""
    family = socket.AF_INET if net.version == 4 else socket.AF_INET6
    with closing(socket.socket(family, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect((str(net[1 if net.num_addresses > 2 else 0]), 9))
        except OSError as error:
            return error.errno not in {errno.ENETUNREACH, errno.EHOSTUNREACH}
    return True


def sweep(networks: Networks, ports: str, rate: int, seconds: float) -> Sweep:
    """Look for open TCP ports in networks of one family, within ``seconds``.

    ports -- as nmap writes them; rate -- packets a second. NotObserved when nmap failed, or had
    to be killed before it had finished with any address.
    """
    try:
        done = run(
            _command(networks, ports, rate, seconds),
            _environment(),
            seconds=seconds,
            most=MOST_BYTES,
        )
    except OSError as error:
        raise NotObserved(f"nmap can't be run: {error.strerror}") from None
    complaint = done.err.decode(errors="replace").strip()
    if done.flooded or done.code or any(sign in complaint for sign in UNSENT):
        last = complaint.splitlines()[-1:] or [f"exit code {done.code}"]
        raise NotObserved(f"nmap failed: {last[0][:200]}")
    return _read(done.out, networks, seconds, killed=done.code is None)


def _environment() -> dict[str, str]:
    """Hand on what nmap needs and no more: the environment may hold secrets."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, "LC_ALL": "C"}


def _command(networks: Networks, ports: str, rate: int, seconds: float) -> list[str]:
    kind = "-sS" if os.geteuid() == 0 else "-sT"
    family = ["-6"] if networks[0].version == 6 else []
    return [
        "nmap", kind, "-Pn", "-n", *family, "-p", ports, "--max-retries", str(RETRIES),
        "--min-hostgroup", str(TOGETHER),
        "--min-rate", str(rate), "--max-rate", str(rate),
        "--host-timeout", f"{max(1, int(seconds * 1000 * PER_HOST))}ms", "--noninteractive",
        "-oX", "-", *map(str, networks),
    ]  # fmt: skip


def _read(output: bytes, networks: Networks, seconds: float, *, killed: bool) -> Sweep:
    """Read nmap's XML; where it was killed, the hosts that it had finished still count."""
    found = Sweep()
    told: set[str] = set()
    success, total = False, 0
    try:
        for _, element in ElementTree.iterparse(BytesIO(output)):
            if element.tag == "host":
                told.add(_host(element, found, seconds * PER_HOST))
            elif element.tag == "finished":
                success = element.get("exit") == "success"
            elif element.tag == "hosts":
                total = int(element.get("total", "0"))
    except (ElementTree.ParseError, DefusedXmlException, ValueError):
        if not killed:
            raise NotObserved("nmap's answer is not whole XML") from None
    if not success and not (killed and told):
        raise NotObserved(f"nmap had not ended after {seconds:.0f} s" if killed else UNFINISHED)
    if success and total == sum(net.num_addresses for net in networks):
        return found  # the others did not even answer ARP: nobody is there
    late = Unread(unread=f"not swept within {seconds:.0f} s")
    for net in networks:
        found.unread.update({str(each): late for each in net if str(each) not in told})
    return found


def _host(host: Element, found: Sweep, patience: float) -> str:
    """Take one host's ports, and its address; a host that nmap gave up on is unread."""
    address = str(ip_address(_attribute(host.find("address"), "addr") or ""))
    found.open_ports.extend(_open(host, address))
    if host.get("timedout") == "true":
        found.unread[address] = Unread(unread=f"not swept to the end after {patience:.0f} s")
    return address


def _open(host: Element, address: str) -> Iterator[OpenPort]:
    for port in host.iterfind("ports/port"):
        if _attribute(port.find("state"), "state") == "open" and port.get("protocol") == "tcp":
            yield OpenPort(
                address=address,
                protocol="tcp",
                port=int(port.get("portid", "0")),
                service=_attribute(port.find("service"), "name"),
            )


def _attribute(element: Element | None, name: str) -> str | None:
    return element.get(name) if element is not None else None
