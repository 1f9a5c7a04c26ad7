"""Rule bases read a second time: readers and a judge that share nothing with the product's proofs.

Each reader knows just what the renderers write and what the tests change, and is so short that it
can be checked by eye. The judge asks the linear interpreter about a packet of every cell of the
grid that the ends of all boxes draw: where none fares otherwise, two rule bases are the same.
"""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from ipaddress import ip_address, ip_network
from itertools import product
from typing import Any

from sitiv_infra.policy.lists import Line, RuleList
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.space import MACS, Box, Interval, Intervals, Point
from tests.policy.linear import first

Read = dict[int, RuleList]
NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17, "gre": 47, "ipv6-icmp": 58, "sctp": 132}
SIDES = {"l4proto": 0, "saddr": 1, "daddr": 2, "dport": 4}
VERDICTS = {
    "accept": Verdict.ACCEPT, "pass": Verdict.ACCEPT, "drop": Verdict.DROP, "deny": Verdict.DROP,
    "block": Verdict.DROP,
}  # fmt: skip
MOST = 500_000  # cells


def whole(version: int) -> Box:
    addresses = ((0, 2 ** {4: 32, 6: 128}[version] - 1),)
    return (((0, 255),), addresses, addresses, ((0, 65535),), ((0, 65535),), MACS)


@cache
def span(word: str) -> Interval:
    """Read a number, a name of a protocol, an address, a range or a network."""
    if word in NUMBERS:
        return NUMBERS[word], NUMBERS[word]
    if "/" in word:
        net = ip_network(word, strict=False)
        return int(net.network_address), int(net.broadcast_address)
    low, _, high = word.partition("-")
    return _number(low), _number(high or low)


def _number(word: str) -> int:
    return int(word) if word.isdigit() else int(ip_address(word))


def _box(version: int, sides: Mapping[int, Iterable[Interval]]) -> Box:
    return tuple(tuple(sides[n]) if n in sides else every for n, every in enumerate(whole(version)))


def nft_text(text: str) -> Read:
    """Read what is rendered for nftables: its chain drops what no rule accepts."""
    sets = {}
    for name, body in re.findall(r"^set (\w+) \{\n(.*?)^\}", text, re.DOTALL | re.MULTILINE):
        sets[f"@{name}"] = [
            values.split(" . ")
            for values in re.findall(r'^ +(\S.*\S) comment "', body, re.MULTILINE)
        ]
    rules = re.findall(r"^ct state new (.+) (@\w+) (accept|drop)$", text, re.MULTILINE)
    found: dict[int, list[Line]] = {4: [], 6: []}
    for fields, name, verdict in rules:
        version = 6 if fields.startswith("ip6 ") else 4
        boxes = _elements(version, fields.split(" . "), sets[name])
        found[version].append(Line(0, name, VERDICTS[verdict], boxes))
    return {v: RuleList(tuple(lines), Verdict.DROP, whole(v)) for v, lines in found.items()}


def _elements(version: int, fields: list[str], elements: list[list[str]]) -> tuple[Box, ...]:
    sides = [SIDES[field.split()[-1]] for field in fields]
    return tuple(
        _box(version, {side: (span(word),) for side, word in zip(sides, words, strict=True)})
        for words in elements
    )


def nft_json(text: str, state: str = "new") -> Read:
    """Read one chain on the forward hook as ``nft -j`` lists it, for connections in one state."""
    objects = json.loads(text)["nftables"]
    sets = {
        f"@{one['set']['name']}": [
            [_word(value) for value in element["elem"]["val"]["concat"]]
            for element in one["set"].get("elem", [])
        ]
        for one in objects
        if "set" in one
    }
    (chain,) = (one["chain"] for one in objects if "chain" in one)
    rules = [one["rule"]["expr"] for one in objects if "rule" in one]
    return {
        version: RuleList(
            tuple(line for expr in rules for line in _asked(version, expr, sets, state)),
            VERDICTS[chain["policy"]],
            whole(version),
        )
        for version in (4, 6)
    }


def _word(value: Any) -> str:
    if isinstance(value, dict) and "prefix" in value:
        return f"{value['prefix']['addr']}/{value['prefix']['len']}"
    return "-".join(map(str, value["range"])) if isinstance(value, dict) else str(value)


def _asked(
    version: int, expr: list[Any], sets: Mapping[str, list[list[str]]], state: str
) -> Iterator[Line]:
    boxes: tuple[Box, ...] = (whole(version),)
    name = ""
    for match in (one["match"] for one in expr if "match" in one):
        if "ct" in match["left"]:
            boxes = boxes if state in match["right"] else ()
            continue
        fields = [next(iter(one.values())) for one in match["left"]["concat"]]
        if {"ip": 4, "ip6": 6}[fields[0]["protocol"]] != version:
            return
        name = match["right"]
        found = _elements(version, [f.get("field") or f["key"] for f in fields], sets[name])
        boxes = found if boxes else ()
    yield Line(0, name, VERDICTS[next(iter(expr[-1]))], boxes)


def fortios(text: str) -> Read:
    """Read addresses, their groups, services and policies."""
    tables: dict[str, dict[str, dict[str, list[str]]]] = {}
    table, entry = "", ""
    for line in text.splitlines():
        match shlex.split(line):
            case ["config", *words]:
                table = " ".join(words)
            case ["edit", entry]:
                tables.setdefault(table, {})[entry] = {}
            case ["set", option, *values]:
                tables[table][entry][option] = values
    return {version: _policies(version, tables) for version in (4, 6)}


def _policies(
    version: int, tables: Mapping[str, Mapping[str, Mapping[str, list[str]]]]
) -> RuleList:
    suffix = {4: "", 6: "6"}[version]
    nets = {
        name: span("/".join(how["subnet"] if version == 4 else how["ip6"]))
        for name, how in tables.get(f"firewall address{suffix}", {}).items()
    }
    groups = {"all": list(whole(version)[1])}
    for name, how in tables.get(f"firewall addrgrp{suffix}", {}).items():
        groups[name] = [nets[member] for member in how.get("member", [])]
    services = {n: _service(how) for n, how in tables["firewall service custom"].items()}
    lines = []
    for number, policy in tables["firewall policy"].items():
        ends = [
            [s for name in policy.get(f"{end}{suffix}", []) for s in groups[name]]
            for end in ("srcaddr", "dstaddr")
        ]
        boxes = (
            _box(version, {1: ends[0], 2: ends[1], **sides})
            for name in policy.get("service", [])
            for sides in services[name]
            if all(ends)
        )
        lines.append(Line(int(number), number, VERDICTS[policy["action"][0]], tuple(boxes)))
    return RuleList(tuple(lines), Verdict.DROP, whole(version))


def _service(how: Mapping[str, list[str]]) -> list[dict[int, Intervals]]:
    simple: dict[str, dict[int, Intervals]] = {
        "IP": {},
        "ICMP": {0: ((1, 1),)},
        "ICMP6": {0: ((58, 58),)},
    }
    if how["protocol"][0] in simple:
        return [simple[how["protocol"][0]]]
    return [
        {0: (span(protocol),), 4: (span(ports),)}
        for protocol in ("tcp", "udp")
        for ports in how.get(f"{protocol}-portrange", [])
    ]


def sns(text: str) -> Read:
    """Read networks, groups, services, and the rules of a slot by their place."""
    objects: dict[str, list[str]] = {}
    services: dict[str, dict[int, Intervals]] = {"icmp": {0: ((1, 1),)}}
    rules: list[dict[str, str]] = []
    for line in text.splitlines():
        words = shlex.split(line)
        said = dict(word.split("=", 1) for word in words if "=" in word)
        match words[1:4]:
            case ["OBJECT", "NETWORK" | "HOST", "NEW"]:
                four = said.get("ip"), said.get("prefixlen", "32")
                six = said.get("ipv6"), said.get("prefixlenv6", "128")
                objects[said["name"]] = ["/".join(map(str, four if four[0] else six))]
            case ["OBJECT", "GROUP", "NEW"]:
                objects[said["name"]] = []
            case ["OBJECT", "GROUP", "ADDTO"]:
                objects[said["group"]] += objects[said["node"]]
            case ["OBJECT", "SERVICE", "NEW"]:
                ports = f"{said['port']}-{said.get('toport', said['port'])}"
                services[said["name"]] = {0: (span(said["proto"]),), 4: (span(ports),)}
            case ["OBJECT", "PROTOCOL", "NEW"]:
                services[said["name"]] = {0: (span(said["protonumber"]),)}
            case ["FILTER", "RULE", "INSERT"]:
                rules.insert(int(said["position"]) - 1, said)
    return {
        version: RuleList(
            tuple(_rule(version, rule, objects, services) for rule in rules),
            Verdict.DROP,
            whole(version),
        )
        for version in (4, 6)
    }


def _rule(
    version: int,
    rule: Mapping[str, str],
    objects: Mapping[str, list[str]],
    services: Mapping[str, dict[int, Intervals]],
) -> Line:
    every = {4: "0.0.0.0/0", 6: "::/0"}[version]
    known = {**objects, "any": [every]}
    ends = [
        [span(net) for net in known[rule[end]] if (":" in net) == (version == 6)]
        for end in ("srctarget", "dsttarget")
    ]
    names = rule.get("dstport") or rule.get("ipproto")
    asked = [services[name] for name in names.split(",")] if names else [{}]
    boxes = tuple(_box(version, {1: ends[0], 2: ends[1], **sides}) for sides in asked if all(ends))
    return Line(0, rule.get("comment", ""), VERDICTS[rule["action"]], boxes)


READERS: Mapping[str, Callable[[str], Read]] = {
    "nft-text": nft_text, "nft-json": nft_json, "fortios": fortios, "sns": sns,
}  # fmt: skip


def parts(old: RuleList, new: RuleList, packet: Point) -> bool:
    """Whether a packet fares otherwise."""
    return first(old.lines, packet, old.policy) is not first(new.lines, packet, new.policy)


def otherwise(old: RuleList, new: RuleList) -> Point | None:
    """Give a packet that fares otherwise; None where there is none at all.

    Only packets of a box that one list has and the other has not can.
    """
    one, other = (Counter((b, r.verdict) for r in x.lines for b in r.boxes) for x in (old, new))
    changed = dict.fromkeys(box for box, _ in [*(one - other), *(other - one)])
    regions = [old.whole] if old.policy is not new.policy else list(changed)
    for region in regions:
        before, after = _near(old, region), _near(new, region)
        boxes = [box for rules in (before, after) for line in rules.lines for box in line.boxes]
        axes = [_axis(side, [box[n] for box in boxes]) for n, side in enumerate(region)]
        for count, packet in enumerate(product(*axes)):
            assert count < MOST, "the grid is too fine to be looked at"
            if parts(before, after, packet):
                return packet
    return None


def _near(rules: RuleList, region: Box) -> RuleList:
    lines = (
        line._replace(boxes=tuple(box for box in line.boxes if all(map(_meet, box, region))))
        for line in rules.lines
    )
    return replace(rules, lines=tuple(line for line in lines if line.boxes))


def _meet(one: Intervals, other: Intervals) -> bool:
    return any(low <= end and start <= high for low, high in one for start, end in other)


def _axis(side: Intervals, others: Iterable[Intervals]) -> list[int]:
    """Give a value of each cell: where an interval begins, or the first value behind one."""
    cuts = {n for spans in (side, *others) for low, high in spans for n in (low, high + 1)}
    return sorted(n for n in cuts if any(low <= n <= high for low, high in side))
