"""Rule bases with one thing changed: the proofs never pass one that fares otherwise.

What a proof passes, a judge that shares nothing with it (``again``) has to find equal to the
original, packet by packet; such mutants are not counted. What a proof fails has to be told right:
the packets that it names fare otherwise, as it says, and by what was changed: the line of the rule,
or of the object, that lets them pass; the flow, and the line of its rule, that does so no more.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Estate, load
from sitiv_infra.policy import exact, readback
from sitiv_infra.policy.cover import Inconclusive
from sitiv_infra.policy.exact import mismatches
from sitiv_infra.policy.lists import RuleList
from sitiv_infra.policy.mismatch import Mismatch
from sitiv_infra.policy.nft_text import ruleset
from sitiv_infra.policy.operands import NEW
from sitiv_infra.policy.space import Point
from sitiv_infra.wanted import fortios, forward_sets, sns
from tests.policy import again, faults
from tests.policy.linear import first
from tests.policy.mutants import NFT, Mutant, Nft, nft, of_nft
from tests.policy.mutants_vendors import FORTIOS, SNS
from tests.policy.worlds import SOME_MAC
from tests.wanted.worlds import estates, small

INVENTORY = Path(__file__).parents[2] / "inventory"
TODAY = date(2026, 11, 1)
EACH = 8  # mutants of a kind and form that fare otherwise
TRIES = 60
LOOKED_AT = 20  # of a mutant's mismatches, with their packets
RANDOM_WORLDS = 12
NOT_SAID = {"nft-text": {"policy-accept", "everything-by-a-rule"}, "nft-json": set()}
KINDS = {
    **{form: [kind for kind in NFT if kind not in lost] for form, lost in NOT_SAID.items()},
    "fortios": list(FORTIOS),
    "sns": list(SNS),
}
BEYOND = ("INVALID", "UNTRACKED")


class World(NamedTuple):
    """An estate, and what is rendered of it: for nftables taken apart, for others as text."""

    estate: Estate
    nft: Nft
    texts: dict[str, str]
    read: dict[str, again.Read]


class Found(NamedTuple):
    """What a proof says of a mutant: where it deviates, or why it is not proved."""

    mismatches: tuple[Mismatch, ...] = ()
    whole: bool = True  # whether the budget sufficed for all mismatches
    refused: str = ""


def _drawn() -> list[Estate]:
    found: list[Estate] = []

    @seed(1)  # worlds that do not hang on how this is written
    @settings(
        max_examples=6 * RANDOM_WORLDS, database=None, deadline=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(estates())
    def draw(estate: Estate) -> None:
        if len(forward_sets(estate, "a", TODAY)) > 1 and len(estate.flows) > 1:
            found.append(estate)

    draw()
    return found[-RANDOM_WORLDS:]


@lru_cache
def worlds() -> tuple[tuple[World, ...], tuple[int, ...]]:
    """Give worlds, and how often each is to be drawn."""
    drawn = _drawn()
    assert len(drawn) == RANDOM_WORLDS
    example, lab = (load(INVENTORY / folder) for folder in ("estate", "lab/estate"))
    chosen = [example, lab, small(), *drawn]
    return tuple(map(_world, chosen)), (1, 3, 4, *(1 for _ in drawn))


def _world(estate: Estate) -> World:
    base = nft(forward_sets(estate, "a", TODAY))
    texts = {
        "nft-text": base.text(),
        "nft-json": base.json(),
        "fortios": "\n".join(fortios.fortios_rules(estate, "a", TODAY)) + "\n",
        "sns": "\n".join(sns.sns_commands(estate, "a", TODAY)) + "\n",
    }
    return World(estate, base, texts, {f: again.READERS[f](text) for f, text in texts.items()})


@pytest.fixture(scope="module", autouse=True)
def declared_once() -> Iterator[None]:
    """Compute what an estate declares once, not for each mutant."""
    kept: dict[tuple[int, str, int], RuleList] = {}
    original = exact.declared

    def once(estate: Estate, site: str, version: int, today: date) -> RuleList:
        assert today == TODAY
        key = id(estate), site, version
        if key not in kept:
            kept[key] = original(estate, site, version, today)
        return kept[key]

    worlds()  # its estates live on: no other one gets their ids
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "declared", once)
        patch.setattr(readback, "declared", once)
        yield


def proved(form: str, text: str, estate: Estate) -> Found:
    """Run the proof that stands behind the checks, or behind ``sitiv render``."""
    try:
        if form in {"fortios", "sns"}:
            readback.prove(text, form, estate, "a", TODAY, (4, 6))
            return Found()
        objects = _rendered(text) if form == "nft-text" else json.loads(text)["nftables"]
        return _known(mismatches(estate, "a", objects, TODAY))
    except InvalidInput as error:
        return Found(refused=str(error))


def _known(told: Iterator[Mismatch]) -> Found:
    """Give what was found before the budget was spent: that must be something."""
    found: list[Mismatch] = []
    try:
        found.extend(told)
    except Inconclusive:
        assert found
        return Found(tuple(found), whole=False)
    return Found(tuple(found))


def _rendered(text: str) -> list[dict[str, object]]:
    sets = re.findall(r"^set \w+ \{\n.*?^\}$", text, re.MULTILINE | re.DOTALL)
    rules = re.findall(r"^(?:ct|ip|accept).*", text, re.MULTILINE)
    return ruleset(sets, rules)


def made(world: World, form: str, kind: str, dice: random.Random) -> Mutant:
    if form in NOT_SAID:
        return of_nft(world.nft, kind, dice, form)
    change = (FORTIOS if form == "fortios" else SNS)[kind]
    return Mutant(change(world.texts[form], dice))


def judged(world: World, form: str, mutant: Mutant) -> str:
    """Hold what a proof says of a mutant against the judge; give how it was caught."""
    found = proved(form, mutant.text, world.estate)
    old = world.read[form]
    states = _states(form, mutant.text) if not found.refused else {}
    if not found.mismatches and not found.refused:
        for state, new in states.items():
            before = old if state == NEW else _closed(old)
            for version in (4, 6):
                packet = again.otherwise(before[version], new[version])
                assert packet is None, f"passed, but IPv{version} {packet} fares otherwise: {state}"
        return "equivalent"
    if found.refused:
        return _refused_right(world, form, mutant.text, found.refused)
    return _told_right(old, states, mutant, found)


def _states(form: str, text: str) -> dict[str, again.Read]:
    """Read a text as the judge does, for each state of connections that the form knows."""
    others = BEYOND if form == "nft-json" else ()
    beyond = {state: again.nft_json(text, state.lower()) for state in others}
    return {NEW: again.READERS[form](text), **beyond}


def _refused_right(world: World, form: str, text: str, refused: str) -> str:
    """Hold the packet and the lines that a refusal names against the judge and the change."""
    said = WITNESS.search(refused)
    if said is None:
        assert refused.startswith(("line ", "rule ", "set ")), refused
        return "refused"
    new, old = again.READERS[form](text), world.read[form]
    version, packet = _packet(said)
    passing, wanted, undecided = (PARTS[part].search(refused) for part in PARTS)
    fault = faults.fault(form, world.texts[form], text)
    if passing:
        assert fault.changed & _lines(passing), (refused, fault)
    elif wanted:
        assert fault.rules & _lines(wanted) or wanted["flow"] in fault.flows, (refused, fault)
    else:
        assert undecided is not None
        assert fault.rules & _lines(undecided), (refused, fault)
        return "undecided"
    assert again.parts(old[version], new[version], packet), refused
    return "failed"


def _lines(said: re.Match[str]) -> set[int]:
    return {int(number) for number in re.findall(r"\(line (\d+)\)", said[0])}


def _closed(old: again.Read) -> again.Read:
    """Give what becomes of packets that belong to no connection, as declared: none passes."""
    return {version: replace(rules, lines=()) for version, rules in old.items()}


def _told_right(
    old: again.Read, states: dict[str, again.Read], mutant: Mutant, found: Found
) -> str:
    told, new = found.mismatches, states[NEW]
    closed = _closed(old)
    for number, one in enumerate(told):
        before, after = (old if one.state == NEW else closed), states[one.state]
        for packet in _corners(one) if number < LOOKED_AT else ():
            version = one.version
            assert again.parts(before[version], after[version], packet), one
            fate = first(after[version].lines, packet, after[version].policy)
            assert one.passes is None or one.passes is (fate.value == "accept"), one
        at_fault = one.rule if one.passes else one.should
        assert not mutant.names or any(name in at_fault for name in mutant.names), one
    for version in (4, 6) if found.whole else ():
        other = again.otherwise(old[version], new[version])
        assert other is None or any(
            _in(other, one) for one in told if (one.version, one.state) == (version, NEW)
        )
        for state in BEYOND if found.whole and len(states) > 1 else ():
            beyond = again.otherwise(closed[version], states[state][version])
            assert beyond is None or any(one.passes for one in told if one.version == version)
    return "undecided" if all(one.passes is None for one in told) else "failed"


def _in(packet: Point, one: Mismatch) -> bool:
    return all(
        any(low <= value <= high for low, high in side)
        for value, side in zip(packet, one.box, strict=True)
    )


def _corners(one: Mismatch) -> Iterator[Point]:
    yield tuple(side[0][0] for side in one.box)
    yield tuple(side[-1][1] for side in one.box)


WITNESS = re.compile(
    r"such as (?P<protocol>protocol \d+|\w+) (?P<source>\S+) > (?P<destination>[^\s;]+)"
    r"(?: port (?P<to>\d+))?(?: from (?P<by>\d+))?(?: type (?P<type>\d+) code (?P<code>\d+))?"
)

PARTS = {
    "passing": re.compile(r", let through by .*, such as "),
    "wanted": re.compile(r", wanted by (?P<flow>[^,:]*)(?:: .*)?, dropped by .*, such as "),
    "undecided": re.compile(r", undecided by .*, such as "),
}


def _packet(said: re.Match[str]) -> tuple[int, Point]:
    version = 6 if ":" in said["source"] else 4
    names = {"icmp": {4: 1, 6: 58}[version], "tcp": 6, "udp": 17, "gre": 47, "sctp": 132}
    names |= {"esp": 50, "ah": 51}
    name = said["protocol"]
    number = names[name] if name in names else int(name.removeprefix("protocol "))
    ends = (again.span(said[side])[0] for side in ("source", "destination"))
    by, to = said["by"] or said["type"] or 0, said["to"] or said["code"] or 0
    return version, (number, *ends, int(by), int(to), SOME_MAC)


def hunted(form: str, kind: str) -> Counter[str]:
    """Make mutants of a kind until enough fare otherwise, and count how each was caught."""
    dice = random.Random(f"{form} {kind}")
    chosen, weights = worlds()
    seen: Counter[str] = Counter()
    done: set[tuple[int, str]] = set()
    for _ in range(TRIES):
        (place,) = dice.choices(range(len(chosen)), weights)
        world = chosen[place]
        mutant = made(world, form, kind, dice)
        if mutant.text == world.texts[form] or (place, mutant.text) in done:
            continue
        done.add((place, mutant.text))
        seen[judged(world, form, mutant)] += 1
        if EACH in {seen["equivalent"], seen.total() - seen["equivalent"]}:
            break
    return seen


@pytest.mark.parametrize("form", KINDS)
def test_what_was_not_changed_is_proved(form: str) -> None:
    for world in worlds()[0]:
        assert proved(form, world.texts[form], world.estate) == Found()


@pytest.mark.parametrize(
    ("form", "kind"), [(f, kind) for f, kinds in KINDS.items() for kind in kinds]
)
def test_a_mutant_never_passes(form: str, kind: str) -> None:
    seen = hunted(form, kind)
    assert seen.total() - seen["equivalent"] >= EACH, seen
