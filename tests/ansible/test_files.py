"""Several files of a host at once, written by a real run of Ansible: all of them or none."""

from __future__ import annotations

import getpass
import grp
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

Told = dict[str, Any]
OWN = {"owner": getpass.getuser(), "group": grp.getgrgid(os.getgid()).gr_name}
REFUSES = "sh -c 'echo it is wrong >&2; exit 1' %s"


@dataclass
class Host:
    """A folder that stands for a host's files."""

    folder: Path
    repository: Path

    def write(self, *files: Told, options: tuple[str, ...] = ()) -> Told:
        """Run the module; give what it told, with its exit code and what was printed."""
        wanted = [{**OWN, **f, "path": str(self.folder / f["path"])} for f in files]
        given = json.dumps({"files": wanted})
        words = ["-i", "localhost,", "-c", "local", "-m", "sitiv.infra.files", *options]
        words += ["-e", f"ansible_python_interpreter={sys.executable}", "localhost"]
        done = subprocess.run(
            [str(Path(sys.executable).with_name("ansible")), *words, "-a", given],
            cwd=self.repository, capture_output=True, text=True, timeout=120, check=False,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1"}, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        printed, _, told = done.stdout.rpartition("=> ")
        return {**json.loads(told), "code": done.returncode, "printed": printed}

    def read(self) -> dict[str, str]:
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): path.read_text() for path in found}

    def paths(self, told: Told) -> list[str]:
        return [os.path.relpath(path, self.folder) for path in told["written"]]


@pytest.fixture
def host(tmp_path: Path, repository: Path) -> Host:
    tmp_path.joinpath("host").mkdir()
    return Host(tmp_path / "host", repository)


def mode(path: Path) -> str:
    return f"{path.lstat().st_mode & 0o7777:04o}"


def test_what_differs_is_written_and_nothing_else(host: Host) -> None:
    files = ({"path": "a", "content": "é\n"}, {"path": "new/deep/b", "content": "", "mode": "0640"})
    first = host.write(*files)
    assert (first["changed"], host.paths(first)) == (True, ["a", "new/deep/b"])
    assert host.read() == {"a": "é\n", "new/deep/b": ""}
    assert [mode(host.folder / p) for p in ("a", "new/deep", "new/deep/b")] == [
        "0644",
        "0755",
        "0640",
    ]
    untouched = host.folder.joinpath("a").stat().st_ino
    second = host.write(*files)
    assert (second["changed"], second["written"]) == (False, [])
    (host.folder / "new/deep/b").chmod(0o666)
    third = host.write(*files)
    assert host.paths(third) == ["new/deep/b"]
    assert mode(host.folder / "new/deep/b") == "0640"
    assert host.folder.joinpath("a").stat().st_ino == untouched


def test_one_that_is_refused_keeps_all_as_they_were(host: Host) -> None:
    host.folder.joinpath("a").write_text("before")
    files = ({"path": "a", "content": "after"}, {"path": "b", "content": "x", "validate": REFUSES})
    told = host.write(*files)
    assert told["code"] == 2
    assert told["msg"] == f"{host.folder}/b is refused by sh: it is wrong"
    assert host.read() == {"a": "before"}


def test_a_command_sees_the_new_content(host: Host) -> None:
    asked = {"path": "a", "content": "good\n", "validate": "grep -qx good %s"}
    assert host.write(asked)["changed"]
    assert host.write({**asked, "content": "bad\n"})["code"] == 2
    assert host.read() == {"a": "good\n"}


def test_check_mode_tells_and_touches_nothing(host: Host) -> None:
    host.folder.joinpath("a").write_text("Port 22\n")
    host.folder.joinpath("a").chmod(0o644)
    files = (
        {"path": "a", "content": "Port 2222\n", "validate": REFUSES},
        {"path": "deep/b", "content": "hunter2", "mode": "0600"},
    )
    told = host.write(*files, options=("--check", "--diff"))
    assert (told["changed"], host.paths(told)) == (True, ["a", "deep/b"])
    assert "-Port 22\n+Port 2222\n" in told["printed"]
    assert "hunter2" not in str(told)
    assert host.read() == {"a": "Port 22\n"}


def link(path: Path) -> None:
    path.symlink_to("elsewhere")
    path.with_name("elsewhere").write_text("old")


@pytest.mark.parametrize(
    ("before", "wanted", "said"),
    [
        (Path.mkdir, {"path": "a", "content": ""}, "is there, and is no file"),
        (Path.touch, {"path": "a/b", "content": ""}, "Not a directory"),
        (Path.touch, {"path": "a", "content": "", "owner": "nobody-at-all"}, "nobody-at-all"),
        (Path.touch, {"path": "a", "content": "", "mode": "u=rw"}, "u=rw"),
    ],
)
def test_what_can_not_be_is_said_with_its_path(
    host: Host, before: Callable[[Path], None], wanted: Told, said: str
) -> None:
    before(host.folder / "a")
    told = host.write({"path": "fine", "content": "x"}, wanted)
    assert told["code"] == 2
    assert said in told["msg"]
    assert str(host.folder / "a") in told["msg"]
    assert "fine" not in host.read()


def test_a_link_becomes_a_file_and_where_it_led_stays(host: Host) -> None:
    link(host.folder / "a")
    host.write({"path": "a", "content": "new"})
    assert not (host.folder / "a").is_symlink()
    assert host.read() == {"a": "new", "elsewhere": "old"}


def test_what_a_killed_run_left_is_no_hindrance(host: Host) -> None:
    host.folder.joinpath(".a.sitiv-new").write_text("half")
    host.write({"path": "a", "content": "whole"})
    assert host.read() == {"a": "whole"}
