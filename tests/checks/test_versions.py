from __future__ import annotations

import pytest

from sitiv_infra.facts import ObjectStoreFacts, Unread
from sitiv_infra.facts.object_store import BucketLock, BucketState, VersionTally
from sitiv_infra.messages import Language
from sitiv_infra.testing import estate_of, judged

ESTATE = estate_of("""
object_stores:
  near: {site: a, endpoint: 'https://s3.a.test', observed_from: admin, parity: 2}
  far: {site: b, endpoint: 'https://s3.b.test', observed_from: admin}
buckets:
  backup: {stores: [near, far], purpose: backups, lock: {mode: compliance, retention: 30d}}
  working: {stores: [near], purpose: files, lock: {mode: governance, retention: 7d}}
  scratch: {stores: [near], purpose: scratch, versioning: false}
""")
ENGLISH = Language("en")
LOCKED = BucketLock(enabled=True, mode="compliance", seconds=30 * 86_400)
CHECKS = ["storage.versions-kept", "storage.versions-encrypted", "storage.versions-parity"]


def kept(mode: str | None, hours: int, count: int = 10) -> dict[str, object]:
    return {"mode": mode, "hours": hours, "count": count, "example": f"{mode}-{hours}"}


def tally(**more: object) -> VersionTally:
    good: dict[str, object] = {
        "versions": 10, "delete_markers": 0,
        "size": 100, "untold": 0, "newest": None, "kept": [kept("compliance", 720)],
        "encrypted": [{"kind": "aes256", "count": 10, "example": "a"}],
        "shards": [{"data": 2, "parity": 2, "count": 10, "example": "a"}],
    }  # fmt: skip
    return VersionTally.model_validate({**good, **more})


def store(versions: VersionTally | Unread | None, name: str = "backup") -> ObjectStoreFacts:
    state = BucketState(
        name=name, versioning="enabled", lock=LOCKED, encrypted=True, public=False,
        versions=versions,
    )  # fmt: skip
    return ObjectStoreFacts(server="MinIO", complete=True, buckets=(state,))


def told(check: str, near: ObjectStoreFacts) -> dict[str, tuple[str, str]]:
    verdicts = judged(check, ESTATE, {"object-store/near": near}, gaps={"object-store/far": "gone"})
    return {
        path.removeprefix("sitiv/bucket/"): (
            one.status.value,
            ENGLISH.message(one.message, one.evidence),
        )
        for path, one in verdicts.items()
    }


def status(check: str, versions: VersionTally | Unread | None, name: str = "backup") -> str:
    return told(check, store(versions, name))[f"{name}@near"][0]


@pytest.mark.parametrize("check", CHECKS)
def test_what_could_not_be_listed_is_unknown(check: str) -> None:
    assert status(check, tally()) == "pass"
    assert status(check, Unread(unread="access denied")) == "unknown"
    assert status(check, None) == "unknown"
    assert status(check, tally(untold=1, kept=[], encrypted=[], shards=[])) == "unknown"
    found = told(check, store(tally()))
    assert found.get("backup@far", ("unknown",))[0] == "unknown"
    assert "scratch@near" not in found


@pytest.mark.parametrize(
    ("name", "groups", "expected"),
    [
        ("backup", [kept("compliance", 719)], "fail"),
        ("backup", [kept("compliance", 2000)], "pass"),
        ("backup", [kept("governance", 2000)], "fail"),
        ("backup", [kept(None, 0, 1), kept("compliance", 720)], "fail"),
        ("working", [kept("governance", 168)], "pass"),
        ("working", [kept("compliance", 168)], "pass"),
        ("working", [kept("governance", 167)], "fail"),
    ],
)
def test_kept(name: str, groups: list[object], expected: str) -> None:
    assert status("storage.versions-kept", tally(kept=groups), name) == expected


def test_what_is_kept_least_is_named_and_all_are_counted() -> None:
    groups = [kept(None, 0, 2), kept("governance", 800, 3), kept("compliance", 720, 5)]
    found = told("storage.versions-kept", store(tally(kept=groups)))["backup@near"]
    assert found == (
        "fail",
        "5 of 10 versions are kept shorter than promised; nothing keeps None-0",
    )


def test_a_fault_that_is_seen_is_told_though_not_all_settings_are() -> None:
    seen = tally(untold=5, kept=[kept(None, 0, 5)])
    assert status("storage.versions-kept", seen) == "fail"


def test_encrypted() -> None:
    clear = {"kind": "none", "count": 1, "example": "old"}
    found = told("storage.versions-encrypted", store(tally(encrypted=[clear])))["backup@near"]
    assert found == ("fail", "1 of 10 versions are not encrypted, such as old")
    theirs = {"kind": "customer", "count": 10, "example": "a"}
    assert status("storage.versions-encrypted", tally(encrypted=[theirs])) == "pass"


def test_parity() -> None:
    thin = {"data": 3, "parity": 1, "count": 1, "example": "thin"}
    assert status("storage.versions-parity", tally(shards=[thin])) == "fail"
    many = {"data": 12, "parity": 4, "count": 10, "example": "a"}
    assert status("storage.versions-parity", tally(shards=[many])) == "pass"
    assert status("storage.versions-parity", tally(shards=[])) == "unknown"
