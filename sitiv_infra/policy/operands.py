"""What nftables compares: fields of a packet, and what is the same for every new connection."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from sitiv_infra.policy.rules import Test
from sitiv_infra.policy.space import (
    EVERYTHING,
    ICMP_CODE,
    ICMP_TYPE,
    PORTS,
    WITH_MAC,
    Box,
    Dimension,
    box,
)

# IANA protocol numbers, by the names that nft prints.
PROTOCOLS = {
    "icmp": 1, "igmp": 2, "ipencap": 4, "tcp": 6, "udp": 17, "dccp": 33, "ipv6": 41, "gre": 47,
    "esp": 50, "ah": 51, "icmpv6": 58, "ipv6-icmp": 58, "comp": 108, "ospf": 89, "vrrp": 112,
    "sctp": 132, "udplite": 136,
}  # fmt: skip
# IANA ICMP types that nft names; the others stay a doubt.
ICMP = {
    "echo-reply": 0, "destination-unreachable": 3, "source-quench": 4, "redirect": 5,
    "echo-request": 8, "router-advertisement": 9, "router-solicitation": 10, "time-exceeded": 11,
    "parameter-problem": 12, "timestamp-request": 13, "timestamp-reply": 14, "info-request": 15,
    "info-reply": 16, "address-mask-request": 17, "address-mask-reply": 18,
}  # fmt: skip
ICMPV6 = {
    "destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "parameter-problem": 4,
    "echo-request": 128, "echo-reply": 129, "mld-listener-query": 130, "mld-listener-report": 131,
    "mld-listener-done": 132, "mld-listener-reduction": 132, "nd-router-solicit": 133,
    "nd-router-advert": 134, "nd-neighbor-solicit": 135, "nd-neighbor-advert": 136,
    "nd-redirect": 137, "router-renumbering": 138, "ind-neighbor-solicit": 141,
    "ind-neighbor-advert": 142, "mld2-listener-report": 143,
}  # fmt: skip
NEW = "NEW"
FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128}
COMES_BY, LEAVES_BY = DEVICES = ("device in", "device out")
HEADERS = {"ip": 4, "icmp": 4, "igmp": 4, "arp": 0, "ip6": 6, "icmpv6": 6}
PORTED = {"tcp": 6, "udp": 17, "dccp": 33, "sctp": 132, "udplite": 136}


class Case(NamedTuple):
    """The packets that a rule is read for: their family, the device, and the connection's state.

    device -- the one by which packets for one of the host's own addresses come in, where the
    question is about those.
    """

    version: int
    device: str | None = None
    state: str = NEW


class Column(NamedTuple):
    """One field: its dimension, the words that nft prints, and what the field implies.

    version -- 4 or 6 where only that family's header has it. protocol -- the only one that has it.
    raw -- read at the place of a port, whatever the protocol.
    """

    dimension: Dimension
    words: Mapping[str, int] = {}
    version: int | None = None
    protocol: int | None = None
    address: bool = False
    raw: bool = False

    @property
    def hardware(self) -> bool:
        """Whether it is a MAC address."""
        return self.dimension is Dimension.SOURCE_MAC


class Columns(NamedTuple):
    """The fields of a match: one, or those of a concatenation."""

    fields: tuple[Column, ...]
    needs: tuple[Box, ...]
    possible: bool

    @property
    def raw(self) -> bool:
        """Whether port bytes are read without saying of which protocol."""
        return any(field.raw for field in self.fields)

    def without_ports(self, boxes: Iterable[Box]) -> Iterator[Box]:
        """Yield what a test may hold for where there are no ports: other bytes stand there."""
        ports = {field.dimension for field in self.fields if field.raw}
        for one in boxes:
            yield tuple(PORTS if side in ports else spans for side, spans in enumerate(one))


def _fields() -> dict[tuple[str, str], Column]:
    found = {
        ("ip", "protocol"): Column(Dimension.PROTOCOL, PROTOCOLS, 4),
        ("ip6", "nexthdr"): Column(Dimension.PROTOCOL, PROTOCOLS, 6),
        ("icmp", "type"): Column(ICMP_TYPE, ICMP, 4, 1),
        ("icmp", "code"): Column(ICMP_CODE, {}, 4, 1),
        ("icmpv6", "type"): Column(ICMP_TYPE, ICMPV6, 6, 58),
        ("icmpv6", "code"): Column(ICMP_CODE, {}, 6, 58),
        ("meta", "l4proto"): Column(Dimension.PROTOCOL, PROTOCOLS),
        ("th", "sport"): Column(Dimension.SOURCE_PORT, raw=True),
        ("th", "dport"): Column(Dimension.DESTINATION_PORT, raw=True),
        ("ether", "saddr"): Column(Dimension.SOURCE_MAC),
    }
    for name, number in PORTED.items():
        found[name, "sport"] = Column(Dimension.SOURCE_PORT, {}, None, number)
        found[name, "dport"] = Column(Dimension.DESTINATION_PORT, {}, None, number)
    for name, version in (("ip", 4), ("ip6", 6)):
        found[name, "saddr"] = Column(Dimension.SOURCE, {}, version, address=True)
        found[name, "daddr"] = Column(Dimension.DESTINATION, {}, version, address=True)
    return found


FIELDS = _fields()


def text(value: object) -> str:
    """Show an expression briefly, as the reason of a doubt."""
    if isinstance(value, dict) and len(value) == 1:
        name, body = next(iter(value.items()))
        if isinstance(body, dict):
            return " ".join([name, *(str(v) for v in body.values() if isinstance(v, str))])
    return json.dumps(value, default=str)[:80]


def _payload(left: object, kind: str) -> dict[str, object] | None:
    if isinstance(left, dict) and len(left) == 1 and isinstance(left.get(kind), dict):
        found: dict[str, object] = left[kind]
        return found
    return None


def is_foreign(left: object, version: int) -> bool:
    """Whether a header of the other address family is looked at: the match never holds."""
    payload = _payload(left, "payload") or {}
    return HEADERS.get(str(payload.get("protocol")), version) != version


def apart(left: object, right: object) -> tuple[object, object]:
    """Give a match on both ports as such: nft prints one on their 32 bits, as one number."""
    both = {"base": "th", "offset": 0, "len": 32}
    if _payload(left, "payload") != both or not isinstance(right, int):
        return left, right
    fields = [{"payload": {"protocol": "th", "field": field}} for field in ("sport", "dport")]
    return {"concat": fields}, {"concat": [right >> 16, right & 0xFFFF]}


def columns_of(left: object, version: int) -> Columns | None:
    """Give the fields of a match's left side, or None where one of them is not known here."""
    parts = left.get("concat") if isinstance(left, dict) else None
    names = tuple(map(_name_of, parts)) if isinstance(parts, list) else (_name_of(left),)
    return _columns(names, version)


def _name_of(part: object) -> tuple[str, str]:
    payload = _payload(part, "payload")
    if payload is not None:
        return str(payload.get("protocol")), str(payload.get("field"))
    meta = _payload(part, "meta") or {}
    return "meta", str(meta.get("key"))


@lru_cache(maxsize=1024)
def _columns(names: tuple[tuple[str, str], ...], version: int) -> Columns | None:
    fields = tuple(FIELDS[name] for name in names if name in FIELDS)
    if len({field.dimension for field in fields}) < len(names):
        return None
    numbers = {field.protocol for field in fields if field.protocol is not None}
    needs = [box({Dimension.PROTOCOL: ((n, n),)}) for n in sorted(numbers)]
    if any(field.hardware for field in fields):  # nft asks for an Ethernet device unsaid
        needs.append(box({Dimension.SOURCE_MAC: WITH_MAC}))
    possible = all(field.version in {None, version} for field in fields)
    return Columns(fields, tuple(needs), possible)


def constant_of(left: object, operator: str, right: object, case: Case) -> bool | None:
    """Tell whether a match holds that is the same for every packet of a case; None if it isn't."""
    if operator not in {"==", "!=", "in"}:
        return None
    is_same = _same(left, right, case) if operator != "in" else _one_of(left, right, case)
    if is_same is None:
        return None
    return not is_same if operator == "!=" else is_same


def always(left: object) -> Test:
    """Give the test that a constant's field implies: TCP flags are only of TCP."""
    flags = isinstance(left, dict) and ("&" in left or "payload" in left)
    return Test((box({Dimension.PROTOCOL: ((6, 6),)}) if flags else EVERYTHING,))


def _words(right: object) -> set[str] | None:
    body = right.get("set") if isinstance(right, dict) else right
    listed = body if isinstance(body, list) else [body]
    words = {word for word in listed if isinstance(word, str)}
    return words if all(isinstance(word, str) for word in listed) else None


def _same(left: object, right: object, case: Case) -> bool | None:
    """Compare a constant with a word or with the words of an anonymous set."""
    if _is_reverse_path(left):
        return False if right in (False, 0, "0") else None
    if _is_kind_of_address(left) and case.device is not None:
        words = _words(right)
        return None if words is None else "local" in words
    flags = _flags(left, right) if case.state == NEW else None
    if flags is not None:
        return flags
    known = _constant(left, case)
    words = _words(right)
    if known is None or words is None or any(word.startswith("@") for word in words):
        return None
    if known in DEVICES:
        return _is_device(words, case.device if known == COMES_BY else None)
    return known in words


def _is_device(words: set[str], device: str | None) -> bool | None:
    """Compare a packet's device with names, which may end in ``*``; it is never ``lo``."""
    if device is None:
        return False if words == {"lo"} else None
    return any(device == w or (w.endswith("*") and device.startswith(w[:-1])) for w in words)


def _constant(left: object, case: Case) -> str | None:
    """Name what every packet of a case has, whoever sends it."""
    meta, tracked = _payload(left, "meta"), _payload(left, "ct")
    if tracked is not None and set(tracked) == {"key"}:
        known = {"state": case.state.lower()}
        if case.state == NEW:
            known["direction"] = "original"
        return known.get(str(tracked["key"]))
    if meta is not None:
        return {
            "nfproto": f"ipv{case.version}",
            "protocol": "ip" if case.version == 4 else "ip6",
            "iif": COMES_BY, "iifname": COMES_BY, "oif": LEAVES_BY, "oifname": LEAVES_BY,
        }.get(str(meta.get("key")))  # fmt: skip
    return None


def _is_reverse_path(left: object) -> bool:
    """Whether a route back to the source is looked up: there is one, senders being real."""
    lookup = _payload(left, "fib")
    flags = lookup.get("flags") if lookup is not None else None
    found = isinstance(flags, list) and {"saddr", "iif"} <= set(flags)
    return found and lookup is not None and lookup.get("result") == "oif"


def _is_kind_of_address(left: object) -> bool:
    """Whether the destination's kind is looked up: of what is for the host itself, ``local``."""
    lookup = _payload(left, "fib") or {}
    return lookup.get("result") == "type" and lookup.get("flags") in ("daddr", ["daddr"])


def _one_of(left: object, right: object, case: Case) -> bool | None:
    """Tell whether one of several bits is set: states of a connection, flags of TCP."""
    words = _words(right)
    if words is None:
        return None
    if _payload(left, "ct") == {"key": "state"}:
        return case.state.lower() in words
    flags = _bits(right) if case.state == NEW else None
    return bool(flags & FLAGS["syn"]) if _is_flags(left) and flags is not None else None


def _is_flags(left: object) -> bool:
    return _payload(left, "payload") == {"protocol": "tcp", "field": "flags"}


def _flags(left: object, right: object) -> bool | None:
    """Compare the flags of a SYN, perhaps masked, with a value."""
    value = _bits(right)
    if value is None:
        return None
    if _is_flags(left):
        return value == FLAGS["syn"]
    masked = left.get("&") if isinstance(left, dict) else None
    if isinstance(masked, list) and len(masked) == 2 and _is_flags(masked[0]):
        mask = _bits(masked[1])
        return None if mask is None else FLAGS["syn"] & mask == value
    return None


def _bits(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    body = value.get("|") if isinstance(value, dict) else value
    words = body if isinstance(body, list) else [body]
    flags = {FLAGS[word] for word in words if isinstance(word, str) and word in FLAGS}
    return sum(flags) if len(flags) == len(words) else None
