"""Rule bases as operators have them: zones of hosts and networks, few services, some rules derived.

Written as iptables-save and nft -j print them, and for Aerleon's policy language.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import NamedTuple

ZONES = 30
SERVICES = (
    22, 25, 53, 80, 88, 123, 389, 443, 445, 514, 587, 636, 993, 1521, 1812, 3306, 3389, 5060, 5432,
    6514, 8080, 8443, 9000,
)  # fmt: skip


class Rule(NamedTuple):
    """One rule of the base."""

    source: IPv4Network
    destination: IPv4Network
    protocol: str
    ports: tuple[int, int]
    accept: bool


def rules(count: int, zones: int = ZONES, seed: int = 1) -> Iterator[Rule]:
    """Yield rules between zones of a /16 each.

    One in sixteen is a part of an earlier one, one in fifty both halves of one.
    """
    draw = random.Random(seed)  # noqa: S311 - nothing secret
    made: list[Rule] = []
    while len(made) < count:
        chance = draw.random()
        if made and chance < 1 / 16:
            made.append(_part(draw.choice(made[-2000:]), draw))
        elif made and chance < 1 / 16 + 1 / 50:
            whole = draw.choice(made[-2000:])
            halves = list(whole.source.subnets()) if whole.source.prefixlen < 32 else []
            made[-1:-1] = [whole._replace(source=half) for half in halves]
        else:
            made.append(_fresh(draw, zones))
    yield from made[:count]


def _fresh(draw: random.Random, zones: int) -> Rule:
    low = draw.choice(SERVICES)
    high = low if draw.random() < 0.8 else low + draw.randrange(1, 2000)
    protocol = draw.choice(("tcp", "tcp", "tcp", "udp"))
    return Rule(
        _network(draw, zones), _network(draw, zones), protocol, (low, high), draw.random() < 0.7
    )


def _network(draw: random.Random, zones: int) -> IPv4Network:
    length = 32 if draw.random() < 0.4 else draw.randrange(18, 32)
    base = (10 << 24) | (draw.randrange(zones) << 16) | draw.randrange(65536)
    return IPv4Network((base, length), strict=False)


def _part(whole: Rule, draw: random.Random) -> Rule:
    if whole.source.prefixlen == 32:
        return whole._replace(accept=draw.random() < 0.5)
    return whole._replace(source=draw.choice(list(whole.source.subnets())))


def rows(found: list[Rule]) -> list[tuple[object, ...]]:
    """Give rules as JSON has them."""
    return [(str(r.source), str(r.destination), *r[2:]) for r in found]


def iptables_save(found: list[Rule]) -> str:
    """Write a base as iptables-save does."""
    lines = ["*filter", ":INPUT DROP [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT ACCEPT [0:0]"]
    for rule in found:
        low, high = rule.ports
        port = str(low) if low == high else f"{low}:{high}"
        lines.append(
            f"-A FORWARD -s {rule.source} -d {rule.destination} -p {rule.protocol}"
            f" -m {rule.protocol} --dport {port} -j {'ACCEPT' if rule.accept else 'DROP'}"
        )
    return "\n".join([*lines, "COMMIT", ""])


def nft_json(found: list[Rule]) -> str:
    """Write a base as 'nft -j list ruleset' does."""
    place = {"family": "inet", "table": "filter"}
    chain = {**place, "name": "forward", "handle": 1}
    hook = {"type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}
    items: list[dict[str, object]] = [{"chain": {**chain, **hook}}]
    for handle, rule in enumerate(found, 2):
        low, high = rule.ports
        matches = [
            _match("ip", "saddr", _prefix(rule.source)),
            _match("ip", "daddr", _prefix(rule.destination)),
            _match(rule.protocol, "dport", low if low == high else {"range": [low, high]}),
            {"accept" if rule.accept else "drop": None},
        ]
        items.append({"rule": {**place, "chain": "forward", "handle": handle, "expr": matches}})
    return json.dumps({"nftables": items})


def _match(protocol: str, field: str, right: object) -> dict[str, object]:
    left = {"payload": {"protocol": protocol, "field": field}}
    return {"match": {"op": "==", "left": left, "right": right}}


def _prefix(net: IPv4Network) -> object:
    address = str(net.network_address)
    return address if net.prefixlen == 32 else {"prefix": {"addr": address, "len": net.prefixlen}}
