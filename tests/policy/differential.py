"""Rule bases and packets at random: every answer of the engine against the linear interpreter.

By hand, for a million packets; it prints what does not agree, and how much was looked at:

    python -m tests.policy.differential [BASES] [PACKETS OF EACH] [SEED]
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator

from sitiv_infra.policy.anomalies import anomalies
from sitiv_infra.policy.compare import Comparison, compare
from sitiv_infra.policy.lists import Line, RuleList
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.scale import Scale
from sitiv_infra.policy.space import (
    MACS,
    NO_MAC,
    WITH_MAC,
    Box,
    Interval,
    Intervals,
    Point,
    union,
)
from sitiv_infra.policy.table import Table
from tests.policy.linear import first, holds

BITS = {4: 32, 6: 128}
PORTS = (0, 22, 53, 80, 443, 1024, 8080, 65535)


def whole(version: int) -> Box:
    addresses = ((0, 2 ** BITS[version] - 1),)
    return (((0, 255),), addresses, addresses, ((0, 65535),), ((0, 65535),), MACS)


def base(dice: random.Random) -> RuleList:
    """Draw a list of rules that meet each other often: nested networks, few ports."""
    everything = whole(dice.choice((4, 6)))
    lines: list[Line] = []
    for number in range(1, dice.randint(2, 20) + 1):
        boxes = tuple(_box(dice, everything) for _ in range(dice.choice((0, 1, 1, 1, 1, 2))))
        if lines and dice.random() < 0.2:  # half of another one, and perhaps its other half later
            boxes = tuple(_half(dice, box) for box in dice.choice(lines).boxes)
        verdict = dice.choice((Verdict.ACCEPT, Verdict.ACCEPT, Verdict.DROP, None))
        lines.append(Line(number, str(number), verdict, boxes))
    return RuleList(tuple(lines), dice.choice(tuple(Verdict)), everything)


def _box(dice: random.Random, everything: Box) -> Box:
    protocol, source, destination, *_ = everything
    ends = [_networks(dice, side[0][1]) for side in (source, destination)]
    protocols = dice.choice((protocol, ((6, 6),), ((6, 6), (17, 17)), ((1, 1),)))
    macs = dice.choice((MACS, MACS, MACS, WITH_MAC, ((1, 1),), ((0, 0), (2, NO_MAC - 1))))
    return (protocols, *ends, _ports(dice, 0.8), _ports(dice, 0.2), macs)


def _networks(dice: random.Random, top: int) -> Intervals:
    return union(_network(dice, top) for _ in range(dice.choice((1, 1, 1, 2))))


def _network(dice: random.Random, top: int) -> Interval:
    bits = top.bit_length()
    length = dice.choice((0, 8, 9, 10, 16, 24, bits - 1, bits))
    size = 1 << (bits - length)
    start = (dice.randrange(4) << (bits - 10)) + dice.randrange(3) * dice.choice((1, 256, 65536))
    start -= start % size
    return start, start + size - 1


def _ports(dice: random.Random, every: float) -> Intervals:
    if dice.random() < every:
        return ((0, 65535),)
    low, high = sorted((dice.choice(PORTS), dice.choice(PORTS)))
    return dice.choice((((low, low),), ((low, high),), union([(low, low), (high, high)])))


def _half(dice: random.Random, box: Box) -> Box:
    side = dice.choice((1, 2, 4))
    low, high = box[side][0]
    middle = (low + high) // 2
    kept = (low, middle) if dice.random() < 0.5 or middle == high else (middle + 1, high)
    return (*box[:side], (kept,), *box[side + 1 :])


def changed(dice: random.Random, rules: RuleList) -> RuleList:
    """Remove, move, or turn around one rule."""
    lines = list(rules.lines)
    line = lines.pop(dice.randrange(len(lines)))
    other = Verdict.DROP if line.verdict is Verdict.ACCEPT else Verdict.ACCEPT
    kind = dice.randrange(3)
    if kind:
        moved = line if kind == 1 else line._replace(verdict=other)
        lines.insert(dice.randint(0, len(lines)), moved)
    return RuleList(tuple(lines), rules.policy, rules.whole)


def packet(dice: random.Random, rules: RuleList) -> Point:
    """Draw a packet near one rule: most often in it, often at an end of it, or just beyond.

    Drawn side by side from any rules, nine packets of ten would meet none.
    """
    boxes = [box for line in rules.lines for box in line.boxes] or [rules.whole]
    near = dice.choice(boxes)
    values = []
    for side, ((bottom, top),) in enumerate(rules.whole):
        low, high = dice.choice((near if dice.random() < 0.9 else dice.choice(boxes))[side])
        drawn = dice.choice((low, high, dice.randint(low, high)))
        if dice.random() < 0.1:
            drawn = dice.choice((low - 1, high + 1, dice.randint(bottom, top)))
        values.append(min(max(drawn, bottom), top))
    return tuple(values)


def disagreements(dice: random.Random, packets: int) -> Iterator[str]:
    """Yield what the engine says of one random base otherwise than the interpreter."""
    old = base(dice)
    new = changed(dice, old)
    drawn = [packet(dice, old) for _ in range(packets)]
    ends = [tuple(((value, value),) for value in one) for one in drawn]
    scale = Scale(old.whole, [*old.boxes, *ends])
    table = Table(old, scale)
    found = anomalies(old, table)
    dead = {old.lines.index(line) for line in old.lines} & {n.number - 1 for n in found.shadowed}
    idle = {one.number - 1 for one in found.redundant}
    told = compare(old, new)
    yield from _witnesses(old, found.reached)
    for one, end in zip(drawn, ends, strict=True):
        fate = first(old.lines, one, old.policy)
        taken = next((p for p, a in enumerate(old.lines) if a.verdict and holds(a, one)), None)
        ((index, *_),) = table.decided(*(side[:, 0] for side in scale.table([end])[:2]))
        decided = None if index is None else int(table.owner[index])
        if decided != taken:
            yield f"{old}: {one} is decided by {taken}, not {decided}"
        if taken in dead:
            yield f"{old}: {one} reaches {taken}"
        if taken in idle and fate is not first(_without(old, taken), one, old.policy):
            yield f"{old}: {one} needs {taken}"
        if (fate is not first(new.lines, one, new.policy)) != _parts(told, one):
            yield f"{old} and {new} on {one}"


def _without(rules: RuleList, place: int | None) -> tuple[Line, ...]:
    return tuple(line for at, line in enumerate(rules.lines) if at != place)


def _witnesses(rules: RuleList, reached: dict[int, Point]) -> Iterator[str]:
    for number, one in reached.items():
        before = [line for line in rules.lines[: number - 1] if line.verdict]
        if not holds(rules.lines[number - 1], one) or any(holds(line, one) for line in before):
            yield f"{rules}: {one} does not reach {number}"


def _parts(told: Comparison, one: Point) -> bool:
    return any(
        all(s[0][0] <= v <= s[0][1] for v, s in zip(one, parting.box, strict=True))
        for parting in told.partings
    )


def main(bases: int = 10_000, packets: int = 100, seed: int = 1) -> int:
    """Print disagreements and their number; exit code 1 where there is one."""
    wrong = 0
    for number in range(bases):
        for text in disagreements(random.Random(seed * 1_000_000 + number), packets):
            print(f"base {number}: {text}")  # noqa: T201
            wrong += 1
    print(f"{bases} bases, {bases * packets} packets: {wrong} disagreements")  # noqa: T201
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
