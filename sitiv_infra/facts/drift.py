"""What a playbook's run in check mode would have changed."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from sitiv_infra.facts.base import Fact, Facts


class Task(Fact):
    """A task on one host; ``place`` is its file and line.

    host -- the machine that it is done on: of a delegated task, the one it is delegated to.
    """

    host: str
    play: str
    role: str | None = None
    task: str
    action: str
    place: str
    item: str | None = None


class Change(Task):
    """A task that would change its host.

    diff -- the lines that differ, shortened and freed of secrets; empty where nothing may be shown.
    """

    diff: tuple[str, ...] = ()


class Trouble(Task):
    """A task that did not tell whether it would change its host.

    kind -- it failed, its host could not be reached, or check mode can't foretell it.
    """

    kind: Literal["failed", "unreachable", "unforeseen"]
    said: str = ""


class DriftFacts(Facts):
    """One run of one playbook, over all hosts and tasks, that came to its end.

    started -- what was seen may be as old as that. hosts -- those that some play is for. unmet --
    plays that were not gone through, by host. skipped_plays -- plays that were never begun: whoever
    they are for is not known.
    """

    family: ClassVar[str] = "drift"

    playbook: str
    started: datetime
    ended: datetime
    ansible: str
    hosts: tuple[str, ...]
    unmet: dict[str, str] = {}
    skipped_plays: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    troubles: tuple[Trouble, ...] = ()
