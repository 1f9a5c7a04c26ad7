"""Chains that jump into each other, as one first-match list for each chain that the kernel enters.

What a chain is jumped to for is part of what its rules match there. A rule that is reached over
several ways stands in the list several times, under its one number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sitiv_infra.errors import InvalidInput
from sitiv_infra.policy.lists import Line, RuleList
from sitiv_infra.policy.rules import NO_CHAIN, OTHERWISE, Action, Base, RuleBase, Test, Verdict
from sitiv_infra.policy.space import EVERYTHING, Box, intersection, split

DEPTH = 16  # the kernel's own limit of jumps
MOST = 1_000_000  # lines: beyond, chains multiply each other
VERDICTS = {Action.ACCEPT: Verdict.ACCEPT, Action.DROP: Verdict.DROP}


def flattened(rules: RuleBase, base: Base, whole: Box = EVERYTHING) -> RuleList:
    """Give the list that packets walk through from a base chain.

    Raises InvalidInput where chains multiply to more lines than can be judged.
    """
    lines: list[Line] = []
    doubts = (f"{base.chain}: {OTHERWISE}",) if base.blurred else ()
    for line in _chain(rules, base.chain, [whole], doubts, 0):
        lines.append(line)
        if len(lines) > MOST:
            raise InvalidInput(f"{base.chain}: its chains multiply to more than {MOST} rules")
    return RuleList(tuple(lines), base.policy, whole)


def _chain(
    rules: RuleBase, name: str, where: list[Box], doubts: tuple[str, ...], depth: int
) -> Iterator[Line]:
    """Yield the lines of a chain for the packets in some boxes.

    What comes back from a chain goes on behind the jump: its place in the list says so already.
    """
    if name not in rules.chains or depth > DEPTH:
        yield Line(0, name, None, tuple(where), (*doubts, f"{name}: {NO_CHAIN}"))
    for rule in rules.chains.get(name, ()):
        inside = [piece for one in where for piece in _held(rule.tests, one)]
        unsure = (*doubts, *rule.doubts)
        verdict = VERDICTS.get(rule.action)
        yield Line(rule.number, rule.name, verdict, tuple(inside), unsure, rule.meaning)
        if inside and rule.action in {Action.JUMP, Action.GOTO}:
            yield from _chain(rules, rule.target, inside, unsure, depth + 1)
        if inside and rule.action in {Action.RETURN, Action.GOTO}:
            if rule.doubts:
                doubts = unsure  # who knows which packets still come along
            else:
                where = [piece for one in where for piece in split(one, inside)[1]]


def _held(tests: Iterable[Test], whole: Box) -> list[Box]:
    """Give the part of a box where all tests hold."""
    inside = [whole]
    for test in tests:
        if test.negated:
            inside = [piece for one in inside for piece in split(one, test.boxes)[1]]
        elif len(test.boxes) == 1:
            inside = [both for one in inside if (both := intersection(one, test.boxes[0]))]
        else:
            inside = [piece for one in inside for piece in split(one, test.boxes)[0]]
    return inside
