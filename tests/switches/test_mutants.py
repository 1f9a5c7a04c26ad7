"""Switches and port groups with one thing changed: the checks never pass one, and name the place.

Each change makes another network than the declared one, so that none of them is equivalent.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import pytest

from sitiv_infra.checking import Verdict
from sitiv_infra.estate import Estate
from sitiv_infra.facts import Facts
from sitiv_infra.judging import built_in, judge, load_checks
from sitiv_infra.testing import snapshot_of
from tests.switches.mutants import LINES, ROWS, WIRES, Dice, Expected, wired
from tests.switches.mutants_virtual import GUESTS, example

EACH = 14  # mutants of a kind
TRIES = 200
SWITCHING = (
    "switching.bypass", "switching.exact", "switching.native-vlan", "switching.vlan-1",
    "switching.unused-port", "switching.dual-homed",
)  # fmt: skip
VIRTUAL = (
    "hypervisor.dual-homed", "hypervisor.machine-vlans", "hypervisor.portgroup-vlan",
    "hypervisor.guest-tagging", "hypervisor.promiscuous", "hypervisor.forged-frames",
    "hypervisor.port-override",
)  # fmt: skip


@lru_cache
def checks() -> Mapping[str, Any]:
    return {item.id: item for item in load_checks([built_in()])}


def verdicts(estate: Estate, seen: Mapping[str, Facts], names: tuple[str, ...]) -> list[Verdict]:
    return list(judge([checks()[name] for name in names], snapshot_of(estate, seen)))


def test_what_is_declared_passes() -> None:
    for world in (*wired(*LINES), *wired(*ROWS)):
        found = {
            (v.check, v.subject): v
            for v in verdicts(world.estate, world.seen, SWITCHING)
            if v.status != "pass"
        }
        assert not found
    estate, seen = example()
    told = verdicts(estate, seen, VIRTUAL)
    assert {v.status.value for v in told} == {"pass"}, [v for v in told if v.status != "pass"][:3]


@pytest.mark.parametrize("kind", WIRES)
def test_a_mutant_of_a_switch_never_passes(kind: str) -> None:
    dice, done = Dice(kind), set[str]()
    platforms, change = WIRES[kind]
    for _ in range(TRIES):
        mutant, expected = change(dice.choice(wired(*platforms)), dice)
        key = repr((mutant.texts, mutant.estate.machines))
        if key not in done:
            done.add(key)
            caught(verdicts(mutant.estate, mutant.seen, SWITCHING), expected)
        if len(done) == EACH:
            return
    raise AssertionError(len(done))


def caught(told: list[Verdict], expected: list[Expected]) -> None:
    for one in expected:
        (verdict,) = [v for v in told if (v.check, v.subject) == (one.check, one.subject)]
        assert verdict.status == "fail", (one, verdict)
        assert one.names in str(verdict.evidence), (one, verdict)


@pytest.mark.parametrize("kind", GUESTS)
def test_a_mutant_of_a_vcenter_never_passes(kind: str) -> None:
    estate, shown = example()
    dice, done = Dice(kind), set[str]()
    for _ in range(TRIES):
        vcenter = dice.choice(list(estate.vcenters))
        source = estate.vcenters[vcenter].source
        mutant, expected = GUESTS[kind](estate, vcenter, shown[source], dice)
        key = repr(expected)
        if key not in done:
            done.add(key)
            caught(verdicts(estate, {**shown, source: mutant}, VIRTUAL), expected)
        if len(done) == EACH:
            return
    raise AssertionError(len(done))
