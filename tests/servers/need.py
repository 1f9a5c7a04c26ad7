"""What happens when something that a test needs is not there."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib.util import find_spec

import pytest

from sitiv_infra.lab.process import LabError, program


def need(*programs: str, root: bool = False, modules: Iterable[str] = ()) -> None:
    """Ask for programs, Python modules, or root for namespaces and servers of its own."""
    missing = [name for name in programs if not _installed(name)]
    missing += [f"the Python module {name}" for name in modules if find_spec(name) is None]
    if root and os.geteuid() != 0:
        missing.append("root, for network namespaces and servers of its own")
    require(not missing, ", ".join(missing))


def require(holds: bool, what: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Fail in CI, and elsewhere leave the test out and say why."""
    if holds:
        return
    if os.environ.get("CI"):
        pytest.fail(f"needs {what}", pytrace=False)
    pytest.skip(f"needs {what}")


def _installed(name: str) -> bool:
    try:
        program(name)
    except LabError:
        return False
    return True
