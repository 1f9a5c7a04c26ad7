"""What is at fault in a changed text for FortiOS or SNS, found by looking at its lines alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

NAME = re.compile(r'"([^"]*)"')
COMMENT = re.compile(r'comments? ?=?"([^"]*)"')


class Entry(NamedTuple):
    """A rule or an object: its line, what it says, its own name, and the names that it says."""

    line: int
    text: str
    name: str
    names: frozenset[str]
    rule: bool


class Fault(NamedTuple):
    """Lines that were changed, those of rules that they bear upon, and flows that lost a rule."""

    changed: frozenset[int]
    rules: frozenset[int]
    flows: frozenset[str]


def fortios(text: str) -> list[Entry]:
    found: list[Entry] = []
    table, line, body = "", 0, [""]
    for place, said in enumerate(text.splitlines(), 1):
        words = said.split(None, 1)
        if words[0] == "config":
            table = words[1]
        elif words[0] == "edit":
            line, body = place, [said]
        elif words[0] == "set":
            body.append(said)
        elif words[0] == "next":
            own = body[0].split(None, 1)[1].strip('"')
            names = frozenset(NAME.findall("\n".join(body[1:])))
            whole = "\n".join([table, *body])
            found.append(Entry(line, whole, own, names, table == "firewall policy"))
    return found


def sns(text: str) -> list[Entry]:
    found = []
    for place, said in enumerate(text.splitlines(), 1):
        tokens = dict(re.findall(r"(\w+)=(\S+)", said))
        own = tokens.get("group", tokens.get("name", ""))
        ends = (tokens.get(one, "") for one in ("node", "srctarget", "dsttarget", "dstport"))
        names = frozenset(name for end in ends for name in end.split(","))
        plain = re.sub(r"position=\d+", "", said)
        found.append(Entry(place, plain, own, names, "RULE INSERT" in said))
    return found


ENTRIES: Mapping[str, Callable[[str], list[Entry]]] = {"fortios": fortios, "sns": sns}


def fault(form: str, before: str, after: str) -> Fault:
    """Say what was changed between two texts."""
    old, new = ENTRIES[form](before), ENTRIES[form](after)
    counts = Counter(one.text for one in old), Counter(one.text for one in new)
    gone = [one for one in old if one.text in counts[0] - counts[1]]
    come = [one for one in new if one.text in counts[1] - counts[0]]
    names = {one.name for one in (*gone, *come) if not one.rule}
    rules = {one.line for one in (*come, *_users(new, names)) if one.rule}
    comments = (COMMENT.search(one.text) for one in gone if one.rule)
    flows = frozenset(said[1] for said in comments if said)
    return Fault(frozenset(one.line for one in come), frozenset(rules), flows)


def _users(entries: Iterable[Entry], names: set[str]) -> list[Entry]:
    listed, found = list(entries), []
    waiting = set(names)
    while waiting:
        users = [one for one in listed if one.names & waiting and one not in found]
        found += users
        waiting = {one.name for one in users if not one.rule}
    return found
