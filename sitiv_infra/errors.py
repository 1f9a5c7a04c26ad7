"""What can go wrong, as a tree.

SitivError
├── InvalidInput       what a person wrote is wrong: estate, waivers, arguments (exit code 3)
├── NotObserved        a source, or one fact of it, could not be read (becomes a gap)
└── RunError           a run on disk is missing, incomplete or was changed
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class SitivError(Exception):
    """Base of every error that this package raises on purpose."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in a file that a person wrote; lines and columns count from 1."""

    file: str
    line: int
    column: int
    what: str

    def __str__(self) -> str:
        """Give ``file:line:column: what``, the form that editors jump to."""
        return f"{self.file}:{self.line}:{self.column}: {self.what}"


class InvalidInput(SitivError):
    """Input that was refused; ``problems`` lists every mistake that was found, not the first."""

    def __init__(self, problems: Iterable[Problem] | str) -> None:
        self.problems = () if isinstance(problems, str) else tuple(sorted(set(problems)))
        text = problems if isinstance(problems, str) else "\n".join(map(str, self.problems))
        super().__init__(text)


class NotObserved(SitivError):
    """A source could not be read; the message is the cause, fit for a report."""


class RunError(SitivError):
    """A run or a snapshot on disk can't be used; the message names the file."""
