from __future__ import annotations

import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitiv_infra.policy import native
from tests.servers.need import require

NEEDED = "the engine in C: gcc and Python's headers"


@pytest.fixture(scope="module", params=["numpy", "c"])
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a module's tests with each engine; where C can be built, it must be there."""
    headers = Path(sysconfig.get_path("include"), "Python.h")
    if request.param == "c" and native.built is None:
        assert not (shutil.which("gcc") and headers.exists()), "not built: make .venv/.installed"
        require(holds=False, what=NEEDED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(native.ENGINE, request.param)
        yield request.param
