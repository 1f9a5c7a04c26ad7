from __future__ import annotations

from datetime import timedelta

import pytest

from sitiv_infra.checking import Status, Verdict
from sitiv_infra.facts import PacketFacts
from sitiv_infra.facts.packets import Fate, Finding
from sitiv_infra.testing import NOW, estate_of, judged

CHECK = "segmentation.packets-obey"
ESTATE = estate_of("packet_proofs: {lab: {observed_from: admin, max_age: 25h}}")
PROOF = "sitiv/packet-proof/lab"


def seen(**more: object) -> dict[str, Verdict]:
    data: dict[str, object] = {
        "ended": NOW - timedelta(hours=1), "packets": 9, "delivered": 4, "dropped": 5, "lost": 0,
        "counted": 5,
    }  # fmt: skip
    facts = PacketFacts.model_validate(data | more)
    return judged(CHECK, ESTATE, {"packets/lab": facts})


@pytest.mark.parametrize("counted", [5, 7])
def test_packets_that_obey(counted: int) -> None:
    found = seen(counted=counted)
    assert {name: v.status for name, v in found.items()} == {PROOF: Status.PASS}


@pytest.mark.parametrize("fate", Fate)
def test_what_packets_did_is_told(fate: Fate) -> None:
    one = Finding(
        fate=fate, source="web", firewall="fw", rule="forward #3", device="vlan7", flow="sql",
        destinations=("data", "desk"), count=4, witness="tcp 10.1.0.9 > 10.2.0.9 port 22",
    )  # fmt: skip
    found = seen(findings=(one,))
    assert {name: v.status for name, v in found.items()} == {f"{PROOF}/1": Status.FAIL}
    told = found[f"{PROOF}/1"]
    text = told.message.format_map({k: str(v) for k, v in told.evidence.items()} | LISTS)
    assert one.witness in text
    assert ("data" in text) == (fate is not Fate.UNSEEN)
    assert ("fw" in text) == (fate not in {Fate.ASTRAY, Fate.UNSEEN})


class _Places(str):
    __slots__ = ()

    def __format__(self, kind: str) -> str:
        return str(self)


LISTS = {"places": _Places("data")}


@pytest.mark.parametrize(
    ("more", "status", "end"),
    [
        ({"misplaced": ("fw: its leg in VLAN 7 is in VLAN 8",)}, Status.FAIL, "/vlan"),
        ({"counted": 4}, Status.FAIL, "/counters"),
        ({"ended": NOW - timedelta(hours=26)}, Status.UNKNOWN, ""),
    ],
)
def test_what_else_does_not_hold(more: dict[str, object], status: Status, end: str) -> None:
    assert {name: v.status for name, v in seen(**more).items()} == {f"{PROOF}{end}": status}


def test_a_subnet_that_nothing_was_sent_to_is_not_known() -> None:
    found = seen(left_out=("web 10.1.0.0/29",))
    assert {name: v.status for name, v in found.items()} == {
        PROOF: Status.PASS,
        f"{PROOF}/subnets": Status.UNKNOWN,
    }


def test_a_flow_that_hangs_on_who_leads_is_not_known() -> None:
    found = seen(unsent=("sql: web > data",))
    assert [v.status for path, v in found.items() if path.endswith("/leader")] == [Status.UNKNOWN]


def test_without_a_proof_it_is_not_known() -> None:
    found = judged(CHECK, ESTATE, {}, gaps={"packets/lab": "no proof left"})
    assert {v.status for v in found.values()} == {Status.UNKNOWN}
