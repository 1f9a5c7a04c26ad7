from __future__ import annotations

from pathlib import Path

import pytest

from sitiv_infra.cli import run
from sitiv_infra.switches import Script, changes, read_text
from sitiv_infra.testing import OPERATOR, estate_of
from tests.switches.configs import IOS

ESTATE = """
zones: {dmz: {title: DMZ}, app: {title: Applications}}
vlans:
  a-dmz: {vid: 110, zone: dmz, sites: [a]}
  a-app: {vid: 120, zone: app, sites: [a]}
  a-new: {vid: 130, zone: app, sites: [a]}
  a-admin: {vid: 160, zone: admin, sites: [a]}
switches:
  sw-a1:
    site: a
    platform: ios
    host: sw-a1.test
    observed_from: admin
    native: 999
    links:
      GigabitEthernet1/0/1: {vlans: [a-dmz, a-app, a-new]}
      GigabitEthernet1/0/3: {vlans: [a-dmz]}
"""


def script(config: str = IOS, estate: str = ESTATE) -> Script:
    declared = estate_of(estate)
    return changes(declared, declared.switches["sw-a1"], read_text(config, "ios"))


def test_a_trunk_has_its_list_changed_and_its_new_vlan_made() -> None:
    assert script().lines == (
        "interface Port-channel1",
        " switchport trunk allowed vlan remove 160",
        "vlan 130",
        " name a-new",
        "interface Port-channel1",
        " switchport trunk allowed vlan add 130",
    )


def test_after_its_lines_a_switch_is_as_declared() -> None:
    for old, new in [
        ("110,120\n switchport trunk allowed vlan add 160", "all"),
        ("native vlan 999", "native vlan 110"),
        (" switchport mode trunk\n switchport nonegotiate\n", ""),
        (" switchport access vlan 110\n switchport mode access\n", " switchport mode trunk\n"),
        ("interface GigabitEthernet1/0/3", "interface GigabitEthernet1/0/9"),
    ]:
        assert old in IOS
        present = IOS.replace(old, new)
        said = "\n".join([present.removesuffix("end\n"), *script(present).lines, "end"])
        assert script(said).lines == (), (old, script(present).lines)


def test_a_port_that_is_not_understood_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = IOS.replace(" switchport port-security maximum 2", " bridge-group 1")
    found = script(odd)
    assert found.undecided == ("GigabitEthernet1/0/3",)
    assert "interface GigabitEthernet1/0/3" not in found.lines
    (tmp_path / "estate").mkdir()
    (tmp_path / "estate" / "all.yml").write_text(OPERATOR + ESTATE.replace("zones:", "#"), "utf-8")
    (tmp_path / "sw.txt").write_text(odd, "utf-8")
    words = ["switches", "change", str(tmp_path / "sw.txt"), "--estate", str(tmp_path / "estate")]
    zoned = (OPERATOR + ESTATE).replace("zones: {dmz", "#").replace(
        "zones: {admin", "zones: {dmz: {title: D}, app: {title: A}, admin"
    )  # fmt: skip
    (tmp_path / "estate" / "all.yml").write_text(zoned, "utf-8")
    assert run([*words, "--switch", "sw-a1"]) == 2
    out = capsys.readouterr()
    assert out.out.splitlines()[0] == "interface Port-channel1"
    assert "GigabitEthernet1/0/3: left as it is" in out.err
    assert run([*words, "--switch", "sw-a2"]) == 3
    assert "did you mean 'sw-a1'?" in capsys.readouterr().err
