"""What a backup repository says of its restore points."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from sitiv_infra.facts.base import Fact, Facts


class RestorePoint(Fact):
    """One copy that the repository lists; ``taken`` is the clock of the machine that was copied."""

    id: str
    host: str
    taken: datetime


class BackupFacts(Facts):
    """One repository.

    read_at -- when it was listed, by the observer's clock. unreadable -- ids of restore points that
    lie in the repository but that the tool can't read.
    """

    family: ClassVar[str] = "backup"

    tool: str
    read_at: datetime
    points: tuple[RestorePoint, ...]
    unreadable: tuple[str, ...] = ()
