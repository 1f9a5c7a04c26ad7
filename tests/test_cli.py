"""The command line as a person meets it: what is printed, where, and the exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sitiv_infra.cli import run
from sitiv_infra.runs import UNFINISHED, all_runs
from sitiv_infra.snapshot import Head, begin, finish
from sitiv_infra.testing import NOW, OPERATOR
from tests.nights import ESTATE, RESTS, night

Command = Callable[..., tuple[int, str, str]]
CHECK = '''
from sitiv_infra.checking import Found, check, fail, ok, unknown


@check("told.rule", severity="low", needs=(), aliases=["told.former"])
def rule(estate, facts):
    """It is as told.

    Risk: none.

    Fix: nothing.
    """
    for number, answer in enumerate({answers}):
        yield answer(Found(estate.operator, str(number)), "said")
'''
WAIVER = """
- check: told.rule
  subject: sitiv/operator/sitiv/*
  reason: accepted for this test
  owner: hosting team
  approved_by: RSSI
  since: 2026-01-01
  until: 2027-01-01
"""


@pytest.fixture
def sitiv(capsys: pytest.CaptureFixture[str]) -> Command:
    def call(*arguments: object) -> tuple[int, str, str]:
        code = run([str(a) for a in arguments])
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return code, told.out, told.err

    return call


@pytest.fixture
def estate(tmp_path: Path) -> Path:
    folder = tmp_path / "estate"
    folder.mkdir()
    (folder / "estate.yml").write_text(OPERATOR)
    (folder / "zones.yml").write_text(RESTS)
    return folder


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    head = Head(started=NOW, finished=NOW, fingerprint=ESTATE.fingerprint)
    begin(tmp_path / "snapshot", ESTATE, head)
    finish(tmp_path / "snapshot", head, [])
    return tmp_path / "snapshot"


@pytest.fixture
def replay(sitiv: Command, snapshot: Path, estate: Path, tmp_path: Path) -> Command:
    """Audit a snapshot by one more check, which answers as it is told."""

    def call(answers: str, *arguments: object) -> tuple[int, str, str]:
        folder = tmp_path / "checks"
        folder.mkdir(exist_ok=True)
        (folder / "told.py").write_text(CHECK.replace("{answers}", answers))
        command = ("audit", "--from", snapshot, "--estate", estate, "--checks", folder)
        return sitiv(*command, "--runs", tmp_path / "runs", "--lang", "en", *arguments)

    return call


ONLY = ("--only", "told.rule")


@pytest.mark.parametrize(
    ("answers", "arguments", "code"),
    [
        ("[ok]", (), 0),
        ("[ok, fail]", (), 1),
        ("[ok, fail]", ("--fail-on", "low"), 1),
        ("[ok, fail]", ("--fail-on", "medium"), 0),
        ("[ok, unknown]", (), 2),
        ("[fail, unknown]", (), 2),
        ("[fail, unknown]", ("--fail-on", "critical"), 2),
        ("[None]", (), 2),
        ("[exit]", (), 2),
    ],
)
def test_the_exit_code_says_what_was_found(
    replay: Command, answers: str, arguments: tuple[str, ...], code: int
) -> None:
    assert replay(answers, *ONLY, *arguments)[0] == code


def test_accepted_failures_alone_are_good_and_an_ended_acceptance_is_none(
    replay: Command, tmp_path: Path
) -> None:
    file = tmp_path / "accepted.yml"
    file.write_text(WAIVER)
    assert replay("[ok, fail]", *ONLY, "--waivers", file)[0] == 0
    assert replay("[fail, unknown]", *ONLY, "--waivers", file)[0] == 2
    file.write_text(WAIVER.replace("told.rule", "told.former"))
    assert replay("[ok, fail]", *ONLY, "--waivers", file)[0] == 0
    file.write_text(WAIVER.replace("2027-01-01", "2026-11-20"))
    assert replay("[ok, fail]", *ONLY, "--waivers", file)[0] == 1


def test_quiet_prints_nothing_when_all_is_good_and_else_everything(replay: Command) -> None:
    assert replay("[ok]", *ONLY, "-q") == (0, "", "")
    assert "told.rule" in replay("[fail]", *ONLY, "-q")[1]


def test_rules_that_changed_judge_a_recorded_snapshot_again(
    replay: Command, tmp_path: Path
) -> None:
    """A run is kept once; what is told is what the rules and the waivers say now."""
    assert replay("[ok]")[0] == 0
    assert replay("[fail]")[0] == 1
    file = tmp_path / "accepted.yml"
    file.write_text(WAIVER)
    assert replay("[fail]", "--waivers", file)[0] == 0
    assert len(all_runs(tmp_path / "runs")) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--nonsense"], "--nonsense"),
        (["nonsense"], "nonsense"),
        (["observe"], "--out"),
        (["report"], "run"),
        (["diff", "one"], "after"),
        (["audit", "--severity", "huge"], "--severity"),
        (["audit", "--fail-on", "huge"], "--fail-on"),
        (["audit", "--format", "pdf"], "--format pdf"),
        (["audit", "--lang", "de"], "--lang de"),
        (["audit", "--write", "x.pdf"], "--write x.pdf"),
        (["audit", "--write", "/proc/x.html"], "--write /proc/x.html"),
        (["audit", "--sign-key", "/proc/none"], "/proc/none"),
        (["audit", "--from", "/proc/none"], "/proc/none"),
        (["verify", "--runs", "/proc/none"], "/proc/none"),
        (["verify", "/proc/none"], "/proc/none"),
        (["verify", "/proc", "--allowed-signers", "/proc/none"], "/proc/none"),
        (["history", "rebuild", "--runs", "/proc/none"], "/proc/none"),
        (["report", "/proc/none"], "/proc/none"),
        (["diff", "/proc/none", "/proc/none"], "/proc/none"),
        (["checks", "--checks", "/proc/none"], "/proc/none"),
        (["estate", "show", "nonsense", "--estate", "."], "nonsense"),
        (["estate", "schema", "/proc/none"], "/proc/none"),
    ],
)
def test_a_wrong_argument_is_one_error_that_names_it(
    sitiv: Command, estate: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(estate)
    code, printed, complained = sitiv(*arguments)
    assert (code, printed) == (3, "")
    assert said in complained.splitlines()[0]
    assert all(line.startswith("sitiv: ") for line in complained.splitlines())


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--member", "nobody"),
        ("--site", "nowhere"),
        ("--domain", "nothing"),
        ("--only", "no.check"),
        ("--waivers", "/proc/none"),
    ],
)
def test_a_wrong_selection_is_refused(replay: Command, option: str, value: str) -> None:
    code, printed, complained = replay("[ok]", option, value)
    assert (code, printed) == (3, "")
    assert value in complained


def test_a_selection_that_leaves_nothing_is_not_good_news(replay: Command) -> None:
    code, _, complained = replay("[]", "--only", "told.rule", "--severity", "critical")
    assert code == 3
    assert "nothing is left" in complained


@pytest.mark.parametrize(
    "source",
    ["def (", "raise RuntimeError('x')", "open('/proc/none')", "import sys; sys.exit(0)", "1 / 0"],
)
def test_a_rules_file_that_can_not_be_read_is_named(
    sitiv: Command, tmp_path: Path, source: str
) -> None:
    (tmp_path / "broken.py").write_text(source)
    code, _, complained = sitiv("checks", "--checks", tmp_path)
    assert code == 3
    assert str(tmp_path / "broken.py") in complained


@pytest.mark.parametrize(
    ("option", "content"),
    [
        ("--ca-file", None),
        ("--ca-file", "garbage"),
        ("--known-hosts", None),
        ("--secrets", None),
        ("--secrets", "a: [secret-of-the-test"),
        ("--secrets", b"\xff\xfe\x80 secret-of-the-test"),
        ("--sign-key", "garbage"),
    ],
)
def test_a_file_that_sources_need_is_tried_before_anything_is_read(
    sitiv: Command, estate: Path, tmp_path: Path, option: str, content: str | bytes | None
) -> None:
    file = tmp_path / "given"
    if content is not None:
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(0o600)
    code, _, complained = sitiv(
        "audit", "--estate", estate, "--runs", tmp_path / "runs", option, file
    )
    assert code == 3
    assert str(file) in complained
    assert "secret-of-the-test" not in complained
    assert not all_runs(tmp_path / "runs")


@pytest.mark.parametrize("spec", ["nonsense", "threads:²", "threads:-1", "dask:nonsense"])
def test_an_executor_that_is_none_leaves_nothing(
    sitiv: Command, estate: Path, tmp_path: Path, spec: str
) -> None:
    command = ("observe", "--estate", estate, "--out", tmp_path / "out", "--executor", spec)
    assert sitiv(*command)[0] == 3
    assert not (tmp_path / "out").exists()


def test_a_runs_folder_that_is_a_file_is_named(replay: Command, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, _, complained = replay("[ok]", "--runs", tmp_path / "file")
    assert code == 3
    assert str(tmp_path / "file") in complained


def test_a_report_is_written_where_no_folder_was(replay: Command, tmp_path: Path) -> None:
    file = tmp_path / "new" / "folder" / "audit.csv"
    assert replay("[ok]", *ONLY, "--write", file)[0] == 0
    assert b"told.rule" in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0


def test_no_runs_prove_nothing(sitiv: Command, tmp_path: Path) -> None:
    assert sitiv("verify", "--runs", tmp_path)[0] == 3
    (tmp_path / UNFINISHED).mkdir()
    assert sitiv("verify", "--runs", tmp_path)[0] == 0


def test_a_damaged_manifest_is_a_finding_and_the_other_runs_are_proved(
    sitiv: Command, tmp_path: Path
) -> None:
    first, _ = night(tmp_path, None), night(tmp_path, None)
    (first.folder / "manifest.json").write_text("{")
    code, printed, _ = sitiv("verify", "--runs", tmp_path)
    assert code == 1
    assert f"{first.folder / 'manifest.json'}: not a manifest" in printed
    assert "2026-11-22T0200Z: NOT" in printed


def test_an_older_run_that_can_not_be_read_is_said_before_sources_are(
    sitiv: Command, estate: Path, tmp_path: Path
) -> None:
    run = night(tmp_path / "runs", None)
    (run.folder / "manifest.json").write_text("{")
    code, _, complained = sitiv("audit", "--estate", estate, "--runs", tmp_path / "runs")
    assert code == 3
    assert str(run.folder / "manifest.json") in complained
    assert not (tmp_path / "runs" / UNFINISHED).exists()


def test_a_run_named_by_a_dot_is_that_run(
    sitiv: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        run = night(tmp_path, None)
    monkeypatch.chdir(run.folder)
    code, printed, _ = sitiv("verify", ".")
    assert run.name in printed
    assert "is missing" not in printed
    assert code == 0


@pytest.mark.parametrize(
    "command",
    ["", "audit", "observe", "report", "diff", "verify", "checks", "collections-path", "estate",
     "estate validate", "estate show", "estate schema", "history", "history rebuild"],
)  # fmt: skip
def test_each_help_ends_with_examples_that_keep_their_lines(sitiv: Command, command: str) -> None:
    code, printed, _ = sitiv(*command.split(), "--help")
    assert code == 0
    after = printed.split("Example", 1)[1].splitlines()[1]
    assert after.startswith("    ")
    assert "sitiv " in after
    assert all(len(line) <= 80 for line in printed.splitlines())


def program(*arguments: object, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [str(Path(sys.executable).parent / "sitiv"), *map(str, arguments)]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, check=False
    )


def test_a_terminal_that_lacks_a_sign_shows_the_rest(snapshot: Path, tmp_path: Path) -> None:
    command = ("audit", "--from", snapshot, "--runs", tmp_path / "runs", "--lang", "fr")
    done = program(*command, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr.decode()
    assert b"SITIV" in done.stdout or b"Test" in done.stdout


def test_a_crash_is_not_taken_for_an_open_failure() -> None:
    """Python ends with 1 when it crashes, which would say that an audit was made."""
    script = "from sitiv_infra import cli; cli.run = lambda: 1 / 0; cli.main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 2
    assert b"ZeroDivisionError" in done.stderr
    assert b"sitiv: that is a bug" in done.stderr
