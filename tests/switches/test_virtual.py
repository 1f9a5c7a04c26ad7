"""Zones that machines join are those that a frame reaches which each hands on to all its cards."""

from __future__ import annotations

import json
from itertools import combinations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sitiv_infra.facts import HypervisorFacts
from sitiv_infra.facts.hypervisor import PortGroup, PortVlan, VirtualMachine, VirtualNic
from sitiv_infra.switches import joined, standings
from sitiv_infra.testing import estate_of

ZONED, LOST = (10, 11, 12), (77, 78)
ESTATE = estate_of(json.dumps({
    "zones": {f"z{vid}": {"title": "Z"} for vid in ZONED},
    "vlans": {f"v{vid}": {"vid": vid, "zone": f"z{vid}", "sites": ["a"]} for vid in ZONED},
    "vcenters": {"vc": {"site": "a", "host": "vc.test", "observed_from": "admin"}},
    "clusters": {"c": {"site": "a", "vcenter": "vc", "hosts": ["h"]}},
    "firewalls": {"m0": {"site": "a", "host": "fw.test", "observed_from": "admin"}},
    "machines": {"m0": {"site": "a", "role": "firewall", "cluster": "c"}},
}))  # fmt: skip


def facts(cards: list[list[tuple[int, bool]]]) -> HypervisorFacts:
    groups = tuple(
        PortGroup(
            key=str(vid), name=str(vid), switch="s", hosts=("h",), uplink=False,
            vlan=PortVlan(ids=frozenset({vid})), promiscuous=False, forged=False,
            mac_changes=False, vlan_override=False, security_override=False,
        )
        for vid in ZONED + LOST
    )  # fmt: skip
    machines = tuple(
        VirtualMachine(
            name=f"m{number}", host="h", cluster="c", powered_on=True, agent=False,
            nics=tuple(
                VirtualNic(label=str(n), portgroup=str(vid), connected=on)
                for n, (vid, on) in enumerate(own)
            ),
        )
        for number, own in enumerate(cards)
    )  # fmt: skip
    return HypervisorFacts(version="8", clusters=(), hosts=(), machines=machines, portgroups=groups)


CARDS = st.lists(
    st.lists(st.tuples(st.sampled_from(ZONED + LOST), st.booleans()), max_size=3),
    min_size=1,
    max_size=5,
)


@given(CARDS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_zones_are_joined_where_machines_hand_frames_on(
    cards: list[list[tuple[int, bool]]],
) -> None:
    # Brute force: merge what each machine but the firewall (m0) is connected to.
    merged = {vid: {vid} for vid in ZONED + LOST}
    for own in cards[1:]:
        here = {vid for vid, on in own if on}
        group = here.union(*(merged[vid] for vid in here)) if here else set()
        for vid in group:
            merged[vid] = group
    expected = {frozenset(pair) for pair in combinations(ZONED, 2) if pair[1] in merged[pair[0]]}
    vcenters = {"vc": facts(cards)}
    pairs = [way.zones for way in joined(ESTATE, {}, vcenters)]
    for standing in standings(ESTATE, {}, vcenters).values():
        assert not standing.possible
        pairs += list(combinations(sorted(standing.zones), 2))
    found = {vid: {vid} for vid in ZONED}
    for one, other in pairs:
        a, b = int(one[1:]), int(other[1:])
        group = found[a] | found[b]
        for vid in group:
            found[vid] = group
    assert {frozenset(p) for p in combinations(ZONED, 2) if p[1] in found[p[0]]} == expected
