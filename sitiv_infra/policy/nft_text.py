"""Reads the rules that are rendered, in nft's own language, as what ``nft -j`` would list of them.

Only what the renderer writes is known (nft(8): payload and meta expressions, sets, ranges, ct
state, verdicts, comments). Anything else is an error: no rule is proved that was not read whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_network

from sitiv_infra.errors import InvalidInput

Json = dict[str, object]
WORD = re.compile(r'"[^"]*"|[{},]|!=|[^\s{},"]+')
PAYLOADS = {
    ("ip", "saddr"), ("ip", "daddr"), ("ip6", "saddr"), ("ip6", "daddr"), ("tcp", "sport"),
    ("tcp", "dport"), ("udp", "sport"), ("udp", "dport"),
}  # fmt: skip
VERDICTS = {"accept", "drop"}
PLACE: Json = {"family": "inet", "table": "filter"}
CHAIN = "forward"


def ruleset(rules: Iterable[str]) -> list[Json]:
    """Give a ruleset of one chain on the forward hook, which drops what no rule accepts.

    Raises InvalidInput with the rule, by its number from 1, that is not wholly understood.
    """
    hook = {"name": CHAIN, "type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}
    found: list[Json] = [{"chain": {**PLACE, **hook}}]
    for number, text in enumerate(rules, 1):
        try:
            found.append({"rule": {**PLACE, "chain": CHAIN, "handle": number, **_rule(text)}})
        except (InvalidInput, ValueError, IndexError) as error:
            raise InvalidInput(f"rule {number}: {error}: {text}") from None
    return found


def _rule(text: str) -> Json:
    words = WORD.findall(text)
    comment = ""
    if words[-2:-1] == ["comment"]:
        comment = words[-1].strip('"')
        words = words[:-2]
    if words[-1] not in VERDICTS:
        raise InvalidInput("its last word is no verdict")
    said = list(_matches(words[:-1]))
    return {"expr": [*said, {words[-1]: None}], "comment": comment}


def _matches(words: Sequence[str]) -> Iterator[Json]:
    place = 0
    while place < len(words):
        left = _left(words[place], words[place + 1])
        place += 2
        operator = "=="
        if words[place] == "!=":
            operator, place = "!=", place + 1
        if left == {"ct": {"key": "state"}}:
            operator = "in"
        right, place = _right(words, place)
        yield {"match": {"op": operator, "left": left, "right": right}}


def _left(first: str, second: str) -> Json:
    if (first, second) in PAYLOADS:
        return {"payload": {"protocol": first, "field": second}}
    if (first, second) == ("meta", "l4proto"):
        return {"meta": {"key": second}}
    if (first, second) == ("ct", "state"):
        return {"ct": {"key": second}}
    raise InvalidInput(f"'{first} {second}' is not known")


def _right(words: Sequence[str], place: int) -> tuple[object, int]:
    if words[place] != "{":
        return _value(words[place]), place + 1
    end = words.index("}", place)
    items = words[place + 1 : end]
    if not items or any((word == ",") != bool(n % 2) for n, word in enumerate(items)):
        raise InvalidInput("a set is written { one, other }")
    return {"set": [_value(word) for word in items[::2]]}, end + 1


def _value(word: str) -> object:
    if re.fullmatch(r"\d+", word):
        return int(word)
    span = re.fullmatch(r"(\d+)-(\d+)", word)
    if span:
        return {"range": [int(span[1]), int(span[2])]}
    if "/" in word:
        net = ip_network(word)
        return {"prefix": {"addr": str(net.network_address), "len": net.prefixlen}}
    if not re.fullmatch(r"[a-z0-9.:-]+", word):
        raise InvalidInput(f"'{word}' is not known")
    return word
