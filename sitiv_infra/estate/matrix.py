"""The matrix of zones: what may be decided between them, before any flow is.

As in a unified security policy: a cell says what flows it takes, how bad another one is, and what
its rules must look like. A pair of zones that no cell names takes nothing.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from sitiv_infra.estate.base import Declared, Name, Part, Text
from sitiv_infra.estate.network import FlowService
from sitiv_infra.estate.organisation import Severity

Count = Annotated[int, Field(ge=1)]


class Access(StrEnum):
    """What flows a cell takes."""

    ALLOW_ALL = "allow-all"
    BLOCK_ALL = "block-all"
    ALLOW_ONLY = "allow-only"  # the services that are listed
    BLOCK_ONLY = "block-only"  # all but the services that are listed


class Properties(Part):
    """What a rule in a cell must look like.

    ``most_*`` are the largest numbers of addresses of one family, and of ports of TCP and UDP
    together, that it may name; ``hit_within_days`` asks that a packet matched it lately.
    """

    explicit_source: bool = False
    explicit_destination: bool = False
    explicit_service: bool = False
    commented: bool = False
    logged: bool = False
    hit_within_days: Count | None = None
    most_sources: Count | None = None
    most_destinations: Count | None = None
    most_services: Count | None = None


class Cell(Declared):
    """One or several cells of the matrix: from each of some zones to each of others."""

    kind: ClassVar[str] = "cell"
    sources: Annotated[tuple[Name, ...], Field(min_length=1)]
    destinations: Annotated[tuple[Name, ...], Field(min_length=1)]
    access: Access
    services: tuple[FlowService, ...] = ()
    severity: Severity = Severity.HIGH
    properties: Properties = Properties()
    reason: Text | None = None

    @model_validator(mode="after")
    def _services_where_they_count(self) -> Cell:
        listed = self.access in {Access.ALLOW_ONLY, Access.BLOCK_ONLY}
        if listed and not self.services:
            raise ValueError(f"'services' is missing: {self.access} needs a list of them")
        if self.services and not listed:
            raise ValueError(f"'services' say nothing with {self.access}")
        return self

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The ordered pairs of zones that it is about; a zone to itself only where it is named."""
        several = len(self.sources) > 1 or len(self.destinations) > 1
        return tuple(
            (one, other)
            for one in self.sources
            for other in self.destinations
            if one != other or not several
        )
