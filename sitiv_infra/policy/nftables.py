"""Reads ``nft -j list ruleset`` (JSON schema 1, libnftables-json(5)) as a rule base.

It is read for one address family at a time, and, unless another state is asked for, for the first
packet of a new connection: ``ct state new``, a TCP SYN. A rate is not exceeded. Every statement and
every match that is not known here leaves a doubt on its rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sitiv_infra.messages import noop
from sitiv_infra.policy.elements import unfolded
from sitiv_infra.policy.operands import (
    NEW,
    Case,
    Columns,
    always,
    apart,
    columns_of,
    constant_of,
    is_foreign,
    text,
)
from sitiv_infra.policy.rules import Action, Base, Rule, RuleBase, Test, Verdict, joined
from sitiv_infra.policy.sets import Sets
from sitiv_infra.policy.space import EVERYTHING, Box, Dimension, box, difference

VERSIONS = {
    "ip": frozenset({4}),
    "ip6": frozenset({6}),
    "inet": frozenset({4, 6}),
    "netdev": frozenset({4, 6}),
    "bridge": frozenset({4, 6}),
}
FORWARDED = ("ingress", "prerouting", "forward", "postrouting", "egress")
# What is for the host itself, as it looks there: after what address translation did to it.
RECEIVED = ("input",)
NEUTRAL = frozenset({"counter", "log", "flow", "last", "ct helper", "ct timeout", "secmark", "dup"})
TRANSLATIONS = frozenset({"dnat", "redirect", "snat", "masquerade"})
PORTED: Box = box({Dimension.PROTOCOL: ((6, 6), (17, 17), (33, 33), (132, 132), (136, 136))})
NEVER = Test(())
RAW = noop("bytes at the place of a port")


class Way(NamedTuple):
    """One way for a rule to match: tests that are understood, and doubts about the rest."""

    tests: tuple[Test, ...] = ()
    doubts: tuple[str, ...] = ()


def read(
    ruleset: Iterable[Mapping[str, object]],
    version: int,
    hooks: Sequence[str] = FORWARDED,
    device: str | None = None,
    state: str = NEW,
) -> RuleBase:
    """Read the objects of a ruleset, unfolded, for IP version 4 or 6.

    hooks -- those that the packets in question pass, in their order. device -- the one that packets
    for the host itself come in by; without it, a rule about devices is a doubt. state -- that of
    the packets' connections: one of ``STATES``.
    """
    case = Case(version, device, state)
    kinds = [(kind, body) for entry in unfolded(ruleset) for kind, body in entry.items()]
    objects = [(kind, body) for kind, body in kinds if isinstance(body, dict)]
    sets = Sets(objects, version)
    translated = any(_names(body) & TRANSLATIONS for kind, body in objects if kind == "rule")
    # nft prints the flag of a dormant table, whose chains do nothing, in more than one way.
    flagged = {_table(body) for kind, body in objects if kind == "table" and body.get("flags")}
    chains: dict[str, list[Rule]] = {}
    bases: list[tuple[int, int, Base]] = []
    number = 0
    for kind, body in objects:
        number += kind == "rule"
        if version not in VERSIONS.get(str(body.get("family")), ()):
            continue
        if kind == "chain":
            chains.setdefault(_chain(body, body.get("name")), [])
            if body.get("hook") in hooks:
                order = hooks.index(str(body["hook"])), _priority(body.get("prio"))
                base = _base(body, translated=translated)
                dormant = (body.get("family"), body.get("table")) in flagged
                bases.append((*order, base._replace(blurred=base.blurred or dormant)))
        elif kind == "rule":
            rules = chains.setdefault(_chain(body, body.get("chain")), [])
            rules.extend(_Reader(body, sets, case).rules(number))
    ordered = sorted(bases, key=lambda item: item[:2])
    frozen = {name: tuple(rules) for name, rules in chains.items()}
    return RuleBase(version, frozen, tuple(base for *_, base in ordered))


def _priority(value: object) -> int:
    return value if isinstance(value, int) else 0


def _table(body: Mapping[str, object]) -> tuple[object, object]:
    return body.get("family"), body.get("name")


def _chain(body: Mapping[str, object], name: object) -> str:
    return f"{body.get('family')} {body.get('table')} {name}"


def _names(body: Mapping[str, object]) -> set[str]:
    expressions = body.get("expr")
    listed = expressions if isinstance(expressions, list) else []
    return {str(key) for item in listed if isinstance(item, dict) for key in item}


def _base(body: Mapping[str, object], *, translated: bool) -> Base:
    hook, family = str(body["hook"]), str(body["family"])
    policy = Verdict.DROP if body.get("policy") == "drop" else Verdict.ACCEPT
    exact = hook in {"forward", *RECEIVED}
    blurred = family in {"netdev", "bridge"} or (translated and not exact)
    return Base(_chain(body, body.get("name")), hook, VERSIONS[family], policy, blurred)


class _Reader:
    """Reads one rule; a verdict map or a raw port makes several rules of it."""

    def __init__(self, body: Mapping[str, object], sets: Sets, case: Case) -> None:
        self.body = body
        self.sets = sets
        self.case = case
        self.version = case.version
        comment = f" ({body['comment']})" if body.get("comment") else ""
        self.name = f"{_chain(body, body.get('chain'))} #{body.get('handle')}{comment}"

    def rules(self, number: int) -> list[Rule]:
        """Give the rule as first-match rules, none where it has no effect on a packet's fate."""
        return [rule._replace(number=number) for rule in self._rules()]

    def _rules(self) -> list[Rule]:
        ways = [Way()]
        found: list[Rule] = []
        expressions = self.body.get("expr")
        if not isinstance(expressions, list):
            return [self._rule(Way((), ("not a list of statements",)), Action.EITHER)]
        if self._foreign(expressions):
            return []
        for item in expressions:
            key, value = _single(item)
            if key == "match":
                ways = [one for way in ways for one in self._match(way, value)]
            elif key == "vmap":
                found += [rule for way in ways for rule in self._verdict_map(way, value)]
            elif not self._quiet(key, value):
                ways = [self._bounded(way, key, value) for way in ways]
                action = _action(key, value)
                if action is not None:
                    found += [self._rule(way, *action) for way in ways]
        return found

    def _foreign(self, expressions: Sequence[object]) -> bool:
        """Whether a rule begins by looking at the header of the other address family."""
        first, value = _single(expressions[0]) if expressions else ("", None)
        return first == "match" and is_foreign(_dict(value).get("left"), self.version)

    def _rule(self, way: Way, action: Action, target: str = "") -> Rule:
        place = _chain(self.body, target) if target else ""
        doubts = tuple(f"{self.name}: {what}" for what in way.doubts)
        return Rule(self.name, joined(way.tests), action, place, doubts)

    def _quiet(self, key: str, value: object) -> bool:
        """Whether a statement has no bearing on a packet's fate, for a connection on its own."""
        body = value if isinstance(value, dict) else {}
        if key == "mangle":
            return next(iter(_dict(body.get("key"))), "") in {"meta", "ct"}
        if key in {"set", "map"}:
            return not body.get("stmt")
        return key in NEUTRAL or (key == "limit" and not body.get("inv"))

    def _bounded(self, way: Way, key: str, value: object) -> Way:
        """Take what a statement demands, or note that it is not understood."""
        body = value if isinstance(value, dict) else {}
        if key in {"limit", "ct count"} and body.get("inv"):
            return Way((*way.tests, NEVER), way.doubts)  # "over": not by one connection alone
        if key == "reject":
            return Way((*way.tests, self._rejected(body)), way.doubts)
        if key == "ct count" or _action(key, value) not in {None, (Action.EITHER, "")}:
            return way
        return Way(way.tests, (*way.doubts, key))

    def _rejected(self, body: Mapping[str, object]) -> Test:
        """Give what an answer implies: nft leaves the match out of the list that it implies."""
        answer = body.get("type")
        if answer == "tcp reset":
            return Test((box({Dimension.PROTOCOL: ((6, 6),)}),))
        implied = {"icmp": 4, "icmpv6": 6}.get(str(answer), self.version)
        return Test((EVERYTHING,) if implied == self.version else ())

    def _match(self, way: Way, value: object) -> list[Way]:
        body = _dict(value)
        operator = str(body.get("op"))
        left, right = apart(body.get("left"), body.get("right"))
        if NEVER in way.tests:
            return [way]
        if is_foreign(left, self.version):
            return [Way((*way.tests, NEVER), way.doubts)]
        columns = columns_of(left, self.version)
        if columns is None:
            return [self._constant(way, left, operator, right)]
        rows = self.sets.rows(columns, operator, right, self.body)
        if rows is None:
            return [Way(way.tests, (*way.doubts, text(left)))]
        return self._ways(way, columns, Test(rows, negated=operator == "!="))

    def _constant(self, way: Way, left: object, operator: str, right: object) -> Way:
        held = constant_of(left, operator, right, self.case)
        if held is None:
            return Way(way.tests, (*way.doubts, text(left)))
        return Way((*way.tests, always(left) if held else NEVER), way.doubts)

    def _ways(self, way: Way, columns: Columns, test: Test) -> list[Way]:
        """Add a test and what its fields imply; raw port bytes say nothing without ports."""
        if not columns.possible:
            return [Way((*way.tests, NEVER), way.doubts)]
        needs = tuple(Test((need,)) for need in columns.needs)
        understood = Way((*way.tests, *needs, test), way.doubts)
        if not columns.raw:
            return [understood]
        ported = Test((PORTED,))
        found = [understood._replace(tests=(*way.tests, *needs, ported, test))]
        odd = (EVERYTHING,) if test.negated else tuple(columns.without_ports(test.boxes))
        if any(difference(one, PORTED) for one in odd):
            tests = (*way.tests, *needs, ported._replace(negated=True), Test(odd))
            found.append(Way(tests, (*way.doubts, RAW)))
        return found

    def _verdict_map(self, way: Way, value: object) -> list[Rule]:
        body = _dict(value)
        key = body.get("key")
        found: list[Rule] = []
        entries = self.sets.entries(body.get("data"), self.body)
        if entries is None:
            return [self._rule(Way(way.tests, (*way.doubts, text(key))), Action.EITHER)]
        for given, verdict in entries:
            action = _action(*_single(verdict)) or (Action.EITHER, "")
            doubt = () if action[0] is not Action.EITHER else ("verdict",)
            match = {"left": key, "op": "==", "right": given}
            both = self._match(Way(way.tests, (*way.doubts, *doubt)), match)
            found.extend(self._rule(one, *action) for one in both)
        return found


def _dict(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _single(item: object) -> tuple[str, object]:
    """Give name and content of a statement, which is a mapping of one key."""
    if isinstance(item, dict) and len(item) == 1:
        return next(iter(item.items()))
    return "statement", item


def _action(key: str, value: object) -> tuple[Action, str] | None:
    """Give what a statement does with a packet; None where it lets the rule go on."""
    if key in {"accept", "drop", "return"}:
        return Action(key), ""
    if key == "reject":
        return Action.DROP, ""
    if key in TRANSLATIONS:
        return Action.ACCEPT, ""
    if key in {"jump", "goto"}:
        return Action(key), str(_dict(value).get("target"))
    return None if key in {"limit", "ct count", "continue"} else (Action.EITHER, "")


def forward_policies(ruleset: Sequence[Mapping[str, object]]) -> dict[int, frozenset[Verdict]]:
    """Give, by IP version, what may become of a forwarded packet that no rule settles.

    One verdict where that is certain, two where it hangs on a chain that may not hold, such as
    that of a dormant table or of a bridge; none where no chain is on the forward hook.
    """
    return {version: _policy(read(ruleset, version)) for version in (4, 6)}


def _policy(rules: RuleBase) -> frozenset[Verdict]:
    forward = [base for base in rules.bases if base.hook == "forward"]
    drops = [base for base in forward if base.policy is Verdict.DROP]
    if any(not base.blurred for base in drops):
        return frozenset({Verdict.DROP})
    if drops:
        return frozenset(Verdict)
    return frozenset({Verdict.ACCEPT}) if forward else frozenset()
