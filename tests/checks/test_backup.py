from __future__ import annotations

from datetime import timedelta

import pytest

from sitiv_infra.checking import Verdict
from sitiv_infra.facts import BackupFacts, Facts, ObjectStoreFacts, Unread
from sitiv_infra.facts.backup import RestorePoint
from sitiv_infra.facts.object_store import BucketLock, BucketState, RepositoryCopy
from sitiv_infra.testing import NOW, estate_of, judged

HOUR = timedelta(hours=1)
DAY = 86_400
STORES = """
object_stores:
  near: {site: a, endpoint: 'https://s3.a.test', observed_from: admin}
  far: {site: b, endpoint: 'https://s3.b.test', observed_from: admin}
buckets:
  backup: {stores: [near, far], purpose: backups}
  lonely: {stores: [near], purpose: backups}
machines:
  mail-01: {site: a, role: mail, services: [mail]}
  mail-02: {site: b, role: mail, services: [mail]}
  files-01: {site: a, role: files, services: [files]}
"""
SERVICES = """
services:
  mail: {title: Mail, domain: mail, criticality: critical, rpo: 24h, rto: 4h, zone: admin,
         sites: [a, b], members: [corbas, givors], overrides: {givors: {rpo: 4h}}}
  files: {title: Files, domain: files, criticality: high, rpo: 24h, rto: 8h, zone: admin,
          sites: [a]}
  unused: {title: Old, domain: old, criticality: low, rpo: 24h, rto: 8h, zone: admin, sites: [a]}
"""
MAIL = """
backups:
  mail: {services: [mail], observed_from: admin, machines: [mail-01, mail-02],
         repository: {store: near, bucket: backup, prefix: mail}}
"""
FILES = """
backups:
  files: {services: [files], observed_from: admin, retention: 7d,
          repository: {store: near, bucket: lonely, prefix: files}}
"""
ESTATE = estate_of(STORES, SERVICES, MAIL, FILES)


def point(hours: float, host: str = "mail-01") -> RestorePoint:
    return RestorePoint(id=f"{host}-{hours}", host=host, taken=NOW - hours * HOUR)


def points(*listed: RestorePoint, unreadable: tuple[str, ...] = ()) -> BackupFacts:
    return BackupFacts(tool="restic", read_at=NOW, points=listed, unreadable=unreadable)


def store(*copies: RepositoryCopy, lock: object = None) -> ObjectStoreFacts:
    held = lock or BucketLock(enabled=True, mode="governance", seconds=30 * DAY)
    state = {"versioning": "enabled", "lock": held, "encrypted": True, "public": False}
    buckets = [BucketState.model_validate({"name": n, **state}) for n in ("backup", "lonely")]
    return ObjectStoreFacts(server=None, complete=True, buckets=tuple(buckets), copies=copies)


def copied(*ids: str) -> RepositoryCopy:
    return RepositoryCopy(bucket="backup", prefix="mail", restore_points=ids)


def recent(facts: BackupFacts) -> Verdict:
    return judged("backup.recent", ESTATE, {"backup/mail": facts})["sitiv/backup/mail"]


@pytest.mark.parametrize(
    ("listed", "status"),
    [
        ([point(1)], "pass"),
        ([point(4)], "pass"),
        ([point(4.01)], "fail"),  # the tightest promise of any member counts: 4 h
        ([point(30), point(2), point(50)], "pass"),
        ([], "fail"),
        ([point(1, "another")], "fail"),
        ([point(1, "MAIL-01.corbas.test")], "pass"),
        ([point(1, "mail-011")], "fail"),
        ([point(-0.05)], "pass"),  # three minutes ahead: clocks differ
        ([point(-0.2)], "fail"),
        ([point(-0.2), point(1)], "fail"),
    ],
)
def test_recent(listed: list[RestorePoint], status: str) -> None:
    assert recent(points(*listed)).status == status


def test_a_clock_ahead_is_named() -> None:
    assert "wrong clock" in recent(points(point(-10))).message


def test_an_age_is_never_negative() -> None:
    assert recent(points(point(-0.05))).evidence["age"] == 0


def test_a_point_made_while_others_were_read_is_judged_by_the_time_of_reading() -> None:
    early = BackupFacts(tool="restic", read_at=NOW - 3 * HOUR, points=(point(1),))
    assert recent(early).status == "fail"


def test_a_repository_that_was_not_read_is_unknown_with_its_cause() -> None:
    gaps = {"backup/mail": "the repository's password is wrong"}
    verdict = judged("backup.recent", ESTATE, {}, gaps=gaps)["sitiv/backup/mail"]
    assert verdict.status == "unknown"
    assert verdict.evidence["cause"] == "the repository's password is wrong"


def test_services_that_share_a_repository_are_told_apart_or_unknown() -> None:
    same = FILES.replace("lonely", "backup").replace("prefix: files", "prefix: mail")
    estate = estate_of(STORES, SERVICES, MAIL, same)
    seen: dict[str, Facts] = {"backup/mail": points(point(1)), "backup/files": points(point(1))}
    found = judged("backup.recent", estate, seen)
    assert found["sitiv/backup/mail"].status == "pass"
    assert found["sitiv/backup/files"].status == "unknown"
    seen["backup/files"] = points(point(90))  # whosever it is, it is too old
    found = judged("backup.recent", estate, seen)
    assert found["sitiv/backup/files"].status == "fail"
    seen["backup/files"] = points(point(1))
    seen["object-store/far"] = store(copied("mail-01-1"))
    found = judged("backup.second-site", estate, seen)
    assert found["sitiv/service/files"].status == "unknown"


BOTH = """
backups:
  mail: {services: [mail], observed_from: admin, machines: [mail-01],
         repository: {store: near, bucket: backup, prefix: mail}}
  files: {services: [files], observed_from: admin, repository: PLACE}
"""


@pytest.mark.parametrize(
    ("place", "machines", "status"),
    [
        ("{store: near, bucket: backup, prefix: mail/}", "", "unknown"),
        ("{store: far, bucket: backup, prefix: mail}", "", "unknown"),  # another copy of it
        ("{store: near, bucket: backup, prefix: mail}", ", machines: [mail-01]", "unknown"),
        ("{store: near, bucket: backup, prefix: mail}", ", machines: [mail-02]", "pass"),
        ("{store: near, bucket: backup, prefix: mail/files}", "", "pass"),
        ("{store: near, bucket: lonely, prefix: mail}", "", "pass"),
    ],
)
def test_one_repository_is_recognised(place: str, machines: str, status: str) -> None:
    estate = estate_of(STORES, SERVICES, BOTH.replace("PLACE", place + machines))
    seen = {"backup/mail": points(point(1)), "backup/files": points(point(1), point(1, "mail-02"))}
    assert judged("backup.recent", estate, seen)["sitiv/backup/files"].status == status
    for path, verdict in judged("backup.machines-covered", estate, seen).items():
        if path.endswith("@files"):
            assert verdict.status == status


def test_a_backup_that_promises_the_same_services_is_no_stranger() -> None:
    place = "{store: far, bucket: backup, prefix: mail}"
    twice = BOTH.replace("PLACE", place).replace("[files]", "[mail, files]")
    seen = {"backup/mail": points(point(1)), "backup/files": points(point(1))}
    found = judged("backup.recent", estate_of(STORES, SERVICES, twice), seen)
    assert found["sitiv/backup/mail"].status == "pass"
    assert found["sitiv/backup/files"].status == "unknown"  # that point may be of mail alone


def test_coverage_needs_no_observation() -> None:
    found = judged("backup.coverage", estate_of(STORES, SERVICES, MAIL), {})
    assert {path: v.status.value for path, v in found.items()} == {
        "sitiv/service/mail": "pass",
        "sitiv/service/files": "fail",
    }


def test_one_machine_that_is_left_out() -> None:
    seen = {"backup/mail": points(point(1), point(90, "mail-02.givors.test"))}
    found = judged("backup.machines-covered", ESTATE, seen)
    assert found["sitiv/machine/mail-01@mail"].status == "pass"
    assert found["sitiv/machine/mail-02@mail"].status == "fail"


def test_a_machine_with_points_in_the_future_only() -> None:
    found = judged("backup.machines-covered", ESTATE, {"backup/mail": points(point(-5))})
    assert {v.status.value for v in found.values()} == {"fail", "unknown"}
    assert found["sitiv/machine/mail-01@mail"].status == "fail"


def test_readable() -> None:
    seen = {"backup/mail": points(point(1), unreadable=("a" * 64,)), "backup/files": points()}
    found = judged("backup.readable", ESTATE, seen)
    assert found["sitiv/backup/mail"].status == "fail"
    assert found["sitiv/backup/files"].status == "unknown"  # nothing was read, so nothing is good
    found = judged("backup.readable", ESTATE, {"backup/files": points(point(1))})
    assert found["sitiv/backup/files"].status == "pass"


@pytest.mark.parametrize(
    ("lock", "status"),
    [
        (BucketLock(enabled=True, mode="compliance", seconds=30 * DAY), "pass"),
        (BucketLock(enabled=True, mode="compliance", seconds=29 * DAY), "fail"),
        (BucketLock(enabled=True), "fail"),
        (BucketLock(enabled=False), "fail"),
        (BucketLock(enabled=True, seconds=90 * DAY), "unknown"),  # a mode that nobody knows
        (Unread(unread="access denied"), "unknown"),
    ],
)
def test_immutable(lock: object, status: str) -> None:
    found = judged("backup.immutable", ESTATE, {"object-store/near": store(lock=lock)})
    assert found["sitiv/backup/mail@near"].status == status


def test_each_backup_is_judged_by_its_own_retention() -> None:
    lock = BucketLock(enabled=True, mode="governance", seconds=7 * DAY)
    found = judged("backup.immutable", ESTATE, {"object-store/near": store(lock=lock)})
    assert found["sitiv/backup/files@near"].status == "pass"
    assert found["sitiv/backup/mail@near"].status == "fail"


def second_site(far: ObjectStoreFacts | None, *listed: RestorePoint) -> Verdict:
    """Judge a service whose backup names one machine only."""
    seen: dict[str, Facts] = {"backup/mail": points(*listed), "object-store/near": store()}
    if far is not None:
        seen["object-store/far"] = far
    gaps = {} if far else {"object-store/far": "connection refused"}
    estate = estate_of(STORES, SERVICES, MAIL.replace("[mail-01, mail-02]", "[mail-01]"))
    return judged("backup.second-site", estate, seen, gaps=gaps)["sitiv/service/mail"]


def test_a_restore_point_that_lies_on_both_sites() -> None:
    assert second_site(store(copied("mail-01-1")), point(1)).status == "pass"


def test_a_site_that_lacks_one_machine_is_no_second_site() -> None:
    seen: dict[str, Facts] = {
        "backup/mail": points(point(1), point(1, "mail-02")),
        "object-store/far": store(copied("mail-01-1")),
    }
    verdict = judged("backup.second-site", ESTATE, seen)["sitiv/service/mail"]
    assert (verdict.status, verdict.evidence["sites"]) == ("fail", ["a"])
    seen["object-store/far"] = store(copied("mail-01-1", "mail-02-1"))
    assert judged("backup.second-site", ESTATE, seen)["sitiv/service/mail"].status == "pass"


def test_replication_that_lags_within_the_promise() -> None:
    assert second_site(store(copied("mail-01-3")), point(0.1), point(3)).status == "pass"


@pytest.mark.parametrize(
    ("far", "listed"),
    [
        (store(copied()), [point(1)]),  # the bucket is there, and empty
        (store(copied("mail-01-9")), [point(1), point(9)]),  # what it holds is too old
        (store(copied("mail-01-9")), [point(9)]),
        (store(copied("mail-01--30")), [point(-30)]),
    ],
)
def test_a_second_site_that_does_not_follow(
    far: ObjectStoreFacts, listed: list[RestorePoint]
) -> None:
    assert second_site(far, *listed).status == "fail"


def test_a_second_site_that_was_not_read_is_unknown() -> None:
    verdict = second_site(None, point(1))
    assert (verdict.status, verdict.evidence["cause"]) == ("unknown", "connection refused")


def test_a_second_site_whose_objects_may_not_be_listed_is_unknown() -> None:
    denied = Unread(unread="access denied: the account lacks s3:ListBucket on backup")
    copy = RepositoryCopy(bucket="backup", prefix="mail", restore_points=denied)
    assert second_site(store(copy), point(1)).status == "unknown"
    assert second_site(store(), point(1)).status == "unknown"


def test_a_service_whose_copies_are_declared_on_one_site() -> None:
    found = judged("backup.second-site", ESTATE, {"backup/files": points(point(1, "files-01"))})
    assert found["sitiv/service/files"].status == "fail"
    assert "sitiv/service/unused" not in found


def test_two_backups_on_two_sites_are_two_copies() -> None:
    other = """
backups:
  mail-far: {services: [mail], observed_from: admin,
             repository: {store: far, bucket: only-far, prefix: mail}}
buckets:
  only-far: {stores: [far], purpose: backups}
"""
    estate = estate_of(STORES.replace("[near, far]", "[near]"), SERVICES, MAIL, other)
    near = points(point(1), point(1, "mail-02"))
    seen = {"backup/mail": near, "backup/mail-far": points(point(2, "x"))}
    found = judged("backup.second-site", estate, seen)
    assert found["sitiv/service/mail"].status == "pass"
