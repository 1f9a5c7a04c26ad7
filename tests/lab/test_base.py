"""The cached image: made once, whole or not at all; making it for real takes minutes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sitiv_infra.lab import base as module
from sitiv_infra.lab.process import LabError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the cache of images, which are made here of one file."""

    def made(target: Path) -> None:
        target.mkdir()
        (target / "debian").write_text("made")

    monkeypatch.setattr(module, "cache", lambda: tmp_path)
    monkeypatch.setattr(module, "_key", lambda: "bookworm-1")
    monkeypatch.setattr(module, "_debootstrap", made)
    monkeypatch.setattr(module, "_settle", lambda _: None)
    return tmp_path / "base"


def test_it_is_made_once(folder: Path) -> None:
    told: list[str] = []
    assert module.base(told.append) == folder / "bookworm-1"
    assert module.base(told.append) == folder / "bookworm-1"
    assert len(told) == 1
    assert [path.name for path in folder.iterdir()] == ["bookworm-1"]


def test_what_failed_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(target: Path) -> None:
        (target / "half").touch()
        raise LabError("no network")

    monkeypatch.setattr(module, "_settle", fails)
    with pytest.raises(LabError, match="no network"):
        module.base(print)
    assert list(folder.iterdir()) == []


def test_what_a_killed_command_left_is_removed(folder: Path) -> None:
    """Of commands that still run, another lab's, nothing is touched."""
    gone = folder / ".bookworm-1.4194305"  # more than any process id
    other = folder / f".bookworm-2.{os.getpid()}"
    for left in (gone, other):
        left.mkdir(parents=True)
        (left / "half").touch()
    module.base(print)
    assert sorted(path.name for path in folder.iterdir()) == [other.name, "bookworm-1"]
