"""Reading what a run in check mode left; runs themselves are in tests/ansible/test_drift.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sitiv_infra.collectors.base import Session
from sitiv_infra.collectors.drift import COLLECTOR
from sitiv_infra.errors import NotObserved
from sitiv_infra.facts import DriftFacts
from sitiv_infra.secrets import Secrets
from sitiv_infra.testing import estate_of

ESTATE = estate_of(
    "machines: {web: {site: a, role: web}, db: {site: a, role: db}}\n"
    "drifts: {site: {playbook: site.yml, observed_from: admin, max_age: 25h}}\n"
)
Line = dict[str, Any]
COUNTS = {"ok": 3, "failures": 0, "unreachable": 0}
TASK = {
    "host": "web", "play": "All", "role": "baseline", "task": "Write", "action": "copy",
    "place": "roles/baseline/tasks/main.yml:3", "item": None,
}  # fmt: skip


def good() -> list[Line]:
    return [
        {
            "record": "begin", "format": 1, "at": "2026-11-21T01:00:00+00:00", "check": True,
            "playbook": "site.yml", "ansible": "2.19.14", "diff": True, "limit": None, "tags": [],
            "skip_tags": [], "start_at": None, "plays": ["All"],
        },
        {"record": "play", "play": "All", "hosts": ["web", "db"]},
        {"record": "change", **TASK, "diff": ["-a", "+b"]},
        {
            "record": "end", "lines": 4, "at": "2026-11-21T01:03:00+00:00", "plays": ["All"],
            "estate": ESTATE.fingerprint, "broken": [], "unmet": {},
            "hosts": {"web": COUNTS, "db": COUNTS},
        },
    ]  # fmt: skip


def read(folder: Path | None) -> DriftFacts:
    session = Session(ESTATE, Secrets(), 5, drift=folder)
    facts = COLLECTOR(ESTATE.drifts["site"], session)
    assert isinstance(facts, DriftFacts)
    return facts


def written(folder: Path, lines: list[Line], end: str = "\n") -> Path:
    text = "\n".join(json.dumps(line) for line in lines)
    (folder / "site.jsonl").write_text(text + end)
    return folder


def refusal(folder: Path | None) -> str:
    with pytest.raises(NotObserved) as caught:
        read(folder)
    return str(caught.value)


def test_a_whole_run(tmp_path: Path) -> None:
    facts = read(written(tmp_path, good()))
    assert facts.hosts == ("web", "db")
    assert facts.changes[0].diff == ("-a", "+b")
    assert facts.changes[0].role == "baseline"
    assert (facts.unmet, facts.skipped_plays, facts.troubles) == ({}, (), ())
    assert DriftFacts.model_validate_json(facts.model_dump_json()) == facts


def test_a_host_that_failed_without_a_word_is_not_through(tmp_path: Path) -> None:
    lines = good()
    lines[-1]["hosts"]["db"] = {**COUNTS, "failures": 1}
    assert read(written(tmp_path, lines)).unmet == {"db": "All"}


def test_troubles_that_were_mended_are_none(tmp_path: Path) -> None:
    lines = good()
    lines[2:2] = [{"record": "trouble", "kind": "failed", **TASK, "said": "no"}]
    lines[-1]["lines"] = 5
    assert read(written(tmp_path, lines)).troubles == ()
    lines[-1]["hosts"]["web"] = {**COUNTS, "failures": 1}
    assert [t.host for t in read(written(tmp_path, lines)).troubles] == ["web"]


def test_plays_that_never_began(tmp_path: Path) -> None:
    lines = good()
    lines[0]["plays"] = ["All", "More", "And more"]
    assert read(written(tmp_path, lines)).skipped_plays == ("More", "And more")


def test_no_folder_and_no_file(tmp_path: Path) -> None:
    assert "SITIV_DRIFT" in refusal(None)
    assert refusal(tmp_path) == "no run in check mode left site.jsonl"
    (tmp_path / "site.jsonl").mkdir()
    assert "can't be read: Is a directory" in refusal(tmp_path)


def test_a_file_that_was_cut_short(tmp_path: Path) -> None:
    assert "has not come to its end" in refusal(written(tmp_path, good()[:-1]))
    text = "\n".join(json.dumps(line) for line in good())
    (tmp_path / "site.jsonl").write_text(text)  # its last line is not ended
    assert "has not come to its end" in refusal(tmp_path)


def spoil_lines(lines: list[Line]) -> None:
    del lines[2]


def spoil_twice(lines: list[Line]) -> None:
    lines[1:1] = [lines[0]]
    lines[-1]["lines"] = 5


def spoil_playbook(lines: list[Line]) -> None:
    lines[0]["playbook"] = "other.yml"


def spoil_change(lines: list[Line]) -> None:
    del lines[2]["host"]


def spoil_end(lines: list[Line]) -> None:
    del lines[-1]["hosts"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoil_lines, "lines are missing"),
        (spoil_twice, "lines are missing"),
        (spoil_playbook, "another playbook, other.yml"),
        (spoil_change, "not of a run in check mode"),
        (spoil_end, "not of a run in check mode"),
    ],
)
def test_what_is_not_one_run_is_refused(
    tmp_path: Path, spoil: Callable[[list[Line]], None], said: str
) -> None:
    lines = good()
    spoil(lines)
    assert said in refusal(written(tmp_path, lines))


@pytest.mark.parametrize(
    "text",
    ["", "\n", "{}\n", "[]\n", "garbage\n", '{"record": "begin", "format": 2}\n', "[" * 99_999],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "site.jsonl").write_text(text)
    assert "not what the callback" in refusal(tmp_path)


def test_a_file_that_never_ends_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sitiv_infra.collectors.drift.MOST_BYTES", 100)
    assert "more than" in refusal(written(tmp_path, good()))
