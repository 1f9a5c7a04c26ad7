"""What a person sees while sources are read: a bar on a terminal, nothing in a pipe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sitiv_infra.observe import Progress as Told
from sitiv_infra.observe import Result
from sitiv_infra.snapshot import Gap


@contextmanager
def showing(total: int, *, quiet: bool) -> Iterator[Told]:
    """Give the function that the observer calls as each source begins and ends."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    bar = Progress(
        *columns, console=console, transient=True, disable=quiet or not console.is_terminal
    )
    running: list[str] = []
    with bar:
        task = bar.add_task("observe", total=total)

        def tell(source: str, result: Result | None) -> None:
            if result is None:
                running.append(source)
            else:
                running.remove(source)
                bar.advance(task)
            if isinstance(result, Gap) and not quiet:
                bar.console.print(f"{source}: {result.cause}", style="yellow", markup=False)
            bar.update(task, description=running[0] if running else "observe")

        yield tell
