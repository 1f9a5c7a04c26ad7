"""Rule bases at random, a few of them: what ``oracles`` asks of ten thousand by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sitiv_infra.lab.netns import Namespace
from sitiv_infra.policy.dumps import FORMS
from sitiv_infra.policy.lists import Line, RuleList
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.space import MACS
from tests.policy import kernel
from tests.policy.differential import whole
from tests.policy.oracles import by_diagrams, by_packets, decided
from tests.servers.need import need

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture(scope="module")
def cable() -> Iterator[Namespace]:
    need("ip", "nft", "sysctl", root=True)
    with kernel.cable() as namespace:
        yield namespace


@pytest.mark.parametrize("seed", range(30))
def test_diagrams_find_the_same_rules_shadowed_and_redundant(seed: int) -> None:
    assert list(by_diagrams(seed)) == []


def test_the_kernel_takes_each_packet_by_the_same_rule(cable: Namespace) -> None:
    assert list(by_packets(cable, range(40), 25)) == []


def test_both_ports_in_one_rule_are_read_though_nft_prints_one_number(cable: Namespace) -> None:
    everything = whole(4)
    box = (kernel.PORTED, *everything[1:3], ((1024, 1024),), ((53, 53),), MACS)
    line = Line(1, "", Verdict.DROP, (box,))
    rules = RuleList((line,), Verdict.ACCEPT, everything)
    packets = {(0, n): (17, 1, 2, 1024, port, 0) for n, port in enumerate((53, 54, 0))}
    taken, listed = kernel.judged(cable, [rules], packets)
    assert [taken[key] for key in packets] == [1, 0, 0]
    read = FORMS["nft-json"](kernel.read_back(listed, [rules])).lists["inet oracle list0 IPv4"]
    told = [verdict for _, verdict in decided(read, list(packets.values()))]
    assert told == [Verdict.DROP, Verdict.ACCEPT, Verdict.ACCEPT]


def test_what_disagrees_is_told(cable: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that had the rules in another order would be seen."""
    turned = lambda rules: RuleList(rules.lines[::-1], rules.policy, rules.whole)  # noqa: E731
    spoken = kernel._ruleset
    monkeypatch.setattr(kernel, "_ruleset", lambda lists: spoken([turned(one) for one in lists]))
    assert list(by_packets(cable, range(10), 25))
