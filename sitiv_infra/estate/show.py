"""Any kind of declared thing as rows of text, with columns that follow from its model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import NamedTuple, get_args

from pydantic import BaseModel

from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate.base import Declared, duration_text
from sitiv_infra.estate.model import Estate
from sitiv_infra.estate.organisation import Use
from sitiv_infra.estate.references import unknown

USES = "uses"


class Rows(NamedTuple):
    """A table; every row is as long as ``headers``."""

    headers: list[str]
    rows: list[list[str]]


def kinds() -> tuple[str, ...]:
    """Name what can be shown: the kinds of the estate's files, and the uses of services."""
    return (*Estate.model_fields, USES)


def rows(estate: Estate, kind: str) -> Rows:
    """Give a table of one kind: its path, then its keys as the YAML has them.

    Raises InvalidInput for a kind that there is not.
    """
    if kind not in kinds():
        raise InvalidInput(unknown(kind, kinds(), "kinds of things"))
    model, things = _things(estate, kind)
    columns = [name for name in model.model_fields if name != "name"]
    return Rows(
        ["path", *(name.replace("_", " ") for name in columns)],
        [[thing.path, *(text(getattr(thing, name)) for name in columns)] for thing in things],
    )


def _things(estate: Estate, kind: str) -> tuple[type[Declared], Iterable[Declared]]:
    if kind == USES:
        return Use, estate.uses
    held = getattr(estate, kind)
    if isinstance(held, Declared):
        return type(held), [held]
    return get_args(Estate.model_fields[kind].annotation)[1], held.values()


def text(value: object) -> str:
    """Write a value much as the YAML does: what is empty as nothing, a thing as its name."""
    if isinstance(value, Declared):
        return value.name
    if isinstance(value, BaseModel):
        return " ".join(f"{key} {text(part)}" for key, part in value if part not in (None, ""))
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {text(part)}" for name, part in value.items())
    if isinstance(value, tuple):
        between = "; " if any(isinstance(part, BaseModel) for part in value) else ", "
        return between.join(map(text, value))
    return _single(value)


def _single(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return duration_text(value) if isinstance(value, timedelta) else str(value)
