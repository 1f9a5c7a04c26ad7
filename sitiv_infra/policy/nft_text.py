"""Reads the rules that are rendered, in nft's own language, as what ``nft -j`` would list of them.

Only what the renderer writes is known (nft(8): sets of concatenated intervals whose elements have a
counter and a comment, and rules that ask them). Anything else is an error: nothing is proved that
was not read whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from ipaddress import ip_address, ip_network

from sitiv_infra.errors import InvalidInput

Json = dict[str, object]
FIELDS: Mapping[str, tuple[Json, str]] = {
    "ip saddr": ({"payload": {"protocol": "ip", "field": "saddr"}}, "ipv4_addr"),
    "ip daddr": ({"payload": {"protocol": "ip", "field": "daddr"}}, "ipv4_addr"),
    "ip6 saddr": ({"payload": {"protocol": "ip6", "field": "saddr"}}, "ipv6_addr"),
    "ip6 daddr": ({"payload": {"protocol": "ip6", "field": "daddr"}}, "ipv6_addr"),
    "meta l4proto": ({"meta": {"key": "l4proto"}}, "inet_proto"),
    "th dport": ({"payload": {"protocol": "th", "field": "dport"}}, "inet_service"),
}
RULE = re.compile(r"ct state new (?P<fields>[a-z0-9 .]+) (?P<set>@\w+) (?P<verdict>accept|drop)")
SET = re.compile(
    r"\s*set (?P<name>\w+) \{\s*type (?P<types>[a-z0-9_ .]+?)\s+flags interval\s+counter\s+"
    r"(?:elements = \{(?P<elements>[^{}]*)\}\s*)?\}\s*"
)
ELEMENT = re.compile(
    r"\s*(?P<values>[^\s\",]+(?: \. [^\s\",]+)+)"
    r'(?: counter packets (?P<packets>\d+) bytes (?P<bytes>\d+))? comment "(?P<comment>[^",]*)"\s*'
)
MOST = {"inet_proto": 255, "inet_service": 65535}
PLACE: Json = {"family": "inet", "table": "filter"}
CHAIN = "forward"
NEW: Json = {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": "new"}}


def ruleset(sets: Iterable[str], rules: Iterable[str]) -> list[Json]:
    """Give a ruleset of one chain on the forward hook, which drops what no rule accepts.

    Raises InvalidInput with the set, the element or the rule, by its number from 1, that is not
    wholly understood.
    """
    hook = {"name": CHAIN, "type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}
    listed = [_set(f"set {number}", text) for number, text in enumerate(sets, 1)]
    types = {f"@{body['name']}": body["type"] for body in listed}
    found: list[Json] = [{"set": {**PLACE, **body}} for body in listed]
    found.append({"chain": {**PLACE, **hook}})
    for number, text in enumerate(rules, 1):
        body = _rule(f"rule {number}", text, types)
        found.append({"rule": {**PLACE, "chain": CHAIN, "handle": number, **body}})
    return found


def _rule(where: str, text: str, types: Mapping[str, object]) -> Json:
    said = RULE.fullmatch(text)
    known = [FIELDS.get(name) for name in said["fields"].split(" . ")] if said else []
    fields = [one for one in known if one is not None]
    if said is None or len(fields) < len(known):
        raise InvalidInput(f"{where}: not 'ct state new FIELD . FIELD @SET accept': {text}")
    if types.get(said["set"]) != [kind for _, kind in fields]:
        raise InvalidInput(f"{where}: there is no set {said['set']} of these fields: {text}")
    left = {"concat": [field for field, _ in fields]}
    asks = {"match": {"op": "==", "left": left, "right": said["set"]}}
    return {"expr": [NEW, asks, {said["verdict"]: None}]}


def _set(where: str, text: str) -> Json:
    said = SET.fullmatch(text)
    if said is None:
        raise InvalidInput(f"{where}: not 'set NAME {{ type …  flags interval  counter }}'")
    types = said["types"].split(" . ")
    elements = said["elements"].split(",") if said["elements"] else []
    listed = [_element(f"{where}, element {n}", one, types) for n, one in enumerate(elements, 1)]
    plain: Json = {"name": said["name"], "type": types, "flags": ["interval"]}
    return {**plain, "elem": listed, "stmt": [{"counter": None}]}


def _element(where: str, text: str, types: list[str]) -> Json:
    said = ELEMENT.fullmatch(text)
    values = said["values"].split(" . ") if said else []
    if said is None or len(values) != len(types):
        raise InvalidInput(f"{where}: not a value for each field and a comment: {text.strip()}")
    try:
        concat = [_value(*pair) for pair in zip(values, types, strict=True)]
    except ValueError as error:
        raise InvalidInput(f"{where}: {error}: {text.strip()}") from None
    counter = {"packets": int(said["packets"] or 0), "bytes": int(said["bytes"] or 0)}
    return {"elem": {"val": {"concat": concat}, "comment": said["comment"], "counter": counter}}


@cache
def _value(word: str, kind: str) -> object:
    """Read a word, a number, an address, a range or a network; ValueError where it is none."""
    if kind == "inet_proto" and re.fullmatch(r"[a-z][a-z0-9-]*", word):
        return word
    if kind in {"inet_proto", "inet_service"}:
        numbers = [int(end) for end in word.split("-")]
        if len(numbers) > 2 or not 0 <= numbers[0] <= numbers[-1] <= MOST[kind]:
            raise ValueError(f"not a number or a range up to {MOST[kind]}")
        return {"range": numbers} if len(numbers) == 2 else numbers[0]
    if "/" in word:
        net = ip_network(word)
        return {"prefix": {"addr": str(net.network_address), "len": net.prefixlen}}
    ends = [str(ip_address(end)) for end in word.split("-")]
    return {"range": ends} if len(ends) == 2 else ends[0]
