"""Every rule holds of the clean configurations, and each mutant breaks its own, in its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sitiv_infra.cli import run
from sitiv_infra.switches import findings, read_text, undecided
from tests.switches.configs import EOS, IOS, line_of

CHANNEL, EDGE, FREE = "Port-channel1", "GigabitEthernet1/0/3", "GigabitEthernet1/0/4"


def found(text: str, platform: str = "ios") -> set[tuple[str, str, int]]:
    return {(f.rule, f.port, f.line) for f in findings(read_text(text, platform))}


@pytest.mark.parametrize(("text", "platform"), [(IOS, "ios"), (EOS, "eos")])
def test_a_clean_configuration_has_no_finding(text: str, platform: str) -> None:
    assert found(text, platform) == set()
    assert list(undecided(read_text(text, platform))) == []


def within(text: str, port: str, old: str, new: str) -> str:
    """Change the first line below a port that holds these words."""
    head, mark, rest = text.partition(f"interface {port}\n")
    assert old in rest.partition("!")[0], (port, old)
    return head + mark + rest.replace(old, new, 1)


@pytest.mark.parametrize(
    ("port", "old", "new", "rules"),
    [
        (CHANNEL, "native vlan 999", "native vlan 1", {"native-vlan"}),
        (CHANNEL, "native vlan 999", "native vlan 110", {"native-vlan"}),
        (CHANNEL, "allowed vlan 110,120", "allowed vlan all", {"trunk-all", "vlan-1"}),
        (CHANNEL, "allowed vlan 110,120", "allowed vlan 1,110", {"vlan-1"}),
        (CHANNEL, "allowed vlan 110,120", "allowed vlan except 1,998,999", set()),
        (CHANNEL, " switchport nonegotiate\n", "", {"dtp"}),
        (EDGE, " switchport mode access\n", "", {"dtp", "trunk-all", "vlan-1", "native-vlan"}),
        (EDGE, "access vlan 110", "access vlan 1", {"vlan-1"}),
        (EDGE, " storm-control broadcast level 1.00\n", "", {"storm-control"}),
        (EDGE, "switchport mode", "spanning-tree portfast disable\n switchport mode",
         {"portfast", "bpdu-guard"}),
        (EDGE, "switchport mode", "spanning-tree bpduguard disable\n switchport mode",
         {"bpdu-guard"}),
        (EDGE, "switchport mode", "spanning-tree bpdufilter enable\n switchport mode",
         {"bpdu-guard"}),
        (FREE, "access vlan 998", "access vlan 110", {"parking"}),
        (FREE, " switchport mode access\n", "", {"parking"}),
        (FREE, " switchport access vlan 998\n switchport mode access\n shutdown\n", "",
         {"unused-port", "trunk-all", "vlan-1", "native-vlan"}),
        ("Vlan1", " no ip address\n shutdown\n", " ip address 10.0.0.1 255.255.255.0\n",
         {"vlan-1"}),
    ],
)  # fmt: skip
def test_mutants_are_caught_in_their_place(port: str, old: str, new: str, rules: set[str]) -> None:
    mutant = within(IOS, port, old, new)
    place = (port, line_of(mutant, f"interface {port}"))
    assert {(rule, *place) for rule in rules} == found(mutant)


def test_vtp_is_off_or_transparent() -> None:
    assert found(IOS.replace("vtp mode transparent\n", "")) == {("vtp", "", 0)}
    assert found(IOS.replace("mode transparent", "mode off")) == set()


def test_the_guard_by_default_is_for_edges_alone() -> None:
    lone = EOS.replace("   spanning-tree portfast\n", "")
    line = line_of(lone, "interface Ethernet2")
    assert found(lone, "eos") == {(r, "Ethernet2", line) for r in ("portfast", "bpdu-guard")}


def test_a_native_vlan_that_is_tagged_is_none() -> None:
    assert found(EOS.replace("native vlan 999", "native vlan tag"), "eos") == set()
    tagged = IOS.replace("vtp mode", "vlan dot1q tag native\nvtp mode")
    assert found(tagged.replace("native vlan 999", "native vlan 1")) == set()


def told(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = run(["switches", "analyse", *map(str, words)])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "sw.txt"
    file.write_text(within(IOS, CHANNEL, "vlan 110,120", "vlan all\n switchport foo bar"), "utf-8")
    code, out, _ = told(capsys, file, "--from", "ios")
    assert code == 0
    assert "5 ports: 2 findings, 1 lines undecided" in out
    code, out, _ = told(capsys, file, "--from", "ios", "--format", "json")
    rows = json.loads(out)["findings"]
    assert code == 0
    assert {(r["rule"], r["port"]) for r in rows} == {
        ("vlan-1", CHANNEL), ("trunk-all", CHANNEL), ("undecided", CHANNEL)
    }  # fmt: skip


def test_the_command_refuses_what_it_cannot_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "sw.txt"
    file.write_text("nothing\n", "utf-8")
    assert told(capsys, file, "--from", "eos")[::2] == (
        3,
        f"sitiv: {file}: there is no port in it\n",
    )
    file.write_bytes(b"\xff")
    assert told(capsys, file, "--from", "eos")[0] == 3
    assert told(capsys, tmp_path / "absent", "--from", "eos")[0] == 3
