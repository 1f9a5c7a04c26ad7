"""The file in which a playbook's run in check mode leaves what it would change.

JSON lines, written as the run goes on: ``begin``, then ``play``, ``change``, ``trouble``, and at
last ``end`` with the number of lines. A new file takes the old one's place as the run begins, so
what lies there is always the newest run, and one without its ``end`` was killed, or goes on.

The writer is Ansible's callback ``sitiv.infra.drift``, the reader the collector of drift. Nothing
secret gets in: contents are shown of files alone that everybody on their host may read, and what
looks like a secret is hidden even there.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path, PurePath
from typing import IO

FORMAT = 1
MOST_LINES = 12
LONGEST_LINE = 160
SHORTEST_SECRET = 6  # shorter values would wipe ordinary words
HIDDEN = "***"
NOT_SHOWN = "(content not shown)"
READ_BY_OTHERS = 0o004
# What modules say of a file, beside its content.
ATTRIBUTES = ("path", "state", "mode", "owner", "group", "src", "name", "enabled", "active")
# Their prepared text names packages, and nothing else.
NAME_PACKAGES = frozenset({"apt", "package", "dnf"})
KEY_WORD = re.compile(
    r"(?i)([\w.-]*(?:pass(?:word|wd|phrase)?|secret|token|credential|authorization|community|"
    r"(?:private|api|access|encryption|shared|auth)[_-]?key)[\w.-]*)"
    r"(['\"]?\s*[:= ]\s*)(?!(?:yes|no|true|false|on|off|none)[;,]?\s*$).+"
)
IN_URL = re.compile(r"(?<=://)[^/@\s]+(?=@)")
# Long runs of letters and digits are keys and hashes more often than words; paths begin with "/".
BLOB = re.compile(r"\$[0-9a-z]{1,8}\$\S{8,}|(?<![\w/.])[A-Za-z0-9+=_][A-Za-z0-9+/=_]{39,}")
PEM = re.compile(r"-----BEGIN [^-]+-----.*?(-----END [^-]+-----|\Z)", re.DOTALL)


def file_of(folder: Path, playbook: str) -> Path:
    """Give the file of a playbook, which is known by its name alone."""
    return folder / f"{PurePath(playbook).stem}.jsonl"


class Writer:
    """Writes one run's lines; whoever may read the folder's files is their owner alone."""

    def __init__(self, folder: Path, playbook: str) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = file_of(folder, playbook)
        self.lines = 0
        fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._stream: IO[str] = os.fdopen(descriptor, "w", encoding="utf-8")
        self._fresh: Path | None = fresh

    def write(self, record: str, **fields: object) -> None:
        """Add a line, and let it reach the file at once; the first takes the old file's place."""
        self.lines += 1
        line = {"record": record, **fields}
        self._stream.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
        self._stream.flush()
        if self._fresh is not None:
            self._fresh.replace(self.path)
            self._fresh = None

    def end(self, **fields: object) -> None:
        """Write the last line, and see that all of it is on the disk."""
        self.write("end", lines=self.lines + 1, **fields)
        os.fsync(self._stream.fileno())
        self._stream.close()


class Discretion:
    """Takes what is secret out of texts; ``known`` are secrets by their values."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        lines = {line.strip() for value in known for line in value.splitlines()}
        long_enough = {line for line in lines if len(line) >= SHORTEST_SECRET}
        self._known = sorted(long_enough, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Hide what is known to be a secret, and what looks like one; give one short line."""
        for value in self._known:
            text = text.replace(value, HIDDEN)
        text = PEM.sub(HIDDEN, text)
        text = IN_URL.sub(HIDDEN, text)
        text = KEY_WORD.sub(rf"\1\2{HIDDEN}", text)
        text = BLOB.sub(HIDDEN, text)
        shown = "".join(c if c.isprintable() else " " for c in text).strip()
        return shown if len(shown) <= LONGEST_LINE else f"{shown[: LONGEST_LINE - 1]}…"

    def difference(self, diffs: object, *, may_show: bool) -> tuple[str, ...]:
        """Give the lines that differ in a module's ``diff``; content only where it may be shown."""
        listed = diffs if isinstance(diffs, list) else [diffs]
        found = [
            line
            for diff in listed
            if isinstance(diff, dict)
            for line in self._one(diff, may_show=may_show)
        ]
        kept = [self.text(line) for line in dict.fromkeys(found)]
        more = len(kept) - MOST_LINES
        return tuple(kept if more <= 0 else [*kept[:MOST_LINES], f"(and {more} more)"])

    def _one(self, diff: Mapping[str, object], *, may_show: bool) -> Iterator[str]:
        if "prepared" in diff:
            yield from self._prepared(diff["prepared"], may_show=may_show)
        before, after = diff.get("before"), diff.get("after")
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _attributes(before, after)
        elif isinstance(before, str) or isinstance(after, str):
            if may_show:
                yield from _content(_whole(before), _whole(after))
            elif before != after:
                yield NOT_SHOWN
        elif {"dst_binary", "src_binary", "dst_larger", "src_larger"} & diff.keys():
            yield NOT_SHOWN

    def _prepared(self, text: object, *, may_show: bool) -> Iterator[str]:
        if may_show:
            yield from (line for line in str(text).splitlines() if line.strip())
        elif text:
            yield NOT_SHOWN


def _attributes(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[str]:
    """Yield what differs of a file's attributes; those that are not known may hold anything."""
    for name in ATTRIBUTES:
        if before.get(name) != after.get(name):
            yield f"{name}: {before.get(name, '-')} -> {after.get(name, '-')}"
    if any(before.get(n) != after.get(n) for n in {*before, *after} - {*ATTRIBUTES}):
        yield NOT_SHOWN


def _content(before: str, after: str) -> Iterator[str]:
    """Yield the lines that go and come, without those around them; a key's block is one line."""
    old, new = (PEM.sub(HIDDEN, side).splitlines() for side in (before, after))
    for line in islice(difflib.unified_diff(old, new, n=0, lineterm=""), 2, None):
        if not line.startswith("@@"):
            yield line


def _whole(side: object) -> str:
    return side if isinstance(side, str) else ""


def may_be_shown(action: str, arguments: Mapping[str, object]) -> bool:
    """Tell whether a task's content is for everybody: a file that its own mode opens to all."""
    if action.rpartition(".")[2] in NAME_PACKAGES:
        return True
    mode = arguments.get("mode")
    if isinstance(mode, int):
        return bool(mode & READ_BY_OTHERS)
    if isinstance(mode, str) and re.fullmatch(r"[0-7]{3,4}", mode):
        return bool(int(mode, 8) & READ_BY_OTHERS)
    return False


def label_of(item: object) -> str | None:
    """Name an item of a loop: itself, or what a mapping calls it."""
    if isinstance(item, Mapping):
        named: Sequence[str] = ("name", "path", "dest", "device", "key")
        item = next((item[key] for key in named if key in item), None)
    if isinstance(item, bool) or not isinstance(item, str | int | float):
        return None
    return str(item)
