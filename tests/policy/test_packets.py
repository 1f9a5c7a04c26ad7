"""The proof by packets: what the reader says of a rule base is what the kernel does with it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from ipaddress import ip_address

import pytest

from sitiv_infra.lab.process import LabError, program
from sitiv_infra.policy.flatten import flattened
from sitiv_infra.policy.nftables import read
from sitiv_infra.policy.rules import RuleBase, Verdict
from sitiv_infra.policy.scale import Scale
from sitiv_infra.policy.space import ICMP_CODE, ICMP_TYPE, Box, Dimension, box
from sitiv_infra.policy.table import Table
from tests.policy.probing import Probe, arrived, every_probe, made_up
from tests.servers.network import Routed


def box_of(probe: Probe) -> Box:
    sides = {
        Dimension.PROTOCOL: probe.protocol,
        Dimension.SOURCE: int(ip_address(probe.source)),
        Dimension.DESTINATION: int(ip_address(probe.destination)),
        Dimension.SOURCE_PORT: 40000,
        Dimension.DESTINATION_PORT: probe.port,
    }
    if probe.protocol in {1, 58}:
        sides |= {ICMP_TYPE: 8 if probe.protocol == 1 else 128, ICMP_CODE: 0}
    return box({side: ((value, value),) for side, value in sides.items()})


def foretold(rules: dict[int, RuleBase], probe: Probe) -> Verdict | None:
    (part,) = rules[probe.version].fates([box_of(probe)])
    return part.certain


def by_lists(rules: RuleBase, probes: Iterable[Probe]) -> dict[Probe, Verdict | None]:
    """Ask the exact engine: a packet passes where every base chain's list accepts it."""
    boxes = {probe: box_of(probe) for probe in probes if probe.version == rules.version}
    told: dict[Probe, Verdict | None] = dict.fromkeys(boxes, Verdict.ACCEPT)
    for base in rules.bases:
        listed = flattened(rules, base)
        scale = Scale(listed.whole, [*listed.boxes, *boxes.values()])
        table = Table(listed, scale)
        for probe, asked in boxes.items():
            ((index, *_),) = table.decided(*(side[:, 0] for side in scale.table([asked])[:2]))
            line = None if index is None else listed.lines[table.owner[index]]
            fate = listed.policy if line is None else None if line.doubts else line.verdict
            if fate is Verdict.DROP or told[probe] is Verdict.ACCEPT:
                told[probe] = fate
    return told


def live(net: Routed) -> dict[int, RuleBase]:
    listed = json.loads(net.firewall.run(program("nft"), "-j", "list", "ruleset"))["nftables"]
    return {version: read(listed, version) for version in (4, 6)}


@pytest.mark.parametrize("seed", range(25))
def test_the_kernel_agrees_about_every_packet(routed: Routed, seed: int) -> None:
    dice = random.Random(seed)
    probes = every_probe()
    for _ in range(20):  # nft refuses some combinations: take the first that it loads
        text = made_up(dice)
        try:
            seen = arrived(routed, probes, text)
            break
        except LabError as error:
            refusal = str(error)
    else:
        pytest.fail(refusal)
    rules = live(routed)
    told = {probe: foretold(rules, probe) for probe in probes}
    wrong = [
        p for p in probes if told[p] is not None and (told[p] is Verdict.ACCEPT) != (p in seen)
    ]
    assert not wrong, f"{wrong[:5]} of {len(wrong)} in {text}"
    assert sum(verdict is None for verdict in told.values()) < len(probes) // 2
    exact = by_lists(rules[4], probes) | by_lists(rules[6], probes)
    sure = [p for p in probes if exact[p] is not None]
    wrong = [p for p in sure if (exact[p] is Verdict.ACCEPT) != (p in seen)]
    assert not wrong, f"{wrong[:5]} of {len(wrong)} in {text}"
    assert len(sure) > len(probes) // 4
