"""Fixtures that all tests share; real servers are in tests/servers, one module a kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from sitiv_infra.lab.pki import Authority

pytest_plugins = [
    "tests.servers.minio",
    "tests.servers.network",
    "tests.servers.samba",
    "tests.servers.vcsim",
]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).parent.parent
