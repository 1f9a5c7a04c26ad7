"""The rules that keep the house habitable; see docs/add-a-check.md for those of checks."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitiv_infra import catalogue
from sitiv_infra.checking import Check
from sitiv_infra.frameworks import title_of
from sitiv_infra.judging import built_in, load_checks

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "sitiv_infra"
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if "_checks" not in p.parts)
CHECKS = load_checks([built_in()])
MOST_LINES = 300
MOST_FUNCTION_LINES = 40

# declare, observe, judge, remember, report: a layer imports itself and those before it.
LAYERS = (
    ("errors", "foretold"),
    ("positions", "messages", "frameworks", "vlan_ids"),
    ("documents",),
    ("estate",),
    ("wanted",),
    ("facts",),
    ("secrets", "snapshot", "policy", "switches"),
    ("collectors", "executing"),
    ("observe",),
    ("checking",),
    ("judging",),
    ("waivers", "selection"),
    ("evidence",),
    ("runs",),
    ("ledger",),
    ("report", "catalogue", "testing"),
    ("auditing",),
    ("verifying",),
    ("cli",),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
PURE = {"collections", "dataclasses", "datetime", "enum", "ipaddress", "itertools", "math", "re"}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module == "sitiv_infra":
                yield from (f"sitiv_infra.{alias.name}" for alias in node.names)


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_arrow(path: Path) -> None:
    here = layer(path)
    if here in ("__init__", "lab", "ansible_collections"):
        return
    assert here in RANK, f"say in LAYERS where '{here}' stands"
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "sitiv_infra" and len(parts) > 1 and parts[1] in RANK:
            assert RANK[parts[1]] <= RANK[here], f"{here} may not import {name}"
        if path not in {PACKAGE / "cli" / name for name in ("lab.py", "lab_proof.py")}:
            assert parts[:2] != ["sitiv_infra", "lab"], "the lab is for its command and for tests"


def test_ansible_is_imported_only_in_the_collection() -> None:
    for path in MODULES:
        if "ansible_collections" not in path.parts:
            assert not [n for n in imported(path) if n.split(".")[0] == "ansible"], path


def test_checks_are_pure() -> None:
    for path in built_in().glob("*.py"):
        for name in imported(path):
            first, _, rest = name.partition(".")
            allowed = (
                first in PURE
                or first == "__future__"
                or (
                    first == "sitiv_infra"
                    and rest.split(".")[0] not in ("collectors", "observe", "lab")
                )
            )
            assert allowed, f"{path.name} imports {name}"


def test_only_the_observer_and_the_judge_catch_everything() -> None:
    caught = {
        path.relative_to(PACKAGE).as_posix()
        for path in [*MODULES, *built_in().glob("*.py")]
        if re.search(r"except\s*(Exception|BaseException)?\s*(as \w+)?:", path.read_text("utf-8"))
        and not re.search(r"except BaseException:\n\s+.*\n\s+raise", path.read_text("utf-8"))
    }
    assert caught == {"observe.py", "judging.py"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_sizes(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MOST_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= _most_lines(node), f"{node.name}: {lines} lines"


def _most_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """A command's options are its signature: its body and docstring count, not its arguments."""
    first = node.body[0].lineno
    return MOST_FUNCTION_LINES + (first - node.lineno if len(node.args.kwonlyargs) > 6 else 0)


@pytest.mark.parametrize("item", CHECKS, ids=lambda c: c.id)
def test_check_is_documented(item: Check) -> None:
    assert re.fullmatch(r"[a-z-]+\.[a-z0-9-]+", item.id)
    assert item.title.endswith(".")
    assert item.risk.endswith(".")
    assert item.fix.endswith(".")
    unknown = [point for point in item.proves if title_of(point) is None]
    assert not unknown, "points that no catalogue of sitiv_infra/frameworks knows"


@pytest.mark.parametrize("item", CHECKS, ids=lambda c: c.id)
def test_check_has_a_passing_and_a_failing_case(item: Check) -> None:
    tests = "\n".join(p.read_text("utf-8") for p in (ROOT / "tests" / "checks").glob("*.py"))
    assert f'"{item.id}"' in tests, "no test case names it"


def test_every_text_of_a_report_is_told_in_french() -> None:
    assert catalogue.missing() == {}, "run: make messages"
    assert catalogue.obsolete() == []
    assert catalogue.misfielded() == []


def test_no_path_of_a_work_machine() -> None:
    files = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    for name in files:
        path = ROOT / name
        if path.suffix in {".py", ".yml", ".md", ".toml", ".cfg", ".po"} and path.exists():
            text = path.read_text(encoding="utf-8")
            assert str(ROOT.parent) + "/" not in text, name
            assert str(Path.home()) + "/" not in text, name
