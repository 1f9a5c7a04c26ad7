"""Which machines are read over SSH follows from ``hosts``; drift is a source of its own."""

from __future__ import annotations

import pytest

from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Estate
from sitiv_infra.testing import estate_of

MACHINES = """
vlans: {net: {vid: 10, zone: admin, sites: [a, b], subnets: [10.1.0.0/24]}}
machines:
  web-a: {site: a, role: web, os: debian-12, interfaces: [{vlan: net, addresses: [10.1.0.5]}]}
  web-b: {site: b, role: web, os: debian-13, member: corbas}
  store-a: {site: a, role: store, os: debian-12}
  vcenter-a: {site: a, role: vcenter, os: photon-5}
  dc-a: {site: a, role: dc, os: debian-12, connection: none}
  bare-a: {site: a, role: web}
"""
ENTRY = "{{account: svc-audit, credential: ssh-audit, observed_from: admin{0}}}"


def entry(more: str = "") -> str:
    return ENTRY.format(more)


def estate(*entries: str, domain: bool = True) -> Estate:
    lines = "\n".join(f"  h{number}: {text}" for number, text in enumerate(entries))
    loaded = estate_of(MACHINES, f"hosts:\n{lines}\n")
    if not domain:
        return loaded
    operator = loaded.operator.model_copy(update={"domain": "sitiv.test"})
    return loaded.model_copy(update={"operator": operator})


def test_managed_debian_machines_are_read() -> None:
    found = estate(entry()).read_hosts
    assert list(found) == ["web-a", "web-b", "store-a"]
    web = found["web-b"]
    assert (web.host, web.where) == ("web-b.sitiv.test", "ssh://web-b.sitiv.test:22")
    assert (web.source, web.path, web.connections) == ("host/web-b", "corbas/host/web-b", 1)


def test_the_first_entry_that_fits_counts() -> None:
    narrow = entry(", sites: [b], port: 2222")
    found = estate(narrow, entry(", roles: [web], timeout: 2min")).read_hosts
    assert {name: host.port for name, host in found.items()} == {"web-a": 22, "web-b": 2222}
    assert found["web-a"].timeout.total_seconds() == 120


def test_without_a_domain_a_machine_is_read_by_its_address() -> None:
    found = estate(entry(", systems: [debian, photon]"), domain=False).read_hosts
    assert {name: host.host for name, host in found.items()} == {"web-a": "10.1.0.5"}


def test_they_are_sources_and_are_not_declared() -> None:
    declared = estate(entry())
    machine = declared.machines["web-a"]
    assert declared.source_for(machine, "host") == "host/web-a"
    assert declared.sources["host/web-a"].observed_from == "admin"
    assert declared.source_for(declared.machines["dc-a"], "host") is None
    assert "read_hosts" not in declared.model_dump()
    again = Estate.model_validate_json(declared.model_dump_json())
    assert again.fingerprint == declared.fingerprint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"hosts: {{x: {entry(', sites: [c]')}}}", "'c' is not among the declared sites"),
        ("hosts: {x: {account: a, credential: b, observed_from: dmz}}", "the declared zones"),
        ("drifts: {x: {playbook: ../site.yml, observed_from: admin, max_age: 1d}}", "should match"),
        ("drifts: {x: {playbook: a.yml, observed_from: dmz, max_age: 1d}}", "declared zones"),
        ("drifts: {x: {playbook: site.yml, observed_from: admin}}", "'max_age' is missing"),
    ],
)
def test_mistakes_are_named(text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        estate_of(text)


def test_a_drift_is_a_source() -> None:
    text = "drifts: {site: {playbook: site.yml, observed_from: admin, max_age: 25h}}"
    source = estate_of(text).sources["drift/site"]
    assert (source.family, source.where, source.account) == ("drift", "site.yml", None)
