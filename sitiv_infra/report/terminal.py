"""The terminal: one screen, in the order that a person on call reads it.

What it shows is plain text with a sign and a word for each state; colour only repeats them.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from sitiv_infra.estate import Severity
from sitiv_infra.messages import Language, noop
from sitiv_infra.report import moves
from sitiv_infra.report.audit import Audit, Change, Finding, State
from sitiv_infra.report.safe import cut
from sitiv_infra.report.summary import Cell, attention, domains, grid, severities
from sitiv_infra.report.words import SIGNS, Words
from sitiv_infra.waivers import WaiverState

NARROW, WIDE = 80, 150
RECORDING = noop(
    "RECORDING of {day:date}, from real servers of a lab; it is not your estate tonight"
)
LEAST_SHOWN = 5  # failures, however low the screen
MOST_OTHERS = 8  # gaps, and accepted risks
LEAST_CELL = 7  # columns of the table: a sign, a letter and a number of three digits
STYLES: Mapping[State, str] = {
    State.OPEN: "red",
    State.UNKNOWN: "magenta",
    State.WAIVED: "cyan",
    State.PASS: "green",
    State.NOTHING: "dim",
}
HOT: Mapping[Severity, str] = {Severity.CRITICAL: "bold red", Severity.HIGH: "red"}
MEMBER, MESSAGE = 24, 300  # characters


def render(audit: Audit, language: Language) -> str:
    """Tell an audit as plain text, as wide as the terminal, or as 80 columns without one."""
    size = shutil.get_terminal_size((NARROW, 40))
    stream = io.StringIO()
    console = Console(
        file=stream, width=size.columns, height=size.lines, no_color=True, highlight=False,
        force_terminal=False, legacy_windows=False,
    )  # fmt: skip
    show(audit, language, console)
    return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())


def show(audit: Audit, language: Language, console: Console) -> None:
    """Print an audit on a console, with its colours; as many failures as its height leaves."""
    screen = _Screen(audit, language, Words(language, audit), console.width)
    others = [*screen.head(), *screen.tail()]
    lines = sum(len(console.render_lines(part, pad=False)) for part in others)
    each = 1 if console.width >= WIDE else 2
    most = max(LEAST_SHOWN, (console.height - lines - 4) // each)
    for part in (*screen.head(), *screen.failures(most), *screen.tail()):
        console.print(part)


@dataclass(frozen=True)
class _Screen:
    """The parts of the screen, each a thing that rich can lay out."""

    audit: Audit
    language: Language
    words: Words
    width: int

    def head(self) -> Iterator[RenderableType]:
        """Say what this is, then the numbers, then members by domains."""
        say, audit = self.language.text, self.audit
        title = Text(audit.estate.operator.title, "bold")
        title.append(f" · {self.language.instant(audit.taken_at)} · {self.words.run}", "not bold")
        yield title
        if audit.recording:
            yield Text(say(RECORDING, day=audit.recording.isoformat()), "bold yellow")
        if audit.selection:
            yield Text(say("Only: {selection}", selection=cut(audit.selection)), "bold")
        yield self._counts()
        yield self._changes()
        if audit.findings:
            yield Group(self._grid(), self._legend())
        else:
            yield Text(say("No check gave a verdict."), "bold")

    def _counts(self) -> Text:
        """Give each number as one piece that no line end cuts."""
        audit = self.audit
        numbers = {
            State.OPEN: len(audit.open()),
            State.UNKNOWN: len(audit.unknown()),
            State.WAIVED: len(audit.waived()),
            State.PASS: sum(f.state is State.PASS for f in audit.findings),
        }
        pieces = []
        for state, number in numbers.items():
            told = f"{SIGNS[state]} {self._number(state, number)}"
            if state is State.OPEN and number:
                worst = [f"{self.words.severities[s]} {n}" for s, n in severities(audit.open())]
                told += f" ({', '.join(worst)})"
            pieces.append(Text(told, STYLES[state]))
        return _packed(pieces, self.width)

    def _number(self, state: State, count: int) -> str:
        return self.language.text(
            "{title}: {count}", title=self.words.counts[state], count=self.language.number(count)
        )

    def _changes(self) -> Text:
        say, audit = self.language.text, self.audit
        if audit.previous is None:
            return Text(say("First run: nothing to compare with."), "dim")
        return Text(
            say(
                "Since {run}: new {new}, back {back}, fixed {fixed}",
                run=audit.previous,
                new=len(audit.changed(Change.NEW)),
                back=len(audit.changed(Change.BACK)),
                fixed=len(audit.fixed),
            )
        )

    def _grid(self) -> Table:
        judged = {f.verdict.domain for f in self.audit.findings if f.state is not State.NOTHING}
        names = [name for name in domains(self.audit) if name in judged]
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
        table.add_column(self.language.text("Member"), no_wrap=True)
        for name in names:
            title = self.words.domain(name)
            narrowest = max(LEAST_CELL, *map(len, title.split()))
            table.add_column(title, overflow="ellipsis", min_width=LEAST_CELL, max_width=narrowest)
        for row in grid(self.audit):
            cells = [self._cell(row.cells.get(name, Cell())) for name in names]
            shared = self.language.text("Shared")
            table.add_row(Text(cut(row.title, MEMBER)) if row.member else Text(shared), *cells)
        return table

    def _cell(self, cell: Cell) -> Text:
        """Show the worst state as a sign; for failures their worst severity's letter and number."""
        sign = SIGNS[cell.state]
        if cell.severity is None:
            return Text(sign, STYLES[cell.state])
        letter = self.words.severities[cell.severity][:1].upper()
        text = f"{sign} {letter} {cell.counts[State.OPEN]}"
        return Text(text, HOT.get(cell.severity, STYLES[State.OPEN]))

    def _legend(self) -> Text:
        letters = [f"{w[:1].upper()} {w}" for w in self.words.severities.values()]
        worst = self.language.text("worst severity and number of open failures")
        pieces = [f"{SIGNS[State.OPEN]} {worst} ({', '.join(letters)})"]
        pieces += [f"{SIGNS[s]} {self.words.states[s]}" for s in State if s is not State.OPEN]
        return _packed([Text(piece, "dim") for piece in pieces], self.width)

    def failures(self, most: int) -> Iterator[RenderableType]:
        """List the open failures, worst first, and say how many more there are."""
        say, found = self.language.text, self.audit.open()
        if not found:
            return
        yield Text(f"\n{say('Open failures, worst first')}", "bold")
        table = Table.grid(padding=(0, 2, 0, 0))
        for number in range(5 if self.width >= WIDE else 2):
            table.add_column(overflow="fold", no_wrap=number == 0)
        for finding in found[:most]:
            table.add_row(*self._failure(finding))
        yield table
        if len(found) > most:
            how = say("{count} more: --format csv, or --write audit.html", count=len(found) - most)
            yield Text(f"… {how}", "dim")

    def _failure(self, finding: Finding) -> list[Text]:
        verdict = finding.verdict
        style = HOT.get(verdict.severity, "")
        word = f"{SIGNS[State.OPEN]} {self.words.severities[verdict.severity]}"
        message = self.language.message(verdict.message, verdict.evidence)
        where, what = Text(cut(verdict.subject), "bold"), Text(cut(message, MESSAGE))
        check, life = Text(verdict.check, "dim"), Text(self._life(finding), "dim")
        if self.width >= WIDE:
            return [Text(word, style), check, where, what, life]
        first = Text("  ").join(part for part in (where, check, life) if part)
        return [Text(word, style), Text("\n").join([first, what])]

    def _life(self, finding: Finding) -> str:
        say = self.language.text
        parts = [self.words.changes[finding.change]] if finding.fresh and finding.change else []
        if finding.late(self.audit.day) and finding.due:
            parts.append(say("late since {due}", due=self.language.date(finding.due)))
        return ", ".join(parts)

    def tail(self) -> Iterator[RenderableType]:
        """Say what was not observed and why, then which accepted risks need somebody."""
        say, audit = self.language.text, self.audit
        gaps = [(gap.source, self.language.cause(gap.cause)) for gap in audit.gaps]
        risks = [(state.waiver.name, self._standing(state)) for state in attention(audit)]
        changed = moves.told(audit, self.language)
        if changed:
            yield Text(f"\n{say('What firewalls let through otherwise')}", "bold")
            yield Text("\n".join(cut(line, MESSAGE) for line in changed[:MOST_OTHERS]))
        if len(changed) > MOST_OTHERS:
            yield Text(f"… {say('{count} more', count=len(changed) - MOST_OTHERS)}", "dim")
        for title, state, items in (
            (say("Not observed"), State.UNKNOWN, gaps),
            (say("Accepted risks to look at"), State.WAIVED, risks),
        ):
            if items:
                yield Text(f"\n{title}", "bold")
                yield _items(state, items[:MOST_OTHERS])
            if len(items) > MOST_OTHERS:
                yield Text(f"… {say('{count} more', count=len(items) - MOST_OTHERS)}", "dim")

    def _standing(self, state: WaiverState) -> str:
        until = self.language.text("until {day}", day=self.language.date(state.waiver.until))
        return f"{self.words.standings[state.standing]} ({until}), {state.waiver.owner}"


def _packed(pieces: Iterable[Text], width: int) -> Text:
    """Put pieces on as few lines as they fill, without cutting one that fits on a line."""
    packed, used = Text(), 0
    for piece in pieces:
        apart = "" if not used else "   " if used + 3 + piece.cell_len <= width else "\n"
        packed.append(apart).append_text(piece)
        used = piece.cell_len + (used + 3 if apart != "\n" and used else 0)
    return packed


def _items(state: State, items: Iterable[tuple[str, str]]) -> Table:
    """Lay out names, and below or beside each what is said of it."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, told in items:
        line = Text(f"{cut(name)}  ", "bold")
        line.append(cut(told, MESSAGE), "not bold")
        table.add_row(Text(SIGNS[state], STYLES[state]), line)
    return table
