"""Runs on disk: one folder a night, written whole or not at all.

RUNS/.lock             held while a run is made
RUNS/.unfinished/      the run being made; a later one goes on with its parts
RUNS/2026-11-21T0200Z/ a run: snapshot files, verdicts.jsonl.gz, waivers.json, manifest.json
RUNS/history.sqlite    an index that can be made again (see ledger)
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sitiv_infra.checking import Check, Status, Verdict
from sitiv_infra.errors import InvalidInput, RunError
from sitiv_infra.estate import Severity
from sitiv_infra.evidence import (
    MANIFEST,
    SIGNATURE,
    Manifest,
    Previous,
    files_of,
    read_manifest,
    sha256,
    sign,
    write_manifest,
)
from sitiv_infra.snapshot import Snapshot, pack, read_head, read_snapshot, unpack, write_file
from sitiv_infra.waivers import Waiver

VERDICTS = "verdicts.jsonl.gz"
WAIVERS = "waivers.json"
UNFINISHED = ".unfinished"


@dataclass(frozen=True)
class Run:
    """A recorded run."""

    folder: Path
    manifest: Manifest

    @property
    def name(self) -> str:
        """Name of the run: the instant it began, UTC."""
        return self.manifest.name

    def snapshot(self) -> Snapshot:
        """Read what was observed."""
        return read_snapshot(self.folder)

    def verdicts(self) -> list[Verdict]:
        """Read what was judged that night."""
        return read_verdicts(self.folder / VERDICTS)

    def waivers(self) -> list[Waiver]:
        """Read the waivers that were known that night."""
        path = self.folder / WAIVERS
        try:
            return [Waiver.model_validate(item) for item in json.loads(path.read_bytes())]
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: can't be read: {error}") from None


def write_verdicts(path: Path, verdicts: Iterable[Verdict]) -> None:
    """Write verdicts, one JSON line each, in a stable order."""
    lines = sorted(line_of(verdict) for verdict in verdicts)
    write_file(path, pack("".join(f"{line}\n" for line in lines)))


def line_of(verdict: Verdict) -> str:
    """Give a verdict as it is recorded: one line of JSON."""
    data = {
        "check": verdict.check,
        "subject": verdict.subject,
        "status": verdict.status.value,
        "severity": verdict.severity.value,
        "message": verdict.message,
        "evidence": verdict.evidence,
        "members": verdict.members,
        "sites": verdict.sites,
        "waiver": verdict.waiver,
    }
    return json.dumps(data, ensure_ascii=False, sort_keys=True)


def read_verdicts(path: Path) -> list[Verdict]:
    """Read verdicts; RunError names the file when it is damaged."""
    try:
        return [_verdict(json.loads(line)) for line in unpack(path).splitlines()]
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: not verdicts: {error}") from None


def _verdict(data: dict[str, Any]) -> Verdict:
    return Verdict(
        **{
            **data,
            "status": Status(data["status"]),
            "severity": Severity(data["severity"]),
            "members": tuple(data["members"]),
            "sites": tuple(data["sites"]),
        }
    )


def run_folders(root: Path) -> list[Path]:
    """Give the folders of runs, by name; InvalidInput when there is no such place."""
    if not root.is_dir():
        raise InvalidInput(f"--runs {root}: no such folder")
    return sorted(path for path in root.glob("[0-9]*") if path.is_dir())


def all_runs(root: Path) -> list[Run]:
    """Give every run of a folder in the order they were recorded."""
    runs = [open_run(folder) for folder in run_folders(root)] if root.is_dir() else []
    return sorted(runs, key=lambda run: run.manifest.sequence)


def open_run(path: Path) -> Run:
    """Give the run in a folder; RunError when it isn't one."""
    folder = path if path.name not in ("", "..") else path.resolve()  # its name and place count
    return Run(folder, read_manifest(folder))


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the runs' folder; InvalidInput when another process does, or nothing can be kept."""
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        stream = (root / ".lock").open("w", encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"--runs {root}: can't be written to: {error.strerror}") from None
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InvalidInput(f"{root}: another run is being made here") from None
        yield


def name_of(root: Path, started: datetime) -> str:
    """Give a run's name; a second one of the same minute gets a number."""
    base = started.astimezone(UTC).strftime("%Y-%m-%dT%H%MZ")
    names = (base, *(f"{base}-{n}" for n in range(2, 1000)))
    return next(name for name in names if not (root / name).exists())


def record(
    root: Path,
    folder: Path,
    verdicts: Sequence[Verdict],
    waivers: Sequence[Waiver],
    checks: Iterable[Check],
    key: Path | None = None,
) -> Run:
    """Turn the unfinished folder of a snapshot into a run: add what was judged, seal, rename.

    key -- SSH private key that signs the manifest. The last step is one rename, so that a run is
    there whole or not at all.
    """
    _tidy(folder)
    write_verdicts(folder / VERDICTS, verdicts)
    listed = [w.model_dump(mode="json") for w in waivers]
    write_file(folder / WAIVERS, json.dumps(listed, ensure_ascii=False, indent=1).encode())
    earlier = all_runs(root)
    last = earlier[-1] if earlier else None
    started = read_head(folder).started
    manifest = Manifest(
        sequence=last.manifest.sequence + 1 if last else 1,
        name=name_of(root, started),
        started=started,
        recorded=datetime.now(UTC),
        previous=Previous(name=last.name, sha256=sha256(last.folder / MANIFEST)) if last else None,
        versions=versions(checks),
        files={name: sha256(folder / name) for name in files_of(folder)},
    )
    write_manifest(folder, manifest)
    if key is not None:
        sign(folder, key)
    final = root / manifest.name
    folder.rename(final)
    _sync(root)
    return Run(final, manifest)


def _tidy(folder: Path) -> None:
    """Remove what a process that was killed left: files half written, and its seal."""
    for path in folder.rglob(".*"):
        path.unlink()
    for name in (MANIFEST, SIGNATURE):
        (folder / name).unlink(missing_ok=True)


def versions(checks: Iterable[Check]) -> dict[str, str]:
    """Name what made the verdicts: package, Python, and a hash over the rules' files."""
    digest = hashlib.sha256()
    for file in sorted({item.file for item in checks}):
        digest.update(Path(file).read_bytes())
    return {
        "sitiv-infra": version("sitiv-infra"),
        "python": platform.python_version(),
        "checks": digest.hexdigest(),
    }


def _sync(folder: Path) -> None:
    """Make a rename last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
