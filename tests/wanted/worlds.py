"""Estates to compute from: a small one written by hand, and any number made up."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from sitiv_infra.estate import Estate
from sitiv_infra.testing import estate_of

SMALL = """
sites: {c: {title: C, role: arbiter}}
zones:
  internet: {title: Internet, internet: true}
  transit: {title: Between the sites}
  web: {title: Web}
  data: {title: Data}
  directory: {title: Directories}
vlans:
  outside: {vid: 100, zone: internet, sites: [a, b], subnets: [203.0.113.0/24, '2001:db8::/64']}
  transit: {vid: 900, zone: transit, sites: [a, b, c], subnets: [10.90.0.0/24, 'fd00:90::/64'],
            transit: true}
  web-a: {vid: 10, zone: web, sites: [a], subnets: [10.1.10.0/24, 'fd00:1:10::/64']}
  web-b: {vid: 11, zone: web, sites: [b], subnets: [10.2.10.0/24]}
  data-a: {vid: 20, zone: data, sites: [a, c], subnets: [10.1.20.0/24]}
  corbas: {vid: 31, zone: directory, member: corbas, sites: [a, b], subnets: [10.40.1.0/28]}
  corbas-b: {vid: 33, zone: directory, member: corbas, sites: [b], subnets: [10.40.3.0/28]}
  givors: {vid: 32, zone: directory, member: givors, sites: [a, b], subnets: [10.40.2.0/28]}
firewalls:
  fw-a1: {site: a, host: fw-a1.test, credential: ssh, observed_from: admin}
  fw-a2: {site: a, host: fw-a2.test, credential: ssh, observed_from: admin}
  fw-b1: {site: b, host: fw-b1.test, credential: ssh, observed_from: admin}
machines:
  fw-a1: {site: a, role: firewall, interfaces: [{vlan: transit, addresses: [10.90.0.11]}]}
  fw-a2: {site: a, role: firewall, interfaces: [{vlan: transit, addresses: [10.90.0.12]}]}
  fw-b1: {site: b, role: firewall, interfaces: [{vlan: transit, addresses: [10.90.0.21]}]}
  arbiter: {site: c, role: arbiter, interfaces: [{vlan: transit, addresses: [10.90.0.31]}]}
  web-a1:
    site: a
    role: web
    interfaces: [{vlan: web-a, addresses: [10.1.10.11, 'fd00:1:10::11']}]
  web-b1: {site: b, role: web, interfaces: [{vlan: web-b, addresses: [10.2.10.11]}]}
  data-a1: {site: a, role: data, interfaces: [{vlan: data-a, addresses: [10.1.20.11]}]}
  dc-corbas: {site: a, role: directory, interfaces: [{vlan: corbas, addresses: [10.40.1.3]}]}
services:
  portal: {title: P, domain: D, criticality: low, rpo: 1d, rto: 1d, zone: web, sites: [a, b]}
virtual_addresses:
  web-a:
    site: a
    vlan: web-a
    addresses: [10.1.10.10]
    machines: [web-a1]
    publishes: [203.0.113.10, '2001:db8::10']
  web-b:
    {site: b, vlan: web-b, addresses: [10.2.10.10], machines: [web-b1], publishes: [203.0.113.10]}
exposures:
  portal: &portal
    {address: 203.0.113.10, port: 443, host: portal.test, service: portal, reason: r,
     approved_by: RSSI}
  portal-v6:
    {address: '2001:db8::10', port: 443, host: portal.test, service: portal, reason: r,
     approved_by: RSSI}
  trial:
    {address: 203.0.113.10, port: 8443, host: trial.test, service: portal, reason: r,
     approved_by: RSSI, until: 2026-11-20}
  quic:
    {address: 203.0.113.10, port: 443, protocol: udp, host: quic.test, service: portal,
     reason: r, approved_by: RSSI}
flows:
  public: {source: internet, destination: web, services: [tcp/443], owner_team: n, reason: r}
  store:
    source: web
    destination: data
    services: [tcp/9000, tcp/8000-8010, udp/53, icmp]
    owner_team: n
    reason: r
  trial:
    {source: web, destination: data, services: [tcp/22], owner_team: n, reason: r,
     until: 2026-11-20}
  names: {source: data, destination: directory, services: [udp/53], owner_team: n, reason: r}
""".replace("&portal\n", "\n")


def small() -> Estate:
    return estate_of(SMALL)


ZONES = ("web", "data", "directory")
SITES = ("a", "b", "c")
SERVICES = ("tcp/22", "tcp/443", "tcp/8000-8010", "udp/53", "udp/1-65535", "icmp")
ABROAD = ("192.0.2.0/25", "172.16.8.0/24", "fd00:8::/48", "2001:db8:8::/48")
MEMBERS = (None, "corbas", "givors")


def _subnets(number: int, kind: str) -> list[str]:
    if kind == "public":
        return [f"198.51.100.{number * 16}/28", f"2001:db8:{number}::/64"]
    four, six = f"10.{number}.0.0/24", f"fd00:{number}::/64"
    return {"both": [four, six], "four": [four], "six": [six], "none": []}[kind]


@st.composite
def vlans(draw: st.DrawFn) -> dict[str, Any]:
    """Draw VLANs of any zone and member, on any sites, with and without subnets."""
    kinds = st.sampled_from(["both", "four", "six", "none", "public"])
    found: dict[str, Any] = {}
    for number in range(1, draw(st.integers(1, 6)) + 1):
        sites = draw(st.sets(st.sampled_from(SITES), min_size=1))
        found[f"v{number}"] = {
            "vid": number + 10,
            "zone": draw(st.sampled_from(ZONES)),
            "sites": sorted(sites),
            "subnets": _subnets(number, draw(kinds)),
            "member": draw(st.sampled_from(MEMBERS)),
        }
    return found


def _flow(pair: tuple[str, str], services: list[str]) -> dict[str, Any]:
    source, destination = pair
    ends = {"source": source, "destination": destination}
    return {**ends, "services": services, "owner_team": "net", "reason": "a test"}


@st.composite
def estates(draw: st.DrawFn) -> Estate:
    """Draw an estate: firewalls on one or two sites, a transit VLAN, flows between zones."""
    drawn = draw(vlans())
    drawn["transit"] = {
        "vid": 900, "zone": "transit", "sites": list(SITES), "transit": True,
        "subnets": ["10.90.0.0/24", "fd00:90::/64"],
    }  # fmt: skip
    if draw(st.booleans()):
        nets = ["203.0.113.0/24", "2001:db8:113::/64"]
        drawn["outside"] = {"vid": 100, "zone": "internet", "sites": ["a", "b"], "subnets": nets}
    sites = draw(st.sampled_from(["a", "b", "ab", "ba"]))  # with firewalls
    names = [f"fw-{site}{n}" for site in sites for n in range(1, draw(st.integers(1, 2)) + 1)]
    machines = {
        name: {
            "site": name[3], "role": "firewall",
            "interfaces": [{"vlan": "transit", "addresses": [f"10.90.0.{i}", f"fd00:90::{i}"]}],
        }
        for i, name in enumerate(names, start=11)
    }  # fmt: skip
    zones = (*ZONES, "abroad", "internet", "transit")
    abroad = draw(st.lists(st.sampled_from(ABROAD), unique=True))
    pairs = st.permutations(zones).map(lambda order: (order[0], order[1]))
    flows = draw(
        st.dictionaries(pairs, st.lists(st.sampled_from(SERVICES), min_size=1), max_size=4)
    )
    return estate_of(json.dumps({
        "sites": {"c": {"title": "C", "role": "arbiter"}},
        "zones": {
            **{zone: {"title": zone, "internet": zone == "internet"} for zone in zones},
            "abroad": {"title": "Behind a carrier", "networks": abroad},
            "lost": {"title": "Nobody's", "unassigned": True},
        },
        "vlans": drawn,
        "machines": machines,
        "firewalls": {
            name: {"site": name[3], "host": f"{name}.test", "observed_from": "admin"}
            for name in names
        },
        "flows": {f"f{n}": _flow(*item) for n, item in enumerate(flows.items())},
    }))  # fmt: skip


def with_sites(**sites: tuple[str, ...]) -> Estate:
    """Give the small estate with flows that hold at some sites."""
    estate = small()
    flows = {
        name: flow.model_copy(update={"sites": sites.get(name, ())})
        for name, flow in estate.flows.items()
    }
    return estate.model_copy(update={"flows": flows})
