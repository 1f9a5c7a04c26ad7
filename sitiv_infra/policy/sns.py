"""Reads filter rules of Stormshield SNS; ``sns_text`` names the public sources of the grammar.

Judged is the first packet of a connection, by the rules of each slot in their order, with a block
at the end. What the inspection that every rule has makes of the contents of a connection is not
judged; a rule that asks for one of its own is undecided. Rules that the appliance adds by itself
(CONFIG FILTER IMPLICIT: packets to itself) are not in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sitiv_infra.policy.iptables_options import DEVICES, device
from sitiv_infra.policy.objects import Use, at, called, everywhere, merged, objects, placed, side
from sitiv_infra.policy.rules import Action, Base, Rule, RuleBase, Test, Verdict
from sitiv_infra.policy.rules import Objects as Naming
from sitiv_infra.policy.sns_objects import Objects, Service
from sitiv_infra.policy.sns_text import UNKNOWN, Text, Written
from sitiv_infra.policy.sns_text import read as read_text
from sitiv_infra.policy.space import (
    EVERYTHING,
    PORTS,
    PROTOCOLS,
    Box,
    Dimension,
    Intervals,
    Point,
    box,
    common,
    holds,
    intersection,
    union,
)

ACTIONS = {
    "pass": Action.ACCEPT, "block": Action.DROP, "reset": Action.DROP, "reject": Action.DROP,
}  # fmt: skip
QUIET = {"log", "nat"}  # the next rule is asked, as if the rule were not there
READ = {
    "state", "action", "srctarget", "dsttarget", "srcport", "dstport", "srcif", "dstif", "ipproto",
    "icmptype", "icmpcode",
}  # fmt: skip
NEUTRAL = {
    "comment", "rulename", "name", "loglevel", "noconnlog", "count", "settos", "qosid", "ackqosid",
    "qosfairness", "nohasync", "color", "output", "ipstate", "route",
}  # fmt: skip
# Options that say nothing as long as they have these values, or none.
USUAL = {
    "schedule": {"anytime"}, "via": {"any"}, "proto": {"auto", "none"}, "srcportop": {"eq"},
    "dstportop": {"eq"}, "inspection": {"firewall"}, "antivirus": {"off"}, "sandboxing": {"off"},
    "antispam": {"off"}, "ftpfiltering": {"off"}, "proxycache": {"off"}, "synproxy": {"off"},
    "beforevpn": {"off"}, "enforceipsecforward": {"off"}, "enforceipsecreverse": {"off"},
}  # fmt: skip
NAMED = ("rulename", "name", "comment")
ICMP, ICMPV6 = 1, 58
DEVICE = re.compile(r"[\w.-]{1,60}", re.ASCII)


def read(text: str) -> dict[int, RuleBase]:
    """Read a text; boxes have the devices' dimensions after the ordinary ones.

    Raises InvalidInput with the line that is not read.
    """
    said = read_text(text)
    found = {}
    for version in (4, 6):
        reader = _Reader(said, version)
        chains = {
            slot: tuple(reader.rule(rule, n) for n, rule in enumerate(rules, 1) if rule is not None)
            for slot, rules in said.slots.items()
        }
        bases = (Base(slot, "forward", frozenset({version}), Verdict.DROP) for slot in chains)
        found[version] = RuleBase(version, chains, tuple(bases))
    return found


class _Reader:
    """Reads rules for one address family."""

    def __init__(self, text: Text, version: int) -> None:
        self.text = text
        self.objects = Objects(text, version)
        self.version = version

    def rule(self, written: Written, position: int) -> Rule:
        """Give the rule at a position; one that is off has no packets, and leaves no doubt."""
        tokens, doubts = written.tokens, list(_doubted(written.tokens))
        word = tokens.get("action", "")
        action = ACTIONS.get(word, Action.NONE)
        if word not in ACTIONS.keys() | QUIET:
            doubts.append(f"action={word}" if word else "no action")
        boxes = self._boxes(tokens, doubts) if tokens.get("state", "on") != "off" else ()
        said = tuple(f"#{written.number}: {what}" for what in dict.fromkeys(doubts) if boxes)
        hangs = {name: value for name, value in tokens.items() if name not in NEUTRAL}
        meaning = self.text.meaning(hangs) if said else ""
        name = next((tokens[one] for one in NAMED if tokens.get(one)), "")
        return Rule(
            written.text, (Test(boxes),), action, "", said, written.number, meaning,
            called(f"rule {written.position or position}", name, written.line), name,
            self._objects(tokens),
        )  # fmt: skip

    def _objects(self, tokens: dict[str, str]) -> Naming:
        ends = (("srctarget", Dimension.SOURCE), ("dsttarget", Dimension.DESTINATION))
        return objects(
            *(Use(self.objects.addresses, _names(tokens, o), at(side)) for o, side in ends),
            Use(self.objects.services, _names(tokens, "dstport"), _served),
        )

    def _boxes(self, tokens: dict[str, str], doubts: list[str]) -> tuple[Box, ...]:
        ends = [self._end(tokens, option, doubts) for option in ("srctarget", "dsttarget")]
        devices = [_device(tokens.get(option, "any"), doubts) for option in ("srcif", "dstif")]
        return placed(self._services(tokens, doubts), *ends, *devices)

    def _end(self, tokens: dict[str, str], option: str, doubts: list[str]) -> Intervals:
        given = tokens.get(option, "")
        names = given.removeprefix("!").removeprefix("=").split(",")
        if not all(names):
            doubts.append(f"no {option}")
            return everywhere(self.version)
        names = [name.lower() if name.lower() == "any" else name for name in names]
        found = side(self.objects.addresses, names, self.version, negated=given.startswith("!"))
        doubts += found.doubts
        return found.spans

    def _services(self, tokens: dict[str, str], doubts: list[str]) -> tuple[Box, ...]:
        """Give the packets of a rule's protocol, ports and ICMP types."""
        start = self._protocol(tokens, doubts)
        to, by = (self._ports(tokens, option, start, doubts) for option in ("dstport", "srcport"))
        turned = [_turned(one) for one in by]
        pairs = (intersection(one, other) for one in to for other in turned)
        cut = (intersection(start, one) for one in pairs if one)
        return merged(one for one in cut if one)

    def _protocol(self, tokens: dict[str, str], doubts: list[str]) -> Box:
        name = tokens.get("ipproto", "any").lower()
        numbers: Intervals = PROTOCOLS
        if name not in {"any", ""}:
            known = self.objects.protocols.get(name)
            if known is None:
                doubts.append(f"ipproto={name}")
            else:
                numbers = ((known, known),)
        if self.version == 6 and numbers == ((ICMP, ICMP),):
            doubts.append(f"ipproto={name}: for IPv6, too?")
            numbers = union([(ICMP, ICMP), (ICMPV6, ICMPV6)])
        sides = {Dimension.PROTOCOL: numbers}
        for option, place in (
            ("icmptype", Dimension.SOURCE_PORT), ("icmpcode", Dimension.DESTINATION_PORT),
        ):  # fmt: skip
            if given := tokens.get(option):
                if name in {"any", ""} or not given.isdecimal():
                    doubts.append(f"{option}={given}")
                else:
                    sides[place] = ((int(given), int(given)),)
        return box(sides)

    def _ports(
        self, tokens: dict[str, str], option: str, start: Box, doubts: list[str]
    ) -> tuple[Box, ...]:
        names = tokens.get(option, "any")
        if names.lower() in {"any", ""} or tokens.get(f"{option}op", "eq") != "eq":
            return (EVERYTHING,)  # another operator than "equal" leaves a doubt already
        found, unclear = self.objects.services.find(names.split(","))
        doubts += unclear
        wide = bool(common(start[Dimension.PROTOCOL], ((132, 132),)))
        if wide and any(service.vague for service in found):
            doubts.append(f"{option}={names}: of which protocols?")
        return (EVERYTHING,) if unclear else tuple(b for service in found for b in service.boxes)


def _names(tokens: dict[str, str], option: str) -> Sequence[str]:
    """Give the names under an option; none where it says what must not be."""
    given = tokens.get(option, "")
    return () if given.startswith("!") else given.removeprefix("=").split(",")


def _served(service: Service, packet: Point) -> bool:
    return any(holds(one, packet) for one in service.boxes)


def _turned(one: Box) -> Box:
    """Give the packets from the ports that a service names, instead of to them."""
    sides = {
        Dimension.PROTOCOL: one[Dimension.PROTOCOL],
        Dimension.SOURCE_PORT: one[Dimension.DESTINATION_PORT],
        Dimension.DESTINATION_PORT: PORTS,
    }
    return box(sides)


def _device(name: str, doubts: list[str]) -> Intervals:
    if name.lower() in {"any", ""}:
        return DEVICES
    if not DEVICE.fullmatch(name):
        doubts.append(f"device {name[:40]}")
        return DEVICES
    return device(name)


def _doubted(tokens: dict[str, str]) -> Iterator[str]:
    """Yield what is not understood, or hangs on more than the packet."""
    for option, value in tokens.items():
        if option == UNKNOWN:
            yield value
        elif option == "state" and value not in {"on", "off"}:
            yield f"state={value}"
        elif value and option not in READ | NEUTRAL and value not in USUAL.get(option, ()):
            yield f"{option}={value}"
