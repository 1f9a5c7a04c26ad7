"""Rule bases with one thing changed: what a slip, or somebody at the keyboard, makes of them."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import NamedTuple

from sitiv_infra.policy.lists import NO_RULE
from sitiv_infra.wanted.nftables import FlowSet

Dice = random.Random
KEYED = re.compile(r'^ +(?P<words>\S.*\S) comment "(?P<comment>.*)"$')


class Mutant(NamedTuple):
    """A changed text, and the names of flows or rules of which one is at fault.

    None are known of texts whose changed lines tell that: see ``faults``.
    """

    text: str
    names: frozenset[str] = frozenset()


class Element(NamedTuple):
    words: tuple[str, ...]
    comment: str


@dataclass
class Nft:
    """Rules for nftables as the sets that they ask; each rule is state, fields, set, verdict."""

    sets: dict[str, list[Element]]
    types: dict[str, str]
    rules: list[list[str]]
    policy: str = "drop"
    everything: int | None = None  # the place of a rule that accepts all
    names: frozenset[str] = field(default_factory=frozenset)

    def text(self) -> str:
        """Write what is rendered."""
        lines = []
        for name, elements in self.sets.items():
            rows = [f'    {" . ".join(one.words)} comment "{one.comment}"' for one in elements]
            lines += [f"set {name} {{", f"  type {self.types[name]}", "  flags interval"]
            lines += ["  counter"]
            if rows:
                lines += ["  elements = {", ",\n".join(rows), "  }"]
            lines.append("}")
        rules = [" ".join(filter(None, [*rule[:2], f"@{rule[2]}", rule[3]])) for rule in self.rules]
        if self.everything is not None:
            rules.insert(self.everything, "accept")
        return "\n".join([*lines, *rules]) + "\n"

    def json(self) -> str:
        """Write what ``nft -j list ruleset`` prints once it is loaded."""
        place = {"family": "inet", "table": "filter"}
        objects: list[object] = [{"metainfo": {"json_schema_version": 1}}]
        for name, elements in self.sets.items():
            listed = [
                {"elem": {"val": {"concat": [_value(w) for w in one.words]}, "comment": one.comment,
                          "counter": {"packets": 0, "bytes": 0}}}
                for one in elements
            ]  # fmt: skip
            told = {"name": name, "type": self.types[name].split(" . "), "flags": ["interval"]}
            objects.append({"set": {**place, **told, **({"elem": listed} if listed else {})}})
        hook = {"name": "forward", "type": "filter", "hook": "forward", "prio": 0}
        objects.append({"chain": {**place, **hook, "policy": self.policy}})
        kept: list[object] = [_state(["established", "related"]), {"accept": None}]
        rules = [kept]
        rules += [_expressions(*rule) for rule in self.rules]
        if self.everything is not None:
            rules.insert(self.everything + 1, [{"accept": None}])
        objects += [
            {"rule": {**place, "chain": "forward", "handle": number, "expr": expr}}
            for number, expr in enumerate(rules, 1)
        ]
        return json.dumps({"nftables": objects})


def _value(word: str) -> object:
    if "/" in word:
        net = ip_network(word)
        return {"prefix": {"addr": str(net.network_address), "len": net.prefixlen}}
    values: list[object] = [int(w) if w.isdigit() else w for w in re.split(r"-(?=[\d:a-f])", word)]
    return values[0] if len(values) == 1 or word.startswith("ipv6-") else {"range": values}


def _state(states: object) -> dict[str, object]:
    return {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": states}}


def _expressions(state: str, fields: str, name: str, verdict: str) -> list[object]:
    left = [_field(one) for one in fields.split(" . ")]
    asks = {"match": {"op": "==", "left": {"concat": left}, "right": f"@{name}"}}
    first = [_state(state.rsplit(" ", 1)[-1])] if state else []
    return [*first, asks, {verdict: None}]


def _field(text: str) -> dict[str, object]:
    layer, name = text.split()
    if layer == "meta":
        return {"meta": {"key": name}}
    return {"payload": {"protocol": layer, "field": name}}


def nft(sets: Iterable[FlowSet]) -> Nft:
    """Take the rendered sets apart."""
    listed = list(sets)
    elements = {
        one.name: [
            Element(tuple(said["words"].split(" . ")), said["comment"])
            for said in filter(None, (KEYED.match(f"  {text}") for text in one.elements))
        ]
        for one in listed
    }
    rules = [["ct state new", one.fields, one.name, "accept"] for one in listed]
    return Nft(elements, {one.name: one.types for one in listed}, rules)


Change = Callable[[Nft, Dice], None]


def bits(word: str, more: int) -> str | None:
    """Give a network with a mask that is wider or narrower by some bits."""
    net = ip_network(word if "/" in word else f"{word}/{ip_network(word).prefixlen}")
    length = net.prefixlen + more
    if not 0 <= length <= net.max_prefixlen:
        return None
    return str(ip_network(f"{net.network_address}/{length}", strict=False))


def _of_element(change: Callable[[list[str], Dice, list[Element]], None]) -> Change:
    """Change one element of one set."""

    def changed(base: Nft, dice: Dice) -> None:
        name = dice.choice([name for name, found in base.sets.items() if found])
        place = dice.randrange(len(base.sets[name]))
        words, comment = base.sets[name][place]
        other = list(words)
        change(other, dice, base.sets[name])
        base.sets[name][place] = Element(tuple(other), comment)
        base.names = frozenset({comment})

    return changed


def _mask(more: int) -> Change:
    def changed(words: list[str], dice: Dice, _: list[Element]) -> None:
        side = dice.randrange(2)
        if "-" not in words[side]:
            words[side] = bits(words[side], more) or words[side]

    return _of_element(changed)


def _ports(change: Callable[[int, int, int], str]) -> Change:
    """Change the last field: ports, or protocols where there are no ports."""

    def changed(words: list[str], _: Dice, __: list[Element]) -> None:
        found = re.fullmatch(r"(\d+)(?:-(\d+))?", words[-1])
        if found:
            top = 65535 if len(words) == 4 else 255
            words[-1] = change(int(found[1]), int(found[2] or found[1]), top)

    return _of_element(changed)


def whole(_: int, __: int, top: int = 65535) -> str:
    return f"0-{top}"


def shifted(low: int, high: int, top: int = 65535) -> str:
    return f"{low + 1}-{high + 1}" if low < high < top else f"{(high + 1) % (top + 1)}"


def wider(low: int, high: int, top: int = 65535) -> str:
    return f"{low}-{high + 1}" if high < top else f"{max(low - 1, 0)}-{high}"


def _swapped(words: list[str], dice: Dice, others: list[Element]) -> None:
    side = dice.randrange(2)
    words[side] = dice.choice(others).words[side]


def _turned(words: list[str], *_: object) -> None:
    words[:2] = words[1::-1]


def _protocol(words: list[str], *_: object) -> None:
    words[2] = {"tcp": "udp", "udp": "tcp", "1": "2", "58": "57"}.get(words[2], "6")


def _removed(base: Nft, dice: Dice) -> None:
    name = dice.choice([name for name, found in base.sets.items() if found])
    base.names = frozenset({base.sets[name].pop(dice.randrange(len(base.sets[name]))).comment})


def _rule_removed(base: Nft, dice: Dice) -> None:
    gone = base.rules.pop(dice.randrange(len(base.rules)))
    base.names = _comments(base, gone[2])


def _comments(base: Nft, name: str) -> frozenset[str]:
    return frozenset(one.comment for one in base.sets[name])


def _element_of_all(base: Nft, dice: Dice) -> None:
    name = dice.choice(list(base.sets))
    every = "0.0.0.0/0" if name.endswith("4") else "::/0"
    words = (every, every, *(("tcp", "0-65535") if "flows" in name else ("0-255",)))
    base.sets[name].insert(dice.randint(0, len(base.sets[name])), Element(words, "by hand"))
    base.names = frozenset({"by hand"})


def _rule_of_all(base: Nft, dice: Dice) -> None:
    base.everything = dice.randint(0, len(base.rules))
    base.names = frozenset({f"#{base.everything + 2}"})


def _rule(part: int, words: str) -> Change:
    def changed(base: Nft, dice: Dice) -> None:
        rule = dice.choice(base.rules)
        rule[part] = words
        base.names = _comments(base, rule[2])

    return changed


def _ends_of_rule(base: Nft, dice: Dice) -> None:
    rule = dice.choice(base.rules)
    rule[1] = re.sub(r"saddr (.*)daddr", r"daddr \1saddr", rule[1])
    base.names = _comments(base, rule[2])


def _policy(base: Nft, _: Dice) -> None:
    base.policy = "accept"
    base.names = frozenset({NO_RULE})


def _emptied(base: Nft, dice: Dice) -> None:
    name = dice.choice([name for name, found in base.sets.items() if found])
    base.names = _comments(base, name)
    base.sets[name] = []


def _family(base: Nft, dice: Dice) -> None:
    version = dice.choice(sorted({name[-1] for name in base.sets}))
    gone = [rule[2] for rule in base.rules if rule[2].endswith(version)]
    base.rules = [rule for rule in base.rules if rule[2] not in gone]
    base.names = frozenset(comment for name in gone for comment in _comments(base, name))


NFT: Mapping[str, Change] = {
    "mask-widened": _mask(-1),
    "mask-narrowed": _mask(1),
    "port-dropped": _ports(whole),
    "port-shifted": _ports(shifted),
    "range-widened": _ports(wider),
    "network-swapped": _of_element(_swapped),
    "ends-swapped": _of_element(_turned),
    "rule-ends-swapped": _ends_of_rule,
    "protocol-changed": _of_element(_protocol),
    "element-removed": _removed,
    "rule-removed": _rule_removed,
    "everything-in-a-set": _element_of_all,
    "everything-by-a-rule": _rule_of_all,
    "state-dropped": _rule(0, ""),
    "other-state": _rule(0, "ct state established"),
    "verdict-drop": _rule(3, "drop"),
    "set-emptied": _emptied,
    "family-left-out": _family,
    "policy-accept": _policy,
}


def of_nft(base: Nft, kind: str, dice: Dice, form: str) -> Mutant:
    """Change one thing, and write it in a form."""
    other = deepcopy(base)
    NFT[kind](other, dice)
    return Mutant(other.text() if form == "nft-text" else other.json(), other.names)
