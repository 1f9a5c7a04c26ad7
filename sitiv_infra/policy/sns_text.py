"""Reads Stormshield SNS text: NSRPC commands, and what the appliance prints of its configuration.

Established from Stormshield's "CLI serverd commands reference guide" for SNS v4 (pages CONFIG
FILTER RULE INSERT and UPDATE, CONFIG FILTER EXPLICIT, CONFIG OBJECT ... NEW, ADDTO, GET and SHOW),
from the roles of its Ansible collection, and from the tests of its python-SNS-API, which quote what
``CONFIG FILTER EXPLICIT`` prints. No appliance could be tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from sitiv_infra.errors import InvalidInput
from sitiv_infra.policy.objects import fingerprint

PROMPT = re.compile(r"^SRPClient>\s*")
REPLY = re.compile(r'^(\d{3}) code=\S+ msg=".*"')
SECTION = re.compile(r"^\[([^\]]+)\]$")
TOKEN = re.compile(r'(\w+)=((?:"[^"]*"|[^\s"])*)')
NUMBERED = re.compile(
    r"^(?:position=\d+;\s*)?(?:usage=\d+\s+)?(?:match=\d+\s+)?(?:ruleid=\d+:\s*)?"
)
POSITION = re.compile(r"(?:position=|ruleid=)(\d+)")
WORD = re.compile(r'(?:"[^"]*"|[^\s"])+')
# Commands that change no rule and no object, or bring into force what the others said.
SILENT = (
    "CONFIG FILTER ACTIVATE", "CONFIG OBJECT ACTIVATE", "CONFIG SLOT ACTIVATE",
    "CONFIG SLOT UPDATE", "CONFIG OBJECT LIST", "CONFIG OBJECT GET",
    "CONFIG OBJECT GROUP SHOW", "CONFIG OBJECT SERVICEGROUP SHOW", "MODIFY",
)  # fmt: skip
OBJECT = re.compile(
    r"CONFIG OBJECT (HOST|NETWORK|RANGE|FQDN|SERVICE|PROTOCOL|GROUP|SERVICEGROUP|TIME) NEW"
)
MEMBER = re.compile(r"CONFIG OBJECT (?:SERVICE)?GROUP ADDTO")
ACTIONS = {"pass", "block", "deleg", "reset", "reject", "log", "decrypt", "nat"}
LEVELS = {"log", "minor", "major"}
# Words of a printed rule that are followed by a value, as the tokens that commands have for them.
VALUED = {
    "ipproto": "ipproto", "type": "icmptype", "code": "icmpcode", "proto": "proto", "tos": "tos",
    "settos": "settos", "inspection": "inspection", "schedule": "schedule", "route": "route",
    "rulename": "rulename", "via": "via",
}  # fmt: skip
ENDS = {"from": "src", "to": "dst"}
OF_END = {"port": "port", "on": "if"}
UNKNOWN = "?"
NAMES = re.compile(r"[!,|\s]+")


@dataclass(frozen=True)
class Written:
    """A rule: its text, and its tokens as ``CONFIG FILTER RULE INSERT`` has them.

    A word that is not known is kept under the token ``?``. ``line`` is where it is in the text;
    ``position`` what the appliance numbers it with, where it printed that.
    """

    number: int
    text: str
    tokens: dict[str, str]
    line: int = 0
    position: int | None = None


@dataclass
class Text:
    """What a text says: rules by slot, in their order; objects; members of groups.

    ``None`` in a slot is a separator: it takes a position. ``made`` are groups whose members are
    all in the text. ``lines`` tell where the objects are, ``joined`` where a group took a member.
    """

    slots: dict[str, list[Written | None]] = field(default_factory=dict)
    objects: list[dict[str, str]] = field(default_factory=list)
    members: dict[str, list[str]] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)
    lines: list[int] = field(default_factory=list)
    joined: dict[str | tuple[str, str], int] = field(default_factory=dict)

    def meaning(self, tokens: dict[str, str]) -> str:
        """Give a word for some tokens, and for all that is defined under the names in them."""
        found: list[object] = [sorted(tokens.items())]
        names = {name for value in tokens.values() for name in NAMES.split(value)}
        waiting, seen = list(names), set(names)
        while waiting:
            name = waiting.pop()
            found += [sorted(one.items()) for one in self.objects if one.get("name") == name]
            found.append((name, self.members.get(name)))
            new = set(self.members.get(name, ())) - seen
            seen |= new
            waiting += new
        return fingerprint(found)


class Reader:
    """Reads a text line by line."""

    def __init__(self) -> None:
        self.text = Text()
        self.number = 0
        self.at = 0  # the line
        self.section = ""
        self.slot, self.nat = "filter", False

    def line(self, said: str) -> None:
        """Take a line; ValueError where it is none that may stand there."""
        reply, section = REPLY.match(said), SECTION.match(said)
        if reply:
            if reply[1] not in {"100", "101"}:
                raise ValueError("the appliance refused")
        elif section:
            self.section = section[1]
        elif re.match(r"(?i)(config|modify)\b", said):
            self._command(said)
        elif self.section.lower() in {"filter", "nat"}:
            self._printed(said)
        elif self.section.lower() == "object":
            self._made(_tokens(said))
        elif self.section:
            self.text.made.add(self.section)
            self._joined(self.section, _tokens(said)["name"])
        else:
            raise ValueError("not a command, and not of a list of rules or objects")

    def _command(self, said: str) -> None:
        first = TOKEN.search(said)
        start = first.start() if first else len(said)
        verb, tokens = " ".join(said[:start].upper().split()), _tokens(said[start:])
        if tokens.get("global", "0") != "0":
            raise ValueError("rules of the global policy are not read")
        if not (self._object(verb, tokens) or self._filter(verb, tokens, said)):
            raise ValueError("a command that is not read")

    def _object(self, verb: str, tokens: dict[str, str]) -> bool:
        if kind := OBJECT.fullmatch(verb):
            self._made({**tokens, "type": kind[1].lower()})
            if kind[1].endswith("GROUP"):
                self.text.made.add(tokens["name"])
                self.text.members.setdefault(tokens["name"], [])
        elif MEMBER.fullmatch(verb):
            self._joined(tokens["group"], tokens["node"])
        return bool(kind or MEMBER.fullmatch(verb))

    def _made(self, tokens: dict[str, str]) -> None:
        self.text.objects.append(tokens)
        self.text.lines.append(self.at)

    def _joined(self, group: str, member: str) -> None:
        self.text.members.setdefault(group, []).append(member)
        self.text.joined[group, member] = self.at

    def _filter(self, verb: str, tokens: dict[str, str], said: str) -> bool:
        if verb == "CONFIG FILTER RULE INSERT":
            self._insert(said, tokens)
        elif verb == "CONFIG FILTER RULE REMOVE" and tokens.get("position") == "all":
            if tokens.get("type") == "filter":
                self.text.slots[_slot(tokens)] = []
        elif verb == "CONFIG FILTER EXPLICIT":
            self.slot, self.nat = _slot(tokens), tokens.get("type") == "nat"
        elif verb == "CONFIG FILTER RULE ADDSEP":
            self._place(_slot(tokens), tokens, None)
        else:
            return verb.startswith(SILENT)
        return True

    def _insert(self, said: str, tokens: dict[str, str]) -> None:
        self.number += 1
        kind = tokens.pop("type", "")
        if kind == "filter":
            rest = {k: v for k, v in tokens.items() if k not in {"index", "global", "position"}}
            self._place(_slot(tokens), tokens, Written(self.number, said, rest, self.at))
        elif kind != "nat":
            raise ValueError("type=filter or type=nat is missing")

    def _place(self, slot: str, tokens: dict[str, str], rule: Written | None) -> None:
        """Put a rule before the one that has its position, or at the end."""
        rules = self.text.slots.setdefault(slot, [])
        at = int(tokens["position"]) if "position" in tokens else len(rules) + 1
        if at < 1:
            raise ValueError("positions count from 1")
        rules.insert(at - 1, rule)

    def _printed(self, said: str) -> None:
        rest = NUMBERED.sub("", said)
        if rest.startswith("separator"):
            return
        self.number += 1
        if self.nat or self.section.lower() == "nat":
            return
        rules = self.text.slots.setdefault(self.slot, [])
        told = POSITION.match(said)
        position = int(told[1]) if told else None
        rules.append(Written(self.number, rest, _rule(rest), self.at, position))


def _slot(tokens: dict[str, str]) -> str:
    return f"slot {tokens['index']}" if "index" in tokens else "filter"


def _tokens(said: str) -> dict[str, str]:
    """Read ``name=value`` pairs; ValueError where something else stands among them."""
    rest = TOKEN.sub("", said).strip()
    if rest:
        raise ValueError(f"not understood: {rest[:40]}")
    return {m[1].lower(): m[2].replace('"', "") for m in TOKEN.finditer(said)}


def _rule(said: str) -> dict[str, str]:
    """Read a printed rule: ``pass log from any on out to Firewall_out port ssh # comment``."""
    found: dict[str, str] = {"state": "on"}
    words = _words(said)
    end = ""
    for word in words:
        if word in ENDS and end != "dst":
            end = ENDS[word]
            _say(found, f"{end}target", next(words, ""))
        elif end:
            known = OF_END.get(word)
            _say(found, f"{end}{known}" if known else UNKNOWN, next(words, "") if known else word)
        elif word in {"on", "off"}:
            found["state"] = word
        elif "action" not in found and word in ACTIONS:
            found["action"] = word
        elif word in LEVELS:
            found["loglevel"] = word
        elif word in VALUED:
            _say(found, VALUED[word], next(words, ""))
        else:
            _say(found, UNKNOWN, word)
    return found


def _say(found: dict[str, str], token: str, value: str) -> None:
    """Keep a value; targets that a printed rule parts by ``|`` as commands part them."""
    said = value.replace('"', "")
    if token.endswith(("target", "port")):
        said = said.replace("|", ",")
        if '"' in value or "@" in value or "=" in value:
            token = UNKNOWN  # of a user, or something else that is more than objects
    found[token] = f"{found[token]} {said}" if token in found else said


def _words(said: str) -> Iterator[str]:
    for match in WORD.finditer(said):
        if match[0].startswith("#"):
            return
        yield match[0]


def read(text: str) -> Text:
    """Read a text; InvalidInput with the line that is none of commands or printed lists."""
    reader = Reader()
    for place, line in enumerate(text.splitlines(), 1):
        said = PROMPT.sub("", line.strip())
        reader.at = place
        try:
            if said and not said.startswith("#"):
                reader.line(said)
        except (ValueError, KeyError) as error:
            why = f"{error.args[0]} is missing" if isinstance(error, KeyError) else error
            raise InvalidInput(f"line {place}: {why}: {said[:60]}") from None
    if not reader.text.slots:
        raise InvalidInput("no rules: expected CONFIG FILTER RULE INSERT, or a list [Filter]")
    return reader.text
