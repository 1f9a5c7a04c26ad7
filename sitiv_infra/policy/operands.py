"""What nftables compares: fields of a packet, and what is the same for every new connection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from sitiv_infra.policy.rules import Test
from sitiv_infra.policy.space import (
    EVERYTHING,
    ICMP_CODE,
    ICMP_TYPE,
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
FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128}
SYN = FLAGS["syn"]
COMES_BY, LEAVES_BY = DEVICES = ("device in", "device out")
PORTED = {"tcp": 6, "udp": 17, "dccp": 33, "sctp": 132, "udplite": 136}


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


class Columns(NamedTuple):
    """The fields of a match: one, or those of a concatenation."""

    fields: tuple[Column, ...]
    needs: tuple[Box, ...]
    possible: bool

    @property
    def raw(self) -> bool:
        """Whether port bytes are read without saying of which protocol."""
        return any(field.raw for field in self.fields)


def _fields() -> dict[tuple[str, str], Column]:
    found = {
        ("ip", "protocol"): Column(Dimension.PROTOCOL, PROTOCOLS, 4),
        ("ip6", "nexthdr"): Column(Dimension.PROTOCOL, PROTOCOLS, 6),
        ("icmp", "type"): Column(ICMP_TYPE, ICMP, 4, 1),
        ("icmp", "code"): Column(ICMP_CODE, {}, 4, 1),
        ("icmpv6", "type"): Column(ICMP_TYPE, ICMPV6, 6, 58),
        ("icmpv6", "code"): Column(ICMP_CODE, {}, 6, 58),
        ("th", "sport"): Column(Dimension.SOURCE_PORT, raw=True),
        ("th", "dport"): Column(Dimension.DESTINATION_PORT, raw=True),
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
        return dict(left[kind])
    return None


def is_foreign(left: object, version: int) -> bool:
    """Whether a header of the other address family is looked at: the match never holds."""
    payload = _payload(left, "payload") or {}
    header = {"ip": 4, "icmp": 4, "igmp": 4, "arp": 0, "ip6": 6, "icmpv6": 6}
    return header.get(str(payload.get("protocol")), version) != version


def columns_of(left: object, version: int) -> Columns | None:
    """Give the fields of a match's left side, or None where one of them is not known here."""
    parts = left.get("concat") if isinstance(left, dict) else None
    fields: list[Column] = []
    for part in parts if isinstance(parts, list) else [left]:
        column = _column(part)
        if column is None:
            return None
        fields.append(column)
    if len({field.dimension for field in fields}) < len(fields):
        return None
    numbers = {field.protocol for field in fields if field.protocol is not None}
    needs = tuple(box({Dimension.PROTOCOL: ((n, n),)}) for n in sorted(numbers))
    possible = all(field.version in {None, version} for field in fields)
    return Columns(tuple(fields), needs, possible)


def _column(part: object) -> Column | None:
    payload, meta = _payload(part, "payload"), _payload(part, "meta")
    if payload is not None:
        return FIELDS.get((str(payload.get("protocol")), str(payload.get("field"))))
    if meta is not None and meta.get("key") == "l4proto":
        return Column(Dimension.PROTOCOL, PROTOCOLS)
    return None


def constant_of(
    left: object, operator: str, right: object, version: int, device: str | None = None
) -> bool | None:
    """Tell whether a match holds that is the same for every new connection; None if it isn't.

    device -- the one by which packets for one of the host's own addresses come in, where the
    question is about those.
    """
    if operator not in {"==", "!=", "in"}:
        return None
    is_same = _same(left, right, version, device) if operator != "in" else _one_of(left, right)
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


def _same(left: object, right: object, version: int, device: str | None) -> bool | None:
    """Compare a constant with a word or with the words of an anonymous set."""
    if _is_reverse_path(left):
        return False if right in (False, 0, "0") else None
    if _is_kind_of_address(left) and device is not None:
        words = _words(right)
        return None if words is None else "local" in words
    flags = _flags(left, right)
    if flags is not None:
        return flags
    known = _constant(left, version)
    words = _words(right)
    if known is None or words is None or any(word.startswith("@") for word in words):
        return None
    if known in DEVICES:
        return _is_device(words, device if known == COMES_BY else None)
    return known in words


def _is_device(words: set[str], device: str | None) -> bool | None:
    """Compare a packet's device with names, which may end in ``*``; it is never ``lo``."""
    if device is None:
        return False if words == {"lo"} else None
    return any(device == w or (w.endswith("*") and device.startswith(w[:-1])) for w in words)


def _constant(left: object, version: int) -> str | None:
    """Name what the first packet of another machine's connection has, whoever sends it."""
    meta, tracked = _payload(left, "meta"), _payload(left, "ct")
    if tracked is not None and set(tracked) == {"key"}:
        return {"state": "new", "direction": "original"}.get(str(tracked["key"]))
    if meta is not None:
        return {
            "nfproto": f"ipv{version}",
            "protocol": "ip" if version == 4 else "ip6",
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


def _one_of(left: object, right: object) -> bool | None:
    """Tell whether one of several bits is set: states of a connection, flags of TCP."""
    words = _words(right)
    if words is None:
        return None
    if _payload(left, "ct") == {"key": "state"}:
        return "new" in words
    flags = _bits(right)
    return bool(flags & SYN) if _is_flags(left) and flags is not None else None


def _is_flags(left: object) -> bool:
    return _payload(left, "payload") == {"protocol": "tcp", "field": "flags"}


def _flags(left: object, right: object) -> bool | None:
    """Compare the flags of a SYN, perhaps masked, with a value."""
    value = _bits(right)
    if value is None:
        return None
    if _is_flags(left):
        return value == SYN
    masked = left.get("&") if isinstance(left, dict) else None
    if isinstance(masked, list) and len(masked) == 2 and _is_flags(masked[0]):
        mask = _bits(masked[1])
        return None if mask is None else SYN & mask == value
    return None


def _bits(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    body = value.get("|") if isinstance(value, dict) else value
    words = body if isinstance(body, list) else [body]
    flags = {FLAGS[word] for word in words if isinstance(word, str) and word in FLAGS}
    return sum(flags) if len(flags) == len(words) else None
