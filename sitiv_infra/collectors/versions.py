"""One page of a list of versions, as MinIO prints it, counted by the settings of each version.

Read as bytes: a million records are 800 MB of XML, and building trees of them takes six times as
long. Names of elements are looked for without regard to case, since servers write a version's
settings as whoever wrote it did, in any order. Each page is held against its own number of records.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, TypeVar
from urllib.parse import unquote_plus

from sitiv_infra.errors import NotObserved
from sitiv_infra.facts.object_store import Encrypted, Kept, Shards, VersionTally

Mode = Literal["governance", "compliance"] | None
MODES: dict[bytes, Mode] = {b"governance": "governance", b"compliance": "compliance"}
K = TypeVar("K")
HOUR = 13  # bytes of a time that name its hour: 2026-11-23t08
SECOND = 19  # and its second
NONE = b"none"
CUSTOMER = b"customer"  # the key is with who wrote it
BY_CUSTOMER = b"server-side-encryption-customer-algorithm>"
MODIFIED, SIZE, INTERNAL = b"<lastmodified>", b"<size>", b"<internal>"
ENCRYPTION = b"<x-amz-server-side-encryption>"
LOCK, UNTIL = b"<x-amz-object-lock-mode>", b"<x-amz-object-lock-retain-until-date>"
END = b"</listversionsresult>"
# Hours, and what follows them to the second.
TIME = rb"(.{13})(.{6})[^<]*<"
WRITTEN = re.compile(MODIFIED + TIME + rb"/lastmodified><etag>[^<]*</etag>" + SIZE + rb"([0-9]+)<")
KEPT_UNTIL = re.compile(UNTIL + TIME)
KEYS = re.compile(rb"<Key>([^<]*)</Key>")


# Lock mode, hours kept, encryption, and shards as the list writes them: <k>2</k><m>2</m>.
Settings = tuple[bytes, int, bytes, bytes]


class Tally:
    """Versions that were seen, counted by what they are, with the key of one of each kind."""

    def __init__(self) -> None:
        self.versions = self.markers = self.size = self.untold = 0
        self.newest = b""
        self.seen: dict[Settings, int] = {}
        self.examples: dict[Settings, str] = {}

    def add(self, other: Tally) -> None:
        """Count what another one has counted."""
        self.versions += other.versions
        self.markers += other.markers
        self.size += other.size
        self.untold += other.untold
        self.newest = max(self.newest, other.newest)
        for settings, count in other.seen.items():
            self.seen[settings] = self.seen.get(settings, 0) + count
        self.examples = {**other.examples, **self.examples}

    def facts(self) -> VersionTally:
        """Give what was counted, in an order that is always the same."""
        kept = self._by(lambda settings: (settings[1], MODES.get(settings[0])))
        encrypted = self._by(lambda settings: settings[2].decode(errors="replace"))
        shards = self._by(lambda settings: _shards(settings[3]))
        return VersionTally(
            versions=self.versions, delete_markers=self.markers, size=self.size,
            untold=self.untold, newest=_time(self.newest),
            kept=tuple(
                Kept(mode=mode, hours=hours, count=count, example=example)
                for (hours, mode), (count, example) in kept
            ),
            encrypted=tuple(
                Encrypted(kind=kind, count=count, example=example)
                for kind, (count, example) in encrypted
            ),
            shards=tuple(
                Shards(data=told[0], parity=told[1], count=count, example=example)
                for told, (count, example) in shards
                if told
            ),
        )  # fmt: skip

    def _by(self, part: Callable[[Settings], K]) -> list[tuple[K, tuple[int, str]]]:
        """Count by one part of the settings alone."""
        found: dict[K, tuple[int, str]] = {}
        for settings, count in sorted(self.seen.items()):
            key = part(settings)
            before, example = found.get(key, (0, self.examples[settings]))
            found[key] = before + count, example
        return sorted(found.items(), key=lambda item: str(item[0]))


class Page:
    """An answer to one request: what it lists, and where the next page begins.

    ``following`` are the markers of the next page: a key and a version; None at the end. Raises
    NotObserved where it is no whole list.
    """

    def __init__(self, body: bytes) -> None:
        lowered = body.lower()
        if b"<listversionsresult" not in lowered[:300] or not lowered.rstrip().endswith(END):
            raise NotObserved("the list of versions is none, or only half of one")
        self.tally = Tally()
        self.tally.versions = lowered.count(b"</version>")
        try:
            if not self._count_alike(body, lowered):
                self._count_each(body, lowered)
        except ValueError:
            raise NotObserved("the list of versions has a record that is none") from None
        self.following: tuple[str, str] | None = None
        if _between(lowered, b"<istruncated>") == b"true":
            key = _between(body, b"<NextKeyMarker>")
            if not key:
                raise NotObserved("the list of versions has no place to go on from")
            version = _between(body, b"<NextVersionIdMarker>").decode()
            self.following = unquote_plus(key.decode()), version

    def _count_alike(self, body: bytes, lowered: bytes) -> bool:
        """Count a page whose versions differ in their times and sizes alone; False if they do not.

        Most pages are so, and take half as long this way. What all have stands as often as there
        are versions: none has an element twice.
        """
        found, count = self.tally, self.tally.versions
        written, until = WRITTEN.findall(lowered), KEPT_UNTIL.findall(lowered)
        if not len(written) == len(until) == count > 0:  # delete markers are written as well
            return False
        first = lowered[: lowered.find(b"</version>")]
        mode, _, kind, told = _settings(first, b"".join(written[0][:2])) or (b"", 0, b"", b"")
        alike = (LOCK + mode + b"<", ENCRYPTION + kind + b"<", INTERNAL + told + b"</internal>")
        if any(lowered.count(one) != count for one in alike):
            return False
        spans = [
            (at, end, past > rest)
            for (at, rest, _), (end, past) in zip(written, until, strict=True)
        ]
        for (at, end, more), number in Counter(spans).items():
            hours = _hour(end) - _hour(at) + more
            settings = mode if hours else b"", hours, kind, told
            found.seen[settings] = found.seen.get(settings, 0) + number
            if settings not in found.examples:
                key = KEYS.findall(body)[spans.index((at, end, more))]
                found.examples[settings] = unquote_plus(key.decode(errors="replace"))
        found.size = sum(int(size) for *_, size in written)
        found.newest = max(at + rest for at, rest, _ in written)
        return True

    def _count_each(self, body: bytes, lowered: bytes) -> None:
        found, told = self.tally, 0
        found.markers = lowered.count(b"</deletemarker>")
        place = lowered.find(b"<version>")
        while place >= 0:
            end = lowered.find(b"</version>", place)
            record = lowered[place:end]
            told += 1
            written = record.index(MODIFIED) + len(MODIFIED)
            size = record.index(SIZE, written) + len(SIZE)
            found.size += int(record[size : record.index(b"<", size)])
            modified = record[written : written + SECOND]
            found.newest = max(found.newest, modified)
            settings = _settings(record, modified)
            if settings is None:
                found.untold += 1
            elif settings in found.seen:
                found.seen[settings] += 1
            else:
                found.seen[settings] = 1
                key = _between(body[place:end], b"<Key>")
                found.examples[settings] = unquote_plus(key.decode(errors="replace"))
            place = lowered.find(b"<version>", end)
        if told != found.versions:
            raise ValueError("a record without its end")


def folders(body: bytes) -> list[str]:
    """Give the folders that a page lists in place of what lies below them."""
    parts = body.split(b"<CommonPrefixes>")[1:]
    return [unquote_plus(_between(part, b"<Prefix>").decode()) for part in parts]


def _between(record: bytes, tag: bytes) -> bytes:
    """Give the text of the first element of a name, empty where there is none."""
    start = record.find(tag)
    if start < 0:
        return b""
    start += len(tag)
    return record[start : record.find(b"<", start)]


def _settings(record: bytes, modified: bytes) -> Settings | None:
    """Give a version's settings; None where the list does not tell them.

    Fields are cut out in place: this is done for each of millions.
    """
    shards = record.find(INTERNAL)
    if shards < 0:
        if b"<usermetadata>" not in record:
            return None
        told = b""
    else:
        told = record[shards + len(INTERNAL) : record.index(b"</internal>", shards)]
    kind, hours, mode = NONE, 0, b""
    at = record.find(ENCRYPTION)
    if at >= 0:
        at += len(ENCRYPTION)
        kind = record[at : record.index(b"<", at)]
    elif BY_CUSTOMER in record:
        kind = CUSTOMER
    at = record.find(LOCK)
    until = record.find(UNTIL)
    if at >= 0 and until >= 0:
        at, until = at + len(LOCK), until + len(UNTIL)
        mode = record[at : record.index(b"<", at)]
        hours = _hours(modified, record[until : until + SECOND]) if mode in MODES else 0
    return mode if hours else b"", hours, kind, told


def _shards(told: bytes) -> tuple[int, int] | None:
    data, parity = _between(told, b"<k>"), _between(told, b"<m>")
    return (int(data), int(parity)) if data and parity else None


def _hours(start: bytes, end: bytes) -> int:
    """Give the hours from one time to another, rounded up; fractions of seconds do not count.

    A server sets the end of retention some milliseconds before it is done writing.
    """
    return _hour(end[:HOUR]) - _hour(start[:HOUR]) + (end[HOUR:] > start[HOUR:])


@lru_cache(maxsize=65_536)
def _hour(written: bytes) -> int:
    at = datetime.strptime(written.decode(), "%Y-%m-%dt%H").replace(tzinfo=UTC)
    return int(at.timestamp()) // 3600


def _time(written: bytes) -> datetime | None:
    return datetime.fromisoformat(written.decode().upper() + "Z") if written else None
