"""Fixtures: simulated vCenters, each with the inventory that its test gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from sitiv_infra.lab.pki import Authority
from sitiv_infra.lab.vcsim import Settings, Vcsim
from sitiv_infra.lab.vcsim_model import Cluster
from sitiv_infra.lab.vcsim_networks import Switch
from tests.servers.need import need

StartVcsim = Callable[..., Vcsim]


@pytest.fixture
def start_vcsim(tmp_path: Path, authority: Authority) -> Iterator[StartVcsim]:
    need("vcsim")
    started: list[Vcsim] = []

    def start(
        clusters: Sequence[Cluster],
        settings: Settings | None = None,
        issuer: Authority = authority,
        switches: Sequence[Switch] = (),
    ) -> Vcsim:
        folder = tmp_path / f"vcsim-{len(started)}"
        started.append(Vcsim(folder, issuer, clusters, settings, switches=switches))
        started[-1].start()
        return started[-1]

    yield start
    for server in started:
        server.stop()
