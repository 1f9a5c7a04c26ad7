"""Stores as the playbooks set them up: accounts, locks, replication, and what a death takes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from sitiv_infra.lab.minio import ENCRYPTED
from sitiv_infra.lab.pki import Authority
from tests.playbooks.stores import ADDRESSES, COUNTER, DAYS, DECLARED, WRITER, Stores, allow, policy
from tests.servers.need import need


@pytest.fixture(scope="module")
def stores(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, repository: Path
) -> Iterator[Stores]:
    need("minio", "mc", "ip", root=True)
    with Stores(tmp_path_factory.mktemp("stores"), authority, repository) as made:
        yield made


def test_what_is_as_declared_is_left_alone(stores: Stores) -> None:
    assert stores.foretold[0] == stores.declared["near"][0] == "replication: joined near, far"
    assert "bucket documents: made" in stores.declared["near"]
    assert "replication: writes wait for far" in stores.declared["near"]
    assert "replication: writes wait for near" in stores.declared["far"]
    for name in ADDRESSES:
        assert stores.changes(name) == []


def test_the_store_that_joins_keeps_the_lock_as_well(stores: Stores) -> None:
    """MinIO loses the default rule of a bucket that was there before a store joined."""
    for name in ADDRESSES:
        assert stores.rule(name, "backups") == {"Mode": "GOVERNANCE", "Days": DAYS}


@pytest.mark.parametrize("name", ADDRESSES)
def test_buckets_keep_versions_and_encrypt(stores: Stores, name: str) -> None:
    with stores.network.inside(), closing(stores.servers[name].client()) as s3:
        for bucket in ("documents", "backups"):
            assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
            found = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
            assert (
                found["Rules"][0]["ApplyServerSideEncryptionByDefault"]
                == (ENCRYPTED["ApplyServerSideEncryptionByDefault"])
            )


@pytest.mark.parametrize("name", ADDRESSES)
def test_accounts_may_do_what_they_need_and_no_more(stores: Stores, name: str) -> None:
    with stores.network.inside(), closing(stores.servers[name].client(COUNTER)) as s3:
        s3.put_object(Bucket="documents", Key="letter", Body=b"dear")
        assert s3.get_object(Bucket="documents", Key="letter")["Body"].read() == b"dear"
        with pytest.raises(ClientError, match="NoSuchKey"):
            s3.get_object(Bucket="documents", Key="never")
        for attempt in (
            lambda: s3.delete_object(Bucket="documents", Key="letter"),
            lambda: s3.get_object(Bucket="backups", Key="counter/config"),
            lambda: s3.put_bucket_versioning(
                Bucket="documents", VersioningConfiguration={"Status": "Suspended"}
            ),
        ):
            with pytest.raises(ClientError, match="AccessDenied"):
                attempt()


def test_a_writer_of_backups_destroys_none(stores: Stores) -> None:
    with stores.network.inside(), closing(stores.servers["far"].client(WRITER)) as s3:
        place = {"Bucket": "backups", "Key": "counter/data/1"}
        version = s3.put_object(**place, Body=b"pack")["VersionId"]
        s3.delete_object(**place)
        for attempt in (
            lambda: s3.delete_object(**place, VersionId=version),
            lambda: s3.delete_object(**place, VersionId=version, BypassGovernanceRetention=True),
        ):
            with pytest.raises(ClientError, match="AccessDenied"):
                attempt()
    with stores.network.inside(), closing(stores.servers["near"].client()) as s3:
        assert s3.get_object(**place, VersionId=version)["Body"].read() == b"pack"


def test_what_was_changed_by_hand_is_named_and_set_again(stores: Stores) -> None:
    near = stores.servers["near"]
    with stores.network.inside(), closing(near.client()) as s3:
        s3.delete_bucket_encryption(Bucket="documents")
        admin = near._admin()
        admin.user_add(COUNTER.access, "quite-another-secret")
        admin.policy_add(COUNTER.access, policy=policy(allow(["s3:*"], "*")))
        admin.policy_set("consoleAdmin", user=WRITER.access)
    expected = {
        "bucket documents: encrypted",
        f"account {COUNTER.access}: policy",
        f"account {COUNTER.access}: key",
        f"account {WRITER.access}: bound to its policy",
    }
    assert set(stores.changes("near", "--check")) == expected
    assert set(stores.changes("near")) == expected
    stores.changes("far")
    assert [stores.changes(name) for name in ADDRESSES] == [[], []]
    test_accounts_may_do_what_they_need_and_no_more(stores, "near")


def test_a_lock_is_never_weakened(stores: Stores) -> None:
    shorter = [{"name": "backups", "lock": {"mode": "governance", "days": DAYS - 1}}]
    told = stores.apply("near", buckets=shorter)
    assert "bucket backups is locked harder than declared (governance, 2 days)" in told["msg"]
    late = [{"name": "documents", "lock": {"mode": "governance", "days": 1}}]
    assert "must be made anew" in stores.apply("near", buckets=late)["msg"]
    assert stores.rule("near", "backups")["Days"] == DAYS


def test_no_key_is_told(stores: Stores) -> None:
    told = stores.apply("near", "-vvv", accounts=[{**DECLARED["accounts"][0], "policy": {}}])
    text = json.dumps(told)
    assert COUNTER.secret not in text
    assert stores.servers["near"].root.secret not in text
    stores.changes("near")


def test_no_acknowledged_document_dies_with_its_store(stores: Stores) -> None:
    """The store is killed while it is written to; what it has answered for is on the other one."""
    kept: set[str] = set()
    stopping = threading.Event()
    far = stores.servers["far"]

    def write(number: int) -> None:
        with stores.network.inside(), closing(far.client()) as s3:
            for count in range(10_000):
                if stopping.is_set():
                    return
                key = f"killed/{number}-{count}"
                with suppress(BotoCoreError, ClientError):
                    s3.put_object(Bucket="documents", Key=key, Body=b"x" * 2000)
                    kept.add(key)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    while len(kept) < 40:
        assert any(writer.is_alive() for writer in writers)
        time.sleep(0.05)
    far.kill()
    stopping.set()
    for writer in writers:
        writer.join()
    assert kept <= stores.held("near", "killed/")
    stores.restart("far")


def test_what_was_written_meanwhile_is_handed_on(stores: Stores) -> None:
    stores.servers["far"].kill()
    written = [f"meanwhile/{number}" for number in range(30)]
    stores.put("near", written)
    stores.restart("far")
    resync: Callable[..., dict[str, Any]] = lambda *options: stores.module(  # noqa: E731 - twice the same
        "object_store_resync", "near", *options, buckets=["documents", "backups"], seconds=120
    )
    assert resync("--check")["changed"] is True
    told = resync()
    assert told["changed"] is True
    assert told["left"] == 0
    assert stores.held("far", "meanwhile/") == set(written)
    assert resync()["changed"] is False
