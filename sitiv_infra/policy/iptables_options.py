"""The options of one rule of iptables (iptables-extensions(8)), read as boxes.

What is not known here leaves a doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from ipaddress import ip_address, ip_network

from sitiv_infra.policy.operands import FLAGS, ICMP, ICMPV6
from sitiv_infra.policy.operands import PROTOCOLS as NUMBERS
from sitiv_infra.policy.rules import Action, Rule, Test
from sitiv_infra.policy.space import (
    EVERYTHING,
    PORTS,
    PROTOCOLS,
    Box,
    Dimension,
    Intervals,
    union,
    without,
)


class More(IntEnum):
    """Dimensions that follow those of every box."""

    COMES_BY = 5
    LEAVES_BY = 6
    STATE = 7
    FLAGS = 8


STATES = {"NEW": 0, "ESTABLISHED": 1, "RELATED": 2, "INVALID": 3, "UNTRACKED": 4}
ALL_FLAGS = 63  # FIN to URG: what --tcp-flags knows
VERSION_BITS = {4: 32, 6: 128}
TCP, UDP = NUMBERS["tcp"], NUMBERS["udp"]
PORTED = frozenset(NUMBERS[name] for name in ("tcp", "udp", "dccp", "sctp", "udplite"))
TARGETS = {
    "ACCEPT": Action.ACCEPT, "DROP": Action.DROP, "REJECT": Action.DROP, "RETURN": Action.RETURN,
}  # fmt: skip
# Targets after which the next rule is asked, as if the rule were not there.
QUIET = frozenset({
    "LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "TCPMSS", "TOS", "DSCP", "CLASSIFY", "SECMARK",
    "CONNSECMARK", "TRACE", "AUDIT", "SET", "TTL", "HL", "CHECKSUM", "NOTRACK", "CT", "LED",
})  # fmt: skip
NAMES = {
    "--source": "-s", "--src": "-s", "--destination": "-d", "--dst": "-d", "--protocol": "-p",
    "--in-interface": "-i", "--out-interface": "-o", "--source-port": "--sport",
    "--destination-port": "--dport", "--source-ports": "--sports",
    "--destination-ports": "--dports", "--state": "--ctstate", "--jump": "-j", "--goto": "-g",
    "--match": "-m",
}  # fmt: skip
ENDS = {
    "-s": Dimension.SOURCE, "--src-range": Dimension.SOURCE,
    "-d": Dimension.DESTINATION, "--dst-range": Dimension.DESTINATION,
}  # fmt: skip
BY = {"-i": More.COMES_BY, "-o": More.LEAVES_BY}
PORT_OPTIONS = {
    "--sport": (Dimension.SOURCE_PORT,), "--sports": (Dimension.SOURCE_PORT,),
    "--dport": (Dimension.DESTINATION_PORT,), "--dports": (Dimension.DESTINATION_PORT,),
    "--ports": (Dimension.SOURCE_PORT, Dimension.DESTINATION_PORT),
}  # fmt: skip
ICMP_OPTIONS = {"--icmp-type": (1, ICMP), "--icmpv6-type": (58, ICMPV6)}


def whole(version: int) -> Box:
    """Give the box of all packets of one address family."""
    addresses = ((0, 2 ** VERSION_BITS[version] - 1),)
    protocols, _, _, *ports = EVERYTHING
    return (protocols, addresses, addresses, *ports, DEVICES, DEVICES, ((0, 4),), ((0, ALL_FLAGS),))


NAME_BYTES = 64  # Linux knows names of 15 bytes; other systems longer ones
DEVICES: Intervals = ((0, 2 ** (8 * NAME_BYTES) - 1),)


def device(name: str, *, prefix: bool = False) -> Intervals:
    """Give the number that a device's name reads as, or those of all names that start with it.

    It is the same number in every dump: two of them can be compared. ValueError if it is too long.
    """
    said = name.encode()
    if len(said) > NAME_BYTES:
        raise ValueError("longer than a device's name")
    ends = (said.ljust(NAME_BYTES, end) for end in (b"\x00", b"\xff" if prefix else b"\x00"))
    low, high = (int.from_bytes(end, "big") for end in ends)
    return ((low, high),)


def device_name(number: int) -> str:
    """Give the name that a device's number was read off; none if no device can have it."""
    name = number.to_bytes(NAME_BYTES, "big").rstrip(b"\x00").decode("ascii", "replace")
    return name if name.isascii() and name.isprintable() else ""


class Reader:
    """Reads the options of one rule, from the left to the right."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.sides: dict[int, Intervals] = dict(enumerate(whole(version)))
        self.either: Intervals | None = None  # --ports: of the one end or of the other
        self.doubts: list[str] = []
        self.action, self.target = Action.NONE, ""

    def rule(self, number: int, line: str, words: list[str]) -> Rule:
        """Give the rule that words make."""
        place = 0
        while place < len(words):
            place = self._option(words, place)
            if self.action is not Action.NONE or self.target:
                break
        boxes = self._boxes()
        tests = (Test(boxes),)
        said = tuple(f"#{number}: {what}" for what in self.doubts)
        return Rule(line, tests, self.action, self.target, said, number)

    def _boxes(self) -> tuple[Box, ...]:
        if not all(self.sides.values()):
            return ()
        one = tuple(self.sides[side] for side in sorted(self.sides))
        if self.either is None:
            return (one,)
        ends = (Dimension.SOURCE_PORT, Dimension.DESTINATION_PORT)
        first = {**self.sides, ends[0]: self.either}
        second = {**self.sides, ends[0]: without(PORTS, self.either), ends[1]: self.either}
        return tuple(tuple(s[k] for k in sorted(s)) for s in (first, second) if all(s.values()))

    def _option(self, words: list[str], place: int) -> int:
        """Read the option at a place; give the place of the next one."""
        negated = words[place] == "!"
        place += negated
        option = NAMES.get(words[place], words[place]) if place < len(words) else ""
        place += 1
        given: list[str] = []
        if place < len(words) and words[place] == "!":  # as old versions print it
            negated, place = True, place + 1
        while place < len(words) and not words[place].startswith("-") and words[place] != "!":
            given.append(words[place])
            place += 1
        try:
            self._take(option, given, negated=negated)
        except (ValueError, KeyError, IndexError):
            self.doubts.append(" ".join([option, *given]))
        return place

    def _take(self, option: str, given: list[str], *, negated: bool) -> None:
        """Take an option; KeyError where it is not known."""
        if option in {"-j", "-g"}:
            self._act(option, given[0])
        elif option in ENDS:
            self._limit(ENDS[option], self._addresses(option, given[0]), negated=negated)
        elif option in BY:
            spans = device(given[0].removesuffix("+"), prefix=given[0].endswith("+"))
            self._limit(BY[option], spans, negated=negated)
        elif option in PORT_OPTIONS:
            self._ports(PORT_OPTIONS[option], given[0], negated=negated)
        elif option in ICMP_OPTIONS:
            self._icmp(*ICMP_OPTIONS[option], given[0], negated=negated)
        elif option not in {"-m", "--comment"}:
            self._limit(*OTHERS[option](given), negated=negated)

    def _act(self, option: str, target: str) -> None:
        if target in TARGETS:
            self.action = TARGETS[target]
        elif target in QUIET:
            self.target = target
        else:
            self.action = Action.GOTO if option == "-g" else Action.JUMP
            self.target = target

    def _limit(self, side: int, spans: Intervals, *, negated: bool) -> None:
        now = self.sides[side]
        self.sides[side] = without(now, spans) if negated else without(now, without(now, spans))

    def _addresses(self, option: str, given: str) -> Intervals:
        if option.endswith("-range"):
            low, _, high = given.partition("-")
            ends = [ip_address(low), ip_address(high)]
            spans = [(int(ends[0]), int(ends[1]))]
        else:
            nets = [ip_network(text, strict=False) for text in given.split(",")]
            ends = [net.network_address for net in nets]
            spans = [(int(net.network_address), int(net.broadcast_address)) for net in nets]
        if any(end.version != self.version for end in ends):
            raise ValueError("of the other address family")
        return union(spans)

    def _ports(self, sides: tuple[Dimension, ...], given: str, *, negated: bool) -> None:
        spans = union(_span(text) for text in given.split(","))
        if not {low for low, _ in self.sides[Dimension.PROTOCOL]} <= PORTED:
            raise ValueError("ports of any protocol")
        if len(sides) > 1 and not negated:
            self.either = spans
            return
        for side in sides:
            self._limit(side, spans, negated=negated)

    def _icmp(self, protocol: int, names: dict[str, int], given: str, *, negated: bool) -> None:
        self._limit(Dimension.PROTOCOL, ((protocol, protocol),), negated=False)
        if given in {"any", "255"}:
            return
        kind, _, code = given.partition("/")
        number = names[kind] if kind in names else int(kind)
        if negated and code:
            raise ValueError("neither the type nor the code alone")
        self._limit(Dimension.SOURCE_PORT, ((number, number),), negated=negated)
        if code:
            self._limit(Dimension.DESTINATION_PORT, ((int(code), int(code)),), negated=negated)


def _span(text: str) -> tuple[int, int]:
    low, colon, high = text.partition(":")
    return int(low or 0), int(high or 65535) if colon else int(low)


def _flags(mask: str, wanted: str) -> Intervals:
    asked, held = _bits(mask), _bits(wanted)
    return union((n, n) for n in range(ALL_FLAGS + 1) if n & asked == held)


SYN_ALONE: Intervals = ((FLAGS["syn"], FLAGS["syn"]),)


def _bits(words: str) -> int:
    if words in {"ALL", "NONE"}:
        return ALL_FLAGS if words == "ALL" else 0
    return sum(FLAGS[word.lower()] for word in words.split(","))


def _protocol(given: list[str]) -> tuple[int, Intervals]:
    if given[0] in {"all", "0", "ip"}:
        return Dimension.PROTOCOL, PROTOCOLS
    number = NUMBERS[given[0]] if given[0] in NUMBERS else int(given[0])
    return Dimension.PROTOCOL, ((number, number),)


def _states(given: list[str]) -> tuple[int, Intervals]:
    return More.STATE, union((STATES[word], STATES[word]) for word in given[0].split(","))


# Options that limit one dimension: what they are given, as its intervals.
OTHERS: Mapping[str, Callable[[list[str]], tuple[int, Intervals]]] = {
    "-p": _protocol,
    "--ctstate": _states,
    "--tcp-flags": lambda given: (More.FLAGS, _flags(given[0], given[1])),
    "--syn": lambda _: (More.FLAGS, _flags("FIN,SYN,RST,ACK", "SYN")),
}
