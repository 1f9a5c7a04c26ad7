"""Reading what a proof by packets left; proofs themselves are in tests/lab/test_packets.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from sitiv_infra.cli.lab_proof import keep
from sitiv_infra.collectors.base import Session
from sitiv_infra.collectors.packets import COLLECTOR, MOST_BYTES
from sitiv_infra.errors import NotObserved
from sitiv_infra.facts import PacketFacts
from sitiv_infra.facts.packets import Fate, Finding
from sitiv_infra.secrets import Secrets
from sitiv_infra.testing import NOW, estate_of

ESTATE = estate_of("packet_proofs: {lab: {observed_from: admin, max_age: 25h}}")
FOUND = Finding(fate=Fate.UNSEEN, source="web", destinations=("data",), count=2, witness="w")
PROOF = PacketFacts(
    ended=NOW, packets=9, delivered=3, dropped=4, lost=2, counted=4, findings=(FOUND,)
)


def read(folder: Path | None) -> PacketFacts:
    session = Session(ESTATE, Secrets(), 5, drift=folder)
    facts = COLLECTOR(ESTATE.packet_proofs["lab"], session)
    assert isinstance(facts, PacketFacts)
    return facts


def test_what_is_kept_is_read(tmp_path: Path) -> None:
    keep(PROOF, ESTATE.fingerprint, tmp_path / "lab.packets.json")
    assert read(tmp_path) == PROOF


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no proof left lab.packets.json"),
        ("", "not what 'sitiv lab prove --write' leaves"),
        ("{}", "not what"),
        ('{"format": 2, "estate": "x", "facts": {}}', "not what"),
        ("[" * 100_000, "not what"),
        ("x" * (MOST_BYTES + 1), "not what"),
    ],
)
def test_what_tells_nothing_says_why(tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / "lab.packets.json").write_text(content)
    with pytest.raises(NotObserved, match=said):
        read(tmp_path)


def test_another_estates_proof_is_none(tmp_path: Path) -> None:
    keep(PROOF, "0" * 64, tmp_path / "lab.packets.json")
    with pytest.raises(NotObserved, match="declared otherwise"):
        read(tmp_path)


def test_without_a_folder_it_says_which_option() -> None:
    with pytest.raises(NotObserved, match="--drift"):
        read(None)


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "lab.packets.json").mkdir()
    with pytest.raises(NotObserved, match="can't be read"):
        read(tmp_path)
