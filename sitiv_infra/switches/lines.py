"""A configuration of the Cisco kind as blocks: a line at the margin and those indented below it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

BANNER = re.compile(r"banner \S+(?: (?P<rest>.*))?")


class Line(NamedTuple):
    """A line without its indentation; ``number`` counts from 1."""

    number: int
    text: str


class Block(NamedTuple):
    """A line at the margin, and those below it at whatever depth."""

    head: Line
    body: tuple[Line, ...]


def blocks(text: str) -> Iterator[Block]:
    """Yield the blocks of a configuration; comments and the texts of banners are left out."""
    head: Line | None = None
    body: list[Line] = []
    for line, indented in _lines(text):
        if indented and head is not None:
            body.append(line)
            continue
        if head is not None:
            yield Block(head, tuple(body))
        head, body = line, []
    if head is not None:
        yield Block(head, tuple(body))


def _lines(text: str) -> Iterator[tuple[Line, bool]]:
    until = ""
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if until:
            if until in line if until != "EOF" else line == until:
                until = ""
        elif line and not line.startswith("!"):
            match = BANNER.fullmatch(line)
            until = _end(match["rest"]) if match else ""
            yield Line(number, " ".join(line.split())), raw[0].isspace()


def _end(rest: str | None) -> str:
    """Tell what ends a banner: ``EOF`` on EOS, on IOS the sign that began it; "" if it has ended.

    IOS prints its usual sign, control-C, as the two characters ``^C``.
    """
    if not rest:
        return "EOF"
    sign = rest[:2] if rest.startswith("^") else rest[0]
    return "" if sign in rest[len(sign) :] else sign
