"""The options of one rule of iptables (iptables-extensions(8)), read as boxes.

What is not known here leaves a doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from functools import cache

from sitiv_infra.policy.addresses import VERSION_BITS
from sitiv_infra.policy.hardware import number_of
from sitiv_infra.policy.iptables_matches import kind_of_address, unsettled
from sitiv_infra.policy.iptables_values import address_range, addresses, ports
from sitiv_infra.policy.operands import FLAGS, ICMP, ICMPV6, NEW
from sitiv_infra.policy.operands import PROTOCOLS as NUMBERS
from sitiv_infra.policy.rules import Action, Rule, Test
from sitiv_infra.policy.space import (
    EVERYTHING,
    PROTOCOLS,
    WITH_MAC,
    Box,
    Dimension,
    Intervals,
    common,
    union,
    without,
)


class More(IntEnum):
    """Dimensions that follow those of every box."""

    COMES_BY = 6
    LEAVES_BY = 7
    STATE = 8
    FLAGS = 9


BEYOND = ("INVALID", "UNTRACKED")  # of packets that no connection is known of, nor begins with
STATES = {NEW: 0, "ESTABLISHED": 1, "RELATED": 2, "INVALID": 3, "UNTRACKED": 4}
ALL_FLAGS = 63  # FIN to URG: what --tcp-flags knows
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
TEXTS = frozenset({"--comment", "--string", "--hex-string"})
UNJUDGED = frozenset({"-m", "--comment", "--reject-with"})
NAMES = {
    "--source": "-s", "--src": "-s", "--destination": "-d", "--dst": "-d", "--protocol": "-p",
    "--in-interface": "-i", "--out-interface": "-o", "--source-port": "--sport",
    "--destination-port": "--dport", "--source-ports": "--sports",
    "--destination-ports": "--dports", "--state": "--ctstate", "--jump": "-j", "--goto": "-g",
    "--match": "-m",
}  # fmt: skip
ENDS: Mapping[str, tuple[Dimension, Callable[[int, str], Intervals]]] = {
    "-s": (Dimension.SOURCE, addresses), "--src-range": (Dimension.SOURCE, address_range),
    "-d": (Dimension.DESTINATION, addresses),
    "--dst-range": (Dimension.DESTINATION, address_range),
}  # fmt: skip
KINDS = {"--src-type": Dimension.SOURCE, "--dst-type": Dimension.DESTINATION}
BY = {"-i": More.COMES_BY, "-o": More.LEAVES_BY}
PORT_OPTIONS = {
    "--sport": (Dimension.SOURCE_PORT,), "--sports": (Dimension.SOURCE_PORT,),
    "--dport": (Dimension.DESTINATION_PORT,), "--dports": (Dimension.DESTINATION_PORT,),
    "--ports": (Dimension.SOURCE_PORT, Dimension.DESTINATION_PORT),
}  # fmt: skip
ICMP_OPTIONS = {"--icmp-type": (1, ICMP), "--icmpv6-type": (58, ICMPV6)}


@cache
def whole(version: int) -> Box:
    """Give the box of all packets of one address family.

    Its sides are always the same objects, which is soon seen where boxes are cut.
    """
    addresses = ((0, 2 ** VERSION_BITS[version] - 1),)
    protocols, _, _, *rest = EVERYTHING
    return (protocols, addresses, addresses, *rest, DEVICES, DEVICES, ((0, 4),), ((0, ALL_FLAGS),))


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
        self.sides = list(whole(version))
        self.either: Intervals | None = None  # --ports: of the one end or of the other
        self.doubts: list[str] = []
        self.action, self.target = Action.NONE, ""

    def rule(self, line: str, words: list[str]) -> Rule:
        """Give the rule that words make, without its number."""
        place = 0
        while place < len(words):
            place = self._option(words, place)
            if self.target in QUIET:
                break  # the rest says how to log or to mark
        tests = (Test(self._boxes()),)
        return Rule(line, tests, self.action, self.target, tuple(unsettled(self.doubts)))

    def _boxes(self) -> tuple[Box, ...]:
        one = tuple(self.sides)
        if self.either is None:
            return (one,) if all(one) else ()
        by, to = one[Dimension.SOURCE_PORT], one[Dimension.DESTINATION_PORT]
        ways = (
            (common(by, self.either), to),
            (without(by, self.either), common(to, self.either)),
        )
        found = (
            (*one[: Dimension.SOURCE_PORT], *way, *one[Dimension.SOURCE_MAC :]) for way in ways
        )
        return tuple(box for box in found if all(box))

    def _option(self, words: list[str], place: int) -> int:
        """Read the option at a place; give the place of the next one."""
        negated = words[place] == "!"
        place += negated
        option = NAMES.get(words[place], words[place]) if place < len(words) else ""
        place += 1
        given: list[str] = []
        if option in TEXTS:  # which may look like an option
            given, place = words[place : place + 1], place + 1
        ahead = [*words[place : place + 2], "", ""]
        if ahead[0] == "!" and not ahead[1].startswith("-"):  # as old versions print it
            negated, place = True, place + 1
        while place < len(words) and not words[place].startswith("-") and words[place] != "!":
            given.append(words[place])
            place += 1
        try:
            self._take(option, given, negated=negated)
        except (ValueError, KeyError, IndexError):
            self.doubts.append(" ".join([*(["!"] if negated else []), option, *given]))
        return place

    def _take(self, option: str, given: list[str], *, negated: bool) -> None:
        """Take an option; KeyError where it is not known."""
        if option in {"-j", "-g"}:
            self._act(option, given[0])
        elif option in ENDS:
            side, read = ENDS[option]
            self._limit(side, read(self.version, given[0]), negated=negated)
        elif option in BY:
            spans = device(given[0].removesuffix("+"), prefix=given[0].endswith("+"))
            self._limit(BY[option], spans, negated=negated)
        elif option in KINDS:
            spans = kind_of_address(given[0], self.version)
            self._limit(KINDS[option], spans, negated=negated)
        elif option == "--mac-source":
            self._hardware(number_of(given[0]), negated=negated)
        elif option in PORT_OPTIONS:
            self._ports(PORT_OPTIONS[option], given[0], negated=negated)
        elif option in ICMP_OPTIONS:
            self._icmp(*ICMP_OPTIONS[option], given[0], negated=negated)
        elif option not in UNJUDGED:
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
        self.sides[side] = without(now, spans) if negated else common(now, spans)

    def _hardware(self, number: int, *, negated: bool) -> None:
        """Take a MAC address; a packet without one matches neither it nor its negation (xt_mac)."""
        self._limit(Dimension.SOURCE_MAC, WITH_MAC, negated=False)
        self._limit(Dimension.SOURCE_MAC, ((number, number),), negated=negated)

    def _ports(self, sides: tuple[Dimension, ...], given: str, *, negated: bool) -> None:
        spans = ports(given)
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


def _flags(mask: str, wanted: str) -> Intervals:
    asked, held = _bits(mask), _bits(wanted)
    return union((n, n) for n in range(ALL_FLAGS + 1) if n & asked == held)


SYN_ALONE: Intervals = ((FLAGS["syn"], FLAGS["syn"]),)


def beginning(box: Box) -> Box:
    """Give the first packets of new connections among some, where a box tells them from others."""
    if len(box) <= More.STATE:
        return box
    return (*box[: More.STATE], ((STATES[NEW], STATES[NEW]),), SYN_ALONE)


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
