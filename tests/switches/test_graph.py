"""What the graph joins is what frames reach, sent one by one through switches that flood them."""

from __future__ import annotations

import json
from collections.abc import Iterable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sitiv_infra.estate import Estate
from sitiv_infra.facts import SwitchFacts
from sitiv_infra.facts.switch import PortMode, SwitchPort
from sitiv_infra.switches import joined
from sitiv_infra.testing import estate_of

VIDS = (10, 11, 77)
ZONED = VIDS[:2]  # 77 is of no zone; of the others, each site has its own
SITES = {"s0": "a", "s1": "b", "s2": "a"}
NAMES = tuple(SITES)
Place = tuple[str, int]
ZONES = [f"{site}{vid}" for site in "ab" for vid in ZONED]


@st.composite
def ports(draw: st.DrawFn, name: str) -> SwitchPort:
    return SwitchPort(
        name=name,
        mode=draw(st.sampled_from([PortMode.ACCESS, PortMode.TRUNK])),
        access=draw(st.sampled_from(VIDS)),
        native=draw(st.sampled_from(VIDS)),
        native_tagged=draw(st.booleans()),
        allowed=draw(st.frozensets(st.sampled_from(VIDS))),
        shut=draw(st.integers(0, 9)) == 0,
    )


@st.composite
def networks(draw: st.DrawFn) -> tuple[Estate, dict[str, SwitchFacts]]:
    links: dict[str, dict[str, object]] = {name: {} for name in NAMES}
    found: dict[str, list[SwitchPort]] = {name: [] for name in NAMES}
    pairs = st.sampled_from([("s0", "s1"), ("s0", "s2"), ("s1", "s2")])
    for number, (one, other) in enumerate(draw(st.lists(pairs, max_size=4))):
        links[one][f"p{number}"] = {"switch": other, "port": f"p{number}"}
        for end in (one, other):
            found[end].append(draw(ports(f"p{number}")))
    estate = estate_of(json.dumps({
        "zones": {zone: {"title": "Z"} for zone in ZONES},
        "vlans": {
            zone: {"vid": int(zone[1:]), "zone": zone, "sites": [zone[0]]}
            for zone in ZONES
        },
        "switches": {
            name: {"site": SITES[name], "platform": "eos", "host": "h.test",
                   "observed_from": "admin", "links": links[name]}
            for name in NAMES
        },
    }))  # fmt: skip
    seen = {name: SwitchFacts(platform="eos", ports=tuple(found[name])) for name in NAMES}
    return estate, seen


def sent(port: SwitchPort, vid: int) -> list[int | None]:
    """Tell as what a frame of a VLAN leaves: not at all, without a tag, or with one."""
    if port.shut:
        return []
    if port.mode is PortMode.ACCESS:
        return [None] if vid == port.access else []
    if vid not in port.allowed:
        return []
    return [None] if vid == port.native and not port.native_tagged else [vid]


def taken(port: SwitchPort, tag: int | None) -> list[int]:
    """Tell of which VLAN a frame is that comes in."""
    if port.shut:
        return []
    if port.mode is PortMode.ACCESS:
        return [port.access] if tag is None else []
    if tag is None:
        return [port.native] if not port.native_tagged and port.native in port.allowed else []
    return [tag] if tag in port.allowed else []


def flooded(seen: dict[str, SwitchFacts], start: Place) -> set[Place]:
    """Let a frame go wherever switches send it."""
    reached, new = {start}, [start]
    while new:
        switch, vid = new.pop()
        for port in seen[switch].ports:
            for other in NAMES:
                far = seen[other].port(port.name) if other != switch else None
                for tag in sent(port, vid) if far else ():
                    for into in taken(far, tag) if far else ():
                        if (other, into) not in reached:
                            reached.add((other, into))
                            new.append((other, into))
    return reached


def groups(pairs: Iterable[tuple[str, str]]) -> set[frozenset[str]]:
    """Give the zones that hang together, where more than one do."""
    found: list[set[str]] = []
    for one, other in pairs:
        touched = [group for group in found if {one, other} & group]
        found = [group for group in found if group not in touched]
        found.append({one, other}.union(*touched))
    return {frozenset(group) for group in found}


@given(networks())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_zones_are_joined_where_frames_go_from_one_to_the_other(
    drawn: tuple[Estate, dict[str, SwitchFacts]],
) -> None:
    estate, seen = drawn
    # Two frames that meet in a VLAN of no zone join theirs, though neither reaches the other.
    met: dict[Place, str] = {}
    pairs = []
    for vid in ZONED:
        for switch in NAMES:
            zone = f"{SITES[switch]}{vid}"
            for place in flooded(seen, (switch, vid)):
                if place[1] in ZONED:
                    pairs.append((zone, f"{SITES[place[0]]}{place[1]}"))
                elif met.setdefault(place, zone) != zone:
                    pairs.append((zone, met[place]))
    found = joined(estate, seen)
    assert groups(one.zones for one in found) == groups(p for p in pairs if p[0] != p[1])
    assert all(one.sure for one in found)
    for one in found:
        assert one.path[0].startswith(("VLAN 10", "VLAN 11"))
        assert one.path[0].endswith(f"on {one.switch}")
