"""From a folder of YAML files to an Estate, or to every mistake in them at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from sitiv_infra.documents import (
    MAX_PROBLEMS,
    Document,
    Location,
    problems_of,
    read,
    shown,
    unknown_key,
)
from sitiv_infra.errors import InvalidInput, Problem
from sitiv_infra.estate.base import SHARED
from sitiv_infra.estate.model import Estate
from sitiv_infra.estate.organisation import Operator
from sitiv_infra.estate.references import complaints, nearest

MAX_HINTS = 20  # comparing a name with thousands takes tens of milliseconds
JINJA = ("{{", "{%", "{#")
JINJA_REFUSED = "no Jinja in the estate; write the value out"
OWN_NAME = "unknown key 'name': the name of a thing is its key"


def load(place: Path | str) -> Estate:
    """Read every ``*.yml`` of a folder as one estate; or the JSON file that a standing lab keeps.

    Raises InvalidInput with every mistake that was found, each as ``file:line:column: what``.
    """
    root = Path(place)
    if root.suffix == ".json" and root.is_file():
        return _kept(root)
    merged = _Merged(Document(shown(root), None))
    for path in _files(root, merged.problems):
        try:
            document = read(path)
        except InvalidInput as error:
            merged.problems.extend(error.problems)
            merged.whole = False
        else:
            merged.add(document)
    estate = _validated(merged)
    if merged.problems or estate is None:
        raise InvalidInput(merged.problems)
    return estate


def _kept(file: Path) -> Estate:
    try:
        return Estate.model_validate_json(file.read_bytes())
    except (ValidationError, OSError) as error:
        what = f"no estate that this version reads: {str(error).splitlines()[0]}"
        raise InvalidInput([Problem(shown(file), 1, 1, what)]) from None


def _files(root: Path, problems: list[Problem]) -> list[Path]:
    """Give the files to read; what looks like a declaration but would be left out is a mistake."""
    try:
        entries = sorted(root.iterdir())
    except OSError as error:
        what = f"not a folder that can be read: {error.strerror}"
        problems.append(Problem(shown(root), 1, 1, what))
        return []
    visible = [path for path in entries if not path.name.startswith(".")]
    files = [path for path in visible if path.suffix == ".yml"]
    for path in visible:
        if path.suffix in {".yaml", ".json"}:
            problems.append(Problem(shown(path), 1, 1, "not read; the estate's files end in .yml"))
        elif path.is_dir() and path not in files:
            problems.append(Problem(shown(path), 1, 1, "not read; the estate is one flat folder"))
    if not files:
        problems.append(Problem(shown(root), 1, 1, "no *.yml here; an estate is a folder of them"))
    return files


@dataclass
class _Merged:
    """One declaration gathered from several files, and the file that each thing came from.

    ``refused`` holds the (kind, name) of what is declared but wrong, and (kind, "") where that is
    all of a kind; ``whole`` is false where something could not be taken in at all. Nobody is blamed
    for naming what may stand there.
    """

    folder: Document
    data: dict[str, dict[str, object]] = field(default_factory=dict)
    origin: dict[tuple[str, str], Document] = field(default_factory=dict)
    refused: set[tuple[str, str]] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    whole: bool = True

    def document(self, location: Location) -> Document:
        """Give the file that declared the thing at ``location``, or else the folder."""
        kind, name = (*map(str, location[:2]), "", "")[:2]
        return self.origin.get((kind, name)) or self.origin.get((kind, ""), self.folder)

    def report(
        self,
        location: Location,
        what: str,
        *,
        document: Document | None = None,
        at_key: bool = False,
    ) -> None:
        """Add a mistake; InvalidInput when there are more than anybody reads."""
        place = document or self.document(location)
        self.problems.append(place.problem(location, what, at_key=at_key))
        if len(self.problems) >= MAX_PROBLEMS:
            raise InvalidInput(self.problems)

    def add(self, document: Document) -> None:
        """Add what one file declares."""
        if document.data is None:
            return
        if not isinstance(document.data, dict):
            what = "an estate file maps kinds, such as 'machines', to things by name"
            self.report((), what, document=document)
            self.whole = False
            return
        for location in _templates(document.data, ()):
            self.report(location, JINJA_REFUSED, document=document)
        for kind, things in document.data.items():
            self.add_kind(document, kind, things)

    def add_kind(self, document: Document, kind: str, things: object) -> None:
        """Add one top-level key; the same kind may be spread over several files."""
        if kind not in Estate.model_fields:
            what = unknown_key(kind, list(Estate.model_fields))
            self.report((kind,), what, document=document, at_key=True)
            self.whole = False
        elif not isinstance(things, dict):
            if things is not None:  # an empty section declares nothing
                what = f"'{kind}' is a mapping; see 'sitiv estate schema'"
                self.report((kind,), what, document=document)
                self.refused.add((kind, ""))
        elif kind == "operator":
            self.add_operator(document, things)
        else:
            for name, thing in things.items():
                self.add_thing(document, (kind, name), thing)

    def add_operator(self, document: Document, keys: dict[str, object]) -> None:
        first = self.origin.setdefault(("operator", ""), document)
        if first is not document:
            what = f"the operator is already declared in {first.file}"
            self.report(("operator",), what, document=document, at_key=True)
            return
        self.data["operator"] = self.named(document, ("operator",), SHARED, keys)

    def add_thing(self, document: Document, at: tuple[str, str], thing: object) -> None:
        kind, name = at
        first = self.origin.setdefault(at, document)
        if first is not document:
            what = f"'{name}' is already declared in {first.file}"
            self.report(at, what, document=document, at_key=True)
            return
        known = self.data.setdefault(kind, {})
        keys = {} if thing is None else thing
        known[name] = self.named(document, at, name, keys) if isinstance(keys, dict) else keys

    def named(
        self, document: Document, at: Location, name: str, keys: dict[str, object]
    ) -> dict[str, object]:
        """Give the keys of a thing with its name, which is not among them in the file."""
        if "name" in keys:
            self.report((*at, "name"), OWN_NAME, document=document, at_key=True)
        return {**keys, "name": name}


def _templates(value: object, location: Location) -> Iterator[Location]:
    """Find Jinja: the estate is data that Python and Ansible read alike."""
    if isinstance(value, str):
        if any(mark in value for mark in JINJA):
            yield location
    elif isinstance(value, dict):
        for key, below in value.items():
            yield from _templates(below, (*location, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _templates(below, (*location, index))


def _validated(merged: _Merged) -> Estate | None:
    """Validate; where things are refused, go on without them, to see what else is wrong."""
    data: dict[str, object] = dict(merged.data)
    if "operator" not in data and (not merged.whole or ("operator", "") in merged.refused):
        data["operator"] = STAND_IN
    try:
        estate = Estate.model_validate(data)
    except ValidationError as error:
        merged.problems += problems_of(error, merged.document, Estate)
        without = _without_refused(data, error, merged.refused)
        try:
            estate = Estate.model_validate(without)
        except ValidationError:  # pragma: no cover - everything refused was taken out
            return None
    _refer(merged, estate)
    return estate


def _refer(merged: _Merged, estate: Estate) -> None:
    """Add what is wrong between things."""
    hints = 0
    for location, what, missing in complaints(estate):
        hint = ""
        if missing is not None:
            kind, name = missing
            if not merged.whole or {missing, (kind, "")} & merged.refused:
                continue
            hints += 1
            hint = nearest(name, getattr(estate, kind)) if hints <= MAX_HINTS else ""
        merged.report(location, what + hint)


# Lets the rest be judged where the operator is the mistake; never part of an estate that is given.
_unchecked: Callable[..., Operator] = Operator.model_construct
STAND_IN = _unchecked(name=SHARED)


def _without_refused(
    data: dict[str, object], error: ValidationError, refused: set[tuple[str, str]]
) -> dict[str, object]:
    """Take out what was refused, and remember it."""
    kept = {
        kind: dict(things) if isinstance(things, dict) else things for kind, things in data.items()
    }
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        kind, name = (*map(str, item["loc"][:2]), "")[:2]
        if kind == "operator":
            kept[kind] = STAND_IN
        elif isinstance(things := kept.get(kind), dict):
            things.pop(name, None)
            refused.add((kind, name))
    return kept
