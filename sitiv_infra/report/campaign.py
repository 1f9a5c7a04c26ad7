"""A campaign: each team says of its flows whether they stay; its answers become a change to apply.

A CSV file a team, as its spreadsheet opens it. Nothing is written into the declaration: answers are
told as a patch, which is reviewed and applied as any other change.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path

from sitiv_infra.documents import read
from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Estate, Flow
from sitiv_infra.messages import LANGUAGES, Language, noop
from sitiv_infra.report.worksheet import neutral
from sitiv_infra.wanted.addressing import firewall_sites

HEADINGS = {
    "flow": noop("Flow"), "source": noop("From"), "destination": noop("To"),
    "services": noop("Services"), "sites": noop("Sites"), "reason": noop("Reason"),
    "ticket": noop("Ticket"), "until": noop("Until"), "decision": noop("Decision (keep or remove)"),
    "new_until": noop("New end"), "remark": noop("Remark"),
}  # fmt: skip
DAYS = ("%d/%m/%Y", "%Y-%m-%d")


class Decision(StrEnum):
    """What a team says of a flow."""

    KEEP = noop("keep")
    REMOVE = noop("remove")


@dataclass(frozen=True)
class Answer:
    """A decision about one flow; ``until`` is its new end where it is kept."""

    flow: str
    decision: Decision
    until: date | None = None


def questions(estate: Estate, before: date, words: Language) -> dict[str, bytes]:
    """Give a CSV file for each team with flows that end before a day, or never do; by file name."""
    asked: dict[str, list[Flow]] = {}
    for flow in estate.flows.values():
        if flow.until is None or flow.until < before:
            asked.setdefault(flow.owner_team, []).append(flow)
    return {f"{_file(team)}.csv": _sheet(estate, flows, words) for team, flows in asked.items()}


def _file(team: str) -> str:
    return re.sub(r"[^\w.-]+", "-", team).strip("-.") or "team"


def _sheet(estate: Estate, flows: list[Flow], words: Language) -> bytes:
    french = words.code == "fr"
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=";" if french else ",", lineterminator="\r\n")
    writer.writerow([words.text(heading) for heading in HEADINGS.values()])
    for flow in flows:
        ends = (estate.zones[name].title for name in (flow.source, flow.destination))
        until = words.date(flow.until) if flow.until else ""
        sites = " ".join(s.name for s in firewall_sites(estate) if flow.holds_at(s.name))
        row = [flow.name, *ends, " ".join(flow.services), sites, flow.reason, flow.ticket or ""]
        writer.writerow([*map(neutral, [*row, until]), "", "", ""])
    return stream.getvalue().encode("utf-8-sig" if french else "utf-8")


def answers(files: Iterable[Path], estate: Estate, today: date) -> dict[str, Answer]:
    """Read what teams wrote, in any of the languages; flows without a decision are left out.

    Raises InvalidInput with file and line: an unknown flow or word, a day that is none or is past,
    two files that contradict each other.
    """
    found: dict[str, Answer] = {}
    for file in files:
        for line, row in _rows(file):
            answer = _answer(row, estate, today, f"{file}: line {line}")
            if answer is not None and found.setdefault(answer.flow, answer) != answer:
                raise InvalidInput(f"{file}: line {line}: {answer.flow} was answered otherwise")
    return found


def _rows(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        what = "save it as CSV in UTF-8"
        raise InvalidInput(f"{file}: not text in UTF-8 (byte {error.start}); {what}") from None
    head = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=";" if ";" in head else ",")
    known = {
        Language(code).text(heading): key for code in LANGUAGES for key, heading in HEADINGS.items()
    }
    try:
        columns = [known.get(title.strip(), "") for title in next(reader, [])]
        if not {"flow", "decision", "new_until"} <= set(columns):
            raise InvalidInput(f"{file}: line 1: not the headings of a campaign's file")
        for row in reader:
            if any(row):
                yield reader.line_num, dict(zip(columns, map(str.strip, row), strict=False))
    except csv.Error as error:
        raise InvalidInput(f"{file}: line {reader.line_num}: {error}") from None


def _answer(row: Mapping[str, str], estate: Estate, today: date, place: str) -> Answer | None:
    name, said = row["flow"], row.get("decision", "").casefold()
    if name not in estate.flows:
        raise InvalidInput(f"{place}: no flow '{name}' is declared")
    if not said:
        return None
    words = {Language(code).text(d).casefold(): d for code in LANGUAGES for d in Decision}
    if said not in words:
        raise InvalidInput(f"{place}: '{said}' is no decision; write one of: {', '.join(words)}")
    if words[said] is Decision.REMOVE:
        return Answer(name, Decision.REMOVE)
    until = _day(row.get("new_until", ""))
    if until is None or until <= today:
        raise InvalidInput(f"{place}: a flow that is kept needs a new end, after today")
    return Answer(name, Decision.KEEP, until)


def _day(text: str) -> date | None:
    for form in DAYS:
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007 - a day, without a time
        except ValueError:
            continue
    return None


def patch(folder: Path, given: Mapping[str, Answer]) -> str:
    """Write answers as a unified diff of the declaration's files, to be reviewed and applied."""
    told: list[str] = []
    for path in sorted(folder.glob("*.yml")):
        before = path.read_text(encoding="utf-8").splitlines(keepends=True)
        after = _changed(path, before, given)
        name = path.as_posix().removeprefix("/")
        told += difflib.unified_diff(before, after, f"a/{name}", f"b/{name}")
    return "".join(told)


def _changed(path: Path, lines: list[str], given: Mapping[str, Answer]) -> list[str]:
    document = read(path)
    flows = document.data.get("flows") if isinstance(document.data, dict) else None
    listed = list(flows) if isinstance(flows, dict) else []
    changed = [*lines]
    for name in reversed(listed):  # from the end: what comes before stays where it is
        if name in given:
            start, end = _block(document.problem(("flows", name), "", at_key=True).line, lines)
            changed[start:end] = _flow(lines[start:end], given[name], path)
    return changed


def _block(line: int, lines: list[str]) -> tuple[int, int]:
    """Give where a flow's lines begin and end: at the next one of its depth."""
    start = line - 1
    depth = len(lines[start]) - len(lines[start].lstrip())
    end = start + 1
    while end < len(lines) and (
        len(lines[end]) - len(lines[end].lstrip()) > depth and lines[end].strip()
    ):
        end += 1
    return start, end


def _flow(block: list[str], answer: Answer, path: Path) -> list[str]:
    if answer.decision is Decision.REMOVE:
        return []
    if len(block) == 1:
        raise InvalidInput(f"{path}: {answer.flow} stands on one line; change it by hand")
    depth = block[1][: len(block[1]) - len(block[1].lstrip())]
    kept = [line for line in block if not re.match(rf"{depth}until\s*:", line)]
    return [*kept, f"{depth}until: {answer.until}\n"]
