"""The observer's own behaviour, with sources of this machine: closed ports, and one that hangs."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sitiv_infra.collectors.base import Collector, Session
from sitiv_infra.errors import InvalidInput, NotObserved, RunError
from sitiv_infra.estate import Source
from sitiv_infra.facts import Facts, ObjectStoreFacts
from sitiv_infra.observe import Observing, Settings, discard_stale, observe, read_source, selected
from sitiv_infra.runs import UNFINISHED, all_runs
from sitiv_infra.snapshot import Gap, part_path, read_head, read_snapshot
from sitiv_infra.testing import OPERATOR, estate_of

STORES = "object_stores:\n" + "".join(
    f"  s{i}: {{site: a, endpoint: 'https://s{i}.test', observed_from: admin, timeout: 1min}}\n"
    for i in range(6)
)
ESTATE = estate_of(STORES)
FACTS = ObjectStoreFacts(server="MinIO", buckets=(), complete=True)


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What each source does when it is read: an exception to raise, an event to wait for."""
    does: dict[str, object] = {}
    asked: list[str] = []
    does["asked"] = asked

    def collect(source: Source, session: Session) -> Facts:
        asked.append(source.name)
        act = does.get(source.name)
        if isinstance(act, BaseException):
            raise act
        if isinstance(act, threading.Event):
            act.wait(20)
        if act == "tell":
            raise NotObserved(f"the secret is {session.secret('word')}")
        return FACTS

    fake = Collector("object-store", "nothing", collect)
    monkeypatch.setattr("sitiv_infra.observe.COLLECTORS", {"object-store": fake})
    return does


HOW = Observing(Settings())


def test_a_source_that_fails_is_a_gap_and_the_others_go_on(
    tmp_path: Path, reading: dict[str, object]
) -> None:
    reading["s1"] = NotObserved("no route")
    reading["s2"] = KeyError("surprise")
    observe(tmp_path, ESTATE, HOW)
    snapshot = read_snapshot(tmp_path)
    assert sorted(snapshot.observations) == [f"object-store/s{i}" for i in (0, 3, 4, 5)]
    assert snapshot.gaps["object-store/s1"].cause == "no route"
    assert snapshot.gaps["object-store/s2"].cause == "KeyError: 'surprise'"
    assert read_head(tmp_path).finished is not None


def test_a_source_that_never_answers_is_given_up_and_the_others_go_on(
    tmp_path: Path, reading: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sitiv_infra.observe.GRACE_SECONDS", 0.0)
    hung = threading.Event()
    reading["s0"] = hung
    short = estate_of(STORES)
    stores = {n: s.model_copy(update={"timeout": timedelta(seconds=0.5)}) for n, s in
              short.object_stores.items()}  # fmt: skip
    estate = short.model_copy(update={"object_stores": stores})
    try:
        gaps = observe(tmp_path, estate, Observing(Settings(), "threads:1"))
    finally:
        hung.set()
    assert list(gaps) == ["object-store/s0"]
    assert "no answer after" in gaps["object-store/s0"].cause
    assert len(read_snapshot(tmp_path).observations) == 5


def test_parts_that_are_there_are_not_read_again(
    tmp_path: Path, reading: dict[str, object]
) -> None:
    reading["s1"] = NotObserved("no route")
    observe(tmp_path, ESTATE, HOW)
    reading["asked"].clear()  # type: ignore[attr-defined]
    del reading["s1"]
    part_path(tmp_path, "object-store/s2").write_bytes(b"cut sho")
    observe(tmp_path, ESTATE, HOW)
    assert reading["asked"] == ["s1", "s2"]
    assert not read_snapshot(tmp_path).gaps


def test_the_same_with_many_threads(tmp_path: Path, reading: dict[str, object]) -> None:
    observe(tmp_path, ESTATE, Observing(Settings(), "threads:64"))
    assert sorted(reading["asked"]) == [f"s{i}" for i in range(6)]  # type: ignore[call-overload]


def test_a_secret_is_wiped_from_a_cause(
    tmp_path: Path, reading: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SITIV_SECRET_WORD", "correct-horse")
    reading["s0"] = "tell"
    gaps = observe(tmp_path, ESTATE, HOW)
    assert gaps["object-store/s0"].cause == "the secret is ***"


def test_a_folder_of_another_estate_is_refused(tmp_path: Path, reading: dict[str, object]) -> None:
    observe(tmp_path, ESTATE, HOW)
    with pytest.raises(RunError, match="another estate"):
        observe(tmp_path, estate_of(), HOW)
    assert reading["asked"]


def test_only_one_zone_is_read(tmp_path: Path, reading: dict[str, object]) -> None:
    two = estate_of("zones: {far: {title: Far}}", STORES.replace("admin", "far", 2))
    observe(tmp_path, two, HOW, zone="far")
    assert reading["asked"] == ["s0", "s1"]
    assert read_head(tmp_path).zones == ("far",)
    with pytest.raises(InvalidInput, match="no zone 'fra'"):
        selected(two, "fra")


def test_a_snapshot_of_another_night_is_not_gone_on_with(
    tmp_path: Path, reading: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same command every night would else tell the first night's parts for ever."""
    observe(tmp_path, ESTATE, HOW)
    monkeypatch.setattr("sitiv_infra.observe.RESUME_WITHIN", timedelta(0))
    with pytest.raises(RunError, match="holds the snapshot of 20"):
        observe(tmp_path, ESTATE, HOW)
    assert len(reading["asked"]) == 6  # type: ignore[arg-type]


def test_a_secrets_file_that_changed_is_read_again(
    tmp_path: Path, reading: dict[str, object]
) -> None:
    """A worker of dask lives longer than a password."""
    file = tmp_path / "secrets.yml"
    file.touch(0o600)
    reading["s0"] = "tell"
    source = ESTATE.object_stores["s0"]
    for word in ("first-word", "second-word-of-them"):
        file.write_text(f"word: {word}")
        result = read_source(source, ESTATE, Settings(file))
        assert isinstance(result, Gap)
        assert result.cause == "the secret is ***"
    file.unlink()
    lost = read_source(source, ESTATE, Settings(file))
    assert isinstance(lost, Gap)
    assert "secrets.yml: can't be read" in lost.cause


def test_a_job_that_was_lost_is_a_gap(tmp_path: Path, reading: dict[str, object]) -> None:
    """A worker that is killed, a collector that ends its thread."""
    reading["s1"] = SystemExit()
    gaps = observe(tmp_path, ESTATE, HOW)
    assert list(gaps) == ["object-store/s1"]
    assert gaps["object-store/s1"].cause.startswith("the job was lost (SystemExit)")


@pytest.mark.parametrize("spec", ["threads:0", "threads:x", "processes:2", "dask:", ""])
def test_an_executor_that_is_none_is_refused(tmp_path: Path, spec: str) -> None:
    with pytest.raises(InvalidInput, match="--executor"):
        observe(tmp_path, ESTATE, Observing(Settings(), spec))


def test_an_old_or_foreign_unfinished_run_is_dropped(
    tmp_path: Path, reading: dict[str, object]
) -> None:
    folder = tmp_path / "unfinished"
    observe(folder, ESTATE, HOW)
    began = read_head(folder).started
    discard_stale(folder, ESTATE, began + timedelta(minutes=30))
    assert folder.exists()
    for then, estate in (
        (began + timedelta(hours=2), ESTATE),
        (began - timedelta(hours=2), ESTATE),  # the clock jumped back
        (began, estate_of()),
    ):
        observe(folder, ESTATE, HOW)
        discard_stale(folder, estate, then)
        assert not folder.exists()
    assert reading["asked"]


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that accepts and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def slow_estate(tmp_path: Path, silent: int) -> Path:
    """Sources that are refused at once, and some that hang for two seconds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    folder = tmp_path / "estate"
    folder.mkdir()
    (folder / "operator.yml").write_text(OPERATOR)
    rows = "".join(
        f"  s{i}: {{site: a, endpoint: 'https://127.0.0.1:{silent if i % 4 == 0 else closed}', "
        f"account: x, credential: key, observed_from: admin, timeout: 2s}}\n"
        for i in range(8)
    )
    (folder / "stores.yml").write_text("object_stores:\n" + rows)
    return folder


def sitiv(*arguments: object, **environment: str) -> subprocess.Popen[bytes]:
    command = [str(Path(sys.executable).parent / "sitiv"), *map(str, arguments)]
    environment = {**os.environ, "SITIV_SECRET_KEY": "secret-of-the-test", **environment}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_killed_at_any_moment_leaves_no_half_run_and_the_next_one_goes_on(
    tmp_path: Path, slow_estate: Path
) -> None:
    runs = tmp_path / "runs"
    command = ("audit", "--estate", slow_estate, "--runs", runs, "--format", "jsonl")
    moments = random.Random(20261121)
    for _ in range(10):
        process = sitiv(*command)
        time.sleep(moments.uniform(0.3, 3.0))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for run in all_runs(runs):
            assert run.verdicts()
    assert not [p for p in runs.glob("*") if p.is_dir() and p.name not in names(runs)]
    process = sitiv(*command)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 2, errors.decode()
    assert {json.loads(line)["status"] for line in output.splitlines()} >= {"unknown"}
    assert not (runs / UNFINISHED).exists()
    verified = sitiv("verify", "--runs", runs)
    told, _ = verified.communicate()
    assert verified.returncode == 0, told.decode()


def test_ctrl_c_says_that_the_parts_are_kept(tmp_path: Path, slow_estate: Path) -> None:
    stores = slow_estate / "stores.yml"  # long enough to be stopped on a busy machine too
    stores.write_text(stores.read_text().replace("timeout: 2s", "timeout: 30s"))
    # Who started the tests in the background has had it ignored, and programs inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = sitiv("audit", "--estate", slow_estate, "--runs", tmp_path / "runs")
    assert process.stderr is not None
    line = process.stderr.readline()  # a source was refused, and others hang
    assert b"object-store/" in line
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"sitiv: stopped; the parts that were read are kept" in errors
    assert (tmp_path / "runs" / UNFINISHED).is_dir()


def names(runs: Path) -> set[str]:
    return {run.name for run in all_runs(runs)} | {UNFINISHED}


CLUSTER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=2, processes=True, host="127.0.0.1",
                      dashboard_address=None) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[str]:
    """A scheduler and two workers, each a process; the workers have the secret, we do not."""
    script = tmp_path / "cluster.py"
    script.write_text(CLUSTER)
    environment = {**os.environ, "SITIV_SECRET_KEY": "secret-of-the-test"}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, script], stdin=pipe, stdout=pipe, text=True, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()
        process.wait(60)


def test_a_whole_night_on_dask_with_secrets_of_the_workers(
    tmp_path: Path, slow_estate: Path, dask: str
) -> None:
    runs = tmp_path / "runs"
    command = ("audit", "--estate", slow_estate, "--runs", runs, "--executor", f"dask:{dask}")
    process = sitiv(*command, SITIV_SECRET_KEY="")
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 2, errors.decode()
    (run,) = all_runs(runs)
    causes = {gap.source: gap.cause for gap in run.snapshot().gaps.values()}
    assert len(causes) == 8
    assert not [cause for cause in causes.values() if "no secret" in cause or "lost" in cause]
    written = b"".join(p.read_bytes() for p in runs.rglob("*") if p.is_file())
    assert b"secret-of-the-test" not in output + errors + written


def test_the_secret_is_nowhere_in_what_was_written(tmp_path: Path, slow_estate: Path) -> None:
    runs = tmp_path / "runs"
    process = sitiv("audit", "--estate", slow_estate, "--runs", runs)
    output, errors = process.communicate(timeout=120)
    written = b"".join(p.read_bytes() for p in runs.rglob("*") if p.is_file())
    assert b"secret-of-the-test" not in output + errors + written
