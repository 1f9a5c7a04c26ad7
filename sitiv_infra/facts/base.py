"""What every observed fact shares."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Fact(BaseModel):
    """A piece of what was seen; times are UTC, durations seconds, sizes bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Unread(Fact):
    """Stands where one fact could not be read although its source answered; never a pass."""

    unread: str


class Facts(Fact):
    """All that one source said: the content of a snapshot's part."""

    family: ClassVar[str]
