"""Reads what ``iptables-save`` and ``ip6tables-save`` print.

Only the table ``filter`` is read: it decides. Rules are numbered by their place in the file, over
all tables, from 1.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from sitiv_infra.errors import InvalidInput
from sitiv_infra.policy.iptables_options import NAMES, Reader
from sitiv_infra.policy.rules import Base, Rule, RuleBase, Verdict

COUNTERS = re.compile(r"^\[\d+:\d+\] ")  # of iptables-save -c


@dataclass
class _Dump:
    version: int
    policies: dict[str, Verdict] = field(default_factory=dict)
    rules: list[tuple[int, str, list[str]]] = field(default_factory=list)
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
    for number, line, words in dump.rules:
        reader = Reader(dump.version)
        chains.setdefault(words[1], []).append(reader.rule(number, line, words[2:]))
    bases = tuple(
        Base(name, name.lower(), frozenset({dump.version}), policy)
        for name, policy in dump.policies.items()
    )
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
                found.rules.append((number, said, _words(said, place)))
        elif said.startswith(":"):
            if table == "filter":
                found.declare(said)
        elif said and not said.startswith("#") and said != "COMMIT":
            raise InvalidInput(f"line {place}: not of iptables-save: {said[:60]}")
    if not found.chains:
        raise InvalidInput("no table '*filter' of iptables-save")
    if any(":" in word for *_, words in found.rules for word in _addresses(words)):
        found.version = 6
    return found


def _words(line: str, place: int) -> list[str]:
    if '"' not in line and "'" not in line and "\\" not in line:
        return line.split()
    try:
        return shlex.split(line)
    except ValueError as error:
        raise InvalidInput(f"line {place}: {error}") from None


def _after(words: Sequence[str], names: frozenset[str]) -> Iterator[str]:
    for option, value in pairwise(words):
        if NAMES.get(option, option) in names:
            yield value


def _addresses(words: Sequence[str]) -> Iterator[str]:
    return _after(words, frozenset({"-s", "-d"}))
