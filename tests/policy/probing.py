"""Real packets through a real firewall, and rule bases made up at random."""

from __future__ import annotations

import errno
import json
import random
import socket
import struct
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from typing import NamedTuple

from sitiv_infra.lab.process import program
from tests.servers.network import Routed

PORTS = (22, 53, 80, 443, 1024, 5000)
WATCH = """
table inet watch {
  set ports { typeof ip saddr . ip daddr . meta l4proto . th dport; flags dynamic; size 65535; }
  set ports6 { typeof ip6 saddr . ip6 daddr . meta l4proto . th dport; flags dynamic; size 65535; }
  set other { typeof ip saddr . ip daddr . meta l4proto; flags dynamic; size 65535; }
  set other6 { typeof ip6 saddr . ip6 daddr . meta l4proto; flags dynamic; size 65535; }
  chain input {
    type filter hook input priority 0; policy accept;
    meta l4proto { tcp, udp } add @ports { ip saddr . ip daddr . meta l4proto . th dport } drop
    meta l4proto { tcp, udp } add @ports6 { ip6 saddr . ip6 daddr . meta l4proto . th dport } drop
    icmp type echo-request add @other { ip saddr . ip daddr . meta l4proto } drop
    icmpv6 type echo-request add @other6 { ip6 saddr . ip6 daddr . meta l4proto } drop
    meta l4proto gre add @other { ip saddr . ip daddr . meta l4proto } drop
    meta l4proto gre add @other6 { ip6 saddr . ip6 daddr . meta l4proto } drop
  }
}
"""
NUMBERS = {"tcp": 6, "udp": 17, "icmp": 1, "ipv6-icmp": 58, "gre": 47}


class Probe(NamedTuple):
    """The first packet of a new connection; no port where the protocol has none."""

    source: str
    destination: str
    protocol: int
    port: int = 0

    @property
    def version(self) -> int:
        return 6 if ":" in self.source else 4


def every_probe() -> list[Probe]:
    found = []
    for version, one, other in ((4, "10.1.0.", "10.2.0."), (6, "fd00:1::", "fd00:2::")):
        ends = [(f"{one}{i}", f"{other}{j}") for i in range(1, 5) for j in range(1, 5)]
        icmp = 1 if version == 4 else 58
        for source, destination in ends:
            found += [Probe(source, destination, p, n) for p in (6, 17) for n in PORTS]
            found += [Probe(source, destination, icmp), Probe(source, destination, 47)]
    return found


def arrived(net: Routed, probes: Iterable[Probe], rules: str) -> set[Probe]:
    """Load rules, send probes from the left, and give those that reached the right."""
    net.firewall.filter(rules)
    net.right.filter(WATCH)
    with net.left.inside(), ExitStack() as stack:
        for probe in probes:
            _send(probe, stack)
        time.sleep(0.1)
    listed = json.loads(net.right.run(program("nft"), "-j", "list", "ruleset"))
    rows = [row for item in listed["nftables"] for row in item.get("set", {}).get("elem", [])]
    return {_probe(row["concat"]) for row in rows}


def _probe(row: list[str | int]) -> Probe:
    source, destination, protocol, *port = row
    number = NUMBERS[protocol] if isinstance(protocol, str) else protocol
    return Probe(str(source), str(destination), number, int(port[0]) if port else 0)


def _send(probe: Probe, stack: ExitStack) -> None:
    family = socket.AF_INET6 if probe.version == 6 else socket.AF_INET
    kind = {6: socket.SOCK_STREAM, 17: socket.SOCK_DGRAM}.get(probe.protocol, socket.SOCK_RAW)
    number = probe.protocol if kind == socket.SOCK_RAW else 0
    sender = stack.enter_context(socket.socket(family, kind, number))
    sender.setblocking(False)
    sender.bind((probe.source, 0))
    refused = (ConnectionRefusedError, PermissionError, BlockingIOError)
    with suppress(*refused):
        if kind == socket.SOCK_STREAM:
            code = sender.connect_ex((probe.destination, probe.port))
            assert code in {0, errno.EINPROGRESS, errno.ECONNREFUSED}, errno.errorcode[code]
        else:
            sender.sendto(_payload(probe), (probe.destination, probe.port))


def _payload(probe: Probe) -> bytes:
    if probe.protocol == 1:
        head = struct.pack("!BBHHH", 8, 0, 0, random.randrange(65536), 1)
        total = sum(struct.unpack("!4H", head))
        folded = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
        return head[:2] + struct.pack("!H", folded) + head[4:]
    if probe.protocol == 58:
        return struct.pack("!BBHHH", 128, 0, 0, random.randrange(65536), 1)
    return b"\0\0\x08\0"


def made_up(dice: random.Random) -> str:
    """Write a rule base that uses most of what the reader understands."""
    rules = "\n".join(f"    {_rule(dice, jumps=True)}" for _ in range(dice.randint(2, 9)))
    called = "\n".join(f"    {_rule(dice, jumps=False)}" for _ in range(dice.randint(0, 4)))
    policy = dice.choice(["drop", "drop", "accept"])
    second = dice.choice(["", f"\n    {_rule(dice, jumps=False)}"])
    return f"""
table inet filter {{
  set hosts {{ type ipv4_addr; flags interval; elements = {{ 10.1.0.1, 10.1.0.3-10.1.0.4 }}; }}
  set pairs {{ type ipv4_addr . inet_service; flags interval;
    elements = {{ 10.2.0.0/31 . 50-90, 10.2.0.3 . 443, 10.2.0.4 . 1024-6000 }}; }}
{_named(dice)}
  map ends {{ type ipv4_addr : verdict; elements = {{ 10.2.0.1 : drop, 10.2.0.2 : jump called }}; }}
  chain called {{
{called}
  }}
  chain forward {{
    type filter hook forward priority 0; policy {policy};
    icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept
{rules}
  }}
}}
table ip second {{
  chain forward {{
    type filter hook forward priority 10; policy accept;{second}
  }}
}}
"""


MATCHES = (
    "ip saddr 10.1.0.{n}", "ip saddr != 10.1.0.{n}", "ip daddr 10.2.0.0/30", "ip saddr @hosts",
    "ip saddr != @hosts", "ip daddr . tcp dport @pairs", "ip daddr . tcp dport != @pairs",
    "ip saddr . ip daddr {{ 10.1.0.1 . 10.2.0.{n}, 10.1.0.2 . 10.2.0.3 }}",
    "ip saddr . ip daddr . meta l4proto . th dport @flows",
    "ip saddr . ip daddr . meta l4proto . th dport != @flows",
    "ip6 saddr . ip6 daddr . meta l4proto . th dport @flows6",
    "ip saddr . ip daddr . meta l4proto @protocols",
    "ip daddr {{ 10.2.0.1, 10.2.0.3-10.2.0.4 }}", "ip daddr != {{ 10.2.0.1, 10.2.0.{n} }}",
    "ip6 saddr fd00:1::{n}", "ip6 daddr fd00:2::/126", "ip6 daddr != fd00:2::{n}",
    "tcp dport {p}", "tcp dport != {p}", "tcp dport >= {p}", "tcp dport < {p}", "udp dport {p}",
    "udp dport {{ 53, 443-2000 }}", "meta l4proto {{ tcp, udp }} th dport {p}",
    "meta l4proto tcp", "meta l4proto != udp", "meta nfproto ipv4", "meta nfproto ipv6",
    "ip protocol icmp", "ip protocol != tcp", "ip6 nexthdr udp", "meta l4proto gre",
    "icmp type echo-request", "icmp type != echo-request", "icmpv6 type echo-request",
    "ct state new", "ct state established,related", "ct state != new",
    "ct state {{ new, untracked }}", "tcp flags syn", "tcp flags & (syn | ack) == syn",
    "tcp flags & (fin | syn | rst | ack) != syn", "tcp sport >= 1024", "meta iif lo",
    "meta protocol ip6", "ct direction original", "fib saddr . iif oif missing",
)  # fmt: skip
MAPS = (
    "ct state vmap {{ established : accept, related : accept, invalid : drop }}",
    "ip daddr vmap @ends", "tcp dport vmap {{ {p} : accept, 5000 : drop }}",
    "ip saddr . udp dport vmap {{ 10.1.0.{n} . {p} : accept, 10.1.0.4 . 5000 : jump called }}",
    "meta l4proto vmap {{ tcp : jump called, gre : accept }}",
)  # fmt: skip


def _named(dice: random.Random) -> str:
    """Write sets of concatenated intervals, as the renderer does; no two elements overlap."""
    ports = [("tcp", "22-79"), ("tcp", "80"), ("tcp", "81-65535"), ("udp", "0-1024"), ("gre", "0")]
    sets = {
        "flows": ("ipv4_addr", "inet_proto . inet_service", [f"{p} . {n}" for p, n in ports]),
        "flows6": ("ipv6_addr", "inet_proto . inet_service", [f"{p} . {n}" for p, n in ports]),
        "protocols": ("ipv4_addr", "inet_proto", ["icmp", "2-16", "47"]),
    }
    found = []
    for name, (kind, types, lasts) in sets.items():
        lefts, rights = (
            [f"{net}1", f"{net}2-{net}3"]
            for net in (("10.1.0.", "10.2.0."), ("fd00:1::", "fd00:2::"))[kind == "ipv6_addr"]
        )
        places = [f"{one} . {other}" for one in lefts for other in rights]
        elements = [
            f'{place} . {last} comment "{dice.choice("abc")}"'
            for place in places
            for last in dice.sample(lasts, dice.randint(1, len(lasts)))
        ]
        found.append(
            f"  set {name} {{ type {kind} . {kind} . {types}; flags interval; counter;"
            f" elements = {{ {', '.join(elements)} }}; }}"
        )
    return "\n".join(found)


def _rule(dice: random.Random, *, jumps: bool) -> str:
    def filled(text: str) -> str:
        return text.format(n=dice.randint(1, 4), p=dice.choice(PORTS))

    if jumps and dice.random() < 0.15:
        return filled(dice.choice(MAPS))
    matches = _matches(dice)
    verdicts = ["accept", "accept", "drop", "reject", "return", "counter", "limit rate 900/second"]
    verdict = dice.choice(verdicts + (["jump called", "goto called"] if jumps else []))
    return " ".join([*map(filled, matches), verdict])


def _matches(dice: random.Random) -> list[str]:
    """Choose matches that nft accepts together: not two of different families or protocols."""
    chosen: list[str] = []
    for match in dice.sample(MATCHES, dice.randint(0, 2)):
        families = {word for text in [*chosen, match] for word in text.split()}
        clash = {"ip6", "icmpv6", "ipv6"} & families and {"ip", "icmp", "ipv4"} & families
        layers = [
            w for w in ("tcp", "udp", "icmp", "icmpv6", "l4proto", "protocol") if w in families
        ]
        if not clash and len(layers) < 2:
            chosen.append(match)
    return chosen
