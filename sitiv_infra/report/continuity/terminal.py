"""The continuity report in a terminal: the numbers, then each event with its services."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from sitiv_infra.messages import Language
from sitiv_infra.report.continuity.figures import Window
from sitiv_infra.report.continuity.promises import Promise, Rehearsal, Row, Standing
from sitiv_infra.report.continuity.words import COUNTS, SIGNS, Words
from sitiv_infra.report.safe import cut

NARROW = 100
MOST_LOST = 20  # documents that are named; the JSON lines name all
STYLES: Mapping[Standing, str] = {
    Standing.BROKEN: "red",
    Standing.UNMEASURED: "magenta",
    Standing.KEPT: "green",
}


def render(told: Rehearsal, language: Language) -> str:
    """Tell a rehearsal as plain text, as wide as the terminal, or 100 columns without one."""
    size = shutil.get_terminal_size((NARROW, 40))
    stream = io.StringIO()
    console = Console(
        file=stream, width=max(size.columns, NARROW), no_color=True, highlight=False,
        force_terminal=False, legacy_windows=False,
    )  # fmt: skip
    show(told, language, console)
    return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())


def show(told: Rehearsal, language: Language, console: Console) -> None:
    """Print a rehearsal on a console, with its colours."""
    screen = _Screen(told, language, Words(language))
    for part in (*screen.head(), *screen.events(), *screen.tail()):
        console.print(part)


@dataclass(frozen=True)
class _Screen:
    told: Rehearsal
    language: Language
    words: Words

    def head(self) -> Iterator[RenderableType]:
        """Say what this is and how many promises were kept."""
        told, say = self.told, self.language.text
        title = Text(told.estate.operator.title, "bold")
        title.append(f" · {say('Continuity rehearsal')} · ", "not bold")
        yield title.append(self.language.instant(told.began), "not bold")
        yield Text(
            say("Measured in a lab, on one machine: the times of real sites differ."), "yellow"
        )
        counts = Text()
        for standing, word in COUNTS.items():
            number = self.language.number(told.count(standing))
            text = say("{title}: {count}", title=say(word), count=number)
            counts.append(f"{SIGNS[standing]} {text}   ", STYLES[standing])
        yield counts

    def events(self) -> Iterator[RenderableType]:
        """Show each window with its services."""
        for window in self.told.windows:
            at = f"{self.words.clock(window.event.at)}  " if window.event else ""
            observed = self.language.text(
                "observed for {time}", time=self.words.seconds(window.seconds)
            )
            yield Text(f"\n{at}{self.words.event(window)}", "bold").append(
                f"  ({observed})", "not bold dim"
            )
            yield self._table(window)

    def _table(self, window: Window) -> Table:
        say = self.language.text
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
        titles = [say("Service"), say("Requests"), say("Failed"), say("Out of service"), say("RTO")]
        titles += [say("Lost"), say("RPO"), "p95"]
        if window.event is not None:
            titles.append(say("Connection"))
        for title in titles:
            least = max(map(len, title.split()))
            whole = title in {say("RTO"), say("RPO")}
            table.add_column(title, overflow="fold", min_width=least, no_wrap=whole)
        for row in self.told.of(window):
            table.add_row(*self._cells(row))
        return table

    def _cells(self, row: Row) -> Iterator[Text]:
        one, number = row.figures, self.language.number
        yield Text(cut(row.service.name), "bold")
        yield Text(number(one.requests))
        yield Text(number(one.failed), "red" if one.failed else "")
        yield Text(self.words.recovery(one))
        yield self._promise(row.rto)
        yield Text(self.words.lost(row), "red" if one.lost else "")
        yield self._promise(row.rpo)
        yield Text(self.words.seconds(one.p95))
        if one.window.event is not None:
            yield Text(self.words.connection(one))

    def _promise(self, promise: Promise | None) -> Text:
        if promise is None:
            return Text("\N{EN DASH}", "dim")
        limit, word = self.words.limit(promise), self.words.standing(promise)
        return Text(f"{SIGNS[promise.standing]} {limit} {word}", STYLES[promise.standing])

    def tail(self) -> Iterator[RenderableType]:
        """Say why requests failed, name what was lost, and what was not measured."""
        say = self.language.text
        failed = [row for row in self.told.rows if row.figures.failed]
        if failed:
            yield Text(f"\n{say('Why requests failed')}", "bold")
        for row in failed:
            event = self.words.event(row.figures.window)
            yield Text(f"{cut(row.service.name)} · {event} · {self.words.errors(row.figures)}")
        yield from self._lost()
        yield from self._unmeasured()
        if not self.told.probing.end:
            yield Text(
                f"\n{say('The probe was killed: its documents were not read back.')}", "bold"
            )
        if self.told.unprobed:
            names = ", ".join(cut(service.name) for service in self.told.unprobed)
            yield Text(f"\n{say('Services that were not probed: {names}', names=names)}", "bold")

    def _lost(self) -> Iterator[RenderableType]:
        lost = [(row, loss) for row in self.told.rows for loss in row.figures.lost]
        if not lost:
            return
        yield Text(f"\n{self.language.text('Acknowledged and lost')}", "bold red")
        for row, loss in lost[:MOST_LOST]:
            event, at = self.words.event(row.figures.window), self.words.clock(loss.at)
            told = f"{at}  {cut(loss.name)}  {self.words.error(loss.cause)} · {event}"
            yield Text(told)
        if len(lost) > MOST_LOST:
            yield Text(self.language.text("{count} more", count=len(lost) - MOST_LOST), "dim")

    def _unmeasured(self) -> Iterator[RenderableType]:
        """Give each reason once, with how many promises it left unmeasured, and of which."""
        say, reasons = self.language.text, dict[str, list[str]]()
        for row in self.told.rows:
            for name, promise in ((say("RTO"), row.rto), (say("RPO"), row.rpo)):
                if promise is not None and promise.why:
                    subject = f"{name} {cut(row.service.name)}"
                    reasons.setdefault(self.words.why(promise), []).append(subject)
        if reasons:
            yield Text(f"\n{say('Why promises were not measured')}", "bold")
        for why, subjects in reasons.items():
            named = self.language.list(list(dict.fromkeys(subjects)))
            yield Text(f"{SIGNS[Standing.UNMEASURED]} {why} · {named}", "magenta")
