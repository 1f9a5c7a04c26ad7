from __future__ import annotations

import os
from pathlib import Path

import pytest

from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import load
from sitiv_infra.positions import MAX_PROBLEMS
from tests.estate.big import write_big_estate

OPERATOR = """\
operator:
  title: Test
  timezone: Europe/Paris
  delays: {critical: 2d, high: 15d, medium: 60d, low: 180d}
  thresholds: {certificate_remaining: 30d, krbtgt_age: 365d}
"""
BASE = """\
sites: {a: {title: A}, b: {title: B}, c: {title: C, role: arbiter}}
members: {corbas: {title: Corbas, domain: corbas.test}}
zones: {admin: {title: Admin}, dmz: {title: DMZ}}
vlans:
  a-dmz: {vid: 10, zone: dmz, sites: [a], subnets: [10.1.0.0/24, 'fd00:1::/64']}
  b-dmz: {vid: 10, zone: dmz, sites: [b], subnets: [10.2.0.0/24]}
vcenters: {vc: {site: a, host: vc.test, observed_from: admin}}
clusters: {prod-a: {site: a, vcenter: vc}}
object_stores: {s3-a: {site: a, endpoint: 'https://s3.test:9000', observed_from: admin}}
buckets: {data: {stores: [s3-a], purpose: Data}}
firewalls:
  fw-a: {site: a, host: a.test, observed_from: admin}
  fw-b: {site: b, host: b.test, observed_from: admin}
machines: {web: {site: a, role: web, interfaces: [{vlan: a-dmz, addresses: [10.1.0.8]}]}}
services:
  mail:
    {title: Mail, domain: Mail, criticality: critical, rpo: 4h, rto: 8h, zone: dmz, sites: [a, b],
     members: [corbas]}
"""


def problems(folder: Path, *texts: str, base: str = BASE) -> list[str]:
    """Give the mistakes of the last file as ``line:column: what``; the others must have none."""
    for number, text in enumerate((OPERATOR, base, *texts)):
        (folder / f"{number}.yml").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput) as caught:
        load(folder)
    found = caught.value.problems
    last = f"{len(texts) + 1}.yml"
    assert {Path(p.file).name for p in found} == {last}, str(caught.value)
    return [f"{p.line}:{p.column}: {p.what}" for p in found]


BOUND = (
    "zones: {near: {title: N}}\nvlans: {n: {vid: 11, zone: near, sites: [a]}}\n"
    "flows: {f: {source: dmz, destination: near, services: [icmp], owner_team: t, reason: r,"
)
ONE_MISTAKE = {
    "unknown key": (
        "zones: {z: {title: Z, internte: yes}}",
        "1:23: unknown key 'internte'; did you mean 'internet'?",
    ),
    "unknown key, nothing near": (
        "sites: {d: {title: D, colour: red}}",
        "1:23: unknown key 'colour'; known are title, role",
    ),
    "unknown key of a part": (
        "machines: {m: {site: a, role: r, interfaces: [{vlan: a-dmz, adresses: []}]}}",
        "1:61: unknown key 'adresses'; did you mean 'addresses'?",
    ),
    "unknown key of an optional part": (
        (
            "buckets: {b: {stores: [s3-a], purpose: B, lock: {mod: compliance, mode: compliance,"
            " retention: 30d}}}"
        ),
        "1:50: unknown key 'mod'; did you mean 'mode'?",
    ),
    "unknown kind": ("machine: {m: {site: a}}", "1:1: unknown key 'machine'; did you mean"),
    "missing key": ("zones: {z: {internet: yes}}", "1:9: 'title' is missing"),
    "nothing below a name": ("zones:\n  z:\n", "2:3: 'title' is missing"),
    "name inside": (
        "zones: {z: {name: z, title: Z}}",
        "1:13: unknown key 'name': the name of a thing is its key",
    ),
    "wrong number": (
        "vlans: {v: {vid: ten, zone: dmz, sites: [a]}}",
        "1:18: a whole number is expected; this is 'ten'",
    ),
    "number out of range": (
        "vlans: {v: {vid: 4095, zone: dmz, sites: [a]}}",
        "1:18: input should be less than or equal to 4094; this is '4095'",
    ),
    "wrong boolean": (
        "zones: {z: {title: Z, internet: maybe}}",
        "1:33: true or false is expected; this is 'maybe'",
    ),
    "text for a list": (
        "vlans: {v: {vid: 11, zone: dmz, sites: a}}",
        "1:40: a list is expected; this is 'a'",
    ),
    "list for a thing": ("zones: {z: [1]}", "1:12: a mapping is expected; this is a list"),
    "list for a kind": ("zones: [z]", "1:8: 'zones' is a mapping; see 'sitiv estate schema'"),
    "list for a file": ("- zones", "1:1: an estate file maps kinds"),
    "word for a choice": (
        "sites: {d: {title: D, role: spare}}",
        "1:29: input should be 'production' or 'arbiter'; this is 'spare'",
    ),
    "bad name": ("zones: {Zone_1: {title: Z}}", "1:9: a name is a-z, 0-9"),
    "empty list": (
        (
            "services: {s: {title: S, domain: D, criticality: low, rpo: 4h, rto: 8h, sites: [],"
            " zone: dmz}}"
        ),
        "1:80: a list with at least one item is expected; this is empty",
    ),
    "empty text": (
        "zones: {z: {title: ''}}",
        "1:20: string should have at least 1 character; this is ''",
    ),
    "empty value": ("zones: {z: {title: }}", "1:20: text is expected; this is empty"),
    "bad duration": (
        (
            "backups: {x: {services: [mail], repository: {store: s3-a, bucket: data},"
            " observed_from: admin, retention: 4 weeks}}"
        ),
        "1:107: a duration is a whole number and a unit: 30s, 10min, 4h, 7d; this is '4 weeks'",
    ),
    "seconds for a day": (
        "members: {m: {title: M, domain: m.test, leaves: 86400}}",
        "1:49: a day is written 2026-11-30; this is '86400'",
    ),
    "no such day": (
        "members: {m: {title: M, domain: m.test, leaves: 2026-02-30}}",
        "1:49: input should be a valid date",
    ),
    "bad host": (
        "vcenters: {v: {site: a, host: 'vc test', observed_from: admin}}",
        "1:31: a host is a DNS name or an IPv4 address",
    ),
    "bad address": (
        "machines: {m: {site: a, role: r, interfaces: [{vlan: a-dmz, addresses: [10.1.0]}]}}",
        "1:73: an address is written 10.1.2.3 or fd00::3; this is '10.1.0'",
    ),
    "host bits": (
        "vlans: {v: {vid: 11, zone: dmz, sites: [a], subnets: [10.3.0.1/24]}}",
        "1:55: a network is written 10.1.2.0/24 or fd00:1::/64; host bits are set",
    ),
    "bad flow": (
        "flows: {f: {source: dmz, destination: dmz, services: [tcp/0], owner_team: x, reason: y}}",
        "1:55: ports run from 1 to 65535",
    ),
    "VLAN id twice": (
        "vlans:\n  other: {zone: dmz, sites: [a], vid: 10}",
        "2:39: VLAN id 10 is already 'a-dmz' on site 'a'",
    ),
    "overlap": (
        "vlans: {v: {vid: 11, zone: dmz, sites: [a], subnets: [10.9.0.0/24, 10.1.0.128/25]}}",
        "1:68: 10.1.0.128/25 overlaps 10.1.0.0/24 of VLAN 'a-dmz'",
    ),
    "address outside": (
        "machines: {m: {site: a, role: r, interfaces: [{vlan: a-dmz, addresses: [10.2.0.1]}]}}",
        "1:73: 10.2.0.1 is outside the subnets of VLAN 'a-dmz' (10.1.0.0/24, fd00:1::/64)",
    ),
    "address twice": (
        (
            "machines:\n"
            "  m: {site: a, role: r, interfaces: [{vlan: a-dmz, addresses: [10.1.0.1]}]}\n"
            "  n: {site: a, role: r, interfaces: [{vlan: a-dmz, addresses: [10.1.0.1]}]}"
        ),
        "3:64: 10.1.0.1 is already an address of 'm'",
    ),
    "VLAN of another site": (
        "machines: {m: {site: a, role: r, interfaces: [{vlan: b-dmz, addresses: [10.2.0.1]}]}}",
        "1:54: VLAN 'b-dmz' does not stand on site 'a'",
    ),
    "cluster of another site": (
        "machines: {m: {site: b, role: r, cluster: prod-a}}",
        "1:43: cluster 'prod-a' stands on site 'a', not 'b'",
    ),
    "broken reference": (
        "machines: {m: {site: a, role: r, services: [mail, mial]}}",
        "1:51: 'mial' is not among the declared services; did you mean 'mail'?",
    ),
    "broken reference of a source": (
        "vcenters: {v: {site: a, host: v.test, observed_from: nowhere}}",
        "1:54: 'nowhere' is not among the declared zones",
    ),
    "override of nobody": (
        (
            "services: {s: {title: S, domain: D, criticality: low, rpo: 4h, rto: 8h, zone: dmz,"
            " sites: [a], overrides: {corbas: {rto: 1h}}}}"
        ),
        "1:108: 'corbas' does not use this service",
    ),
    "critical on one site": (
        (
            "services: {s: {title: S, domain: D, criticality: critical, rpo: 4h, rto: 8h,"
            " zone: dmz, sites: [a, c]}}"
        ),
        "1:96: a critical service stands on two production sites",
    ),
    "exposed twice": (
        (
            "vantages: {i: {networks: [192.0.2.0/30], observed_from: dmz}}\n"
            "exposures:\n"
            "  x: {address: 192.0.2.1, port: 443, host: x.test, service: mail, reason: r,"
            " approved_by: RSSI}\n"
            "  y: {address: 192.0.2.1, port: 443, host: x.test, service: mail, reason: r,"
            " approved_by: RSSI}"
        ),
        "4:33: 192.0.2.1 tcp/443 for x.test is already 'x'",
    ),
    "exposed where nobody looks": (
        (
            "vantages: {i: {networks: [192.0.2.0/30], observed_from: dmz}}\n"
            "exposures: {x: {address: 192.0.2.9, port: 443, host: x.test, service: mail, reason: r,"
            " approved_by: RSSI}}"
        ),
        "2:26: 192.0.2.9 is in no network of a vantage",
    ),
    "virtual address outside": (
        "virtual_addresses: {x: {site: a, vlan: a-dmz, addresses: [10.2.0.9], machines: [web]}}",
        "1:59: 10.2.0.9 is outside the subnets of VLAN 'a-dmz'",
    ),
    "virtual address of a machine elsewhere": (
        "virtual_addresses: {x: {site: a, vlan: b-dmz, addresses: [10.2.0.9], machines: [web]}}",
        "1:81: 'web' has no interface in VLAN 'b-dmz'",
    ),
    "virtual address of nobody": (
        "virtual_addresses: {x: {site: a, vlan: a-dmz, addresses: [10.1.0.9], machines: [wbe]}}",
        "1:81: 'wbe' is not among the declared machines; did you mean 'web'?",
    ),
    "virtual address in no VLAN": (
        "virtual_addresses: {x: {site: a, vlan: dmz, addresses: [10.1.0.9], machines: [web]}}",
        "1:40: 'dmz' is not among the declared vlans",
    ),
    "virtual address without address": (
        "virtual_addresses: {x: {site: a, vlan: a-dmz, addresses: [], machines: [web]}}",
        "1:58: a list with at least one item is expected; this is empty",
    ),
    "two transit VLANs": (
        (
            "vlans:\n"
            "  t: {vid: 90, zone: dmz, sites: [a, b], transit: yes}\n"
            "  u: {vid: 91, zone: dmz, sites: [a, b], transit: yes}"
        ),
        "3:51: 't' is the transit VLAN already; there is one",
    ),
    "network of a zone in a VLAN": (
        "zones: {z: {title: Z, networks: [10.1.0.128/25]}}",
        "1:34: 10.1.0.128/25 overlaps 10.1.0.0/24 of VLAN 'a-dmz'",
    ),
    "two internets": (
        "zones:\n  y: {title: Y, internet: true}\n  z: {title: Z, internet: true}",
        "3:27: 'y' is it already; there is one",
    ),
    "zone that is both rests": (
        "zones: {z: {title: Z, internet: true, unassigned: true}}",
        "1:51: a zone is what is left of public addresses, or of the others, not both",
    ),
    "rest with networks": (
        "zones: {z: {title: Z, unassigned: true, networks: [10.9.0.0/24]}}",
        "1:51: this zone is what the others leave; name networks in a zone of their own",
    ),
    "VLAN of nobody": (
        (
            "zones: {z: {title: Z, unassigned: true}}\n"
            "vlans: {v: {vid: 9, zone: z, sites: [a], subnets: [10.9.0.0/24]}}"
        ),
        "2:27: a VLAN's subnets are assigned to a zone",
    ),
    "flow of nobody": (
        (
            "zones: {z: {title: Z, unassigned: true}}\n"
            "flows: {f: {source: z, destination: dmz, services: [icmp], owner_team: t, reason: r}}"
        ),
        "2:21: unassigned addresses may reach nothing; declare their zone first",
    ),
    "flow at an unknown site": (
        f"{BOUND} sites: [a, d]}}}}",
        "3:100: 'd' is not among the declared sites",
    ),
    "flow at no site": (
        f"{BOUND} sites: []}}}}",
        "3:96: a list with at least one item is expected",
    ),
    "flow at nothing said": (f"{BOUND} sites: }}}}", "3:96: a list is expected"),
    "flow twice at a site": (f"{BOUND} sites: [a, a]}}}}", "3:100: 'a' is named already"),
    "flow where no firewall stands": (
        f"{BOUND} sites: [a, c]}}}}",
        "3:100: no firewall is declared on site 'c' to hold this flow",
    ),
    "flow that its destination never sees": (
        f"{BOUND} sites: [b]}}}}",
        "3:96: nothing of it could pass: 'near' is behind the firewalls of other sites alone (a)",
    ),
    "cell of no zone": (
        "cells: {c: {sources: [dmz, dmx], destinations: [admin], access: block-all}}",
        "1:28: 'dmx' is not among the declared zones",
    ),
    "pair in two cells": (
        (
            "cells:\n  c: {sources: [dmz], destinations: [admin], access: block-all}\n"
            "  d: {sources: [dmz, admin], destinations: [admin, dmz], access: allow-all}"
        ),
        "3:3: from 'dmz' to 'admin' is already 'c'",
    ),
    "cell without services": (
        "cells: {c: {sources: [dmz], destinations: [admin], access: allow-only}}",
        "1:9: 'services' is missing: allow-only needs a list of them",
    ),
    "cell with services that say nothing": (
        (
            "cells: {c: {sources: [dmz], destinations: [admin], access: block-all,"
            " services: [icmp]}}"
        ),
        "1:9: 'services' say nothing with block-all",
    ),
    "drive that is no device": (
        "machines: {m: {site: a, role: r, drives: [sdb]}}",
        "1:43: string should match pattern '^/dev/",
    ),
    "backend that is no port": (
        (
            "exposures: {x: {address: 192.0.2.9, port: 443, host: x.test, service: mail,"
            " backend: 0, reason: r, approved_by: RSSI}}"
        ),
        "1:86: input should be greater than or equal to 1",
    ),
    "Jinja": ("zones: {z: {title: '{{ title }}'}}", "1:20: no Jinja in the estate"),
    "Jinja in a list": (
        "clusters: {x: {site: a, vcenter: vc, title: 'a {% if x %}'}}",
        "1:45: no Jinja in the estate",
    ),
    "operator twice": (OPERATOR, "1:1: the operator is already declared in"),
}


@pytest.mark.parametrize("name", ONE_MISTAKE)
def test_names_the_place_and_what_was_expected(name: str, tmp_path: Path) -> None:
    text, expected = ONE_MISTAKE[name]
    found = problems(tmp_path, text)
    assert found[0].startswith(expected)
    assert len(found) == 1, found  # one mistake, one message


def test_the_base_of_these_tests_is_good(tmp_path: Path) -> None:
    (tmp_path / "0.yml").write_text(OPERATOR)
    (tmp_path / "1.yml").write_text(BASE)
    assert set(load(tmp_path).services) == {"mail"}


def test_a_vlan_knows_its_device_and_both_ends_of_its_subnets(tmp_path: Path) -> None:
    (tmp_path / "0.yml").write_text(OPERATOR)
    (tmp_path / "1.yml").write_text(BASE)
    vlans = (
        "one: {vid: 11, zone: dmz, sites: [a], subnets: [10.3.0.0/30, 10.3.1.1/32, 10.3.2.0/31]}"
    )
    (tmp_path / "2.yml").write_text(f"vlans: {{{vlans}}}")
    estate = load(tmp_path)
    dmz, one = estate.vlans["a-dmz"], estate.vlans["one"]
    assert dmz.device == "vlan10"
    assert [str(a) for a in dmz.gateways] == ["10.1.0.1/24", "fd00:1::1/64"]
    assert [str(a) for a in dmz.carriers] == ["10.1.0.254/24", "fd00:1::ffff:ffff:ffff:fffe/64"]
    # A single address has no room for a gateway beside it.
    assert [str(a) for a in one.gateways] == ["10.3.0.1/30", "10.3.2.1/31"]
    assert [str(a) for a in one.carriers] == ["10.3.0.2/30", "10.3.2.0/31"]


def test_lists_mistakes_of_every_kind_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("operator: {title: T}\nsites: {a: {titel: A}}\n")
    (tmp_path / "b.yml").write_text("zones: {admin: {title: A}, admin: {title: B}}\n")
    (tmp_path / "c.yml").write_text(
        """\
vlans: {v: {vid: 1, zone: admin, sites: [a]}}
machines:
  m: {site: a, role: r, interfaces: [{vlan: v}]}
  n: {site: a, role: r, interfaces: [{vlan: w, addresses: [10.0.0.1]}]}
  o: {site: a, os: '{{ os }}', role: r, color: 1}
flows: {f: {source: a, destination: b, services: [], owner_team: t}}
"""
    )
    (tmp_path / "d.yml").write_text("machines: {m: {site: a}}\n")
    with pytest.raises(InvalidInput) as caught:
        load(tmp_path)
    told = [f"{Path(p.file).name}:{p.line}: {p.what}" for p in caught.value.problems]
    assert [t.split(";")[0].split(" in ")[0] for t in told] == [
        "a.yml:1: 'delays' is missing",
        "a.yml:1: 'thresholds' is missing",
        "a.yml:1: 'timezone' is missing",
        "a.yml:2: 'title' is missing",
        "a.yml:2: unknown key 'titel'",
        "b.yml:1: the key 'admin' is already set above",
        "c.yml:1: input should be greater than or equal to 2",
        "c.yml:5: no Jinja",
        "c.yml:5: unknown key 'color'",
        "c.yml:6: 'reason' is missing",
        "c.yml:6: a list with at least one item is expected",
        "d.yml:1: 'm' is already declared",
    ]


def test_rules_between_things_are_judged_beside_other_mistakes(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        (
            "zones: {z: {titel: Z}}\n"
            "vlans:\n"
            "  v: {vid: 10, zone: z, sites: [a]}\n"
            "  w: {vid: 12, zone: nowhere, sites: [a]}\n"
        ),
    )
    assert [f.split(";")[0] for f in found] == [
        "1:9: 'title' is missing",
        "1:13: unknown key 'titel'",
        "3:12: VLAN id 10 is already 'a-dmz' on site 'a'",
        "4:22: 'nowhere' is not among the declared zones",
    ]


def test_a_bad_operator_does_not_hide_the_rest(tmp_path: Path) -> None:
    (tmp_path / "0.yml").write_text("operator: SITIV\n")
    (tmp_path / "1.yml").write_text(BASE + "flows:\n  f: {source: x, destination: dmz}\n")
    (tmp_path / "2.yml").write_text("vcenters: {v2: {site: z, host: v, observed_from: admin}}\n")
    with pytest.raises(InvalidInput) as caught:
        load(tmp_path)
    told = [p.what for p in caught.value.problems]
    assert "'operator' is a mapping; see 'sitiv estate schema'" in told
    assert "'z' is not among the declared sites" in told


def test_a_thing_in_two_files(tmp_path: Path) -> None:
    found = problems(tmp_path, "zones: {dmz: {title: Again}}")
    assert len(found) == 1
    assert found[0].startswith("1:9: 'dmz' is already declared in ")
    assert found[0].endswith("1.yml")


def test_empty_files_and_sections_declare_nothing(tmp_path: Path) -> None:
    (tmp_path / "0.yml").write_text(OPERATOR + "sites:\n")
    (tmp_path / "1.yml").write_text("")
    (tmp_path / "2.yml").write_text("# later\n")
    assert not load(tmp_path).sites


@pytest.mark.parametrize("name", ["machines.yaml", "machines.json"])
def test_a_file_that_would_be_left_out_is_a_mistake(tmp_path: Path, name: str) -> None:
    (tmp_path / "0.yml").write_text(OPERATOR)
    (tmp_path / name).write_text("{}")
    with pytest.raises(InvalidInput, match=r"machines\.\w+:1:1: not read; the estate's files"):
        load(tmp_path)


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file or directory"):
        load(tmp_path / "nothing")
    with pytest.raises(InvalidInput, match=r"no \*.yml here"):
        load(tmp_path)
    (tmp_path / "0.yml").write_text(OPERATOR)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "README.md").touch()
    assert load(tmp_path).operator.title == "Test"
    with pytest.raises(InvalidInput, match="Not a directory"):
        load(tmp_path / "0.yml")
    (tmp_path / "cities").mkdir()
    (tmp_path / "x.yml").mkdir()
    os.mkfifo(tmp_path / "y.yml")
    with pytest.raises(InvalidInput) as caught:
        load(tmp_path)
    assert [(Path(p.file).name, p.what) for p in caught.value.problems] == [
        ("cities", "not read; the estate is one flat folder"),
        ("x.yml", "not a file"),
        ("y.yml", "not a file"),
    ]


def test_no_operator_is_said_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("sites: {a: {title: A}}")
    with pytest.raises(InvalidInput) as caught:
        load(tmp_path)
    assert [(Path(p.file).name, p.what) for p in caught.value.problems] == [
        (tmp_path.name, "'operator' is missing")
    ]


def test_thousands_of_mistakes_are_cut(tmp_path: Path) -> None:
    (tmp_path / "0.yml").write_text(OPERATOR)
    lines = "".join(f"  f{n}: {{source: s{n}, destination: d{n}}}\n" for n in range(5000))
    (tmp_path / "1.yml").write_text("flows:\n" + lines)
    with pytest.raises(InvalidInput) as caught:
        load(tmp_path)
    assert len(caught.value.problems) == MAX_PROBLEMS


def test_a_large_estate(tmp_path: Path) -> None:
    estate = load(write_big_estate(tmp_path, 2000))
    assert len(estate.machines) == 2000
    assert estate.machines["machine-1999"].primary_address == "10.0.49.49"
    assert len(estate.uses) == 1000


@pytest.mark.parametrize(
    ("point", "what"),
    [
        ("hygiene:99", "'99' is no point of: Guide d'hygiène informatique"),
        ("star:1", "a point is written hygiene:26; there are"),
        ("hygiene", "a point is written hygiene:26"),
    ],
)
def test_an_attestation_names_a_point_that_there_is(tmp_path: Path, point: str, what: str) -> None:
    text = (
        f"attestations:\n  doors: {{proves: ['{point}'], statement: Locked, by: RSSI,"
        " seen: 2026-06-01, until: 2026-11-30}\n"
    )
    (tmp_path / "operator.yml").write_text(OPERATOR)
    (tmp_path / "doors.yml").write_text(text)
    with pytest.raises(InvalidInput, match=what):
        load(tmp_path)


def test_what_stands_in_the_place_of_a_secrets_name_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "operator.yml").write_text(OPERATOR + BASE)
    (tmp_path / "v.yml").write_text(
        "vcenters: {v: {site: a, host: v.test, credential: 'Hunter2 !', observed_from: admin}}\n"
    )
    with pytest.raises(InvalidInput) as caught:
        load(tmp_path)
    assert "Hunter2" not in str(caught.value)
    assert "never the secret itself" in str(caught.value)
