"""Packets that fare otherwise than they should, with what decides so on both sides: of any form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sitiv_infra.messages import noop
from sitiv_infra.policy.compare import Parting, compare
from sitiv_infra.policy.cover import Inconclusive
from sitiv_infra.policy.lists import Deciders, RuleList
from sitiv_infra.policy.operands import NEW
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.space import Box, gathered
from sitiv_infra.policy.telling import described, likely, witness

PASSES = noop("{packets}, let through by {rule}, such as {witness}")
DROPPED = noop("{packets}, wanted by {should}, dropped by {rule}, such as {witness}")
UNDECIDED = noop("{packets}, undecided by {rule}, such as {witness}")
OF_STATE = {
    "INVALID": noop("an invalid packet, {witness}"),
    "UNTRACKED": noop("an untracked packet, {witness}"),
}


@dataclass(frozen=True)
class Mismatch:
    """Packets that fare otherwise than they should.

    passes -- whether they are let through; None while that hangs on a rule that is not understood.
    rule -- what decides so, as people find it in the text; should -- what is to decide, by its
    name; meant -- rules in the text of that name, which are to let them through. state -- that of
    their connection, as connection tracking has it.
    """

    passes: bool | None
    version: int
    box: Box
    rule: str
    should: str
    state: str = NEW
    meant: str = ""

    @property
    def packets(self) -> str:
        """The packets, as a person would write them."""
        return described(self.version, self.box)

    @property
    def witness(self) -> str:
        """One of them."""
        packet = witness(self.version, self.box)
        return OF_STATE.get(self.state, "{witness}").format(witness=packet)

    @property
    def told(self) -> str:
        """What is wrong, with the rule at fault and the flow that it fails, if any."""
        template = {True: PASSES, False: DROPPED, None: UNDECIDED}[self.passes]
        return template.format(
            packets=self.packets,
            rule=self.rule,
            should=f"{self.should}: {self.meant}" if self.meant else self.should,
            witness=self.witness,
        )


def alone(parting: Parting) -> bool | None:
    """Say whether packets are let through where no other list has a say."""
    return parting.new[1] is Verdict.ACCEPT if parting.certain else None


def mismatched(
    wanted: RuleList,
    seen: RuleList,
    version: int,
    passes: Callable[[Parting], bool | None] = alone,
    state: str = NEW,
) -> Iterator[Mismatch]:
    """Yield where a list does otherwise than one that is wanted; nothing where both are equal.

    Raises Inconclusive, after those that were found, where the budget of steps is spent before all
    are.
    """
    found = compare(wanted, seen)
    alike: dict[tuple[bool | None, int, int], list[Box]] = {}
    for parting in found.partings:
        fate, before = passes(parting), parting.old[1]
        if before is None or fate is None or fate is not (before is Verdict.ACCEPT):
            alike.setdefault((fate, parting.old[0], parting.new[0]), []).append(parting.box)
    should, does = Deciders(wanted), Deciders(seen)
    for (fate, old, new), boxes in alike.items():
        for one in gathered(boxes):
            packet = likely(one)
            rule, flow = does.called(new, packet), should.called(old, packet)
            yield Mismatch(fate, version, one, rule, flow, state, does.named(flow))
    if not found.conclusive:
        raise Inconclusive


def known(told: Iterable[Mismatch]) -> tuple[list[Mismatch], bool]:
    """Give what is mismatched, and whether the budget of steps sufficed to find all of it."""
    found: list[Mismatch] = []
    try:
        found.extend(told)
    except Inconclusive:
        return found, False
    return found, True


def once(told: Iterable[Mismatch]) -> Iterator[Mismatch]:
    """Leave out what a rule does in another state, where the same was told of it already."""
    seen: dict[tuple[int, bool | None, str], str] = {}
    for one in told:
        rule = one.should if one.passes is False else one.rule
        if seen.setdefault((one.version, one.passes, rule), one.state) == one.state:
            yield one
