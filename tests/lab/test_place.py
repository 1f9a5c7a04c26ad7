"""Names and the lock of a lab."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitiv_infra.errors import InvalidInput
from sitiv_infra.lab import place as module
from sitiv_infra.lab.netns import FOLDER
from sitiv_infra.lab.place import Place, device_name, write
from sitiv_infra.lab.process import LabError
from tests.servers.need import need

HOLDER = """
import sys, time
from sitiv_infra.lab.place import Place
with Place(sys.argv[1]).alone():
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def place() -> Iterator[Place]:
    need(root=True)
    found = Place("testlock")
    yield found
    found.folder.rmdir()
    (module.ROOT / "testlock.lock").unlink()


@pytest.mark.parametrize("name", ["", "Lab", "1lab", "a-b", "a.b", "a/b", "..", "abcdefghijk", "é"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="is no name of a lab"):
        Place(name)


def test_names_are_made_of_the_labs() -> None:
    place = Place("one")
    assert place.folder == Path("/var/lib/sitiv-lab/one")
    assert place.host_folder("fw-a1") == place.folder / "hosts" / "fw-a1"
    assert place.namespace("fw-a1") == "sitiv-one-fw-a1"
    assert place.group("fw-a1").name == "sitiv-one/fw-a1"
    assert place.group().name == "sitiv-one"


def test_a_labs_namespaces_are_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sitiv-one-b", "sitiv-one-a", "sitiv-onemore-a", "sitiv-one", "other"):
        (tmp_path / name).touch()
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    assert Place("one").namespaces() == ["sitiv-one-a", "sitiv-one-b"]
    monkeypatch.setattr(module, "FOLDER", tmp_path / "not" / "there")
    assert Place("one").namespaces() == []


def test_the_second_command_is_refused_and_a_killed_one_lets_go(place: Place) -> None:
    words = [sys.executable, "-c", HOLDER, place.name]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"held\n"
        with (
            pytest.raises(LabError, match="another command is changing the lab 'testlock'; wait"),
            place.alone(),
        ):
            pass
        first.kill()
    with place.alone():
        pass
    with place.alone():
        pass


def test_only_root_changes_a_lab(place: Place) -> None:
    with place.alone():
        pass
    os.seteuid(65534)
    try:
        with pytest.raises(LabError, match="only root"), place.alone():
            pass
    finally:
        os.seteuid(0)


names = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", fullmatch=True)


@given(st.sets(names, min_size=2, max_size=30), st.integers(2, 4094))
def test_devices_have_names_that_linux_takes(machines: set[str], vid: int) -> None:
    found = {device_name(machine, str(vid)) for machine in machines}
    assert len(found) == len(machines), "they stay apart"
    assert all(0 < len(name) <= 15 for name in found)


def test_long_names_that_differ_at_their_end_stay_apart() -> None:
    found = {device_name("a-long-name-of-a-machine", str(vid)) for vid in range(2, 4095)}
    assert len(found) == 4093


def test_a_file_is_written_whole_and_with_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "new" / "secret"
    write(file, "first", 0o600)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    kept = file.open()
    write(file, "second\n")
    with kept:
        assert kept.read() == "first", "a reader keeps what it opened"
    assert file.read_text() == "second\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert [path.name for path in file.parent.iterdir()] == ["secret"]
    # What a killed command left does not matter, whoever could read it.
    (file.parent / ".secret.new").write_text("half of")
    (file.parent / ".secret.new").chmod(0o666)
    write(file, "third", 0o600)
    assert file.read_text() == "third"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_namespaces_folder_is_the_systems() -> None:
    assert Path("/run/netns") == FOLDER
