"""Tables on the terminal: folded to its width there, one line a row in a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

PIPED_WIDTH = 10_000  # so that grep and cut see whole rows


NARROW = 120  # columns of a terminal that can't hold them all


def show(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    whole: int = 0,
    narrow: int | None = None,
) -> None:
    """Print a table; the first ``whole`` columns are never folded.

    A narrow terminal is shown the first ``narrow`` columns alone, where that is given.
    """
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPED_WIDTH)
    shown = narrow if console.width < NARROW else None
    table = Table(box=None, pad_edge=False)
    for number, heading in enumerate(headings[:shown]):
        table.add_column(heading, overflow="fold", no_wrap=number < whole)
    for row in rows:
        table.add_row(*row[:shown])
    console.print(table)
