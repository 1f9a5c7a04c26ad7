"""Servers that are no Debian hosts: started by one process, found and ended by others."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitiv_infra.estate import Estate
from sitiv_infra.lab import attached
from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.place import Place
from sitiv_infra.testing import estate_of
from tests.servers.need import need

ESTATE = """
vlans:
  adm: {vid: 10, zone: admin, sites: [a], subnets: [192.0.2.0/28, '2001:db8:1::/64']}
vcenters:
  vc: {site: a, host: vc1.lab.test, account: svc-audit@vsphere.local, credential: vc,
       observed_from: admin}
clusters: {prod: {site: a, vcenter: vc, hosts: [esx1.lab.test, esx2.lab.test]}}
directories:
  corbas: {member: corbas, domain: ad.corbas.test, servers: [dc1.lab.test], credential: ad,
           account: svc-audit@ad.corbas.test, observed_from: admin}
machines:
  vc1: {site: a, role: vcenter, connection: none,
        interfaces: [{vlan: adm, addresses: [192.0.2.3, '2001:db8:1::3']}]}
  dc1: {site: a, role: domain-controller, connection: none,
        interfaces: [{vlan: adm, addresses: [192.0.2.4, '2001:db8:1::4']}]}
  web: {site: a, role: web, os: debian-12, cluster: prod,
        interfaces: [{vlan: adm, addresses: [192.0.2.5]}]}
"""
SECRETS = {"vc": "vcenter-word-1Aa", "ad": "directory-word-1Aa"}
START = """
import json, sys
from sitiv_infra.estate import Estate
from sitiv_infra.lab import attached
from sitiv_infra.lab.place import Place
estate = Estate.model_validate_json(open(sys.argv[2]).read())
attached.start(Place(sys.argv[1]), estate, estate.machines[sys.argv[3]], json.loads(sys.argv[4]))
"""


@pytest.fixture(scope="module")
def estate() -> Estate:
    return estate_of(ESTATE)


@pytest.fixture(scope="module")
def place(estate: Estate) -> Iterator[Place]:
    need("ip", "vcsim", "samba", "samba-tool", "ldbmodify", "ss", root=True, modules=["ldap"])
    found = Place(f"t{os.getpid()}")
    spaces = []
    try:
        for machine in ("vc1", "dc1"):
            leg = estate.machines[machine].interfaces[0]
            spaces.append(Namespace(found.namespace(machine), map(str, leg.addresses)))
            spaces[-1].start()
        found.folder.mkdir(parents=True)
        (found.folder / "estate.json").write_text(estate.model_dump_json())
        yield found
    finally:
        found.group().kill()
        for space in spaces:
            space.stop()
        shutil.rmtree(found.folder, ignore_errors=True)


def start(place: Place, machine: str) -> None:
    """Start it in a process that ends: what it started has to stay."""
    words = [place.name, str(place.folder / "estate.json"), machine, json.dumps(SECRETS)]
    subprocess.run([sys.executable, "-c", START, *words], check=True, timeout=120)


def seen(place: Place, estate: Estate, machine: str, expression: str) -> object:
    """Read a machine's server as the audit does, from its namespace, where its name resolves."""
    space = place.namespace(machine)
    folder = Path("/etc/netns", space)
    folder.mkdir(parents=True)
    addresses = estate.machines[machine].interfaces[0].addresses
    (folder / "hosts").write_text("".join(f"{a} {machine}.lab.test\n" for a in addresses))
    words = [str(place.folder), expression, json.dumps(SECRETS)]
    command = ["ip", "netns", "exec", space, sys.executable, "-c", READ, *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    finally:
        shutil.rmtree(folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_stands_for_what(estate: Estate) -> None:
    kinds = {name: attached.known(estate, machine) for name, machine in estate.machines.items()}
    assert kinds == {"vc1": "vcenter", "dc1": "directory", "web": None}


def test_a_vcenter_outlives_who_started_it(place: Place, estate: Estate) -> None:
    machine = estate.machines["vc1"]
    assert not attached.running(place, machine)
    start(place, "vc1")
    assert attached.running(place, machine)
    before = place.group("vc1").pids()
    start(place, "vc1")
    assert place.group("vc1").pids() == before, "it ran already"
    told = seen(
        place, estate, "vc1", "[[c.name for c in vc.clusters], [m.name for m in vc.machines]]"
    )
    assert told == [["prod"], ["web"]]
    tls = ssl.create_default_context(cafile=place.folder / "pki" / "ca.pem")
    with Namespace(place.namespace("vc1")).inside():
        for address in machine.interfaces[0].addresses:
            with (
                socket.create_connection((str(address), 443), 10) as link,
                tls.wrap_socket(link, server_hostname="vc1.lab.test"),
            ):
                pass
    attached.stop(place, machine)
    assert not attached.running(place, machine)
    assert not place.group("vc1").pids()


def test_a_directory_keeps_what_it_holds(place: Place, estate: Estate) -> None:
    machine = estate.machines["dc1"]
    start(place, "dc1")
    assert attached.running(place, machine)
    attached.stop(place, machine)
    assert not attached.running(place, machine)
    start(place, "dc1")
    told = seen(place, estate, "dc1", "[ad.server, ad.domain_level, ad.guest_enabled]")
    assert told == ["dc1.lab.test", 7, False]


def test_what_a_killed_start_left_is_made_again(place: Place, estate: Estate) -> None:
    machine = estate.machines["dc1"]
    attached.stop(place, machine)
    (place.host_folder("dc1") / "samba" / "ready").unlink()
    subprocess.run([sys.executable, "-c", SLEEP, place.name], check=True)
    assert not attached.running(place, machine), "something runs, but serves nothing"
    start(place, "dc1")
    assert attached.running(place, machine)
    assert seen(place, estate, "dc1", "ad.domain_level") == 7


SLEEP = """
import sys
from pathlib import Path
from sitiv_infra.lab.place import Place
Place(sys.argv[1]).group("dc1").start(["sleep", "600"], Path("/dev/null"))
"""
READ = """
import json, sys
from pathlib import Path
from sitiv_infra.collectors import directory, hypervisor
from sitiv_infra.collectors.base import Session
from sitiv_infra.estate import Estate
from sitiv_infra.secrets import Secrets
folder, words = Path(sys.argv[1]), json.loads(sys.argv[3])
estate = Estate.model_validate_json((folder / "estate.json").read_text())
known = Secrets(environment={f"SITIV_SECRET_{k.upper()}": v for k, v in words.items()})
session = Session(estate, known, 20, folder / "pki" / "ca.pem")
if sys.argv[2].startswith("ad") or "[ad" in sys.argv[2]:
    ad = directory.collect(estate.directories["corbas"], session)
else:
    vc = hypervisor.collect(estate.vcenters["vc"], session)
print(json.dumps(eval(sys.argv[2])))
"""
