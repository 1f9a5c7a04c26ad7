"""Which VLANs links carry: enough, nothing that would join two networks, and no loop."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sitiv_infra.estate import Estate, Vlan, load
from sitiv_infra.lab import wiring
from sitiv_infra.testing import estate_of
from sitiv_infra.wanted.switching import CARRIER, trunk

INVENTORY = Path(__file__).parents[2] / "inventory"
Edge = tuple[str, str, frozenset[int]]


@st.composite
def networks(draw: st.DrawFn) -> Estate:
    """Draw VLANs on one to four sites; an id may be used again on other sites.

    Those of the internet meet at the carrier, where the lab has one network: they have their ids.
    """
    sites = "abcd"[: draw(st.integers(2, 4))]
    zones = {"internet": {"title": "I", "internet": True}, "web": {"title": "W"}}
    vlans: dict[str, object] = {}
    used: set[tuple[str, int]] = set()
    for number in range(draw(st.integers(1, 7))):
        here = sorted(draw(st.sets(st.sampled_from(sites), min_size=1)))
        zone = draw(st.sampled_from(["web", "web", "internet"]))
        vid = 20 + number if zone == "internet" else draw(st.integers(10, 14))
        if not used & {(site, vid) for site in here}:
            used |= {(site, vid) for site in here}
            vlans[f"v{number}"] = {"vid": vid, "zone": zone, "sites": here}
    more = {site: {"title": site} for site in sites if site not in "ab"}
    return estate_of(json.dumps({"sites": more, "zones": zones, "vlans": vlans}))


def switches(estate: Estate, vlan: Vlan) -> set[str]:
    """Name the switches with access ports of a VLAN."""
    return {*vlan.sites, *([CARRIER] if estate.zones[vlan.zone].internet else [])}


def paths(estate: Estate) -> list[list[Edge]]:
    """Give the links in use, for every choice that the switches beyond the first two may make."""
    fixed: list[Edge] = []
    choices: dict[str, list[Edge]] = {}
    for link in wiring.links(estate):
        edge = link.one, link.other, frozenset(trunk(estate, link.one, link.other))
        if link.one in list(estate.sites)[:2]:
            fixed = [edge]  # two links that are one
        else:
            choices.setdefault(link.one, []).append(edge)
    return [[*fixed, *chosen] for chosen in product(*choices.values())]


def component(edges: list[Edge], vid: int, start: str) -> set[str]:
    """Give the switches that a frame of a VLAN reaches; it must not come back another way."""
    found = {start}
    todo: list[tuple[str, Edge | None]] = [(start, None)]
    while todo:
        here, came = todo.pop()
        for edge in edges:
            if edge is came or vid not in edge[2] or here not in edge[:2]:
                continue
            there = edge[1] if edge[0] == here else edge[0]
            assert there not in found, f"a loop of VLAN {vid} at {there}"
            found.add(there)
            todo.append((there, edge))
    return found


def check(estate: Estate) -> None:
    ids = [vlan.vid for vlan in estate.vlans.values()]
    for edges in paths(estate):
        for vlan in estate.vlans.values():
            for start in switches(estate, vlan):
                reached = component(edges, vlan.vid, start)
                if ids.count(vlan.vid) == 1:
                    assert switches(estate, vlan) <= reached, "every end of it is reached"
                for other in estate.vlans.values():
                    if other.vid == vlan.vid and other.name != vlan.name:
                        assert not set(other.sites) & reached, "two networks would be one"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(networks())
def test_vlans_are_whole_and_apart_on_any_links(estate: Estate) -> None:
    check(estate)


@pytest.mark.parametrize("folder", ["estate", "lab/estate"])
def test_vlans_are_whole_and_apart(folder: str) -> None:
    check(load(INVENTORY / folder))


def test_a_vlan_of_one_site_stays_there() -> None:
    estate = load(INVENTORY / "lab" / "estate")
    for vlan in estate.vlans.values():
        if len(switches(estate, vlan)) == 1:
            assert all(vlan.vid not in edge[2] for edges in paths(estate) for edge in edges)


def test_links_are_the_same_from_both_ends() -> None:
    estate = load(INVENTORY / "estate")
    names = [*estate.sites, CARRIER]
    for one, other in product(names, names):
        if one != other:
            assert trunk(estate, one, other) == trunk(estate, other, one)
