"""How a proof by packets is told, and kept."""

from __future__ import annotations

from pathlib import Path

from sitiv_infra.cli.tables import show
from sitiv_infra.facts import PacketFacts
from sitiv_infra.facts.packets import Fate, Finding, PacketRecord
from sitiv_infra.lab.place import write

MANY = 3
TITLES = {
    Fate.UNDECLARED: "pass and are not declared",
    Fate.REFUSED: "are declared and do not pass",
    Fate.STUCK: "are accepted, and there is no way on",
    Fate.ASTRAY: "came out in another VLAN",
    Fate.UNSEEN: "reached no firewall: is its port in that VLAN?",
    Fate.LOST: "were sent on and did not arrive: is that port in that VLAN?",
}


def told(proof: PacketFacts) -> int:
    """Print what packets did, and give the exit code: 0 when all obey, 1 when not.

    2 when nothing is wrong with what was sent, but nothing could be sent into some subnets.
    """
    for sentence in proof.misplaced:  # first: a wrong tag has many packets in its wake
        print(sentence)
    if proof.findings:
        rows = [
            (TITLES[f.fate], f.source, _places(f), f.firewall, f.rule or f.device, f.flow,
             f"{f.count}: {f.witness}")
            for f in proof.findings
        ]  # fmt: skip
        show(["packets", "from", "to", "at", "by", "flow", "how many, such as"], rows, whole=1)
    for subnet in proof.left_out:
        print(f"{subnet}: not proved, no address of it is free")
    print(
        f"{proof.packets} packets: {proof.delivered} delivered, {proof.dropped} dropped by "
        f"firewalls, which counted {proof.counted}; {proof.lost} not accounted for"
    )
    return 1 if not proof.holds else 2 if proof.left_out else 0


def _places(finding: Finding) -> str:
    more = len(finding.destinations) - MANY
    return ", ".join(finding.destinations[:MANY]) + (f" and {more} more" if more > 0 else "")


def keep(proof: PacketFacts, fingerprint: str, file: Path) -> None:
    """Write a proof for the nightly audit, whole or not at all."""
    write(file, PacketRecord(estate=fingerprint, facts=proof).model_dump_json() + "\n")
