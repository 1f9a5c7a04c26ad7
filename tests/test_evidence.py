from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sitiv_infra.checking import Status
from sitiv_infra.errors import InvalidInput, RunError
from sitiv_infra.evidence import (
    MANIFEST,
    SIGNATURE,
    chain_broken,
    check_key,
    files_of,
    read_manifest,
    sha256,
    signature_wrong,
    tampered,
)
from sitiv_infra.runs import UNFINISHED, VERDICTS, Run, all_runs, locked, open_run
from sitiv_infra.snapshot import pack, unpack
from sitiv_infra.verifying import prove
from tests.nights import RULES, night

TOLD = {("test.rule", "sitiv/operator/sitiv"): Status.PASS}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return night(tmp_path / "runs", None)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "night", "-f", str(path)]
    subprocess.run(command, check=True)
    return path


def test_an_untouched_run_is_proved(run: Run) -> None:
    proof = prove(run, RULES)
    assert proof.wrong == ()
    assert proof.verdicts == 1


def test_every_byte_counts(run: Run) -> None:
    for name in list(files_of(run.folder)):
        path = run.folder / name
        good = path.read_bytes()
        bad = bytearray(good)
        bad[len(bad) // 2] ^= 1
        path.write_bytes(bad)
        assert [line for line in prove(run, RULES).wrong if str(path) in line], name
        path.write_bytes(good)
    assert prove(run, RULES).wrong == ()


def test_a_missing_and_an_added_file_are_named(run: Run) -> None:
    (run.folder / "gaps.json").unlink()
    (run.folder / "extra").write_text("x")
    lines = list(tampered(run.folder, run.manifest))
    assert [Path(line.split(":")[0]).name for line in lines] == ["gaps.json", "extra"]


def test_the_chain_names_the_run_that_was_changed_or_removed(tmp_path: Path) -> None:
    first, second = (night(tmp_path, TOLD) for _ in range(2))
    assert chain_broken(second.folder, second.manifest) is None
    manifest = first.folder / MANIFEST
    manifest.write_bytes(manifest.read_bytes() + b" ")
    assert first.name in str(chain_broken(second.folder, second.manifest))
    manifest.unlink()
    assert first.name in str(chain_broken(second.folder, second.manifest))


def test_a_signature_holds_for_its_signer_and_its_bytes_only(tmp_path: Path, key: Path) -> None:
    run = night(tmp_path / "runs", TOLD, key=key)
    public = key.with_suffix(".pub").read_text()
    signers = tmp_path / "signers"
    signers.write_text(f"night@sitiv.test {public}")
    assert signature_wrong(run.folder, signers) is None
    manifest = run.folder / MANIFEST
    good = manifest.read_bytes()
    manifest.write_bytes(good.replace(b"1", b"2", 1))
    assert "does not fit" in str(signature_wrong(run.folder, signers))
    manifest.write_bytes(good)
    signers.write_text("")
    assert "made by nobody" in str(signature_wrong(run.folder, signers))
    (run.folder / SIGNATURE).unlink()
    assert "not signed" in str(signature_wrong(run.folder, signers))


def test_a_key_that_is_no_key_is_a_clear_error(tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_text("no key")
    bad.chmod(0o600)
    with pytest.raises(InvalidInput, match="can't sign"):
        night(tmp_path / "runs", TOLD, key=bad)
    assert all_runs(tmp_path / "runs") == []


def test_a_verdict_that_was_forged_with_its_hash_is_judged_again(tmp_path: Path) -> None:
    forged = {("test.rule", "sitiv/operator/sitiv"): Status.FAIL}
    proof = prove(night(tmp_path, forged), RULES)
    assert proof.wrong == ("test.rule sitiv/operator/sitiv: recorded fail, judged again pass",)


@pytest.mark.parametrize(
    ("old", "new"),
    [('"severity": "high"', '"severity": "info"'), ('"fine"', '"splendid"')],
)
def test_words_that_were_forged_with_their_hash_are_seen(run: Run, old: str, new: str) -> None:
    reseal(run, old, new)
    (line,) = prove(open_run(run.folder), RULES).wrong
    assert "recorded otherwise" in line


def reseal(run: Run, old: str, new: str) -> None:
    """Change the verdicts, and their hash in the manifest."""
    path = run.folder / VERDICTS
    text = unpack(path)
    assert old in text
    path.write_bytes(pack(text.replace(old, new)))
    manifest = run.folder / MANIFEST
    before = run.manifest.files[VERDICTS]
    manifest.write_text(manifest.read_text().replace(before, sha256(path)))


def test_a_verdict_that_was_doubled_is_seen(run: Run) -> None:
    line = unpack(run.folder / VERDICTS)
    reseal(run, line, line * 2)
    assert len(prove(open_run(run.folder), RULES).wrong) == 1


def test_a_manifest_that_belongs_elsewhere_is_seen(run: Run) -> None:
    run.folder.rename(run.folder.with_name("2026-12-01T0200Z"))
    moved = open_run(run.folder.with_name("2026-12-01T0200Z"))
    assert any("is that of run 2026-11-21T0200Z" in line for line in prove(moved, RULES).wrong)
    head = moved.folder / "snapshot.json"
    head.write_text(head.read_text().replace("2026-11-21T02:00", "2026-11-21T03:00"))
    assert any("the snapshot 2026-11-21 03:00" in line for line in prove(moved, RULES).wrong)


def test_another_version_of_the_engine_may_judge_otherwise(tmp_path: Path) -> None:
    run = night(tmp_path, {("test.rule", "sitiv/operator/sitiv"): Status.FAIL})
    manifest = run.folder / MANIFEST
    here = run.manifest.versions["sitiv-infra"]
    manifest.write_text(manifest.read_text().replace(f'"{here}"', '"0.0.1"'))
    proof = prove(open_run(run.folder), RULES)
    assert proof.wrong == ()
    assert "other rules" in proof.notes[0]


def test_a_key_is_found_from_where_the_command_runs(
    tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = night(Path("runs"), TOLD, key=Path(key.name))
    assert (run.folder / SIGNATURE).exists()


def test_a_key_with_a_password_is_refused_and_nobody_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "locked"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "password", "-f", str(path)]
    subprocess.run(command, check=True)
    with pytest.raises(InvalidInput, match="can't sign"):
        check_key(path)


def test_what_a_killed_process_left_is_not_sealed(tmp_path: Path, key: Path) -> None:
    folder = tmp_path / UNFINISHED
    folder.mkdir()
    for name in (".gaps.json.4711", MANIFEST, SIGNATURE):
        (folder / name).write_text("left")
    run = night(tmp_path, TOLD)
    assert not (run.folder / SIGNATURE).exists()
    assert not [name for name in files_of(run.folder) if name.startswith(".")]
    folder.mkdir()
    (folder / SIGNATURE).write_text("left")
    assert b"SSH SIGNATURE" in (night(tmp_path, TOLD, key=key).folder / SIGNATURE).read_bytes()


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"manifest\.json: is not there"):
        read_manifest(tmp_path)


def test_only_one_process_makes_a_run(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(InvalidInput, match="another run"), locked(tmp_path):
        pass


def test_a_full_disk_leaves_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    night(tmp_path, TOLD)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        night(tmp_path, TOLD)
    assert len(all_runs(tmp_path)) == 1


def test_runs_are_for_their_owner_only(run: Run) -> None:
    for name in files_of(run.folder):
        assert (run.folder / name).stat().st_mode & 0o077 == 0, name
