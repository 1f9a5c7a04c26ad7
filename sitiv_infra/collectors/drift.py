"""Reads what a playbook's run in check mode left; see ``sitiv_infra.foretold`` for the file.

Only a run over everything counts: not one for real, one of some tags or hosts, one that was killed,
or one of another declaration than the estate that is observed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from sitiv_infra.collectors.base import Collector, Session
from sitiv_infra.errors import NotObserved
from sitiv_infra.estate import Drift
from sitiv_infra.facts import DriftFacts
from sitiv_infra.facts.drift import Change, Trouble
from sitiv_infra.foretold import FORMAT, file_of

MOST_BYTES = 64 * 1024 * 1024
Line = dict[str, Any]
LINES = TypeAdapter(list[Line])


def collect(drift: Drift, session: Session) -> DriftFacts:
    """Read one playbook's file; NotObserved says why it tells nothing."""
    if session.drift is None:
        raise NotObserved("no folder of drift is given: set SITIV_DRIFT, or use --drift FOLDER")
    lines = _lines(file_of(session.drift, drift.playbook))
    try:
        begin, end = lines[0], lines[-1]
        _must_be_whole(lines)
        _must_be_of(drift, session, begin, end)
        return _facts(lines)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NotObserved(f"{drift.playbook}: its file is not of a run in check mode") from None


def _lines(file: Path) -> list[Line]:
    """Read the lines that are whole; of a run that was killed, the last may be cut."""
    try:
        with file.open("rb") as stream:
            text = stream.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise NotObserved(f"no run in check mode left {file.name}") from None
    except OSError as error:
        raise NotObserved(f"{file.name}: can't be read: {error.strerror}") from None
    if len(text) > MOST_BYTES:
        raise NotObserved(f"{file.name}: more than {MOST_BYTES // 1024**2} MiB")
    *whole, _ = text.split(b"\n")
    try:
        found = LINES.validate_python([json.loads(line) for line in whole])
    except (ValueError, RecursionError):
        found = []
    if not found or found[0].get("record") != "begin" or found[0].get("format") != FORMAT:
        raise NotObserved(f"{file.name}: not what the callback sitiv.infra.drift writes")
    return found


def _must_be_whole(lines: list[Line]) -> None:
    begin, end = lines[0], lines[-1]
    if end["record"] != "end":
        at = str(begin["at"])[:16]
        raise NotObserved(f"the run that began at {at} (UTC) has not come to its end")
    if end["lines"] != len(lines) or [line["record"] for line in lines].count("begin") > 1:
        raise NotObserved("lines are missing: not the file of one run")


def _must_be_of(drift: Drift, session: Session, begin: Line, end: Line) -> None:
    """Refuse a run that is not one of everything in this estate."""
    other = begin["playbook"]
    if other != drift.playbook:
        raise NotObserved(f"it is of another playbook, {other}")
    if begin["check"] is not True:
        raise NotObserved("it was run for real, without --check")
    parts = [n for n in ("limit", "tags", "skip_tags", "start_at") if begin[n]]
    if parts:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in parts)
        raise NotObserved(f"only a part was run: {options}")
    if end["estate"] is None:
        raise NotObserved("nothing says of which estate it was: not of the inventory sitiv.infra")
    if end["estate"] != session.estate.fingerprint:
        raise NotObserved("the estate was declared otherwise when it was run: run it again")


def _facts(lines: list[Line]) -> DriftFacts:
    begin, end = lines[0], lines[-1]
    plays = [line for line in lines if line["record"] == "play"]
    stopped = {h for h, n in end["hosts"].items() if n["failures"] or n["unreachable"]}
    troubles = [Trouble.model_validate(_body(line)) for line in _of("trouble", lines)]
    troubles = [t for t in troubles if t.kind == "unforeseen" or t.host in stopped]  # not rescued
    silent = stopped - {t.host for t in troubles}
    broken = {host: p["play"] for p in plays if p["play"] in end["broken"] for host in p["hosts"]}
    return DriftFacts(
        playbook=begin["playbook"],
        started=begin["at"],
        ended=end["at"],
        ansible=begin["ansible"],
        hosts=tuple(dict.fromkeys(host for play in plays for host in play["hosts"])),
        unmet=dict.fromkeys(sorted(silent), plays[-1]["play"]) | broken | end["unmet"],
        skipped_plays=tuple(begin["plays"][len(plays) :]),
        changes=tuple(Change.model_validate(_body(line)) for line in _of("change", lines)),
        troubles=tuple(troubles),
    )


def _of(record: str, lines: list[Line]) -> list[Line]:
    return [line for line in lines if line["record"] == record]


def _body(line: Line) -> Line:
    return {name: value for name, value in line.items() if name != "record"}


COLLECTOR = Collector("drift", "what a playbook's run in check mode would have changed", collect)
