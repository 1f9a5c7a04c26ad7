from __future__ import annotations

import pytest

from sitiv_infra.facts import ObjectStoreFacts, Unread
from sitiv_infra.facts.object_store import BucketLock, BucketState
from sitiv_infra.testing import estate_of, judged

DAY = 86_400
ESTATE = estate_of("""
object_stores:
  near: {site: a, endpoint: 'https://s3.a.test', observed_from: admin}
  far: {site: b, endpoint: 'https://s3.b.test', observed_from: admin}
buckets:
  backup: {stores: [near, far], purpose: backups, lock: {mode: compliance, retention: 30d}}
  scratch: {stores: [near], purpose: scratch, versioning: false}
  working: {stores: [near], purpose: files, lock: {mode: governance, retention: 7d}}
""")
UNREAD = Unread(unread="access denied")
LOCKED = BucketLock(enabled=True, mode="compliance", seconds=30 * DAY)


def bucket(name: str, **state: object) -> BucketState:
    good: dict[str, object] = {
        "versioning": "off" if name == "scratch" else "enabled",
        "lock": BucketLock(enabled=False) if name == "scratch" else LOCKED,
        "encrypted": True,
        "public": False,
    }
    return BucketState.model_validate({"name": name, **good, **state})


def store(*buckets: BucketState, complete: object = True) -> ObjectStoreFacts:
    data = {"server": "MinIO", "complete": complete, "buckets": buckets}
    return ObjectStoreFacts.model_validate(data)


def statuses(check: str, near: ObjectStoreFacts, far: ObjectStoreFacts | None) -> dict[str, str]:
    seen = {"object-store/near": near} | ({"object-store/far": far} if far else {})
    gaps = {} if far else {"object-store/far": "connection refused"}
    verdicts = judged(check, ESTATE, seen, gaps=gaps).items()
    return {path.removeprefix("sitiv/"): verdict.status.value for path, verdict in verdicts}


GOOD = store(bucket("backup"), bucket("scratch"), bucket("working"))
CHECKS = [
    "storage.bucket-missing",
    "storage.versioning",
    "storage.object-lock",
    "storage.encryption-at-rest",
    "storage.public-bucket",
    "storage.undeclared-bucket",
]


@pytest.mark.parametrize("check", CHECKS)
def test_a_good_day(check: str) -> None:
    found = statuses(check, GOOD, store(bucket("backup")))
    assert found
    assert set(found.values()) == {"pass"}


@pytest.mark.parametrize("check", CHECKS)
def test_a_store_that_was_not_read_is_unknown(check: str) -> None:
    found = statuses(check, GOOD, None)
    assert {path for path, status in found.items() if status == "unknown"} in (
        {"bucket/backup@far"},
        {"object-store/far"},
    )
    assert "fail" not in found.values()


@pytest.mark.parametrize("check", CHECKS)
def test_nothing_declared_is_not_applicable(check: str) -> None:
    verdicts = judged(check, estate_of(), {})
    assert [v.status.value for v in verdicts.values()] == ["not-applicable"]


def test_a_bucket_missing_on_one_site() -> None:
    found = statuses("storage.bucket-missing", GOOD, store())
    assert found["bucket/backup@near"] == "pass"
    assert found["bucket/backup@far"] == "fail"


def test_a_bucket_that_the_account_is_not_shown() -> None:
    hidden = bucket("backup", present=UNREAD)
    assert statuses("storage.bucket-missing", GOOD, store(hidden))["bucket/backup@far"] == "unknown"


@pytest.mark.parametrize(
    ("name", "state", "status"),
    [
        ("backup", "suspended", "fail"),
        ("backup", "off", "fail"),
        ("backup", UNREAD, "unknown"),
        ("scratch", "enabled", "fail"),
        ("scratch", "suspended", "pass"),
    ],
)
def test_versioning(name: str, state: object, status: str) -> None:
    found = statuses("storage.versioning", store(bucket(name, versioning=state)), None)
    assert found[f"bucket/{name}@near"] == status


@pytest.mark.parametrize(
    ("name", "lock", "status"),
    [
        ("backup", BucketLock(enabled=False), "fail"),
        ("backup", BucketLock(enabled=True), "fail"),
        ("backup", BucketLock(enabled=True, mode="compliance", seconds=30 * DAY - 1), "fail"),
        ("backup", BucketLock(enabled=True, mode="governance", seconds=90 * DAY), "fail"),
        ("backup", BucketLock(enabled=True, mode="compliance", seconds=90 * DAY), "pass"),
        ("backup", UNREAD, "unknown"),
        ("backup", BucketLock(enabled=True, seconds=90 * DAY), "unknown"),
        ("working", BucketLock(enabled=True, mode="governance", seconds=7 * DAY), "pass"),
        ("working", BucketLock(enabled=True, mode="compliance", seconds=7 * DAY), "pass"),
        ("working", BucketLock(enabled=True, mode="governance", seconds=6 * DAY), "fail"),
    ],
)
def test_object_lock(name: str, lock: object, status: str) -> None:
    found = statuses("storage.object-lock", store(bucket(name, lock=lock)), None)
    assert found[f"bucket/{name}@near"] == status
    assert "bucket/scratch@near" not in found


@pytest.mark.parametrize(("state", "status"), [(False, "fail"), (UNREAD, "unknown")])
def test_encryption(state: object, status: str) -> None:
    found = statuses("storage.encryption-at-rest", store(bucket("backup", encrypted=state)), None)
    assert found["bucket/backup@near"] == status


@pytest.mark.parametrize(("state", "status"), [(True, "fail"), (UNREAD, "unknown")])
@pytest.mark.parametrize(
    ("name", "path"),
    [("backup", "bucket/backup@near"), ("stranger", "object-store/near/stranger")],
)
def test_public(name: str, path: str, state: object, status: str) -> None:
    found = statuses("storage.public-bucket", store(bucket(name, public=state)), None)
    assert found[path] == status


def test_a_bucket_declared_elsewhere_is_undeclared_here() -> None:
    found = statuses("storage.undeclared-bucket", GOOD, store(bucket("backup"), bucket("scratch")))
    assert found == {"object-store/near": "pass", "object-store/far/scratch": "fail"}


def test_an_account_that_is_not_shown_all_buckets_can_t_vouch_for_them() -> None:
    far = store(bucket("x1"), complete=UNREAD)
    found = statuses("storage.undeclared-bucket", GOOD, far)
    assert found["object-store/far"] == "unknown"
    assert found["object-store/far/x1"] == "fail"
    found = statuses("storage.public-bucket", GOOD, far)
    assert found["object-store/far"] == "unknown"
    assert found["object-store/far/x1"] == "pass"
