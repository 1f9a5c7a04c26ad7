"""Reads what ``iptables-save`` and ``ip6tables-save`` print.

Only the table ``filter`` is read: it decides. Rules are numbered by their place in the file, over
all tables, from 1.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from sitiv_infra.errors import InvalidInput
from sitiv_infra.messages import noop
from sitiv_infra.policy.iptables_options import NAMES, Reader
from sitiv_infra.policy.rules import Action, Base, Rule, RuleBase, Verdict

BUILT_IN = ("INPUT", "FORWARD", "OUTPUT")
UNSAID = noop("its policy is not in the dump")
ENDS = frozenset({"-s", "-d"})
REMEMBERED = 2**17  # lines: of two dumps that are compared, most are the same
COUNTERS = re.compile(r"^\[\d+:\d+\] ")  # of iptables-save -c


@dataclass
class _Dump:
    version: int
    policies: dict[str, Verdict] = field(default_factory=dict)
    rules: list[tuple[int, int, str]] = field(default_factory=list)  # number, line, text
    chains: list[str] = field(default_factory=list)

    def declare(self, said: str) -> None:
        """Take a chain, and its policy where the kernel enters it: ``:INPUT DROP [0:0]``."""
        name, policy, *_ = [*said[1:].split(), "-"]
        self.chains.append(name)
        if policy != "-":
            self.policies[name] = Verdict.ACCEPT if policy == "ACCEPT" else Verdict.DROP


def read(text: str) -> RuleBase:
    """Read a dump; its boxes have the dimensions of ``More`` after the ordinary ones.

    Raises InvalidInput with the line that is none of a dump.
    """
    dump = _dump(text)
    chains: dict[str, list[Rule]] = {name: [] for name in dump.chains}
    for number, place, line in dump.rules:
        try:
            chain, rule = _rule(dump.version, line)
        except ValueError as error:
            raise InvalidInput(f"line {place}: {error}") from None
        doubts = tuple(f"#{number}: {what}" for what in rule.doubts)
        here = chains.setdefault(chain, [])
        where = f"{chain} {len(here) + 1} (line {place})"
        what = rule.name, rule.tests, rule.action, rule.target
        here.append(Rule(*what, doubts, number, place=where))  # faster than to replace
    # Of a file that a person wrote.
    open_ended = [name for name in BUILT_IN if name in chains and name not in dump.policies]
    for name in open_ended:
        chains[name].append(Rule(f"{name}: policy", (), Action.EITHER, doubts=(UNSAID,)))
        dump.policies[name] = Verdict.ACCEPT
    bases = tuple(
        Base(
            name, name.lower(), frozenset({dump.version}), policy,
            unsaid=(UNSAID,) if name in open_ended else (),
        )
        for name, policy in dump.policies.items()
    )  # fmt: skip
    return RuleBase(dump.version, {n: tuple(rules) for n, rules in chains.items()}, bases)


def _dump(text: str) -> _Dump:
    table, number = "", 0
    found = _Dump(6 if "ip6tables" in text[:200] else 4)
    for place, line in enumerate(text.splitlines(), 1):
        said = COUNTERS.sub("", line.strip())
        if said.startswith("*"):
            table = said[1:]
        elif said.startswith(("-A ", "--append ")):
            number += 1
            if table == "filter":
                found.rules.append((number, place, said))
        elif said.startswith(":"):
            if table == "filter":
                found.declare(said)
        elif said and not said.startswith("#") and said != "COMMIT":
            raise InvalidInput(f"line {place}: not of iptables-save: {said[:60]}")
    if not found.chains and not found.rules:
        raise InvalidInput("no table '*filter' of iptables-save")
    if any(":" in line and _has_ipv6(line) for *_, line in found.rules):
        found.version = 6
    return found


@lru_cache(maxsize=REMEMBERED)
def _rule(version: int, line: str) -> tuple[str, Rule]:
    """Read a line as its chain and a rule without number; ValueError where quotes do not match."""
    words = _words(line)
    return words[1], Reader(version).rule(line, words[2:])


def _words(line: str) -> list[str]:
    plain = '"' not in line and "'" not in line and "\\" not in line
    return line.split() if plain else shlex.split(line)


def _has_ipv6(line: str) -> bool:
    """Whether a rule names an IPv6 address; ranges of ports have a colon as well."""
    try:
        words = _words(line)
    except ValueError:
        return False  # told with its place, when it is read
    given = (value for option, value in pairwise(words) if NAMES.get(option, option) in ENDS)
    return any(":" in value for value in given)
