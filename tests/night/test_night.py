"""A whole night on real servers, one of each kind: all good, then bad things one at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitiv_infra.estate import load
from sitiv_infra.lab.pki import Authority
from sitiv_infra.lab.plan import as_declared
from sitiv_infra.lab.stage import Stage
from tests.servers.need import need

PROGRAMS = ("samba", "minio", "vcsim", "nginx", "nmap", "nft", "sshd", "restic", "ldbmodify")
FAMILIES = {"directory", "object-store", "backup", "hypervisor", "firewall", "exposure"}
ESTATE = """
operator:
  title: Small operator
  timezone: Europe/Paris
  delays: {critical: 2d, high: 15d, medium: 60d, low: 180d}
  thresholds: {certificate_remaining: 30d, krbtgt_age: 365d}
sites: {a: {title: A}, b: {title: B}}
members: {corbas: {title: Corbas, domain: corbas.test}}
zones:
  admin: {title: Administration}
  data: {title: Data}
  internet: {title: Internet, internet: true}
  unassigned: {title: Nobody's, unassigned: true}
vlans:
  adm: {vid: 10, zone: admin, sites: [a], subnets: [10.1.1.0/24, 'fd00:1:1::/64']}
  dat: {vid: 20, zone: data, sites: [a], subnets: [10.1.2.0/24, 'fd00:1:2::/64']}
flows:
  admin-data:
    source: admin
    destination: data
    services: [tcp/22, udp/161]
    owner_team: net
    reason: r
    ticket: T-1
    until: 2099-12-31
services:
  mail:
    {title: Mail, domain: mail, criticality: medium, rpo: 24h, rto: 4h, zone: data, sites: [a],
     members: [corbas]}
machines:
  dc1: &server {site: a, role: server, interfaces: [{vlan: adm, addresses: [10.1.1.1]}]}
  s3: {site: a, role: server, interfaces: [{vlan: adm, addresses: [10.1.1.2]}]}
  vc: {site: a, role: server, interfaces: [{vlan: adm, addresses: [10.1.1.3]}]}
  fw: {site: a, role: firewall, interfaces: [{vlan: adm, addresses: [10.1.1.4]}]}
  mail1:
    {site: a, role: mail, cluster: prod, services: [mail],
     interfaces: [{vlan: dat, addresses: [10.1.2.1]}]}
directories:
  corbas:
    {member: corbas, domain: ad.corbas.test, servers: [dc1.sitiv.test], credential: ad,
     account: svc-audit@ad.corbas.test, observed_from: admin}
object_stores:
  one:
    {site: a, endpoint: 'https://s3.sitiv.test:9000', account: svc-audit, credential: s3,
     observed_from: admin}
buckets:
  copies: {stores: [one], purpose: copies, lock: {mode: compliance, retention: 30d}}
backups:
  mail:
    {services: [mail], machines: [mail1], repository: {store: one, bucket: copies, prefix: mail},
     credential: restic, observed_from: admin}
vcenters:
  vc: {site: a, host: vc.sitiv.test, account: svc-audit@vsphere.local, credential: vc,
       observed_from: admin}
clusters: {prod: {site: a, vcenter: vc, hosts: [esx1.sitiv.test]}}
firewalls:
  fw: {site: a, host: fw.sitiv.test, account: svc-audit, credential: ssh, observed_from: admin}
vantages:
  outside: {networks: [198.51.100.8/31], ports: '22,443', observed_from: internet}
exposures:
  web: {address: 198.51.100.8, port: 443, host: www.sitiv.test, service: mail, reason: r,
        approved_by: RSSI}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    estate = tmp_path_factory.mktemp("night") / "estate"
    estate.mkdir()
    (estate / "estate.yml").write_text(ESTATE.replace("&server ", ""))
    return estate


@pytest.fixture(scope="module")
def stage(folder: Path) -> Iterator[Stage]:
    need(*PROGRAMS, root=True)
    estate = load(folder)
    with Stage(estate, as_declared(estate), folder.parent / "stage", "night") as running:
        yield running


def audit(
    stage: Stage, folder: Path, runs: Path, **environment: str
) -> tuple[int, dict[str, set[str]], str]:
    """Audit; give the exit code, the statuses by domain, and what was complained of."""
    command = ("audit", "--estate", folder, "--runs", runs, "--format", "jsonl", "--lang", "en")
    done = stage.sitiv(*command, **environment)
    statuses: dict[str, set[str]] = {}
    for line in done.stdout.splitlines():
        said = json.loads(line)
        statuses.setdefault(said["domain"], set()).add(said["status"])
    return done.returncode, statuses, done.stderr.decode() + done.stdout.decode()


GOOD = {"pass", "not-applicable"}


def test_a_good_night_is_all_green(stage: Stage, folder: Path, tmp_path: Path) -> None:
    code, statuses, said = audit(stage, folder, tmp_path)
    bad = [line for line in said.splitlines() if '"fail"' in line or '"unknown"' in line]
    assert not bad, said
    assert code == 0
    domains = {"directory", "storage", "backup", "hypervisor", "segmentation", "exposure"}
    assert domains <= {d for d, s in statuses.items() if "pass" in s}
    assert stage.sitiv("verify", "--runs", tmp_path).returncode == 0


def test_a_wrong_password_makes_the_directory_unknown_and_no_other(
    stage: Stage, folder: Path, tmp_path: Path
) -> None:
    code, statuses, said = audit(stage, folder, tmp_path, SITIV_SECRET_AD="wrong-password-1")
    assert code == 2
    assert statuses.pop("directory") == {"unknown"}
    assert all(found <= GOOD for found in statuses.values())
    assert "wrong-password-1" not in said
    assert "password" in said


def test_a_certificate_that_nobody_vouches_for_is_never_trusted(
    stage: Stage, folder: Path, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "pki").ca_file
    code, statuses, said = audit(stage, folder, tmp_path / "runs", SITIV_CA_FILE=str(stranger))
    assert code == 2
    for domain in ("directory", "storage", "hypervisor"):
        assert statuses[domain] - GOOD == {"unknown"}, domain
    assert statuses["segmentation"] <= GOOD
    assert "certificate" in said


def test_an_unknown_host_key_is_never_accepted(stage: Stage, folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "known_hosts"
    empty.touch()
    code, statuses, _ = audit(stage, folder, tmp_path / "runs", SITIV_KNOWN_HOSTS=str(empty))
    assert code == 2
    assert statuses["segmentation"] - GOOD == {"unknown"}
    assert statuses["directory"] <= GOOD


def test_one_zone_and_then_the_other_make_one_run(
    stage: Stage, folder: Path, tmp_path: Path
) -> None:
    for zone in ("admin", "internet"):
        command = ("observe", "--estate", folder, "--zone", zone, "--out", tmp_path / zone)
        assert stage.sitiv(*command).returncode == 0
    both = ("--from", tmp_path / "admin", "--from", tmp_path / "internet")
    done = stage.sitiv("audit", *both, "--estate", folder, "--runs", tmp_path / "runs")
    assert done.returncode == 0, done.stdout.decode()


def test_a_dry_run_reads_nothing_and_names_everything(
    stage: Stage, folder: Path, tmp_path: Path
) -> None:
    done = stage.sitiv("audit", "--estate", folder, "--runs", tmp_path / "runs", "--dry-run")
    assert done.returncode == 0
    assert all(family in done.stdout.decode() for family in FAMILIES)
    assert not (tmp_path / "runs").exists()


def test_a_stopped_store_makes_storage_and_its_backups_unknown(
    stage: Stage, folder: Path, tmp_path: Path
) -> None:
    """The last test here: nothing starts the store again."""
    stage.tell("stop", "object-store/one")
    code, statuses, _ = audit(stage, folder, tmp_path)
    assert code == 2
    assert statuses["storage"] - GOOD == {"unknown"}
    assert "unknown" in statuses["backup"]
    assert "fail" not in statuses["backup"]
    assert statuses["directory"] <= GOOD
