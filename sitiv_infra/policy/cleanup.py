"""What a rule base has too much of, by the numbers of its rules: over all chains and families."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from sitiv_infra.policy import hardware
from sitiv_infra.policy.anomalies import Anomalies, anomalies
from sitiv_infra.policy.dumps import Dump
from sitiv_infra.policy.iptables_options import More, device_name
from sitiv_infra.policy.lists import RuleList
from sitiv_infra.policy.loose import over_wide
from sitiv_infra.policy.space import Dimension, Point
from sitiv_infra.policy.telling import NAMES


class Finding(NamedTuple):
    """A rule, the rules that make it so, and one packet as a person would write it."""

    rule: int
    blockers: tuple[int, ...]
    witness: str


@dataclass(frozen=True)
class CleanUp:
    """What may go from a rule base, or should be looked at.

    shadowed -- no packet reaches them. redundant -- without one of them, every packet fares the
    same. correlated -- their order with others decides. inoperative -- their conditions contradict
    each other, or their chain is never entered. undecided -- not wholly understood, with the
    reason. inconclusive -- the budget of steps was spent. over_wide -- they accept almost anything.
    unused -- their counters stand at zero; since when these count, a dump does not tell.
    """

    rules: int
    shadowed: tuple[Finding, ...]
    redundant: tuple[Finding, ...]
    correlated: tuple[Finding, ...]
    inoperative: tuple[int, ...]
    undecided: Mapping[int, tuple[str, ...]]
    inconclusive: tuple[int, ...]
    over_wide: tuple[int, ...]
    unused: tuple[int, ...]


def clean_up(dump: Dump, tell: Callable[[str], None] = lambda _: None) -> CleanUp:
    """Judge every rule of a dump; a rule that several lists have counts by what it does in all."""
    seen: list[tuple[int, Anomalies]] = []
    for name, rules in dump.lists.items():
        tell(f"{name}: {len(rules.lines)} rules")
        seen.append((6 if name.endswith("6") else 4, anomalies(rules)))
    alive = {number for _, found in seen for number in found.reached}
    late = {number for _, found in seen for number in found.inconclusive}
    dead = dict(_dead(seen))
    needed = {number for _, found in seen for number in found.needed}
    living, kept = alive | late, needed | late
    rest = set(dump.texts) - alive - late - set(dead)
    redundant = {
        one.number: Finding(one.number, one.heirs, told(version, one.witness))
        for version, found in seen
        for one in found.redundant
        if one.number not in kept
    }
    correlated = [
        Finding(one.number, one.others, told(version, one.witness))
        for version, found in seen
        for one in found.correlated
    ]
    return CleanUp(
        rules=dump.count,
        shadowed=tuple(dead[n] for n in sorted(dead) if n not in living),
        redundant=tuple(redundant[n] for n in sorted(redundant)),
        correlated=tuple(sorted(correlated)),
        inoperative=tuple(sorted(rest)),
        undecided=dict(_doubts(dump.lists.values())),
        inconclusive=tuple(sorted(late)),
        over_wide=tuple(sorted({n for rules in dump.lists.values() for n in over_wide(rules)})),
        unused=tuple(sorted(n for n, hits in dump.hits.items() if not hits and n in dump.texts)),
    )


def _dead(seen: list[tuple[int, Anomalies]]) -> Iterator[tuple[int, Finding]]:
    merged: dict[int, Finding] = {}
    for version, found in seen:
        for one in found.shadowed:
            before = merged.get(one.number, Finding(one.number, (), told(version, one.witness)))
            blockers = tuple(sorted({*before.blockers, *one.blockers}))
            merged[one.number] = before._replace(blockers=blockers)
    yield from merged.items()


def _doubts(lists: Iterable[RuleList]) -> Iterator[tuple[int, tuple[str, ...]]]:
    merged: dict[int, dict[str, None]] = {}
    for rules in lists:
        for line in rules.lines:
            if line.doubts and line.number:
                merged.setdefault(line.number, {}).update(dict.fromkeys(line.doubts))
    for number in sorted(merged):
        yield number, tuple(merged[number])


def told(version: int, packet: Point) -> str:
    """Write a packet as a person would: ``tcp 10.1.0.1 > 10.2.0.1 port 22 in by eth0``."""
    kind = IPv4Address if version == 4 else IPv6Address
    number = packet[Dimension.PROTOCOL]
    ends = [kind(packet[side]) for side in (Dimension.SOURCE, Dimension.DESTINATION)]
    said = f"{NAMES.get(number, f'protocol {number}')} {ends[0]} > {ends[1]}"
    source, destination = packet[Dimension.SOURCE_PORT], packet[Dimension.DESTINATION_PORT]
    if number in {6, 17}:
        said = f"{said} port {destination}" + (f" from {source}" if source else "")
    elif number in {1, 58}:
        said = f"{said} type {source} code {destination}"
    said += hardware.told(packet[Dimension.SOURCE_MAC])
    by = zip(("in", "out"), packet[More.COMES_BY : More.LEAVES_BY + 1], strict=False)
    return said + "".join(f" {way} by {name}" for way, n in by if (name := device_name(n)))
