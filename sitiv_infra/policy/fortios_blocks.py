"""Reads the text of FortiOS's ``show``: blocks of ``config``, ``edit``, ``set``, ``next``, ``end``.

The form is that of Fortinet's CLI reference and administration guide (7.x). ``end`` inside an
``edit`` closes both; strings in quotes may span lines. What a device prints around it, such as a
prompt, is refused: it could hide that a line is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sitiv_infra.errors import InvalidInput

WORD = re.compile(
    r'"((?:[^"\\]|\\.)*)"|\'([^\']*)\'|([^\s"\']+)|(\n)|([^\S\n]+)|(["\'])', re.DOTALL
)
ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass
class Entry:
    """What is set at one place: in a ``config`` itself, or in one ``edit`` of it.

    ``line`` is where it begins, from 1. A value that is unset or empty is not in ``values``.
    """

    line: int
    values: dict[str, list[str]] = field(default_factory=dict)
    blocks: dict[str, Block] = field(default_factory=dict)

    def block(self, name: str) -> Mapping[str, Entry]:
        """Give the entries of a block inside this one; none where it is not there."""
        return self.blocks[name].entries if name in self.blocks else {}

    def setting(self, name: str) -> Mapping[str, list[str]]:
        """Give what a block without entries sets, such as ``system settings``."""
        return self.blocks[name].here.values if name in self.blocks else {}

    def one(self, name: str, default: str = "") -> str:
        """Give the value of an option that has one."""
        return " ".join(self.values.get(name, [default]))


@dataclass
class Block:
    """One ``config``: its entries by their names, in order, and what is set outside of them."""

    here: Entry
    entries: dict[str, Entry] = field(default_factory=dict)


def read(text: str) -> Entry:
    """Read a configuration; its blocks are those of the highest level.

    Raises InvalidInput with the line that is none of it.
    """
    top = Entry(1)
    stack: list[tuple[str, Entry, Block | None]] = [("", top, None)]
    line = 1
    for line, words in _lines(text):
        try:
            _take(stack, words, line)
        except (IndexError, KeyError):
            said = " ".join(words)[:60]
            raise InvalidInput(f"line {line}: not of FortiOS's 'show': {said}") from None
    if len(stack) > 1:
        raise InvalidInput(f"line {line}: '{stack[-1][0]}' is not closed: the text is cut off")
    return top


def _take(stack: list[tuple[str, Entry, Block | None]], words: list[str], line: int) -> None:
    """Take one line; IndexError or KeyError where it may not stand there."""
    kind, entry, block = stack[-1]
    verb, *rest = words
    if verb == "config" and rest:
        inner = entry.blocks.setdefault(" ".join(rest), Block(Entry(line)))
        stack.append(("config", inner.here, inner))
    elif verb == "edit" and kind == "config" and block and len(rest) == 1:
        stack.append(("edit", block.entries.setdefault(rest[0], Entry(line)), None))
    elif verb == "next" and kind == "edit" and not rest:
        stack.pop()
    elif verb == "end" and kind and not rest:
        del stack[-2 if kind == "edit" else -1 :]
    elif verb == "set" and kind and rest:
        entry.values[rest[0]] = rest[1:]
        if not any(rest[1:]):
            del entry.values[rest[0]]
    elif verb == "unset" and kind and len(rest) == 1:
        entry.values.pop(rest[0], None)
    else:
        raise KeyError(verb)


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the words of each line that has some, with its number; quotes are taken off."""
    words: list[str] = []
    line = start = 1
    place = 0
    while place < len(text):
        if not words and text.startswith("#", place):
            place = _end_of_line(text, place)
            continue
        match = WORD.match(text, place)
        if match is None or match[6]:
            raise InvalidInput(f"line {line}: a quote is not closed: the text is cut off")
        place = match.end()
        if match[4]:
            if words:
                yield start, words
            words = []
        elif match[5] is None:
            start = start if words else line
            words.append(_said(match))
        line += match[0].count("\n")
    if words:
        yield start, words


def _said(match: re.Match[str]) -> str:
    if match[1] is not None:
        return ESCAPED.sub(r"\1", match[1])
    return match[2] if match[2] is not None else match[3]


def _end_of_line(text: str, place: int) -> int:
    end = text.find("\n", place)
    return len(text) if end < 0 else end
