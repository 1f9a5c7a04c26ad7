"""The kernel as an oracle: many lists at once as chains of nftables, and packets sent into them.

A packet goes down a cable inside one namespace and is judged where it comes out (hook ``ingress``):
no route, no connection, and any address will do. Its Ethernet addresses tell the list that it is
for, and which packet it is; a set of the kernel keeps the rule that took it.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.process import program
from sitiv_infra.policy.lists import Line, RuleList
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.space import MACS, Box, Intervals, Point

NEAR, FAR = "near", "far"
IPV4 = 2**32 - 1
# IPv6 has headers of these numbers before the protocol's own, or none after them.
EXTENSIONS = frozenset({0, 43, 44, 51, 59, 60})
PORTED: Intervals = ((6, 6), (17, 17))
TRIES = 3
SIDES: tuple[Callable[[str], str], ...] = (
    lambda _: "meta l4proto",
    lambda family: f"{family} saddr",
    lambda family: f"{family} daddr",
    lambda _: "th sport",
    lambda _: "th dport",
)
HEAD = """
table netdev oracle {
  set taken { type ether_addr . mark; size 1000000; flags dynamic; }
  chain record {
    add @taken { ether saddr . meta mark } drop
  }
"""


@contextmanager
def cable() -> Iterator[Namespace]:
    """Make a namespace of this process with a cable that ends in itself."""
    with Namespace(f"oracle-{os.getpid()}") as namespace:
        # No packets of its own may come along.
        namespace.run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
        namespace.connect(NEAR, namespace, FAR)
        yield namespace


def spoken(rules: RuleList) -> RuleList:
    """Give the list as it can be asked here: a port only of protocols that have ports.

    MAC addresses are left out: here they tell which packet it is.
    """

    def one(box: Box) -> Box:
        limited = box[3:5] != rules.whole[3:5]
        return (PORTED if limited else box[0], *box[1:5], MACS)

    lines = (line._replace(boxes=tuple(map(one, line.boxes))) for line in rules.lines)
    return RuleList(tuple(lines), rules.policy, rules.whole)


def can_be_sent(rules: RuleList, packet: Point) -> bool:
    return _family(rules) == "ip" or packet[0] not in EXTENSIONS


def judged(
    namespace: Namespace, lists: Sequence[RuleList], packets: Mapping[tuple[int, int], Point]
) -> tuple[dict[tuple[int, int], int], list[dict[str, Any]]]:
    """Send packets, by the place of their list and their number; both below 65536.

    Give the number of the rule that took each packet that arrived, 0 for the policy, and the chains
    as ``nft -j`` lists them.
    """
    namespace.filter(_ruleset(lists))
    listed = [entry for entry in _listed(namespace, "ruleset") if "set" not in entry]
    seen: dict[tuple[int, int], int] = {}
    for _ in range(TRIES):
        missing = {key: one for key, one in packets.items() if key not in seen}
        if not missing:
            break
        _send(namespace, lists, missing)
        (held,) = (one["set"] for one in _listed(namespace, "set", "netdev", "oracle", "taken"))
        for text, mark in (row["concat"] for row in held.get("elem", [])):
            number = int(text.replace(":", ""), 16) & 2**32 - 1
            seen[number >> 16, number & 0xFFFF] = int(mark)
    return seen, listed


def _listed(namespace: Namespace, *what: str) -> list[dict[str, Any]]:
    found = json.loads(namespace.run(program("nft"), "-j", "list", *what))["nftables"]
    return [entry for entry in found if "metainfo" not in entry]


def _family(rules: RuleList) -> str:
    return "ip" if rules.whole[1][0][1] == IPV4 else "ip6"


def _hardware(place: int, number: int = 0) -> str:
    return bytes([2, 0]).hex(":") + ":" + struct.pack("!HH", place, number).hex(":")


def _ruleset(lists: Sequence[RuleList]) -> str:
    most = max(len(rules.lines) for rules in lists)
    said = [HEAD]
    for number in range(most + 1):
        said += [f"  chain {verdict}{number} {{\n    meta mark set {number} goto record\n  }}"
                 for verdict in Verdict]  # fmt: skip
    for place, rules in enumerate(lists):
        body = "\n".join(f"    {rule}" for rule in _rules(rules))
        said.append(f"  chain list{place} {{\n{body}\n  }}")
    ways = ", ".join(f"{_hardware(place)} : goto list{place}" for place in range(len(lists)))
    said.append(
        f"  chain base {{ type filter hook ingress device {FAR} priority 0; policy accept;\n"
        f"    ether daddr vmap {{ {ways} }}\n  }}\n}}\n"
    )
    return "\n".join(said)


def _rules(rules: RuleList) -> Iterator[str]:
    for line in rules.lines:
        for box in line.boxes:
            yield f"{_matches(rules, box)} {_then(line)}"
    yield f"goto {rules.policy}0"


def _then(line: Line) -> str:
    return "counter" if line.verdict is None else f"goto {line.verdict}{line.number}"


def _matches(rules: RuleList, box: Box) -> str:
    family = _family(rules)
    kind = IPv4Address if family == "ip" else IPv6Address
    said = []
    for side, (spans, everything) in enumerate(zip(box, rules.whole, strict=True)):
        if spans != everything:
            wrote = kind if side in {1, 2} else int
            elements = ", ".join(f"{wrote(a)}" if a == b else f"{wrote(a)}-{wrote(b)}"
                                 for a, b in spans)  # fmt: skip
            said.append(f"{SIDES[side](family)} {{ {elements} }}")
    return " ".join(said)


def _send(
    namespace: Namespace, lists: Sequence[RuleList], packets: Mapping[tuple[int, int], Point]
) -> None:
    with namespace.inside():
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with closing(sender):
        sender.bind((NEAR, 0))
        for (place, number), packet in packets.items():
            sender.send(frame(_family(lists[place]), place, number, packet))


def frame(family: str, place: int, number: int, packet: Point) -> bytes:
    """Write a packet with its ports, or what stands in their place, after the IP header."""
    protocol, source, destination, sport, dport, *_ = packet
    ends = bytes.fromhex((_hardware(place) + _hardware(place, number)).replace(":", ""))
    body = struct.pack("!HHIIB3x4x", sport, dport, 0, 0, 0x50)
    if family == "ip":
        head = struct.pack("!BBHHHBBHII", 0x45, 0, 20 + len(body), 0, 0, 64, protocol, 0, source,
                           destination)  # fmt: skip
        return ends + b"\x08\x00" + head + body
    head = struct.pack("!IHBB", 6 << 28, len(body), protocol, 64)
    addresses = source.to_bytes(16, "big") + destination.to_bytes(16, "big")
    return ends + b"\x86\xdd" + head + addresses + body


def read_back(listed: list[dict[str, Any]], lists: Sequence[RuleList]) -> str:
    """Give what ``nft -j`` listed as rule bases of their own: a base chain for each list.

    Where the kernel kept which rule took a packet, it is accepted or dropped.
    """
    entries: list[dict[str, Any]] = []
    for entry in listed:
        ((kind, told),) = entry.items()
        name = told.get("chain", told.get("name", ""))
        if kind == "chain" and name.startswith("list"):
            place = int(name.removeprefix("list"))
            policy = {"type": "filter", "hook": "forward", "prio": 0}
            entries.append({kind: told | policy | {"policy": str(lists[place].policy)}})
        elif kind == "rule" and name.rstrip("0123456789") in {*map(str, Verdict)}:
            entries.append({kind: told | {"expr": [{name.rstrip("0123456789"): None}]}})
        elif name not in {"base", "record"}:
            entries.append(entry)
    for entry in entries:
        for told in entry.values():
            told["family"] = "inet"
    return json.dumps({"nftables": entries})
