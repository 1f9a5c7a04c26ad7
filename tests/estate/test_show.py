from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Estate, load
from sitiv_infra.estate.base import duration_text
from sitiv_infra.estate.show import kinds, rows

FOLDER = Path(__file__).parents[2] / "inventory" / "estate"


# What the example estate need not declare, so that every kind is shown.
MORE = """
hosts:
  more-hosts: {account: svc-audit, credential: ssh-audit, observed_from: admin}
drifts:
  more-drift: {playbook: site.yml, max_age: 25h, observed_from: admin}
packet_proofs:
  more-proof: {max_age: 25h, observed_from: admin}
switches:
  more-switch:
    {site: a, platform: eos, host: sw.sitiv.test, observed_from: admin,
     links: {Ethernet1: {cluster: prod-a}}}
"""


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    folder = tmp_path_factory.mktemp("estate")
    shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
    (folder / "more.yml").write_text(MORE, encoding="utf-8")
    return load(folder)


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_is_a_table_of_text(estate: Estate, kind: str) -> None:
    headers, lines = rows(estate, kind)
    assert headers[0] == "path"
    assert len(set(headers)) == len(headers)
    assert lines
    for line in lines:
        assert len(line) == len(headers)
        assert all(isinstance(cell, str) for cell in line)
        # No Python shows through.
        assert not any(mark in cell for cell in line for mark in ("None", "timedelta", "IPv4", "="))


def test_cells_read_as_the_yaml_does(estate: Estate) -> None:
    headers, lines = rows(estate, "vlans")
    found = dict(zip(headers, next(r for r in lines if r[0] == "sitiv/vlan/a-dmz"), strict=True))
    assert found == {
        "path": "sitiv/vlan/a-dmz", "member": "", "vid": "110", "zone": "dmz", "sites": "a",
        "subnets": "10.10.10.0/24, fd00:10:10::/64", "transit": "no",
    }  # fmt: skip


def test_nested_values_keep_their_keys(estate: Estate) -> None:
    headers, lines = rows(estate, "services")
    zimbra = dict(zip(headers, next(r for r in lines if r[0].endswith("/zimbra")), strict=True))
    assert zimbra["overrides"] == "venissieux: rpo 1h; metropole-de-lyon: rpo 1h rto 2h"
    headers, lines = rows(estate, "machines")
    firewall = dict(zip(headers, lines[0], strict=True))
    assert firewall["interfaces"].startswith("vlan a-admin addresses 10.10.60.11, fd00:10:60::11; ")


def test_uses_show_the_promise_that_holds(estate: Estate) -> None:
    headers, lines = rows(estate, "uses")
    assert headers == ["path", "member", "service", "rpo", "rto"]
    assert ["venissieux/service/zimbra", "venissieux", "zimbra", "1h", "4h"] in lines


def test_an_empty_kind_has_headers(estate: Estate) -> None:
    headers, lines = rows(estate.model_copy(update={"flows": {}}), "flows")
    assert "owner team" in headers
    assert lines == []


def test_an_unknown_kind_is_refused(estate: Estate) -> None:
    with pytest.raises(InvalidInput, match="did you mean 'machines'"):
        rows(estate, "machine")


@pytest.mark.parametrize("text", ["30s", "90s", "10min", "90min", "4h", "25h", "1d", "365d", "0s"])
def test_durations_are_written_as_they_are_read(text: str) -> None:
    units = {"s": 1, "min": 60, "h": 3600, "d": 86400}
    unit = text.lstrip("0123456789")
    assert duration_text(timedelta(seconds=int(text.removesuffix(unit)) * units[unit])) == text
