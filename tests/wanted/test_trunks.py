"""Trunks carry exactly what is needed behind them, and lists change without ever being open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sitiv_infra import vlan_ids
from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Estate, load
from sitiv_infra.facts.switch import PortMode
from sitiv_infra.switches import findings, read_text
from sitiv_infra.testing import estate_of
from sitiv_infra.wanted.switch_lines import change, config, vlans
from sitiv_infra.wanted.trunks import Cable, cables, needed, ports

INVENTORY = Path(__file__).parents[2] / "inventory"
NETWORK = """
zones: {web: {title: Web}, data: {title: Data}}
vlans:
  web-a: {vid: 10, zone: web, sites: [a]}
  data-a: {vid: 20, zone: data, sites: [a]}
  both: {vid: 30, zone: data, sites: [a, b]}
  admin-a: {vid: 60, zone: admin, sites: [a]}
vcenters: {vc: {site: a, host: vc.test, observed_from: admin}}
clusters: {prod: {site: a, vcenter: vc}}
firewalls: {fw: {site: a, host: fw.test, observed_from: admin}}
machines:
  fw: {site: a, role: firewall}
  web1: {site: a, role: web, cluster: prod, interfaces: [{vlan: web-a}]}
  data1: {site: a, role: data, interfaces: [{vlan: data-a}]}
"""
SWITCHES = """
switches:
  one:
    {site: a, platform: ios, host: one.test, observed_from: admin, vlan: admin-a, native: 999,
     links: {Gi0/1: {switch: two, port: Et1}, Gi0/2: {machine: fw}, Gi0/3: {machine: data1}}}
  two:
    {site: a, platform: eos, host: two.test, observed_from: admin, native: 999,
     links: {Et2: {cluster: prod}, Et3: {vlans: [both]}, Et4: {switch: far, port: Et1}}}
  far: {site: b, platform: eos, host: far.test, observed_from: admin, native: 999}
"""


def test_each_port_carries_what_is_behind_it() -> None:
    estate = estate_of(NETWORK, SWITCHES)
    wanted = {s: {p.name: p for p in each} for s, each in ports(estate).items()}
    assert {n: (p.access, p.allowed) for n, p in wanted["one"].items()} == {
        "Gi0/1": (None, {10, 30}),  # the cluster's and the desks', up to the firewall
        "Gi0/2": (None, {10, 20, 30, 60}),
        "Gi0/3": (20, set()),
    }
    assert {n: (p.access, p.allowed) for n, p in wanted["two"].items()} == {
        "Et1": (None, {10, 30}),
        "Et2": (None, {10}),
        "Et3": (30, set()),
        "Et4": (None, set()),  # nothing is needed on the other site
    }
    assert {p.native for p in wanted["one"].values()} == {999, None}


NAMES = ("s0", "s1", "s2", "s3", "s4")


@st.composite
def networks(draw: st.DrawFn) -> Estate:
    """Draw switches on two sites, cables between them, doubled ones too, and desks of VLANs."""
    switches: dict[str, dict[str, object]] = {
        name: {
            "site": draw(st.sampled_from("ab")), "platform": draw(st.sampled_from(["ios", "eos"])),
            "host": f"{name}.test", "observed_from": "admin", "native": 999, "links": {},
        }
        for name in NAMES
    }  # fmt: skip
    kinds = {"v0": ["a"], "v1": ["b"], "v2": ["a", "b"], "v3": ["a", "b"]}
    found = {
        name: {"vid": 10 + n, "zone": "admin", "sites": sites}
        for n, (name, sites) in enumerate(kinds.items())
    }
    pairs = st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES))
    for number, (one, other) in enumerate(draw(st.lists(pairs, max_size=8))):
        link = {"switch": other, "port": f"Ethernet{number + 50}"}
        if one != other:
            switches[one]["links"][f"Ethernet{number + 10}"] = link  # type: ignore[index]
    for number, name in enumerate(NAMES):
        here = [v for v, sites in kinds.items() if switches[name]["site"] in sites]
        wished = draw(st.lists(st.sampled_from(here), max_size=3, unique=True))
        if wished:
            switches[name]["links"][f"Ethernet{number + 90}"] = {"vlans": wished}  # type: ignore[index]
    return estate_of(json.dumps({"vlans": found, "switches": switches}))


def walks(estate: Estate, vlan: str, path: tuple[str, ...], used: list[Cable]) -> Iterator[Cable]:
    """Walk every way that passes no switch twice; yield its cables where it ends at a place."""
    if len(path) > 1 and at_home(estate, vlan, path[-1]):
        yield from used
    for cable in cables(estate):
        for here, there in ((cable.one, cable.other), (cable.other, cable.one)):
            new = there[0] not in path
            stands = estate.switches[there[0]].site in estate.vlans[vlan].sites
            if here[0] == path[-1] and new and stands:
                yield from walks(estate, vlan, (*path, there[0]), [*used, cable])


def at_home(estate: Estate, vlan: str, switch: str) -> bool:
    return any(vlan in link.vlans for link in estate.switches[switch].links.values())


@given(networks())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_link_carries_a_vlan_where_a_way_between_two_places_leads_over_it(
    estate: Estate,
) -> None:
    expected: dict[Cable, set[str]] = {cable: set() for cable in cables(estate)}
    for vlan in estate.vlans:
        for start in estate.switches:
            if at_home(estate, vlan, start):
                for cable in walks(estate, vlan, (start,), []):
                    expected[cable].add(vlan)
    assert needed(estate) == expected


@given(networks())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_written_is_read_as_what_was_declared(estate: Estate) -> None:
    for switch in estate.switches.values():
        wanted = {port.name: port for port in ports(estate)[switch.name]}
        if not wanted:
            continue
        lines = [*vlans({10: "ten"}), *config(wanted.values(), switch.platform), "end"]
        read = read_text("\n".join(lines), switch.platform)
        assert read.doubts == ()
        assert {p.name for p in read.ports} == set(wanted)
        for port in read.ports:
            declared = wanted[port.name]
            assert port.doubts == ()
            if declared.access is not None:
                assert (port.mode, port.access) == (PortMode.ACCESS, declared.access)
            else:
                assert (port.mode, port.allowed) == (PortMode.TRUNK, declared.allowed)
                assert (port.native, port.untagged) == (999, None)
        rules = {f.rule for f in findings(read)} - {"storm-control", "vtp"}
        assert rules == set(), "what is wanted is safe by itself"


VIDS = st.one_of(
    st.frozensets(st.integers(1, 4094), max_size=60),
    st.just(vlan_ids.ALL),
    st.just(frozenset(range(1, 4094, 2))),
)


def after_each_line(present: dict[str, frozenset[int]], lines: list[str]) -> Iterator[
    dict[str, frozenset[int]]
]:  # fmt: skip
    """Interpret a script as IOS does: the lists of all trunks after each of its lines."""
    lists, here = dict(present), ""
    for line in lines:
        words = line.split()
        if words[0] == "interface":
            here = words[1]
        elif line.startswith(" switchport trunk allowed vlan"):
            *verb, given_ids = words[4:]
            ids = vlan_ids.read(given_ids)
            lists[here] = {
                (): lambda _now, ids=ids: ids,
                ("add",): lambda now, ids=ids: now | ids,
                ("remove",): lambda now, ids=ids: now - ids,
            }[tuple(verb)](lists[here])
        elif line.startswith(" no switchport trunk allowed vlan"):
            lists[here] = vlan_ids.ALL
        yield dict(lists)


@given(st.dictionaries(st.sampled_from(["Gi0/1", "Gi0/2"]), st.tuples(VIDS, VIDS), min_size=1))
def test_a_list_changes_without_ever_being_open(
    trunks: dict[str, tuple[frozenset[int], frozenset[int]]],
) -> None:
    lines = list(change(trunks, {77: "new"}))
    lists = {port: present for port, (present, _) in trunks.items()}
    for lists in after_each_line(lists, lines):  # noqa: B020 - from what is there, to the last
        for port, (present, wanted) in trunks.items():
            assert present & wanted <= lists[port], "what is to stay was never cut off"
            assert lists[port] <= present or lists[port] <= wanted, "nothing else was let through"
    assert lists == {port: wanted for port, (_, wanted) in trunks.items()}
    assert not any(line.startswith(" no ") for line in lines)
    assert max(map(len, lines)) < 120


def test_vlans_are_made_when_no_trunk_carries_too_much_any_more() -> None:
    given_lists = {"Gi0/1": (vlan_ids.ALL, frozenset({10, 20}))}
    lines = list(change(given_lists, {20: "data"}))
    assert lines == [
        "interface Gi0/1",
        " switchport trunk allowed vlan remove 1-9,11-19,21-4094",
        "vlan 20",
        " name data",
    ]


def test_nothing_is_said_where_nothing_changes() -> None:
    assert list(change({"Gi0/1": (frozenset({10}), frozenset({10}))})) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("machine: fw}", "machine: fx}", "'fx' is not among the declared machines"),
        ("cluster: prod}", "cluster: prood}", "'prood' is not among the declared clusters"),
        ("switch: far,", "switch: fa,", "'fa' is not among the declared switches"),
        ("{vlans: [both]}", "{vlans: [bath]}", "'bath' is not among the declared vlans"),
        ("{vlans: [both]}", "{}", "a port leads to one switch, machine or cluster, or to some"),
        ("machine: data1}", "machine: data1, cluster: prod}", "a port leads to one switch"),
        ("machine: data1}", "machine: web1}", "it stands on a cluster; link the cluster's hosts"),
        ("switch: far, port: Et1", "switch: far", "a link to a switch names 'switch' and 'port'"),
        ("native: 999}", "native: 998}", "the native VLANs differ: 999 here, 998 on 'far'"),
        ("native: 999}", "native: 30}", "30 is VLAN 'both'; it is to be used by nothing"),
        ("switch: far, port: Et1", "switch: one, port: Gi0/1",
         "port 'Gi0/1' of 'one' is declared to lead elsewhere"),
        ("{site: b, platform: eos, host: far.test",
         "{site: b, vlan: web-a, platform: eos, host: far.test",
         "VLAN 'web-a' does not stand on site 'b'"),
        ("native: 999}", "native: 999, links: {Et1: {switch: one, port: Gi0/9}}}",
         "port 'Et1' of 'far' is declared to lead elsewhere"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_place(old: str, new: str, told: str) -> None:
    assert old in SWITCHES
    with pytest.raises(InvalidInput) as caught:
        estate_of(NETWORK, SWITCHES.replace(old, new))
    assert [p for p in caught.value.problems if told in p.what and p.line > 1], str(caught.value)


def test_the_example_estates_declare_no_switch_yet() -> None:
    assert not load(INVENTORY / "estate").switches
