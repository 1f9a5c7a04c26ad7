"""A rule base as first-match chains, and what becomes of packets that walk through it.

The answer is three-valued: a rule that was not wholly understood may match or not, so packets that
reach it carry both outcomes on. Only when all outcomes agree is the answer certain; a doubt is
never read as "the rule isn't there".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from sitiv_infra.messages import noop
from sitiv_infra.policy.space import EVERYTHING, Box, Point, intersection, split


class Verdict(StrEnum):
    """What can become of a packet."""

    ACCEPT = "accept"
    DROP = "drop"


BOTH = frozenset(Verdict)
OTHERWISE = noop("packets may look otherwise there")
NO_CHAIN = noop("no such chain")
Objects = Callable[[Point], Iterable[str]]


class Action(StrEnum):
    """What a rule does with packets that match; EITHER stands for what was not understood."""

    ACCEPT = "accept"
    DROP = "drop"
    RETURN = "return"
    JUMP = "jump"
    GOTO = "goto"
    NONE = "none"
    EITHER = "either"


def no_objects(_: Point) -> Iterable[str]:
    """Name no object: the rule says by itself which packets it matches."""
    return ()


class Test(NamedTuple):
    """A condition: the packet lies in one of the boxes, or, negated, in none of them."""

    boxes: tuple[Box, ...]
    negated: bool = False


class Rule(NamedTuple):
    """Tests that must all hold, then an action; with doubts it may also not match.

    ``number`` is its place among the rules of the dump, from 1. ``meaning`` tells rules apart whose
    doubts read the same, but stand for something else in each dump. ``place`` is how people find it
    in the dump, where its name is not that, and ``label`` what somebody named it there; ``objects``
    names those that it matches a packet by.
    """

    name: str
    tests: tuple[Test, ...]
    action: Action
    target: str = ""
    doubts: tuple[str, ...] = ()
    number: int = 0
    meaning: str = ""
    place: str = ""
    label: str = ""
    objects: Objects = no_objects


class Base(NamedTuple):
    """A chain that the kernel itself enters; ``blurred`` where its drops may not hold.

    They may not hold where the packet could look otherwise: before or after address translation,
    or on one device only. ``unsaid`` tells why its policy is not known, where it is not.
    """

    chain: str
    hook: str
    versions: frozenset[int]
    policy: Verdict
    blurred: bool = False
    unsaid: tuple[str, ...] = ()


class Part(NamedTuple):
    """Packets of one fate; ``possible`` holds both verdicts where ``doubts`` decide."""

    box: Box
    possible: frozenset[Verdict] = frozenset()
    doubts: frozenset[str] = frozenset()

    @property
    def certain(self) -> Verdict | None:
        """The verdict, or None while it hangs on a doubt."""
        return next(iter(self.possible)) if len(self.possible) == 1 else None


@dataclass(frozen=True)
class RuleBase:
    """The chains of one address family, by ``family table chain``, and where the kernel enters."""

    version: int
    chains: Mapping[str, tuple[Rule, ...]]
    bases: tuple[Base, ...]

    def fates(self, boxes: Iterable[Box]) -> list[Part]:
        """Say what becomes of packets: disjoint parts that together are the boxes."""
        listed = tuple(boxes)
        here = {
            name: tuple(rule for rule in rules if _concerned(rule, listed))
            for name, rules in self.chains.items()
        }
        return replace(self, chains=here).walked(listed)

    def walked(self, boxes: tuple[Box, ...]) -> list[Part]:
        """Send packets through every base chain in turn, until one drops them."""
        settled: list[Part] = []
        parts = [Part(box, frozenset({Verdict.ACCEPT})) for box in boxes]
        for base in self.bases:
            passing: list[Part] = []
            for part in self._enter(base, parts):
                (settled if part.certain is Verdict.DROP else passing).append(part)
            parts = passing
        return settled + parts

    def _enter(self, base: Base, parts: list[Part]) -> list[Part]:
        """Send packets through one base chain, after what the ones before it may have done."""
        found: list[Part] = []
        for part in parts:
            fresh = [part._replace(possible=frozenset())]
            finished, left = self._chain(base.chain, fresh, 0)
            here = finished + [_settled(p, base.policy) for p in left]
            found.extend(_after(part, p, base) for p in here)
        return found

    def _chain(self, name: str, parts: list[Part], depth: int) -> tuple[list[Part], list[Part]]:
        """Give the packets that a chain settled, and those that leave it at its end."""
        if name not in self.chains or depth > 16:  # 16 is the kernel's own limit of jumps
            return [], [_doubtful(p, BOTH, (f"{name}: {NO_CHAIN}",)) for p in parts]
        finished: list[Part] = []
        left: list[Part] = []
        for rule in self.chains[name]:
            if not parts:
                break
            hit, parts = _matched(rule, parts)
            if hit and rule.doubts:
                parts += self._maybe(rule, hit, depth)
            elif hit:
                done, gone, on = self._apply(rule, hit, depth)
                finished += done
                left += gone
                parts += on
        return finished, left + parts

    def _apply(
        self, rule: Rule, hit: list[Part], depth: int
    ) -> tuple[list[Part], list[Part], list[Part]]:
        """Give the packets that a rule settles, sends out of its chain, and lets go on."""
        if rule.action in {Action.ACCEPT, Action.DROP}:
            return [_settled(p, Verdict(rule.action)) for p in hit], [], []
        if rule.action is Action.RETURN:
            return [], hit, []
        finished, left = self._chain(rule.target, hit, depth + 1)
        return (finished, [], left) if rule.action is Action.JUMP else (finished, left, [])

    def _maybe(self, rule: Rule, hit: list[Part], depth: int) -> list[Part]:
        """Let packets go on that a rule may have settled, with both outcomes."""
        if rule.action in {Action.ACCEPT, Action.DROP}:
            verdicts = frozenset({Verdict(rule.action)})
            return [_doubtful(p, verdicts, rule.doubts) for p in hit]
        if rule.action is Action.JUMP:
            finished, left = self._chain(rule.target, hit, depth + 1)
            return [_doubtful(p, frozenset(), rule.doubts) for p in finished] + left
        return [_doubtful(p, BOTH, rule.doubts) for p in hit]


def _settled(part: Part, verdict: Verdict) -> Part:
    return part._replace(possible=part.possible | {verdict})


def _doubtful(part: Part, verdicts: frozenset[Verdict], doubts: Iterable[str]) -> Part:
    return Part(part.box, part.possible | verdicts, part.doubts | frozenset(doubts))


def _after(before: Part, here: Part, base: Base) -> Part:
    """Join the fate of one base chain with that of the chains before: one drop is enough."""
    possible = here.possible
    doubts = here.doubts
    if base.blurred and Verdict.DROP in possible:
        possible, doubts = BOTH, doubts | {f"{base.chain}: {OTHERWISE}"}
    if possible != {Verdict.DROP} and Verdict.DROP in before.possible:
        possible = BOTH
    return Part(here.box, possible, doubts)


def _matched(rule: Rule, parts: list[Part]) -> tuple[list[Part], list[Part]]:
    """Cut packets into those that a rule's tests hold for, and the others."""
    hit: list[Part] = []
    missed: list[Part] = []
    for part in parts:
        inside, outside = _held(rule.tests, part.box)
        if inside:
            hit += [part._replace(box=one) for one in inside]
            missed += [part._replace(box=one) for one in outside]
        else:
            missed.append(part)  # in one piece: cuts that served nothing would add up
    return hit, missed


def _held(tests: tuple[Test, ...], whole: Box) -> tuple[list[Box], list[Box]]:
    """Cut a box into where all tests hold, and the rest."""
    inside, outside = [whole], []
    for test in tests:
        kept: list[Box] = []
        for piece in inside:
            within, beyond = split(piece, test.boxes)
            keep, lose = (beyond, within) if test.negated else (within, beyond)
            kept += keep
            outside += lose
        inside = kept
    return inside, outside


def joined(tests: Iterable[Test]) -> tuple[Test, ...]:
    """Make one test of those that are one box each: it comes first, and cuts least."""
    core: Box | None = EVERYTHING
    others: list[Test] = []
    for test in tests:
        if test.negated or len(test.boxes) > 1:
            others.append(test)
        elif core is EVERYTHING and test.boxes and all(test.boxes[0]):
            core = test.boxes[0]
        else:
            core = intersection(core, test.boxes[0]) if core and test.boxes else None
    first = () if core == EVERYTHING else (Test((core,) if core else ()),)
    return (*first, *others)


def _concerned(rule: Rule, boxes: Sequence[Box]) -> bool:
    """Whether a rule may match any of some packets."""
    return all(
        test.negated or any(intersection(one, seen) for one in test.boxes for seen in boxes)
        for test in rule.tests
    )
