"""Every text that a report may show, found in the source, against a language's catalogue.

python -m sitiv_infra.catalogue              print what French lacks, ready to be filled in
python -m sitiv_infra.catalogue merge FILE…  add translations to fr.po, and put it in order

Texts are: the messages of ``ok``, ``fail`` and ``unknown``; titles, risks and remedies of checks;
``text("…")``, its short name ``say("…")`` and ``noop("…")`` in modules; ``t("…")`` in templates;
and causes: what ``NotObserved`` and ``Unread`` carry, what ``cause`` is set to, and what ``CAUSES``
maps to. An f-string is a template whose fields are named after the expressions inside.
"""

from __future__ import annotations

import ast
import io
import string
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment
from jinja2.ext import extract_from_ast

from sitiv_infra.judging import built_in, load_checks
from sitiv_infra.messages import FIELD, LITERAL

PACKAGE = Path(__file__).parent
# Which argument of a call is a text: by position, and by keyword.
CALLS: Mapping[str, tuple[int, str]] = {
    "ok": (1, "message"),
    "fail": (1, "message"),
    "unknown": (1, "message"),
    "Outcome": (2, "message"),
    "text": (0, "template"),
    "say": (0, "template"),
    "noop": (0, "template"),
    "NotObserved": (0, "cause"),
    "Unread": (0, "unread"),
}
Texts = dict[str, set[str]]


def texts() -> Texts:
    """Give every text of the project, with the files that it stands in."""
    found: Texts = {}
    root = PACKAGE.parent
    modules = [p for p in sorted(PACKAGE.rglob("*.py")) if "_checks" not in p.parts]
    for path in [*modules, *sorted(built_in().glob("*.py"))]:
        for text in of_module(path.read_text(encoding="utf-8")):
            found.setdefault(text, set()).add(_name(path, root))
    for path in sorted(PACKAGE.rglob("*.j2")):
        for text in of_template(path.read_text(encoding="utf-8")):
            found.setdefault(text, set()).add(_name(path, root))
    for item in load_checks([built_in()]):
        for text in (item.title, item.risk, item.fix):
            found.setdefault(text, set()).add(_name(Path(item.file), root))
    return found


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def of_module(source: str) -> set[str]:
    """Give the texts of a Python module."""
    reader = _Reader(ast.parse(source))
    reader.read()
    return reader.found


class _Reader:
    """Finds what text arguments can be: literals, choices, names and functions of the module."""

    def __init__(self, tree: ast.Module) -> None:
        self.found: set[str] = set()
        self._tree = tree
        self._values: dict[str, list[ast.expr]] = {}
        self._done: set[int] = set()

    def read(self) -> None:
        """Find everything."""
        calls = []
        for node in ast.walk(self._tree):
            self._remember(node)
            if isinstance(node, ast.Call):
                calls.append(node)
        wanted = [value for call in calls for value in _text_arguments(call)]
        wanted += self._values.get("cause", ())
        wanted += [v for table in self._values.get("CAUSES", ()) for v in _last_of_each(table)]
        for value in wanted:
            self._take(value)

    def _remember(self, node: ast.AST) -> None:
        """Note what a name is set to, or what a function returns."""
        names: list[str] = []
        values: list[ast.expr | None] = []
        if isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            values = [node.value]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names, values = [node.target.id], [node.value]
        elif isinstance(node, ast.FunctionDef):
            names = [node.name]
            values = [n.value for n in ast.walk(node) if isinstance(n, ast.Return)]
        for name in names:
            self._values.setdefault(name, []).extend(v for v in values if v is not None)

    def _take(self, value: ast.AST) -> None:
        """Take every text that an expression can be; each expression once."""
        if id(value) in self._done:
            return
        self._done.add(id(value))
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value:
            self.found.add(value.value)
        elif isinstance(value, ast.JoinedStr):
            template = _template(value)
            if len("".join(FIELD.split(template)[::2])) >= LITERAL:
                self.found.add(template)
        for below in self._below(value):
            self._take(below)

    def _below(self, value: ast.AST) -> list[ast.expr]:
        """Give the expressions that an expression may give."""
        if isinstance(value, ast.IfExp):
            return [value.body, value.orelse]
        if isinstance(value, ast.BoolOp):
            return value.values
        if isinstance(value, ast.JoinedStr):
            parts = [p.value for p in value.values if isinstance(p, ast.FormattedValue)]
            return [p for p in parts if isinstance(p, ast.Call | ast.BoolOp)]
        name = value.func if isinstance(value, ast.Call) else value
        return self._values.get(name.id, []) if isinstance(name, ast.Name) else []


def _text_arguments(call: ast.Call) -> Iterator[ast.expr]:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    position, keyword = CALLS.get(name, (0, ""))
    if keyword:
        yield from call.args[position : position + 1]
        yield from (k.value for k in call.keywords if k.arg == keyword)


def _last_of_each(table: ast.expr) -> list[ast.expr]:
    """Give the values of a mapping, or the second of each pair."""
    if isinstance(table, ast.Dict):
        return table.values
    rows = table.elts if isinstance(table, ast.Tuple | ast.List) else []
    return [row.elts[-1] for row in rows if isinstance(row, ast.Tuple)]


def _template(value: ast.JoinedStr) -> str:
    """Write an f-string as the template that ``Language.cause`` matches: each field once."""
    parts, seen = [], set[str]()
    for part in value.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value))
        elif isinstance(part, ast.FormattedValue):
            base = name = _field(part.value)
            while name in seen:
                name += "_"
            seen.add(name)
            parts.append(f"{{{name or base}}}")
    return "".join(parts)


def _field(value: ast.expr) -> str:
    """Name a field after its expression: ``error.strerror`` is ``strerror``."""
    if isinstance(value, ast.Call):
        return _field(value.func)
    if isinstance(value, ast.Attribute):
        return value.attr
    return value.id if isinstance(value, ast.Name) else "value"


def of_template(source: str) -> Iterator[str]:
    """Give the texts of a Jinja template."""
    tree = Environment(autoescape=True).parse(source)
    for _, _, found in extract_from_ast(tree, gettext_functions=("t",)):
        text = found[0] if isinstance(found, tuple) else found
        if isinstance(text, str):
            yield text


def po_file(language: str = "fr") -> Path:
    """Give the file of a language's catalogue."""
    return Path(str(resources.files("sitiv_infra"))) / "locale" / f"{language}.po"


def read(path: Path) -> Catalog:
    """Read a catalogue or a fragment of one."""
    with path.open("rb") as stream:
        return read_po(stream, locale="fr", charset="utf-8")


def translations(catalog: Catalog) -> dict[str, str]:
    """Give the entries that are filled in, by their English text."""
    return {str(m.id): str(m.string) for m in catalog if m.id and m.string and not m.fuzzy}


def missing(language: str = "fr") -> Texts:
    """Give the texts that a language lacks."""
    known = translations(read(po_file(language)))
    return {text: files for text, files in texts().items() if text not in known}


def obsolete(language: str = "fr") -> list[str]:
    """Give the entries of a language that no text needs any more."""
    needed = texts()
    return sorted(text for text in translations(read(po_file(language))) if text not in needed)


def misfielded(language: str = "fr") -> list[str]:
    """Give the entries whose translation fills in other fields, or cannot be read as a template."""
    known = translations(read(po_file(language))).items()
    return sorted(text for text, told in known if _fields(text) != _fields(told))


def _fields(template: str) -> set[tuple[str, str]] | None:
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError:
        return None
    return {(name, form or "") for _, name, form, _ in parsed if name is not None}


def merge(fragments: Iterable[Path], path: Path | None = None) -> list[str]:
    """Add fragments to French, in the order of the files that the texts stand in.

    An entry that nothing needs is left out. A later fragment replaces what is there; the texts
    whose translation changed so are returned.
    """
    path = path or po_file()
    known = translations(read(path))
    replaced = []
    for fragment in fragments:
        for text, told in translations(read(fragment)).items():
            if known.get(text, told) != told:
                replaced.append(text)
            known[text] = told
    path.write_bytes(HEADER.encode() + _entries(texts(), known))
    return replaced


HEADER = """\
# French texts of sitiv_infra's reports; the key of each is the English text in the source.
# Put in order by: python -m sitiv_infra.catalogue merge
msgid ""
msgstr ""
"Project-Id-Version: sitiv-infra\\n"
"Language: fr\\n"
"Plural-Forms: nplurals=2; plural=(n > 1);\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""


def _entries(wanted: Texts, known: Mapping[str, str], *, empty: bool = False) -> bytes:
    """Write entries of a catalogue; those without a translation only where ``empty``."""
    catalog = Catalog()
    for text, files in sorted(wanted.items(), key=lambda item: (min(item[1]), item[0])):
        if empty or text in known:
            catalog.add(text, known.get(text, ""), locations=[(min(files), 0)])
    stream = io.BytesIO()
    write_po(stream, catalog, width=0, omit_header=True, include_lineno=False)
    return stream.getvalue()


def main(arguments: list[str]) -> int:
    """Print what French lacks, or merge fragments; give 1 when something is left to do."""
    replaced = merge(map(Path, arguments[1:])) if arguments[:1] == ["merge"] else []
    lacking, unneeded, other = missing(), obsolete(), misfielded()
    sys.stdout.write(_entries(lacking, {}, empty=True).decode())
    for title, found in (
        ("translated anew", replaced),
        ("needed by nothing", unneeded),
        ("fields differ from the English ones", other),
    ):
        for text in found:
            sys.stderr.write(f"{title}: {text}\n")
    return 1 if lacking or unneeded or other else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
