"""What a backup repository says of its restore points."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from sitiv_infra.facts.base import Fact, Facts


class RestorePoint(Fact):
    """One copy that could be restored; sizes in bytes, None where the tool does not tell."""

    id: str
    host: str
    paths: tuple[str, ...]
    taken: datetime


class BackupFacts(Facts):
    """One repository."""

    family: ClassVar[str] = "backup"

    tool: str
    encrypted: bool
    points: tuple[RestorePoint, ...]
