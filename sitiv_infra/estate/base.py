"""What every declared thing shares: frozen, strict about keys, with a stable path."""

from __future__ import annotations

import re
from datetime import date, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}
DAY = re.compile(r"\d{4}-\d\d-\d\d")
DURATION = re.compile(r"(\d{1,6})\s*(s|min|h|d)")


def _name(value: str) -> str:
    if NAME.fullmatch(value) is None:
        raise ValueError("a name is a-z, 0-9, '-' and '.', at most 63 characters")
    return value


def _host(value: str) -> str:
    if HOST.fullmatch(value) is None:
        raise ValueError("a host is a DNS name or an IPv4 address, without scheme or port")
    return value


def _day(value: object) -> object:
    """Refuse what pydantic would read as seconds since 1970."""
    if isinstance(value, str) and DAY.fullmatch(value.strip()) is None:
        raise ValueError("a day is written 2026-11-30")
    return value


def _duration(value: object) -> timedelta:
    """Read ``30s``, ``10min``, ``4h`` or ``7d``; seconds as a number come from a stored estate."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | float):
        return timedelta(seconds=value)
    match = DURATION.fullmatch(str(value).strip())
    if match is None:
        raise ValueError("a duration is a whole number and a unit: 30s, 10min, 4h, 7d")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def _address(value: object) -> IPv4Address | IPv6Address:
    try:
        return ip_address(str(value))
    except ValueError:
        raise ValueError("an address is written 10.1.2.3 or fd00::3") from None


def _network(value: object) -> IPv4Network | IPv6Network:
    try:
        return ip_network(str(value))
    except ValueError as error:
        hint = "; host bits are set" if "host bits" in str(error) else ""
        raise ValueError(f"a network is written 10.1.2.0/24 or fd00:1::/64{hint}") from None


def duration_text(value: timedelta) -> str:
    """Write a duration as the estate does, in the largest unit that holds it exactly."""
    seconds = int(value.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(lambda value: value.total_seconds(), return_type=float),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,6}\s*(s|min|h|d)$", "examples": ["4h"]}),
]
Name = Annotated[
    str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": f"^{NAME.pattern}$"})
]
Text = Annotated[str, Field(min_length=1)]
Host = Annotated[
    str, AfterValidator(_host), WithJsonSchema({"type": "string", "pattern": f"^{HOST.pattern}$"})
]
Day = Annotated[date, BeforeValidator(_day)]
Address = Annotated[IPv4Address | IPv6Address, BeforeValidator(_address)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Part(BaseModel):
    """A piece of a declared thing, without a name of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Declared(Part):
    """A declared thing: its name is its key in the YAML, its path never changes.

    ``path`` is ``owner/kind/name``: what a verdict, a waiver and a trend hang on.
    """

    kind: ClassVar[str]
    name: Name

    @property
    def owner(self) -> str:
        """The member that owns this, or ``sitiv`` for what is shared."""
        return SHARED

    @property
    def path(self) -> str:
        """Identity of this thing in verdicts, waivers and history."""
        return f"{self.owner}/{self.kind}/{self.name}"


SHARED = "sitiv"


class Owned(Declared):
    """A thing that one member may own; without one it is shared by all."""

    member: Name | None = None

    @property
    def owner(self) -> str:
        """The member that owns this, or ``sitiv`` for what is shared."""
        return self.member or SHARED


class Source(Owned):
    """A system that collectors read, with the account that may only read.

    ``credential`` is the name of a secret, never the secret. ``observed_from`` is the trust zone
    that can reach it.
    """

    family: ClassVar[str]
    account: str | None = None
    credential: Name | None = None
    observed_from: Name
    timeout: Duration = timedelta(seconds=60)
    connections: Annotated[int, Field(ge=1, le=64)] = 4

    @property
    def source(self) -> str:
        """Identity of this source in a snapshot: ``family/name``."""
        return f"{self.family}/{self.name}"

    @property
    def where(self) -> str:
        """Address that is read, for ``--dry-run`` and for gaps."""
        raise NotImplementedError
