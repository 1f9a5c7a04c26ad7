"""Recording the demo: the example estate on real servers, with real faults among the good things.

    python -m sitiv_infra.lab.recording FOLDER

Needs root and some minutes. What is recorded is what ``sitiv observe`` saw, and nothing is edited
but the label that says so.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sitiv_infra.estate import load
from sitiv_infra.lab.plan import BucketPlan, Copy, Plan, PublicPort, as_declared
from sitiv_infra.lab.process import LabError
from sitiv_infra.lab.stage import Stage
from sitiv_infra.lab.vcsim_model import Guest
from sitiv_infra.snapshot import read_head, write_file
from sitiv_infra.wanted.nftables import FlowSet

ESTATE = Path("inventory/estate")
DAY = timedelta(days=1)
ENDS = {"demarches.venissieux.test": 12 * DAY, "visio.sitiv.test": -3 * DAY}


def spoil(plan: Plan) -> None:
    """Break what a real estate breaks: each line is one fault that the audit has to find."""
    plan.down |= {"directory/grigny", "backup/melodie"}
    plan.directories["pierre-benite"] += ["krbtgt-age"]
    plan.directories["givors"] += ["krbtgt-age", "machine-account-quota"]
    plan.directories["venissieux"] += ["password-never-expires-privileged", "guest-enabled"]
    plan.directories["rive-de-gier"] += ["preauth-not-required", "machine-account-quota"]
    plan.directories["saint-chamond"] += ["privileged-not-protected"]
    plan.buckets["minio-b"]["citizen-forms"].versioning = False
    plan.buckets["minio-b"]["backups-system"].lock = ("GOVERNANCE", 30)
    plan.buckets["minio-a"]["backups-data"].lock = ("GOVERNANCE", 7)
    plan.buckets["minio-a"]["published-acts"].public = True
    plan.buckets["minio-a"]["test-import"] = BucketPlan(versioning=False, encrypted=False)
    del plan.buckets["minio-a"]["ticket-attachments"]
    plan.copies["publik"] = [Copy(c.host, c.age + 5 * DAY) for c in plan.copies["publik"]]
    plan.copies["concerto"] = plan.copies["concerto"][:2]
    plan.unreplicated |= {"i-parapheur"}
    _spoil_certificates(plan)
    plan.ports.append(PublicPort("visio.sitiv.test", "198.51.100.12", 3389, valid=None))
    forgotten = "ip saddr 10.101.0.0/16 ip daddr 10.20.30.0/24 tcp dport 5432 ct state new accept"
    plan.by_hand["fw-b2"] = [f'{forgotten} comment "test"']
    plan.sets["fw-a2"] = [_without(one, "application-relay") for one in plan.sets["fw-a2"]]
    _spoil_clusters(plan)


def _without(found: FlowSet, flow: str) -> FlowSet:
    kept = (one for one in found.elements if not one.endswith(f' comment "{flow}"'))
    return found._replace(elements=tuple(kept))


def _spoil_certificates(plan: Plan) -> None:
    for port in plan.ports:
        if port.valid is not None:
            port.valid = ENDS.get(port.host, port.valid)
            port.age = 90 * DAY - port.valid
            port.trusted = port.host != "documents.sitiv.test"


def _spoil_clusters(plan: Plan) -> None:
    first, second = plan.clusters["vcenter-a"], plan.clusters["vcenter-b"]
    open_hosts = (replace(first[0].hosts[0], lockdown="disabled"), *first[0].hosts[1:])
    moved = first[0].guests[0]
    first[0] = replace(first[0], hosts=open_hosts, guests=first[0].guests[1:])
    forgotten = Guest("test-migration", nics=("b-dmz", "b-data"))
    second[0] = replace(second[0], guests=(*second[0].guests, moved, forgotten))
    open_hosts = (replace(second[1].hosts[0], lockdown="disabled"), *second[1].hosts[1:])
    second[1] = replace(second[1], hosts=open_hosts, vsan=False)


def record(folder: Path) -> None:
    """Put the example estate on stage, observe it, and keep what was seen in a folder."""
    estate = load(ESTATE)
    plan = as_declared(estate)
    spoil(plan)
    with tempfile.TemporaryDirectory(prefix="sitiv-recording-") as scratch:
        snapshot = Path(scratch, "snapshot")
        with Stage(estate, plan, Path(scratch, "stage"), "recording") as stage:
            done = stage.sitiv("observe", "--estate", ESTATE.resolve(), "--out", snapshot)
        sys.stderr.buffer.write(done.stderr + done.stdout)
        if done.returncode not in (0, 2):
            raise LabError("nothing was recorded")
        _label(snapshot)
        if folder.exists():
            shutil.rmtree(folder)
        shutil.copytree(snapshot, folder)


def _label(snapshot: Path) -> None:
    """Say that this is a recording, and of which day: every report shows it."""
    head = read_head(snapshot).model_copy(update={"recording": datetime.now(UTC).date()})
    write_file(snapshot / "snapshot.json", head.model_dump_json(indent=1).encode())


if __name__ == "__main__":
    record(Path(sys.argv[1]))
