"""YAML text to plain data in which every value's line and column is known.

Works on the parser's events, one at a time and without recursion, so that bounds hold while reading
and not after: no file can exhaust the machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from sitiv_infra.errors import InvalidInput, Problem

# About 10 000 machines in one file. Aliases count as what they stand for: no "billion laughs".
MAX_VALUES = 250_000
MAX_DEPTH = 40
MAX_PROBLEMS = 1000  # nobody reads more at once
LONGEST_MESSAGE = 500
NULLS = frozenset({"", "~", "null", "Null", "NULL"})
# What is not "printable" in YAML 1.2 (5.1): libyaml refuses it without a place, or lets it through
# where it is written as an escape.
UNPRINTABLE = re.compile(
    r"[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)

Location = tuple[int | str, ...]
Position = tuple[int, int]


class Entry(NamedTuple):
    """One value of a mapping or a list, and where it and its key stand."""

    value: object
    at: Position
    key: Position | None = None


@dataclass(frozen=True)
class Document:
    """One file: ``data`` as dicts, lists, str and None; ``entries`` by id of their holder."""

    file: str
    data: object
    start: Position = (1, 1)
    entries: Mapping[int, Mapping[int | str, Entry]] = field(default_factory=dict, repr=False)

    def problem(self, location: Location, what: str, *, at_key: bool = False) -> Problem:
        """Place ``what`` at the deepest value of ``location`` in the file, or at its key."""
        entry = Entry(self.data, self.start)
        for step in location:
            below = self.entries.get(id(entry.value), {}).get(step)
            if below is None:
                break
            entry = below
        by_key = at_key or isinstance(entry.value, dict)
        return problem(self.file, entry.key if by_key and entry.key is not None else entry.at, what)


def problem(file: str, at: Position, what: str) -> Problem:
    """Make a problem that fits on a line, whatever of the file it quotes."""
    cut = what[:LONGEST_MESSAGE] + ("…" if len(what) > LONGEST_MESSAGE else "")
    shown = "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in cut)
    return Problem(file, *at, shown)


def compose(text: str, file: str) -> Document:
    """Read one YAML document; InvalidInput lists what is wrong with it, each with its place."""
    builder = _Builder(file)
    try:
        builder.build(yaml.parse(text, Loader=yaml.CSafeLoader))
    except yaml.MarkedYAMLError as error:
        at = _place(error.problem_mark or error.context_mark)
        builder.stop(at, f"not YAML: {error.problem}")
    if builder.problems:
        raise InvalidInput(builder.problems)
    if builder.root is None:
        return Document(file, None)
    return Document(file, builder.root.value, builder.root.at, builder.entries)


class _Mark(Protocol):
    line: int
    column: int


def _place(mark: _Mark | None) -> Position:
    """Give line and column from 1; the parser counts from 0."""
    return (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)


@dataclass
class _Open:
    """A mapping or list whose end was not read yet; ``key`` waits for its value."""

    data: dict[str, object] | list[object]
    anchor: str | None
    before: int
    key: Entry | None = None


@dataclass
class _Builder:
    """Takes events; ``count`` is what the document would hold with every alias written out."""

    file: str
    problems: list[Problem] = field(default_factory=list)
    entries: dict[int, dict[int | str, Entry]] = field(default_factory=dict)
    root: Entry | None = None
    count: int = 0
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, tuple[object, int]] = field(default_factory=dict)

    def build(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, NodeEvent):
                self.node(event, _place(event.start_mark))
            elif isinstance(event, CollectionEndEvent):
                done = self.stack.pop()
                if done.anchor:
                    self.anchors[done.anchor] = done.data, self.count - done.before
            elif isinstance(event, DocumentStartEvent) and self.root is not None:
                at = _place(event.start_mark)
                self.stop(at, "a second document begins here; a file holds one")

    def node(self, event: NodeEvent, at: Position) -> None:
        self.count += 1
        if isinstance(event, ScalarEvent):
            self.scalar(event, at)
        elif isinstance(event, AliasEvent):
            self.alias(str(event.anchor), at)
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            self.begin(event, at)
        if self.count > MAX_VALUES:
            self.stop(at, f"more than {MAX_VALUES} values, counted with every alias written out")

    def scalar(self, event: ScalarEvent, at: Position) -> None:
        self.refuse_tag(event.tag, at)
        text: str = event.value
        if not text.isprintable() and (found := UNPRINTABLE.search(text)):
            self.at(at, f"the character U+{ord(found[0]):04X} does not belong in a text")
        plain = event.implicit[0]  # neither quoted nor tagged
        value = None if plain and text in NULLS else text
        if event.anchor:
            self.anchors[event.anchor] = value, 1
        self.put(value, at, text)

    def alias(self, anchor: str, at: Position) -> None:
        value, size = self.anchors.get(anchor, (None, 1))
        if any(anchor == holder.anchor for holder in self.stack):
            self.at(at, f"the alias '*{anchor}' leads back to its own anchor; write the value out")
        elif anchor not in self.anchors:
            self.at(at, f"no anchor '&{anchor}' stands above this alias")
        self.count += size - 1
        self.put(value, at, value if isinstance(value, str) else None)

    def begin(self, event: MappingStartEvent | SequenceStartEvent, at: Position) -> None:
        self.refuse_tag(event.tag, at)
        if len(self.stack) >= MAX_DEPTH:
            self.stop(at, f"nested more than {MAX_DEPTH} deep")
        data: dict[str, object] | list[object]
        data = {} if isinstance(event, MappingStartEvent) else []
        self.put(data, at, None)
        self.entries[id(data)] = {}
        self.stack.append(_Open(data, event.anchor, self.count))

    def put(self, value: object, at: Position, text: str | None) -> None:
        """Hang a value below what is open; where a key is due, ``text`` is it."""
        if not self.stack:
            self.root = Entry(value, at)
            return
        holder = self.stack[-1]
        if isinstance(holder.data, list):
            self.entries[id(holder.data)][len(holder.data)] = Entry(value, at)
            holder.data.append(value)
        elif holder.key is None:
            self.check_key(text, holder.data, at)
            holder.key = Entry(text, at)
        else:
            key, holder.key = holder.key, None
            # What has no usable key was refused above; the first of two equal keys stands.
            if isinstance(key.value, str) and key.value not in holder.data:
                self.entries[id(holder.data)][key.value] = Entry(value, at, key.at)
                holder.data[key.value] = value

    def check_key(self, text: str | None, known: dict[str, object], at: Position) -> None:
        if text is None:
            self.at(at, "a key must be a single value; if this is Jinja, write the value out")
        elif text == "<<":
            self.at(at, "merge keys (<<) are not read; write the keys out")
        elif text in known:
            self.at(at, f"the key '{text}' is already set above")

    def refuse_tag(self, tag: str | None, at: Position) -> None:
        if tag is not None:
            self.at(at, f"the tag '{tag}' is not read; write a plain value")

    def at(self, at: Position, what: str) -> None:
        self.problems.append(problem(self.file, at, what))
        if len(self.problems) >= MAX_PROBLEMS:
            raise InvalidInput(self.problems)

    def stop(self, at: Position, what: str) -> None:
        self.problems.append(problem(self.file, at, what))
        raise InvalidInput(self.problems)
