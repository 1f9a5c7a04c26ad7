"""Packets that belong to no connection: what rules make of them, against the kernel's nftables."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import closing, suppress
from ipaddress import IPv4Address
from itertools import product

import pytest

from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.process import program
from sitiv_infra.policy.nftables import read
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.space import Dimension, box
from tests.servers.need import need

TCP, PORT = 6, 443
HOME = int(IPv4Address("127.0.0.1"))
SYN, FIN = 2, 1
# A packet whose flags contradict each other is invalid, one that is not tracked is untracked.
STATES = {"NEW": (SYN, ""), "INVALID": (SYN | FIN, ""), "UNTRACKED": (SYN, "tcp dport 443 notrack")}
KEPT = "ct state established,related accept"
RULES = [
    (KEPT, "tcp dport 443 accept"),
    (KEPT, "ct state invalid drop", "tcp dport 443 accept"),
    (KEPT, "ct state invalid drop", "tcp dport 443 ct state new accept"),
    (KEPT, "ct state new tcp dport 443 accept"),
    (KEPT, "ct state { new, untracked } tcp dport 443 accept"),
    (KEPT, "ct state != invalid tcp dport 443 accept"),
    (KEPT, "ct state vmap { invalid : drop, untracked : accept }", "tcp dport 443 accept"),
    (KEPT, "tcp dport 443 ct state untracked drop", "tcp dport 443 accept"),
]


@pytest.fixture(scope="module")
def bench() -> Iterator[Namespace]:
    need("ip", "nft", root=True)
    with Namespace(f"states-{os.getpid()}") as namespace:
        namespace.run("ip", "link", "set", "lo", "up")
        yield namespace


def packet(flags: int, by: int) -> bytes:
    head = struct.pack("!HHIIBBHHH", by, PORT, 1, 0, 0x50, flags, 64, 0, 0)
    pseudo = struct.pack("!IIBBH", HOME, HOME, 0, TCP, len(head))
    total = sum(struct.unpack("!16H", pseudo + head))
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return head[:16] + struct.pack("!H", checksum) + head[18:]


def rule_base(rules: tuple[str, ...], early: str) -> str:
    return f"""
    table inet t {{
      counter passed {{ }}
      chain raw {{ type filter hook output priority raw; {early}
      }}
      chain here {{ type filter hook output priority filter; policy drop;
        {"; ".join(rules)}
      }}
      chain behind {{ type filter hook output priority 300; tcp dport 443 counter name passed
      }}
    }}
    """


@pytest.mark.parametrize(("rules", "state"), list(product(RULES, STATES)))
def test_the_kernel_lets_pass_what_is_read(
    bench: Namespace, rules: tuple[str, ...], state: str
) -> None:
    flags, early = STATES[state]
    by = 40000 + len(STATES) * RULES.index(rules) + list(STATES).index(state)  # none of before
    bench.filter(rule_base(rules, early))
    with bench.inside():
        sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, TCP)
    with closing(sender), suppress(PermissionError):  # as whoever sends is told of a drop
        sender.sendto(packet(flags, by), ("127.0.0.1", 0))
    listed = json.loads(bench.run(program("nft"), "-j", "list", "ruleset"))["nftables"]
    (count,) = (one["counter"]["packets"] for one in listed if "counter" in one)
    ends = dict.fromkeys((Dimension.SOURCE, Dimension.DESTINATION), ((HOME, HOME),))
    sent = box(
        {
            **ends,
            Dimension.PROTOCOL: ((TCP, TCP),),
            Dimension.SOURCE_PORT: ((by, by),),
            Dimension.DESTINATION_PORT: ((PORT, PORT),),
        }
    )
    base = read(listed, 4, ("output",), state=state)
    here = [one for one in base.bases if one.chain == "inet t here"]
    (part,) = type(base)(4, base.chains, tuple(here)).fates([sent])
    assert part.certain is (Verdict.ACCEPT if count else Verdict.DROP)
