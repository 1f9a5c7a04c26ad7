"""Files that a person wrote: read within bounds, checked against a model, mistakes placed.

Scalars stay text: the type that a model asks for decides what ``no`` or ``08`` mean, so that YAML's
guesses never reach the estate. Only an empty value and ``null`` are None.
"""

from __future__ import annotations

import difflib
import stat
from collections.abc import Callable
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from sitiv_infra.errors import InvalidInput, Problem
from sitiv_infra.positions import MAX_PROBLEMS, UNPRINTABLE, Document, Location, compose

__all__ = ["MAX_PROBLEMS", "Document", "Location", "parse_list", "problems_of", "read"]

MAX_BYTES = 4 * 1024 * 1024
LONGEST_SHOWN = 60
CREDENTIAL = "credential"
EXPECTED = {
    "bool_parsing": "true or false is expected",
    "dict_type": "a mapping is expected",
    "int_from_float": "a whole number is expected",
    "int_parsing": "a whole number is expected",
    "int_type": "a whole number is expected",
    "list_type": "a list is expected",
    "model_type": "a mapping is expected",
    "string_type": "text is expected",
    "too_short": "a list with at least one item is expected",
    "tuple_type": "a list is expected",
}
M = TypeVar("M", bound=BaseModel)


def read(path: Path) -> Document:
    """Read one YAML file; messages name it relative to the current directory where possible.

    Raises InvalidInput, with the place, for what is not a file, not UTF-8, not YAML, too large, or
    holds an anchor loop, a tag, a merge key or the same key twice.
    """
    name = shown(path)
    return compose(_text(path, name), name)


def shown(path: Path) -> str:
    """Give the name of a file as messages show it."""
    full, here = path.absolute(), Path.cwd()
    return str(full.relative_to(here)) if full.is_relative_to(here) else str(path)


def _text(path: Path, name: str) -> str:
    """Read a file as UTF-8; refuse what is too large or is not text, with the place."""
    try:
        # Opening a pipe would wait for its writer.
        if not stat.S_ISREG(path.stat().st_mode):
            raise InvalidInput([Problem(name, 1, 1, "not a file")])
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidInput([Problem(name, 1, 1, f"can't be read: {error.strerror}")]) from None
    if len(raw) > MAX_BYTES:
        raise InvalidInput([Problem(name, 1, 1, f"larger than {MAX_BYTES // 1024**2} MiB")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8", "replace")
        what = f"byte 0x{error.object[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise InvalidInput([_end_of(before, name, what)]) from None
    found = UNPRINTABLE.search(text)
    if found is not None:
        what = f"the character U+{ord(found[0]):04X} does not belong in a text"
        raise InvalidInput([_end_of(text[: found.start()], name, what)])
    return text


def _end_of(before: str, name: str, what: str) -> Problem:
    """Place a problem right behind a text."""
    return Problem(name, before.count("\n") + 1, len(before) - before.rfind("\n"), what)


def problems_of(
    error: ValidationError, locate: Callable[[Location], Document], shape: object = None
) -> list[Problem]:
    """Give pydantic's complaints as places.

    ``locate`` names the file that a location is in; ``shape`` is the type that was asked for, which
    an unknown key is compared with.
    """
    items = error.errors(include_url=False, include_context=False)
    # A list counts as too short, too, where its items were refused.
    own = [item for item in items if item["type"] != "too_short" or not item["input"]]
    return [_problem(item, locate, shape) for item in own[:MAX_PROBLEMS]]


def _problem(item: ErrorDetails, locate: Callable[[Location], Document], shape: object) -> Problem:
    location = tuple(step for step in item["loc"] if step != "[key]")
    document = locate(location)
    if item["type"] == "extra_forbidden":
        *above, key = location
        what = unknown_key(str(key), _keys(shape, tuple(above)))
        return document.problem(location, what, at_key=True)
    if item["type"] == "missing":
        return document.problem(location[:-1], f"'{location[-1]}' is missing", at_key=True)
    return document.problem(location, _explain(item), at_key="[key]" in item["loc"])


def unknown_key(key: str, known: list[str]) -> str:
    """Say that a key is unknown, and what was expected."""
    near = difflib.get_close_matches(key, known, n=1)
    if near:
        return f"unknown key '{key}'; did you mean '{near[0]}'?"
    return f"unknown key '{key}'" + (f"; known are {', '.join(known)}" if known else "")


def _keys(shape: object, location: Location) -> list[str]:
    """Name the keys that a shape has at a location, as far as it can be told."""
    for step in location:
        shape = _below(_plain(shape), step)
    model = _plain(shape)
    if not isinstance(model, type) or not issubclass(model, BaseModel):
        return []
    named_by_key = bool(location) and isinstance(location[0], str)
    return [name for name in model.model_fields if not (name == "name" and named_by_key)]


def _plain(shape: object) -> object:
    """Take ``None`` out of an optional type."""
    if get_origin(shape) in {Union, UnionType}:
        return next(arm for arm in get_args(shape) if arm is not type(None))
    return shape


def _below(shape: object, step: int | str) -> object:
    if isinstance(shape, type) and issubclass(shape, BaseModel):
        inner = shape.model_fields.get(str(step))
        return inner.annotation if inner else None
    inside = get_args(shape)
    return inside[1 if get_origin(shape) is dict else 0] if inside else None


def _explain(item: ErrorDetails) -> str:
    text = item["msg"].removeprefix("Value error, ")
    text = EXPECTED.get(item["type"]) or text[:1].lower() + text[1:]
    given: Any = item["input"]
    if isinstance(given, dict):
        # A rule between the keys of a mapping says itself what is wrong.
        return text if item["type"] == "value_error" else f"{text}; this is a mapping"
    if isinstance(given, list) and given:
        return f"{text}; this is a list"
    if given in (None, []):
        return f"{text}; this is empty"
    if item["loc"] and item["loc"][-1] == CREDENTIAL:
        return f"{text}; it names a secret, and is never the secret itself"  # which it may be
    full = str(given)
    cut = full[:LONGEST_SHOWN] + ("…" if len(full) > LONGEST_SHOWN else "")
    return f"{text}; this is {cut!r}"


def parse_list(path: Path, model: type[M]) -> list[M]:
    """Read a file that is a list of ``model``; InvalidInput lists every mistake with its place."""
    document = read(path)
    shape = list[model]  # type: ignore[valid-type]  # a type made at run time
    try:
        return TypeAdapter(shape).validate_python([] if document.data is None else document.data)
    except ValidationError as error:
        raise InvalidInput(problems_of(error, lambda _: document, shape)) from None
