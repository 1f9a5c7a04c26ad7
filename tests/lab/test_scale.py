"""Estates made small: what is left still names only what is declared."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Estate, load
from sitiv_infra.estate.references import complaints
from sitiv_infra.lab.scale import WHOLE, chosen, scaled

INVENTORY = Path(__file__).parents[2] / "inventory"
FOLDERS = ["estate", "lab/estate"]


@cache
def estate_in(folder: str) -> Estate:
    return load(INVENTORY / folder)


def valid(estate: Estate) -> None:
    """Ask that it would load again, and that no source is read on a machine that is left out."""
    assert [str(complaint) for complaint in complaints(estate)] == []
    assert Estate.model_validate_json(estate.model_dump_json()) == estate
    assert set(estate.firewalls) <= set(estate.machines)
    hosts = [v.host for v in estate.vcenters.values()]
    hosts += [d.servers[0] for d in estate.directories.values()]
    assert {host.partition(".")[0] for host in hosts} <= set(estate.machines)


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("most", [1, 2, 5])
def test_a_scaled_estate_is_valid(folder: str, most: int) -> None:
    whole = estate_in(folder)
    small = scaled(whole, most)
    valid(small)
    kinds = Counter(
        (m.site, m.role, m.member, tuple(leg.vlan for leg in m.interfaces))
        for m in small.machines.values()
        if m.role not in WHOLE
    )
    assert max(kinds.values()) <= most
    pairs = {name for name, m in whole.machines.items() if m.role in WHOLE}
    assert pairs <= set(small.machines), "no pair is torn apart"
    assert {(m.site, m.role) for m in small.machines.values()} == {
        (m.site, m.role) for m in whole.machines.values()
    }, "one of each kind is left"
    assert list(small.machines) == [n for n in whole.machines if n in small.machines]


def test_a_scaled_estate_is_smaller() -> None:
    whole = estate_in("estate")
    counts = [len(scaled(whole, most).machines) for most in (1, 2, 3, 50)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1] == len(whole.machines)
    assert scaled(whole, 50) == whole


@settings(max_examples=50, deadline=None)
@given(data=st.data(), folder=st.sampled_from(FOLDERS))
def test_any_choice_of_machines_is_valid(data: st.DataObject, folder: str) -> None:
    whole = estate_in(folder)
    names = data.draw(st.sets(st.sampled_from(list(whole.machines)), min_size=1, max_size=9))
    small = chosen(whole, names)
    assert set(small.machines) == names
    valid(small)


def test_patterns_choose_machines() -> None:
    whole = estate_in("lab/estate")
    small = chosen(whole, ["fw-*", "bastion-a1", "fw-a1"])
    assert list(small.machines) == ["fw-a1", "fw-a2", "fw-b1", "fw-b2", "bastion-a1"]
    emptied = ("vcenters", "clusters", "exposures", "virtual_addresses", "directories")
    assert not any(getattr(small, kind) for kind in emptied)
    assert small.flows == whole.flows
    kept = chosen(whole, ["proxy-a1", "guichet-a1"])
    assert kept.virtual_addresses["proxy-a"].machines == ("proxy-a1",)
    assert set(kept.exposures) == {"guichet", "guichet-v6"}
    assert kept.backups["guichet"].machines == ("guichet-a1",)
    assert "portail" not in kept.backups
    assert kept.machines["proxy-a1"].cluster is None, "its vCenter is not among them"
    assert chosen(whole, ["proxy-a1", "vcenter-a1"]).machines["proxy-a1"].cluster == "prod-a"


def test_mistakes_are_told() -> None:
    whole = estate_in("lab/estate")
    with pytest.raises(InvalidInput, match=r"--only nobody-\*: no declared machine"):
        chosen(whole, ["fw-*", "nobody-*"])
    with pytest.raises(InvalidInput, match="1 or more, not 0"):
        scaled(whole, 0)
