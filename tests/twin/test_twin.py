"""A real lab: brought up, looked at, killed in the middle, repaired, taken down."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from sitiv_infra.cli import run
from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Estate
from sitiv_infra.lab import place as place_module
from sitiv_infra.lab.group import until
from sitiv_infra.lab.packets.frames import called, listening, misplaced
from sitiv_infra.lab.place import Place, device_name
from sitiv_infra.lab.process import LabError
from sitiv_infra.lab.switch import Switch
from sitiv_infra.lab.twin import Twin, down
from tests.servers.need import need
from tests.twin.looking import LAB, all_up, leftovers, picture, ping, quiet, states

SECONDS = 30.0  # after which a frame that should have come is missing


def test_every_machine_is_up_and_reached_through_its_bastion(standing: Twin) -> None:
    all_up(standing)
    for name in ("bastion-a1", "fw-a1", "sw-b1"):
        words = ["ssh", "-F", str(standing.place.folder / "ssh" / "config"), name]
        done = subprocess.run(
            [*words, "hostname && sudo -n id -un"], capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=60, check=False,
        )  # fmt: skip
        assert done.stdout.split() == [name, "root"], done.stderr


def test_vlans_are_apart_on_the_wire(standing: Twin) -> None:
    """A broadcast is heard once at every device of its VLAN on all sites, and at no other."""
    with listening(standing.place) as ears:
        by_vlan: dict[str, list[tuple[str, str]]] = {}
        for end in ears:
            by_vlan.setdefault(end[1], []).append(end)
        assert len(by_vlan["vlan900"]) == 4, "a firewall of each side, and the arbiter's switch"
        assert len(by_vlan["vlan160"]) == 5
        senders = {end: ends for ends in by_vlan.values() for end in (ends[0], ends[-1])}
        expected = {one: [end for end in ends if end != one] for one, ends in senders.items()}
        wanted = {one: dict.fromkeys(ends, 1) for one, ends in expected.items()}
        until(
            SECONDS, lambda: called(ears, senders) == wanted, "frames do not get where they should"
        )
    assert misplaced(standing.place) == []


def test_a_leg_in_a_wrong_vlan_is_named(standing: Twin) -> None:
    switch = Switch(standing.place, "a")
    port = device_name("store-a1", "140")
    switch.ask("set", "port", port, "tag=150")
    try:
        assert misplaced(standing.place) == ["store-a1: its leg in VLAN 140 is in VLAN 150"]
    finally:
        switch.ask("set", "port", port, "tag=140")
    assert misplaced(standing.place) == []


def test_hosts_of_one_vlan_reach_each_other_and_no_one_else(standing: Twin) -> None:
    place = standing.place
    assert ping(place, "bastion-a1", "10.10.60.11")
    assert ping(place, "bastion-a1", "fd00:10:60::11")
    assert ping(place, "sw-c1", "10.90.0.21"), "over the links between sites"
    assert not ping(place, "bastion-a1", "10.10.40.11"), "no firewall forwards yet"
    assert not ping(place, "station", "10.90.0.11")
    assert ping(place, "station", "127.0.0.1")


def test_a_second_up_changes_nothing(standing: Twin) -> None:
    before = picture(standing)
    standing.up()
    after = picture(standing)
    assert after.keys() == before.keys()
    assert [name for name in before if before[name] != after[name]] == []
    assert len([name for name in before if name.startswith("pids") and before[name]]) == 13


def test_progress_is_told(standing: Twin) -> None:
    heard: list[str] = []
    Twin(standing.place, standing.estate, heard.append).up()
    assert heard == ["switches and links", "9 hosts"]
    assert json.loads(standing.place.estate.read_text())["machines"]


def test_two_commands_at_once(standing: Twin, capsys: pytest.CaptureFixture[str]) -> None:
    name = standing.place.name
    with standing.place.alone():
        for words in (["up", "--from", str(LAB)], ["down"], ["fault", "link", "1"], ["heal"]):
            assert run(["lab", *words, "--name", name]) == 3
            told = capsys.readouterr().err
            assert "sitiv: another command is changing the lab 'tests'; wait" in told
    assert set(states(standing).values()) == {"up"}


def test_looking_needs_no_lock(standing: Twin, capsys: pytest.CaptureFixture[str]) -> None:
    with standing.place.alone():
        assert run(["lab", "status", "--name", standing.place.name]) == 0
    told = capsys.readouterr().out
    assert all(machine in told for machine in standing.estate.machines)


def test_a_command_runs_in_a_host(standing: Twin, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["lab", "shell", "--name", standing.place.name]
    assert run([*words, "store-a1", "--", "lsblk", "--noheadings", "/dev/sdb"]) == 0
    assert run([*words, "station", "--", "sh", "-c", "echo $SITIV_LAB"]) == 0
    assert capfd.readouterr().out.splitlines()[-1] == "tests"
    assert run([*words, "fw-a1", "--", "false"]) == 1
    assert run([*words, "nobody"]) == 3
    assert "no host 'nobody' in this lab; there are: sw-a1, " in capfd.readouterr().err


def test_a_host_can_not_set_the_clock(standing: Twin) -> None:
    """One kernel has one clock: it is the machine's own."""
    host = standing.host(standing.estate.machines["sw-c1"])
    done = subprocess.run(
        host.command(["date", "-s", "2001-01-01"]), capture_output=True, check=False
    )
    assert done.returncode != 0
    assert time.localtime().tm_year > 2020


def test_taking_down_what_is_not_there_is_fine(place: Place) -> None:
    down(place, quiet)
    assert run(["lab", "down", "--name", place.name]) == 0
    assert leftovers(place) == []


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Give the place of a lab that is never brought up."""
    monkeypatch.setattr(place_module, "ROOT", tmp_path)
    return Place("paper")


def test_a_lab_that_there_is_not(elsewhere: Place, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["status"], ["shell", "fw-a1"], ["fault", "link"], ["heal"]):
        assert run(["lab", *words, "--name", elsewhere.name]) == 3
        told = capsys.readouterr().err
        assert told == "sitiv: no lab 'paper' stands here; bring it up with: sitiv lab up\n"


GARBAGE = [b"", b"\xff\x00", b"{", b"[]", b'{"operator": 1}', b'{"machines": {}}']


@pytest.mark.parametrize("garbage", GARBAGE, ids=repr)
def test_garbage_in_the_labs_estate_is_told(elsewhere: Place, garbage: bytes) -> None:
    elsewhere.folder.mkdir()
    elsewhere.estate.write_bytes(garbage)
    with pytest.raises(LabError, match=r"estate\.json is no estate any more .*sitiv lab down"):
        Twin.standing(elsewhere, quiet)


def test_an_estate_survives_its_file(elsewhere: Place, small_estate: Estate) -> None:
    elsewhere.folder.mkdir()
    elsewhere.estate.write_text(small_estate.model_dump_json())
    assert Twin.standing(elsewhere, quiet).estate == small_estate


def test_without_root_the_reason_is_told(elsewhere: Place, small_estate: Estate) -> None:
    need(root=True)
    elsewhere.folder.mkdir()
    os.seteuid(65534)
    try:
        with pytest.raises(LabError, match="only root may change it"):
            Twin(elsewhere, small_estate, quiet).up()
        with pytest.raises(LabError, match="only root may change it"):
            down(elsewhere, quiet)
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("name", ["station", "internet", "switch-a", "switch-carrier"])
def test_machines_that_are_called_as_the_labs_own_are_refused(
    elsewhere: Place, small_estate: Estate, name: str
) -> None:
    machine = small_estate.machines["sw-a1"].model_copy(update={"name": name})
    changed = small_estate.model_copy(update={"machines": {**small_estate.machines, name: machine}})
    with pytest.raises(InvalidInput, match=f"the lab has a '{name}' of its own"):
        Twin(elsewhere, changed, quiet).up()
    assert not elsewhere.folder.exists()


def test_options_that_are_wrong_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    for words, told in (
        (["--only", "nobody-*"], "--only nobody-*: no declared machine is called so"),
        (["--scale", "0"], "1 or more, not 0"),
        (["--name", "Not A Name"], "'Not A Name' is no name of a lab"),
        (["--from", "/no/such/folder"], "/no/such/folder"),
    ):
        assert run(["lab", "up", "--from", str(LAB), *words]) == 3
        assert told in capsys.readouterr().err
