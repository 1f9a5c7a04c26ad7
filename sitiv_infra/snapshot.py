"""What was observed, when, from where: a folder of files, each written once.

snapshot.json            when it began, when it was whole, the estate's fingerprint
estate.json.gz           what was declared
parts/FAMILY/NAME.json.gz    what one source said
gaps.json                what could not be read, and why
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from sitiv_infra.errors import RunError
from sitiv_infra.estate import Estate
from sitiv_infra.facts import FAMILIES, Facts

FORMAT = 1
ONE_NIGHT = timedelta(hours=12)  # between what zones saw that is joined


class Head(BaseModel):
    """The file ``snapshot.json``; ``finished`` is None while observing goes on.

    recording -- the day when a snapshot that ships with the project was recorded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    started: datetime
    finished: datetime | None = None
    fingerprint: str
    zones: tuple[str, ...] = ()
    recording: date | None = None


class Gap(BaseModel):
    """A source that could not be read, and the cause."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    cause: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Observation:
    """What one source said, and when."""

    source: str
    taken_at: datetime
    facts: Facts


@dataclass(frozen=True)
class Snapshot:
    """Facts by source, plus the gaps, against the estate that was declared then."""

    head: Head
    estate: Estate
    observations: Mapping[str, Observation] = field(default_factory=dict)
    gaps: Mapping[str, Gap] = field(default_factory=dict)

    @property
    def taken_at(self) -> datetime:
        """The instant that ages are counted to: when the last part was taken.

        An age is overstated by the length of the run at most, never understated.
        """
        taken = (seen.taken_at for seen in self.observations.values())
        return max(taken, default=self.head.started)


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.rename(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def pack(text: str) -> bytes:
    """Compress so that the same text always gives the same bytes."""
    return gzip.compress(text.encode(), compresslevel=6, mtime=0)


def unpack(path: Path) -> str:
    """Read a compressed file; RunError names it when it can't be."""
    try:
        return gzip.decompress(path.read_bytes()).decode()
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise RunError(f"{path}: can't be read: {error}") from None


def part_path(folder: Path, source: str) -> Path:
    """Give the file of one source's part."""
    return folder / "parts" / f"{source}.json.gz"


def write_part(folder: Path, seen: Observation) -> None:
    """Add one part to a snapshot."""
    data = {
        "source": seen.source,
        "taken_at": seen.taken_at.astimezone(UTC).isoformat(),
        "facts": seen.facts.model_dump(mode="json"),
    }
    text = json.dumps(data, ensure_ascii=False, sort_keys=True)
    write_file(part_path(folder, seen.source), pack(text))


def read_part(folder: Path, source: str) -> Observation | None:
    """Read one part, or give None where it isn't there; RunError when it is damaged."""
    path = part_path(folder, source)
    if not path.exists():
        return None
    try:
        data = json.loads(unpack(path))
        facts = FAMILIES[source.partition("/")[0]].model_validate(data["facts"])
        seen = Observation(data["source"], datetime.fromisoformat(data["taken_at"]), facts)
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise RunError(f"{path}: not a part of '{source}': {error}") from None
    if seen.source != source:
        raise RunError(f"{path}: not a part of '{source}' but of '{seen.source}'")
    return seen


def begin(folder: Path, estate: Estate, head: Head) -> None:
    """Start a snapshot in a folder."""
    write_file(folder / "estate.json.gz", pack(estate.model_dump_json()))
    write_file(folder / "snapshot.json", head.model_dump_json(indent=1).encode())


def finish(folder: Path, head: Head, gaps: Iterable[Gap]) -> None:
    """Mark a snapshot as whole."""
    listed = [gap.model_dump(mode="json") for gap in sorted(gaps, key=lambda g: g.source)]
    write_file(folder / "gaps.json", json.dumps(listed, ensure_ascii=False, indent=1).encode())
    write_file(folder / "snapshot.json", head.model_dump_json(indent=1).encode())


def read_head(folder: Path) -> Head:
    """Read a snapshot's head; RunError when there is none."""
    path = folder / "snapshot.json"
    try:
        return Head.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{path}: is not there; {folder} holds no snapshot") from None
    except OSError as error:
        raise RunError(f"{path}: can't be read: {error.strerror}") from None
    except ValidationError as error:
        raise RunError(f"{path}: not a snapshot: {error.errors()[0]['msg']}") from None


def read_snapshot(folder: Path) -> Snapshot:
    """Read a whole snapshot or a run; RunError names the file that is missing or damaged."""
    head = read_head(folder)
    path = folder / "estate.json.gz"
    try:
        estate = Estate.model_validate_json(unpack(path))
    except ValidationError as error:
        raise RunError(f"{path}: not an estate that this version reads: {error}") from None
    gaps = {gap.source: gap for gap in _read_gaps(folder / "gaps.json")}
    seen = {}
    for source in estate.sources:
        observation = read_part(folder, source)
        if observation is not None:
            seen[source] = observation
    return Snapshot(head, estate, seen, gaps)


def _read_gaps(path: Path) -> list[Gap]:
    if not path.exists():
        return []
    try:
        return [Gap.model_validate(item) for item in json.loads(path.read_bytes())]
    except (ValueError, ValidationError) as error:
        raise RunError(f"{path}: not a list of gaps: {error}") from None


def merge(folders: list[Path]) -> Snapshot:
    """Join what several trust zones saw of one estate; a part outweighs another zone's gap.

    Of a source that two of them saw, the later part counts. RunError for snapshots of two estates,
    or of two nights: what was good last week is no news of tonight.
    """
    snapshots = [read_snapshot(folder) for folder in folders]
    first = snapshots[0]
    for folder, other in zip(folders, snapshots, strict=True):
        if other.head.fingerprint != first.head.fingerprint:
            raise RunError(f"{folder}: observed another estate than {folders[0]}")
        if abs(other.head.started - first.head.started) > ONE_NIGHT:
            raise RunError(f"{folder}: observed another night than {folders[0]}")
    parts = sorted((v for s in snapshots for v in s.observations.values()), key=_when)
    seen = {part.source: part for part in parts}
    gaps = {k: v for s in snapshots for k, v in s.gaps.items() if k not in seen}
    zones = tuple(sorted({zone for s in snapshots for zone in s.head.zones}))
    started = min(s.head.started for s in snapshots)
    head = first.head.model_copy(update={"started": started, "zones": zones})
    return Snapshot(head, first.estate, seen, gaps)


def _when(part: Observation) -> datetime:
    return part.taken_at
