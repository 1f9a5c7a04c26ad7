"""Fixtures that all tests share; real servers are in tests/servers, one module a kind.

``make test`` runs three processes side by side: tests that boot hosts, tests that only compute,
and all others, most of which start a server. Each group runs in order in one process, since its
servers have fixed addresses and are started once.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from sitiv_infra.lab.pki import Authority

pytest_plugins = [
    "tests.servers.minio",
    "tests.servers.network",
    "tests.servers.samba",
    "tests.servers.vcsim",
]


# Half of what is usual: what chance finds, it finds over many runs, and CI has many.
settings.register_profile("ci", max_examples=50)
if os.environ.get("CI"):
    settings.load_profile("ci")

BOOTING = {"cycle", "twin"}  # folders whose tests boot hosts
COMPUTING = {"estate", "house", "policy", "report", "switches", "wanted"}
LESS = 10  # of nice(2): the lab's failovers are counted in tenths of a second, others only wait


def _group(folder: str) -> str:
    if folder in BOOTING:
        return "booting"
    return "computing" if folder in COMPUTING else "serving"


class Groups(LoadScopeScheduling):
    """Each group in one process, in order, whatever ``--dist`` says."""

    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid.split("/")[1])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Groups:
    return Groups(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let the lab go first where processes share the processors."""
    beside = "PYTEST_XDIST_WORKER" in os.environ and item.path.parent.name not in BOOTING
    if beside and os.getpriority(os.PRIO_PROCESS, 0) < LESS:
        os.setpriority(os.PRIO_PROCESS, 0, LESS)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).parent.parent
