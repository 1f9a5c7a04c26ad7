"""What happens when a server that a test needs is not there."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from sitiv_infra.lab.process import LabError, program


def need(*programs: str, root: bool = False) -> None:
    """Fail in CI, and elsewhere leave the test out and say why."""
    missing = _missing(programs)
    if root and os.geteuid() != 0:
        missing.append("root, for network namespaces and servers of its own")
    if not missing:
        return
    reason = f"needs {', '.join(missing)}"
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def _missing(programs: Sequence[str]) -> list[str]:
    missing = []
    for name in programs:
        try:
            program(name)
        except LabError:
            missing.append(name)
    return missing
