"""YAML that a person wrote, read with the place of every value.

Scalars stay text: the type that a model asks for decides what ``no`` or ``08`` mean, so that YAML's
guesses never reach the estate. Only an empty value and ``null`` are None.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from sitiv_infra.errors import InvalidInput, Problem

MAX_BYTES = 8 * 1024 * 1024
MAX_VALUES = 1_000_000  # after aliases are followed: stops "billion laughs"
NULLS = frozenset({"", "~", "null", "Null", "NULL"})

type_of = {MappingNode: "a mapping", SequenceNode: "a list", ScalarNode: "a single value"}
Location = tuple[int | str, ...]
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Document:
    """One file: ``data`` as dicts, lists, str and None, and the node it came from."""

    file: str
    data: object
    root: Node | None

    def problem(self, location: Location, what: str, *, at_key: bool = False) -> Problem:
        """Place ``what`` at the deepest value of ``location`` that the file holds, or at its key."""
        key: Node | None = None
        node = self.root
        for step in location:
            below = _descend(node, step)
            if below is None:
                break
            key, node = below
        at = key if key is not None and (at_key or isinstance(node, MappingNode)) else node
        return Problem(self.file, *_place(at), what)


def _place(node: Node | None) -> tuple[int, int]:
    """Give line and column, from 1; an empty file has only its beginning."""
    return (node.start_mark.line + 1, node.start_mark.column + 1) if node is not None else (1, 1)


def _descend(node: Node | None, step: int | str) -> tuple[Node | None, Node] | None:
    """Give (key node or None, value node) one step below ``node``, or None where there is none."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return key, value
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        return None, node.value[step]
    return None


@dataclass
class _Builder:
    """Turns nodes into plain data once per node, and counts what aliases would expand to."""

    file: str
    problems: list[Problem] = field(default_factory=list)
    done: dict[int, tuple[object, int]] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)

    def build(self, node: Node) -> tuple[object, int]:
        if isinstance(node, ScalarNode):
            plain = node.style is None
            return (None if plain and node.value in NULLS else node.value), 1
        known = self.done.get(id(node))
        if known is not None:
            return known
        if id(node) in self.open:
            self.at(node, "an alias leads back to its own anchor; write the value out")
            return None, 1
        self.open.add(id(node))
        built = self.mapping(node) if isinstance(node, MappingNode) else self.sequence(node)
        self.open.discard(id(node))
        self.done[id(node)] = built
        return built

    def sequence(self, node: Node) -> tuple[object, int]:
        built = [self.build(child) for child in node.value]
        return [value for value, _ in built], self.bounded(node, sum(size for _, size in built))

    def mapping(self, node: Node) -> tuple[object, int]:
        data: dict[str, object] = {}
        total = 1
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self.at(key, f"a key must be a single value, not {type_of[type(key)]}")
                continue
            if key.value in data:
                self.at(key, f"the key '{key.value}' is already set above")
            data[key.value], size = self.build(value)
            total += size
        return data, self.bounded(node, total)

    def bounded(self, node: Node, size: int) -> int:
        if size > MAX_VALUES:
            self.at(node, f"aliases make this larger than {MAX_VALUES} values")
            raise InvalidInput(self.problems)
        return size

    def at(self, node: Node, what: str) -> None:
        self.problems.append(Problem(self.file, *_place(node), what))


def _text(path: Path, name: str) -> str:
    """Read a file as UTF-8; refuse what is too large or is not text, with the place."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InvalidInput([Problem(name, 1, 1, f"{size} bytes; at most {MAX_BYTES} are read")])
        raw = path.read_bytes()
    except OSError as error:
        raise InvalidInput([Problem(name, 1, 1, f"can't be read: {error.strerror}")]) from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - (before.rfind(b"\n") + 1) + 1
        what = f"byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise InvalidInput([Problem(name, line, column, what)]) from None


def read(path: Path, name: str | None = None) -> Document:
    """Read one YAML file.

    Raises InvalidInput, with the place, for what is not UTF-8, not YAML, too large, or holds an
    anchor loop or the same key twice.
    """
    shown = name or str(path)
    text = _text(path, shown)
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise InvalidInput([Problem(shown, line, column, f"not YAML: {error.problem}")]) from None
    except (yaml.YAMLError, RecursionError) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else f"not YAML: {error}"
        raise InvalidInput([Problem(shown, 1, 1, what)]) from None
    if root is None:
        return Document(shown, None, None)
    builder = _Builder(shown)
    data, _ = builder.build(root)
    if builder.problems:
        raise InvalidInput(builder.problems)
    return Document(shown, data, root)


def problems_of(error: ValidationError, locate: Callable[[Location], Document]) -> list[Problem]:
    """Give pydantic's complaints as places; ``locate`` names the file that a location is in."""
    found = []
    for item in error.errors(include_url=False):
        location = tuple(step for step in item["loc"] if step != "[key]")
        document = locate(location)
        if item["type"] == "extra_forbidden":
            what = f"unknown key '{location[-1]}'"
            found.append(document.problem(location, what, at_key=True))
        elif item["type"] == "missing":
            what = f"'{location[-1]}' is missing"
            found.append(document.problem(location[:-1], what, at_key=True))
        else:
            found.append(document.problem(location, _explain(item["msg"], item["input"])))
    return found


def _explain(message: str, given: object) -> str:
    text = message.removeprefix("Value error, ")
    text = text[:1].lower() + text[1:]
    if isinstance(given, dict):
        return f"{text}; this is a mapping"
    if isinstance(given, list):
        return f"{text}; this is a list"
    return f"{text}; this is {given!r}" if given is not None else f"{text}; this is empty"


def parse_list(path: Path, model: type[M], name: str | None = None) -> list[M]:
    """Read a file that is a list of ``model``; InvalidInput lists every mistake with its place."""
    document = read(path, name)
    try:
        return TypeAdapter(list[model]).validate_python(document.data or [])  # type: ignore[valid-type]
    except ValidationError as error:
        raise InvalidInput(problems_of(error, lambda _: document)) from None
