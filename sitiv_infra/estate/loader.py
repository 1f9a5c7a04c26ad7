"""From a folder of YAML files to an Estate, or to every mistake in them at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from sitiv_infra.documents import Document, Location, problems_of, read
from sitiv_infra.errors import InvalidInput, Problem
from sitiv_infra.estate.model import Estate
from sitiv_infra.estate.references import complaints, unknown

JINJA = ("{{", "{%", "{#")


@dataclass
class _Merged:
    """One declaration gathered from several files, and the file that each thing came from."""

    data: dict[str, object]
    origin: dict[tuple[str, str], Document]
    problems: list[Problem]

    def document(self, location: Location, default: Document) -> Document:
        """Give the file that declared the thing at ``location``."""
        kind, name = (*map(str, location[:2]), "", "")[:2]
        return self.origin.get((kind, name)) or self.origin.get((kind, ""), default)


def load(folder: Path | str) -> Estate:
    """Read every ``*.yml`` of a folder as one estate.

    Raises InvalidInput with every mistake that was found, each as ``file:line:column: what``.
    """
    root = Path(folder)
    files = sorted(root.glob("*.yml")) if root.is_dir() else []
    if not files:
        raise InvalidInput(
            [Problem(str(root), 1, 1, "no *.yml here; an estate is a folder of them")]
        )
    documents: list[Document] = []
    problems: list[Problem] = []
    for path in files:
        try:
            documents.append(read(path))
        except InvalidInput as error:
            problems.extend(error.problems)
    merged = _merge(documents)
    problems += merged.problems
    estate, refused = _validated(merged, documents, problems)
    for complaint in complaints(estate) if estate is not None else ():
        if complaint.missing not in refused:
            document = merged.document(complaint.location, documents[0])
            problems.append(document.problem(complaint.location, complaint.what))
    if problems or estate is None:
        raise InvalidInput(problems)
    return estate


def _merge(documents: list[Document]) -> _Merged:
    merged = _Merged({}, {}, [])
    for document in documents:
        if document.data is None:
            continue
        if not isinstance(document.data, dict):
            merged.problems.append(document.problem((), "an estate file is a mapping of kinds"))
            continue
        merged.problems.extend(_templates(document, document.data, ()))
        for kind, things in document.data.items():
            _take(merged, document, kind, things)
    return merged


def _take(merged: _Merged, document: Document, kind: str, things: object) -> None:
    """Add one top-level key of one file; the same kind may be spread over several files."""
    if kind == "operator" and isinstance(things, dict):
        if kind in merged.data:
            merged.problems.append(
                document.problem((kind,), "the operator is declared twice", at_key=True)
            )
            return
        merged.data[kind] = {"name": "sitiv", **things}
        merged.origin[kind, ""] = document
    elif kind not in Estate.model_fields:
        what = unknown(kind, Estate.model_fields, "kinds of things")
        merged.problems.append(document.problem((kind,), what, at_key=True))
    elif not isinstance(things, dict):
        merged.problems.append(document.problem((kind,), f"'{kind}' maps names to things"))
    else:
        _take_things(merged, document, kind, things)


def _take_things(merged: _Merged, document: Document, kind: str, things: dict[str, object]) -> None:
    known = merged.data.setdefault(kind, {})
    assert isinstance(known, dict)  # noqa: S101 - only this function writes it
    for name, thing in things.items():
        if name in known:
            other = merged.origin[kind, name].file
            what = f"'{name}' is already declared in {other}"
            merged.problems.append(document.problem((kind, name), what, at_key=True))
            continue
        merged.origin[kind, name] = document
        if thing is not None and not isinstance(thing, dict):
            known[name] = thing
        elif thing is not None and "name" in thing:
            what = "unknown key 'name': the name of a thing is its key"
            merged.problems.append(document.problem((kind, name, "name"), what, at_key=True))
        else:
            known[name] = {**(thing or {}), "name": name}


def _templates(document: Document, value: object, location: Location) -> Iterator[Problem]:
    """Refuse Jinja: the estate is data that Python and Ansible read alike."""
    if isinstance(value, str):
        if any(mark in value for mark in JINJA):
            yield document.problem(location, "no Jinja in the estate; write the value out")
    elif isinstance(value, dict):
        for key, below in value.items():
            yield from _templates(document, below, (*location, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _templates(document, below, (*location, index))


def _validated(
    merged: _Merged, documents: list[Document], problems: list[Problem]
) -> tuple[Estate | None, set[tuple[str, str]]]:
    """Validate; where things are refused, go on without them, to see what else is wrong.

    Returns the estate, or None, and the (kind, name) of what was left out.
    """
    try:
        return Estate.model_validate(merged.data), set()
    except ValidationError as error:
        if not documents:
            return None, set()
        problems += problems_of(error, lambda at: merged.document(at, documents[0]))
        refused = {
            (str(e["loc"][0]), str(e["loc"][1])) for e in error.errors() if len(e["loc"]) > 1
        }
    for kind, name in refused:
        things = merged.data.get(kind)
        if isinstance(things, dict):
            things.pop(name, None)
    try:
        return Estate.model_validate(merged.data), refused
    except ValidationError:
        return None, refused
