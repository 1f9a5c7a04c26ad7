"""Rule bases at random, against two opinions of their own: diagrams, and the kernel's nftables.

By hand, as root, for ten thousand bases; it prints what does not agree, and how much was looked at:

    python -m tests.policy.oracles [BASES] [PACKETS OF EACH] [SEED]
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence

from sitiv_infra.lab.netns import Namespace
from sitiv_infra.policy.anomalies import anomalies
from sitiv_infra.policy.dumps import FORMS
from sitiv_infra.policy.lists import RuleList
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.scale import Scale
from sitiv_infra.policy.space import Box, Point
from sitiv_infra.policy.table import Table
from tests.policy import diagrams, kernel
from tests.policy.differential import base, packet
from tests.policy.linear import first

BATCH = 50
DOUBTFUL = 0.1  # of rules


def by_diagrams(seed: int) -> Iterator[str]:
    """Yield where the engine says otherwise than diagrams which rules are shadowed or redundant."""
    dice = random.Random(seed)
    drawn = base(dice)
    for rules in (drawn, _doubted(dice, drawn)):
        found, told = anomalies(rules), diagrams.judged(diagrams.ranked(rules))
        ours = diagrams.Judged(
            set(found.inoperative),
            {one.number for one in found.shadowed},
            {one.number for one in found.redundant},
        )
        if ours != told or found.inconclusive:
            yield f"seed {seed}: {ours}, by diagrams {told}: {rules}"


def _doubted(dice: random.Random, rules: RuleList) -> RuleList:
    lines = (
        line._replace(doubts=("?",)) if dice.random() < DOUBTFUL else line for line in rules.lines
    )
    return RuleList(tuple(lines), rules.policy, rules.whole)


def by_packets(namespace: Namespace, seeds: Sequence[int], count: int) -> Iterator[str]:
    """Yield where engine, linear interpreter and kernel do not agree about a packet.

    The engine is asked twice: about the list, and about what was read of ``nft -j``.
    """
    dice = [random.Random(seed) for seed in seeds]
    lists = [kernel.spoken(base(one)) for one in dice]
    packets = {
        (place, number): one
        for place, rules in enumerate(lists)
        for number in range(count)
        if kernel.can_be_sent(rules, one := packet(dice[place], rules))
    }
    taken, listed = kernel.judged(namespace, lists, packets)
    read = FORMS["nft-json"](kernel.read_back(listed, lists)).lists
    for place, rules in enumerate(lists):
        mine = {key: one for key, one in packets.items() if key[0] == place}
        name = f"list{place} IPv{4 if rules.whole[1][0][1] == kernel.IPV4 else 6}"
        (dump,) = [one for text, one in read.items() if text.endswith(f" {name}")]
        by_list, by_dump = (decided(one, list(mine.values())) for one in (rules, dump))
        fates = {line.number: line.verdict for line in rules.lines} | {0: rules.policy}
        for (key, one), (number, ours), (_, also) in zip(
            mine.items(), by_list, by_dump, strict=True
        ):
            live = taken.get(key)
            told = (ours, also, first(rules.lines, one, rules.policy))
            if number != live or {*told} != {fates[live]}:
                yield f"seed {seeds[place]}: {one}: {number} {told}, kernel {live}: {rules}"


def decided(rules: RuleList, packets: Sequence[Point]) -> list[tuple[int, Verdict | None]]:
    """Ask the engine for the rule that decides each packet, and its verdict; 0 is the policy."""
    ends: list[Box] = [tuple(((value, value),) for value in one) for one in packets]
    scale = Scale(rules.whole, [*rules.boxes, *ends])
    table = Table(rules, scale)
    found: list[tuple[int, Verdict | None]] = []
    for end in ends:
        ((index, *_),) = table.decided(*(side[:, 0] for side in scale.table([end])[:2]))
        if index is None:
            found.append((0, rules.policy))
        else:
            line = rules.lines[int(table.owner[index])]
            found.append((line.number, None if line.doubts else line.verdict))
    return found


def main(bases: int = 10_000, packets: int = 20, seed: int = 1) -> int:
    """Print disagreements and their number; exit code 1 where there is one."""
    seeds = range(seed * 1_000_000, seed * 1_000_000 + bases)
    wrong = 0
    for one in seeds:
        wrong += _told(by_diagrams(one))
    print(f"{bases} bases by diagrams: {wrong} disagreements", flush=True)  # noqa: T201
    with kernel.cable() as namespace:
        for start in range(0, bases, BATCH):
            wrong += _told(by_packets(namespace, seeds[start : start + BATCH], packets))
    print(f"{bases} bases, {packets} packets each, by the kernel: {wrong} in all")  # noqa: T201
    return int(wrong > 0)


def _told(found: Iterator[str]) -> int:
    texts = list(found)
    for text in texts:
        print(text)  # noqa: T201
    return len(texts)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
