"""A lab's whole life: converged, changed by hand, mended, broken in every way, drained.

The tests are steps of one story: each needs what the ones before have left.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sitiv_infra.cli.lab_proof import keep
from sitiv_infra.lab import faults
from sitiv_infra.lab.packets.proof import prove_standing
from sitiv_infra.lab.place import INTERNET, device_name
from sitiv_infra.lab.rehearse import Fault, rehearse, usual
from sitiv_infra.lab.switch import Switch
from sitiv_infra.report.continuity import RECORDS, read, rehearsal
from sitiv_infra.report.continuity.figures import Connection
from tests.cycle.conftest import Cycle, Said, until

TOLD = "conntrackd -C /etc/conntrackd/%s.conf -s | grep -m1 'current active'"
SECONDS = 10.0  # that each fault lasts, and the time after it


def test_the_playbooks_converge_from_nothing(first: Said, cycle: Cycle) -> None:
    assert first.went_well(), first.text[-8000:]
    declared = {seen.machine.name for seen in cycle.twin.status()}
    directories = {name for name in declared if name.startswith("dc-")}
    assert set(first.counts) == declared - directories
    assert set(first.hosts("changed")) == set(first.counts)


def test_packets_obey_and_a_wrong_tag_is_named(converged: Cycle, tmp_path: Path) -> None:
    twin = converged.twin
    proof = prove_standing(twin, datetime.now(UTC).date(), print)
    assert proof.holds, (proof.findings, proof.misplaced)
    assert (proof.lost, proof.left_out) == (0, ())
    keep(proof, twin.estate.fingerprint, twin.place.folder / "drift" / "lab.packets.json")
    estate = str(converged.inventory / "estate")
    only = ["--runs", str(tmp_path / "runs"), "--only", "segmentation.packets-obey"]
    said = converged.sitiv("audit", "--estate", estate, *only, "--format", "jsonl")
    assert [json.loads(line).get("status") for line in said.stdout.splitlines()][-1:] == ["pass"]
    port, switch = device_name("fw-a1", "120"), Switch(twin.place, "a")
    switch.ask("set", "port", port, "tag=140")
    try:
        spoilt = prove_standing(twin, datetime.now(UTC).date(), print)
    finally:
        switch.ask("set", "port", port, "tag=120")
    assert spoilt.misplaced == ("fw-a1: its leg in VLAN 120 is in VLAN 140",)
    assert {f.source for f in spoilt.findings} <= {"", "a-application"}
    assert spoilt.lost > 0


HAND_MADE = {
    "bastion-a1": "sed -i '/^PermitRootLogin/s/no/yes/' /etc/ssh/sshd_config.d/10-sitiv.conf",
    "portail-a1": "nft insert rule inet sitiv_host input tcp dport 5555 accept",
    "store-b3": "systemctl stop chrony.service",
}
NAMED = {"host.ssh-hardened", "host.firewall-as-declared"}


@pytest.fixture(scope="module")
def nightly(cycle: Cycle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the inventory with the drift of hosts.yml alone: that of all playbooks takes minutes."""
    folder = tmp_path_factory.mktemp("inventory") / "nightly"
    shutil.copytree(cycle.inventory, folder)
    audit = folder / "estate/audit.yml"
    audit.write_text(audit.read_text().replace("playbook: site.yml", "playbook: hosts.yml"))
    return folder


def test_what_a_hand_changes_is_named_by_the_next_audit(
    converged: Cycle, nightly: Path, tmp_path: Path
) -> None:
    for machine, script in HAND_MADE.items():
        converged.inside(machine, script)
    callback = {"ANSIBLE_CALLBACKS_ENABLED": "sitiv.infra.drift"}
    foretold = converged.play("hosts.yml", "--check", "--diff", inventory=nightly, **callback)
    assert foretold.went_well(), foretold.text[-8000:]
    assert set(foretold.hosts("changed")) == set(HAND_MADE)
    told = audited(converged, nightly, tmp_path)
    assert {m for m, found in told.items() if "drift.none" in found} == set(HAND_MADE)
    assert told["bastion-a1"] & NAMED == {"host.ssh-hardened"}
    assert told["portail-a1"] & NAMED == {"host.firewall-as-declared"}


def test_a_second_run_mends_that_and_changes_nothing_else(
    converged: Cycle, nightly: Path, tmp_path: Path
) -> None:
    second = converged.play("site.yml")
    assert second.went_well(), second.text[-8000:]
    assert set(second.hosts("changed")) == set(HAND_MADE)
    third = converged.play("hosts.yml", "--limit", ",".join(HAND_MADE))
    assert third.went_well(), third.text[-8000:]
    assert third.hosts("changed") == {}
    # The drift is of the run before; a clock that was started again follows only after a while.
    later = {"drift.none", "host.clock"}
    assert not {m for m, found in audited(converged, nightly, tmp_path).items() if found - later}


def audited(cycle: Cycle, inventory: Path, folder: Path) -> dict[str, set[str]]:
    """Audit the hosts; give for each machine the checks that fail on it."""
    done = cycle.sitiv(
        "audit", "--estate", str(inventory / "estate"), "--runs", str(folder / "runs"),
        "--only", "host.*", "--only", "drift.none", "--format", "jsonl",
    )  # fmt: skip
    found: dict[str, set[str]] = {}
    for line in done.stdout.splitlines():
        verdict: dict[str, Any] = json.loads(line)
        if verdict.get("status") == "fail":
            machine = verdict["subject"].split("/")[2].partition("@")[0]
            found.setdefault(machine, set()).add(verdict["check"])
    assert done.returncode in {0, 1, 2}, done.stderr
    return found


def test_a_firewall_is_not_touched_while_its_peer_is_away(converged: Cycle) -> None:
    faults.make(converged.twin, "host", "fw-a1")
    said = converged.play("network.yml", "--limit", "site_a:!fw-a1")
    assert set(said.hosts("failed")) == {"fw-a2"}
    assert "fw-a1" in said.text
    faults.heal(converged.twin)


def test_every_fault_is_survived_within_what_is_promised(converged: Cycle, tmp_path: Path) -> None:
    plan = usual(converged.twin.estate)
    assert {fault.kind for fault in plan} == set(faults.KINDS)
    rehearse(converged.twin, [*plan, Fault("site", "b")], tmp_path / "records", SECONDS)
    told = rehearsal(converged.twin.estate, read(tmp_path / "records"))
    assert [
        row.service.name for row in told.rows if any(p.standing == "not-kept" for p in row.promises)
    ] == []
    assert [row.figures.lost for row in told.rows if row.figures.lost] == []
    assert {row.figures.unverified for row in told.rows} == {0}
    failed = {
        str(row.figures.window.event.kind): row.figures.failed
        for row in told.rows
        if row.figures.window.event and row.figures.window.event.what == "fault"
    }
    assert failed["link"] == failed["slow-link"] == 0
    kept = [
        row.figures.connection
        for row in told.rows
        if row.figures.window.event and row.figures.window.event.target == "fw-a1"
    ]
    assert set(kept) == {Connection.SURVIVED}
    back = [
        row.figures.failed
        for row in told.rows
        if (event := row.figures.window.event) and (event.what, event.target) == ("heal", "fw-a1")
    ]
    assert set(back) == {0}, "a firewall that is back has the lead handed on"


@contextmanager
def probing(cycle: Cycle, folder: Path) -> Iterator[None]:
    """Ask the published services all the while; afterwards everything is read back."""
    words = [sys.executable, "-m", "sitiv_infra.lab.probe"]
    words += ["--estate", str(cycle.place.estate)]
    words += ["--ca", str(cycle.place.folder / "pki/ca.pem"), "--folder", str(folder)]
    inside = ["ip", "netns", "exec", cycle.place.namespace(INTERNET)]
    with subprocess.Popen([*inside, *words], cwd=cycle.repository) as process:
        try:
            yield
        finally:
            process.terminate()
            assert process.wait(180) == 0


def test_a_site_is_drained_and_comes_back_with_no_lost_request(
    converged: Cycle, tmp_path: Path
) -> None:
    with probing(converged, tmp_path / "records"):
        drained = converged.play("failover.yml", "--extra-vars", "site=a")
        leads = converged.inside("fw-b1", "ip -brief address show")
        back = converged.play("failover.yml", "--extra-vars", "site=a direction=return")
    assert drained.went_well(), drained.text[-4000:]
    assert back.went_well(), back.text[-4000:]
    assert "203.0.113.10" in leads
    assert "203.0.113.10" in converged.inside("fw-a1", "ip -brief address show")
    lines = (tmp_path / "records" / RECORDS).read_text().splitlines()
    asked = [record for record in map(json.loads, lines) if record["kind"] in {"get", "put"}]
    assert [record for record in asked if record.get("error")] == []
    told = rehearsal(converged.twin.estate, read(tmp_path / "records"))
    assert [row.figures.failed for row in told.rows] == [0] * len(told.rows)
    assert [row.figures.lost for row in told.rows] == [()] * len(told.rows)
    assert told.rows


def test_a_firewall_that_stands_by_tells_of_no_connection(converged: Cycle) -> None:
    """Its copies expire later, and would end new connections from the same port."""
    assert int(converged.inside("fw-a2", "conntrack -L -p tcp 2>/dev/null | wc -l")) > 0

    def told(name: str, instance: str) -> int:
        return int(converged.inside(name, TOLD % instance).rpartition(":")[2])

    for instance in ("lead", "site"):
        until(lambda instance=instance: told("fw-a2", instance) == 0)
        assert told("fw-a1", instance) > 0


def test_a_lead_whose_handing_on_was_killed_takes_new_connections_again(converged: Cycle) -> None:
    held = "nft list set inet filter held_lead"
    killed = f"timeout --signal KILL 0.2 /etc/keepalived/hand-on lead || {held}"
    assert "tcp timeout" in converged.inside("fw-a1", killed)
    until(lambda: "tcp timeout" not in converged.inside("fw-a1", held))
    assert converged.inside("fw-a1", "cat /run/keepalived/lead") == "MASTER\n"


def test_a_store_that_hangs_is_restarted(converged: Cycle) -> None:
    process = "systemctl show --property MainPID --value minio"
    before = converged.inside("store-a3", f"{process}; kill -STOP $({process})").strip()
    until(lambda: converged.inside("store-a3", process).strip() not in {before, "0"})
    healthy = "curl -sk https://localhost:9000/minio/health/cluster -o /dev/null -w '%{http_code}'"
    until(lambda: converged.inside("store-a3", healthy + " || true") == "200")


def test_the_sites_hold_the_same_after_all_of_it(converged: Cycle) -> None:
    last = converged.play("site.yml", "--check", "--limit", "role_object_storage")
    assert last.went_well(), last.text[-4000:]
    assert last.hosts("changed") == {}
