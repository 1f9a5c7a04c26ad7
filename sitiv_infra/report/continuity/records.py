"""What a rehearsal leaves in its folder: what the probe saw, and which faults were made.

probe.jsonl     one line a request, written as it ends, between a first and a last line
events.jsonl    one line a fault or a healing, written as it begins

Instants are told twice: ``at`` for people, ``monotonic`` (seconds of the machine's own clock, which
nobody sets) for figures. Both files are only ever added to.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from sitiv_infra.errors import RunError

RECORDS, EVENTS = "probe.jsonl", "events.jsonl"


class Line(BaseModel):
    """One line of a file of a rehearsal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: datetime
    monotonic: float


class Begin(Line):
    """First line of the probe: what it was told to do.

    doors -- published addresses by service. documents -- services that documents are written to.
    """

    kind: Literal["begin"] = "begin"
    run: str
    rate: float
    timeout: float
    doors: dict[str, tuple[str, ...]]
    documents: tuple[str, ...] = ()


class Record(Line):
    """One request, from its start; ``error`` is empty when the answer was as it should be.

    kind -- ``put`` writes a document, ``get`` reads one or a page, ``kept`` is an exchange on the
    connection that stays open, ``verify`` reads a document back at the end.
    """

    kind: Literal["put", "get", "kept", "verify"]
    service: str
    door: str
    seconds: float
    name: str = ""
    status: int | None = None
    error: str = ""
    connection: int | None = None
    lag: float = 0.0

    @property
    def end(self) -> float:
        """When its answer, or its failure, was there."""
        return self.monotonic + self.seconds

    @property
    def good(self) -> bool:
        """Whether the answer was as it should be."""
        return not self.error


class End(Line):
    """Last line of the probe; ``verified`` tells whether every document was asked for again."""

    kind: Literal["end"] = "end"
    verified: bool


class Event(Line):
    """A fault that is made, or healed: ``kind`` as in ``sitiv lab fault KIND TARGET``."""

    what: Literal["fault", "heal"]
    kind: str
    target: str = ""

    @classmethod
    def now(cls, what: Literal["fault", "heal"], kind: str, target: str = "") -> Event:
        """Make an event of this moment: call it before the first thing is broken or mended."""
        at = datetime.now(UTC)
        return cls(at=at, monotonic=time.monotonic(), what=what, kind=kind, target=target)


LineT = TypeVar("LineT", bound=Line)
Probed = Annotated[Begin | Record | End, Field(discriminator="kind")]


def append(path: Path, line: Line) -> None:
    """Add a line in one write: a process that is killed leaves whole lines only."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        write(descriptor, line)
    finally:
        os.close(descriptor)


def write(descriptor: int, line: Line) -> None:
    """Add a line to an open file."""
    os.write(descriptor, f"{line.model_dump_json()}\n".encode())


@dataclass(frozen=True)
class Probing:
    """All that a rehearsal left; without ``end`` the probe was killed."""

    begin: Begin
    records: tuple[Record, ...]
    events: tuple[Event, ...] = ()
    end: End | None = None

    @cached_property
    def until(self) -> float:
        """Moment when the last request ended that was sent to measure."""
        ends = [r.end for r in self.records if r.kind in {"put", "get"}]
        return max(ends, default=self.begin.monotonic)

    def of(self, service: str, *kinds: str) -> list[Record]:
        """Give the records of a service, in the order of their start."""
        found = (r for r in self.records if r.service == service and r.kind in kinds)
        return sorted(found, key=lambda r: r.monotonic)


def read(folder: Path) -> Probing:
    """Read a rehearsal's folder; RunError says which file or line can't be used."""
    lines = _lines(folder / RECORDS, TypeAdapter[Begin | Record | End](Probed))
    begins = [line for line in lines if isinstance(line, Begin)]
    if len(begins) != 1:
        raise RunError(f"{folder / RECORDS}: holds {len(begins)} runs of the probe, not one")
    ends = [line for line in lines if isinstance(line, End)]
    file = folder / EVENTS
    events = _lines(file, TypeAdapter(Event)) if file.exists() else []
    return Probing(
        begins[0],
        tuple(line for line in lines if isinstance(line, Record)),
        tuple(sorted(events, key=lambda event: event.monotonic)),
        ends[-1] if ends else None,
    )


def _lines(file: Path, model: TypeAdapter[LineT]) -> list[LineT]:
    """Read lines; one without its end was being written when its writer was killed."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise RunError(f"{file}: can't be read: {error.strerror}") from None
    whole = raw.split(b"\n")[:-1]
    return list(_parsed(file, whole, model))


def _parsed(file: Path, lines: Iterable[bytes], model: TypeAdapter[LineT]) -> Iterable[LineT]:
    for number, line in enumerate(lines, 1):
        try:
            yield model.validate_json(line)
        except ValidationError as error:
            what = error.errors(include_url=False)[0]["msg"]
            raise RunError(f"{file}:{number}: {what}") from None
