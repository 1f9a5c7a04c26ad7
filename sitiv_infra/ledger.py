"""The history: since when each failure is open, what is new, back and mended.

A SQLite file beside the runs. It is an index: whatever it holds can be made again from the runs,
and a run that it lacks (the process was killed between the two) is added at the next use.

A *life* is one stretch of failing. What could not be judged neither ends nor begins one.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sitiv_infra.checking import Status, Verdict
from sitiv_infra.errors import RunError
from sitiv_infra.runs import Run, all_runs

FILE = "history.sqlite"
MEMORY = ":memory:"
BUSY_SECONDS = 30
VERSION = 2
SCHEMA = """
CREATE TABLE runs (
    sequence INTEGER PRIMARY KEY, name TEXT NOT NULL, started TEXT NOT NULL);
CREATE TABLE lives (
    check_id TEXT NOT NULL, subject TEXT NOT NULL,
    opened INTEGER NOT NULL REFERENCES runs, closed INTEGER REFERENCES runs,
    PRIMARY KEY (check_id, subject, opened));
CREATE INDEX lives_open ON lives (closed);
CREATE TABLE tally (
    sequence INTEGER NOT NULL REFERENCES runs, member TEXT NOT NULL, domain TEXT NOT NULL,
    severity TEXT NOT NULL, status TEXT NOT NULL, waived INTEGER NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (sequence, member, domain, severity, status, waived));
"""
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Life:
    """A stretch of failing, as one run saw it; ``again`` when there was an earlier one."""

    since: datetime
    opened_now: bool
    again: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """A failure that a run found mended."""

    check: str
    subject: str
    since: datetime


@contextmanager
def history(root: Path, aliases: dict[str, str] | None = None) -> Iterator[History]:
    """Open the index of a runs' folder, with every run in it.

    aliases -- former check ids to current ones, so that a rename keeps its history. Where the file
    can't be written (a full disk, a copy that is read-only) the index is made in memory.
    """
    runs = all_runs(root)
    try:
        index = _caught_up(root / FILE, runs, aliases or {})
    except (OSError, sqlite3.Error):
        index = History(_made(MEMORY), aliases or {})
        index.catch_up(runs)
    try:
        yield index
    finally:
        index.close()


def rebuild(root: Path, aliases: dict[str, str] | None = None) -> int:
    """Make the index again from the runs; give how many there are."""
    runs = all_runs(root)
    try:
        (root / FILE).unlink(missing_ok=True)
        index = _caught_up(root / FILE, runs, aliases or {})
    except (OSError, sqlite3.Error) as error:
        raise RunError(f"{root / FILE}: can't be made: {error}") from None
    number = index.count()
    index.close()
    return number


def _caught_up(path: Path, runs: list[Run], aliases: dict[str, str]) -> History:
    """Open the file and add the runs that it lacks; what is damaged is made anew."""
    try:
        index = _opened(path, aliases)
        if index is not None and not index.belies(runs):
            index.catch_up(runs)
            return index
    except sqlite3.OperationalError:
        raise  # in use, or not to be written: nothing is wrong with the file
    except sqlite3.DatabaseError:
        index = None
    if index is not None:
        index.close()
    path.unlink(missing_ok=True)
    index = History(_made(path), aliases)
    index.catch_up(runs)
    return index


def _opened(path: Path, aliases: dict[str, str]) -> History | None:
    """Open the file if it is there and of this version."""
    if not path.exists():
        return None
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
    try:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    if found == VERSION:
        return History(connection, aliases)
    connection.close()
    return None


def _made(path: Path | str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
    if isinstance(path, Path):
        path.chmod(0o600)
    connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
    return connection


class History:
    """The open index; made by ``history``."""

    def __init__(self, connection: sqlite3.Connection, aliases: dict[str, str]) -> None:
        self._db = connection
        self._aliases = aliases

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def count(self) -> int:
        """Give how many runs are in the index."""
        return int(self._db.execute("SELECT count(*) FROM runs").fetchone()[0])

    def belies(self, runs: Iterable[Run]) -> bool:
        """Tell whether the index speaks of other runs than the first ones on disk."""
        known = self._db.execute("SELECT sequence, name FROM runs ORDER BY sequence").fetchall()
        found = {run.manifest.sequence: run.name for run in runs}
        return known != sorted(found.items())[: len(known)]

    def catch_up(self, runs: list[Run]) -> None:
        """Add the runs that the index lacks, in one transaction; another process may be at it."""
        if self._known().issuperset(run.manifest.sequence for run in runs):
            return
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            known = self._known()
            for run in runs:
                if run.manifest.sequence not in known:
                    self._add(run, run.verdicts())

    def _known(self) -> set[int]:
        return {number for (number,) in self._db.execute("SELECT sequence FROM runs")}

    def _add(self, run: Run, verdicts: list[Verdict]) -> None:
        number = run.manifest.sequence
        self._db.execute(
            "INSERT INTO runs VALUES (?, ?, ?)",
            (number, run.name, run.manifest.started.isoformat()),
        )
        self._count(number, verdicts)
        self._live(number, verdicts)

    def _count(self, number: int, verdicts: list[Verdict]) -> None:
        tally: Counter[tuple[str, str, str, str, int]] = Counter()
        for v in verdicts:
            for member in v.members or ("",):
                tally[member, v.domain, v.severity, v.status, int(v.waiver is not None)] += 1
        rows = [(number, *key, n) for key, n in tally.items()]
        self._db.executemany("INSERT INTO tally VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def _live(self, number: int, verdicts: list[Verdict]) -> None:
        by_status = {status: set[Key]() for status in Status}
        for v in verdicts:
            by_status[v.status].add((self._current(v.check), v.subject))
        failing, blind = by_status[Status.FAIL], by_status[Status.UNKNOWN]
        judged = {self._current(v.check) for v in verdicts}
        rows = self._db.execute("SELECT check_id, subject FROM lives WHERE closed IS NULL")
        alive = {(self._current(check), subject): (check, subject) for check, subject in rows}
        self._db.executemany(
            "INSERT INTO lives VALUES (?, ?, ?, NULL)",
            [(*key, number) for key in sorted(failing - alive.keys())],
        )
        ended = [
            alive[key]
            for key in alive.keys() - failing
            if key[0] in judged and not _unseen(key, blind)
        ]
        self._db.executemany(
            "UPDATE lives SET closed = ? WHERE check_id = ? AND subject = ? AND closed IS NULL",
            [(number, *key) for key in ended],
        )

    def _current(self, check: str) -> str:
        return self._aliases.get(check, check)

    def lives(self, run: Run) -> dict[Key, Life]:
        """Give the failures that were open in a run, by (check, subject)."""
        number = run.manifest.sequence
        rows = self._db.execute(
            """SELECT l.check_id, l.subject, l.opened, r.started,
                      EXISTS (SELECT 1 FROM lives e WHERE e.check_id = l.check_id
                              AND e.subject = l.subject AND e.opened < l.opened)
               FROM lives l JOIN runs r ON r.sequence = l.opened
               WHERE l.opened <= ?1 AND (l.closed IS NULL OR l.closed > ?1)""",
            (number,),
        )
        return {
            (self._current(check), subject): Life(
                datetime.fromisoformat(started), opened == number, bool(again)
            )
            for check, subject, opened, started, again in rows
        }

    def ended(self, run: Run) -> list[Ended]:
        """Give the failures that a run found mended."""
        rows = self._db.execute(
            """SELECT l.check_id, l.subject, r.started
               FROM lives l JOIN runs r ON r.sequence = l.opened
               WHERE l.closed = ? ORDER BY 1, 2""",
            (run.manifest.sequence,),
        )
        return [Ended(self._current(c), s, datetime.fromisoformat(t)) for c, s, t in rows]


def _unseen(key: Key, blind: set[Key]) -> bool:
    """Tell whether a failure could not be judged: itself, or what it was found on or below.

    The operator stands for all: that is where a check that raised, or had no subject, says so.
    """
    check, subject = key
    if (check, OPERATOR) in blind:
        return True
    cuts = [i for i, sign in enumerate(subject) if sign in "/@"]
    return any((check, subject[:cut]) in blind for cut in (*cuts, len(subject)))


OPERATOR = "sitiv/operator/sitiv"
