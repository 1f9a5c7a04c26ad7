"""The recording that ships: what `make demo` tells a newcomer."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from sitiv_infra import auditing, waivers
from sitiv_infra.auditing import Rules
from sitiv_infra.checking import Status, Verdict
from sitiv_infra.estate import load
from sitiv_infra.judging import built_in, load_checks
from sitiv_infra.snapshot import Snapshot, read_snapshot

# What sitiv_infra/lab/recording.py broke on purpose, and where the audit has to find it.
SPOILED = {
    ("backup.recent", "sitiv/backup/publik"): Status.FAIL,
    ("backup.second-site", "sitiv/service/i-parapheur"): Status.FAIL,
    ("backup.recent", "sitiv/backup/melodie"): Status.UNKNOWN,
    ("directory.krbtgt-age", "grigny/directory/grigny"): Status.UNKNOWN,
    ("directory.krbtgt-age", "givors/directory/givors"): Status.FAIL,
    ("directory.guest-enabled", "venissieux/directory/venissieux"): Status.FAIL,
    ("directory.preauth-not-required", "rive-de-gier/directory/rive-de-gier"): Status.FAIL,
    ("storage.versioning", "sitiv/bucket/citizen-forms@minio-b"): Status.FAIL,
    ("storage.bucket-missing", "sitiv/bucket/ticket-attachments@minio-a"): Status.FAIL,
    ("storage.object-lock", "sitiv/bucket/backups-system@minio-b"): Status.FAIL,
    ("exposure.undeclared-port", "sitiv/vantage/internet/tcp-3389@198.51.100.12"): Status.FAIL,
    ("exposure.certificate-remaining", "sitiv/exposure/visio"): Status.FAIL,
    ("exposure.certificate-remaining", "venissieux/exposure/demarches-venissieux"): Status.FAIL,
    ("exposure.certificate-trusted", "sitiv/exposure/documents"): Status.FAIL,
    ("segmentation.undeclared-flow", "sitiv/firewall/fw-b2/users>data"): Status.FAIL,
    ("segmentation.declared-closed", "sitiv/flow/application-relay@fw-a2"): Status.FAIL,
    ("segmentation.live-exact", "sitiv/firewall/fw-a2"): Status.FAIL,
    ("segmentation.live-exact", "sitiv/firewall/fw-b2"): Status.FAIL,
    ("segmentation.live-exact", "sitiv/firewall/fw-a1"): Status.PASS,
    ("segmentation.pair-alike", "sitiv/firewall/fw-b2"): Status.FAIL,
    ("segmentation.flow-permitted", "sitiv/flow/partners-migration"): Status.FAIL,
    ("hypervisor.host-lockdown", "sitiv/cluster/prod-a/esx-a1.sitiv.test"): Status.FAIL,
    ("hypervisor.dual-homed", "sitiv/vcenter/vcenter-b/test-migration"): Status.FAIL,
    ("hypervisor.vsan-enabled", "sitiv/cluster/mgmt-b"): Status.FAIL,
}


@pytest.fixture(scope="module")
def snapshot(repository: Path) -> Snapshot:
    return read_snapshot(repository / "sitiv_infra" / "demo")


@pytest.fixture(scope="module")
def verdicts(snapshot: Snapshot, repository: Path) -> dict[tuple[str, str], Verdict]:
    accepted = waivers.load(repository / "inventory" / "waivers.yml")
    rules = Rules(load_checks([built_in()]), accepted)
    found, _ = auditing.judged(snapshot, rules)
    return {(v.check, v.subject): v for v in found}


def test_it_is_labelled_as_a_recording_of_the_example_estate(
    snapshot: Snapshot, repository: Path
) -> None:
    assert isinstance(snapshot.head.recording, date)
    assert snapshot.estate == load(repository / "inventory" / "estate"), "run: make demo-snapshot"


@pytest.mark.parametrize(("verdict", "status"), SPOILED.items(), ids=lambda i: str(i[0]))
def test_each_fault_is_found(
    verdicts: dict[tuple[str, str], Verdict], verdict: tuple[str, str], status: Status
) -> None:
    assert verdicts[verdict].status is status


def test_most_of_it_is_good_and_some_is_accepted(
    verdicts: dict[tuple[str, str], Verdict],
) -> None:
    passed = [v for v in verdicts.values() if v.status is Status.PASS]
    assert len(passed) > len(verdicts) * 0.8
    assert len([v for v in verdicts.values() if v.waiver]) >= 3
