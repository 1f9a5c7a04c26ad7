"""Versions of a real server, listed and counted; and lists that are none."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from urllib.parse import quote_plus, unquote_plus
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitiv_infra.collectors.listing import MOST_BYTES, listing
from sitiv_infra.collectors.object_store import COLLECTOR
from sitiv_infra.collectors.versions import Page
from sitiv_infra.errors import NotObserved
from sitiv_infra.facts import ObjectStoreFacts, Unread
from sitiv_infra.facts.object_store import VersionTally
from sitiv_infra.lab.minio import Keys, MinioServer, audit_policy
from sitiv_infra.lab.pki import Authority
from sitiv_infra.testing import judged
from tests.servers.minio import Place, Relay, answering, new_minio

EXTRA = """
buckets: {kept: {stores: [near], purpose: kept, lock: {mode: compliance, retention: 30d}}}
"""
EXAMPLES = {name: {"__all__": {"example"}} for name in ("kept", "encrypted", "shards")}
CHECKS = ("storage.versions-kept", "storage.versions-encrypted", "storage.versions-parity")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[MinioServer]:
    """Four drives, of which two may be lost."""
    made = new_minio(tmp_path_factory.mktemp("listing"), authority, drives=4)
    made.start()
    yield made
    made.stop()


class Vault:
    """The bucket of one test."""

    def __init__(self, server: MinioServer, bucket: str) -> None:
        self.server, self.bucket = server, bucket
        keys = server.add_reader(f"reader-{bucket}", audit_policy([bucket]))
        extra = EXTRA.replace("kept", bucket, 1)
        self.place = Place(server.endpoint, keys, server.ca_file, extra=extra)

    def put(self, key: str, **more: object) -> None:
        with closing(self.server.client()) as s3:
            s3.put_object(Bucket=self.bucket, Key=key, Body=b"some text", **more)  # type: ignore[arg-type]

    def collected(self, place: Place | None = None) -> ObjectStoreFacts:
        asked = place or self.place
        estate = asked.estate()
        facts = COLLECTOR(estate.object_stores["near"], asked.session(estate))
        assert isinstance(facts, ObjectStoreFacts)
        assert asked.keys.secret not in facts.model_dump_json()
        return facts

    def told(self, place: Place | None = None) -> VersionTally | Unread | None:
        state = self.collected(place).bucket(self.bucket)
        assert state is not None
        return state.versions

    def verdict(self, check: str, place: Place | None = None) -> str:
        estate = (place or self.place).estate()
        near = estate.object_stores["near"].model_copy(update={"parity": 2})
        estate = estate.model_copy(update={"object_stores": {"near": near}})
        seen = {"object-store/near": self.collected(place)}
        verdicts = judged(check, estate, seen)
        return verdicts[f"sitiv/bucket/{self.bucket}@near"].status.value


@pytest.fixture
def vault(server: MinioServer, request: pytest.FixtureRequest) -> Vault:
    """A bucket as declared, with two versions of one object and one that was deleted."""
    name = f"kept-{abs(hash(request.node.name)) % 10**8}"
    server.make_bucket(name, lock=("COMPLIANCE", 30))
    made = Vault(server, name)
    made.put("mail/data/é & <1>")
    made.put("mail/data/é & <1>")
    made.put("mail/gone")
    with closing(server.client()) as s3:
        s3.delete_object(Bucket=name, Key="mail/gone")
    return made


def test_all_versions_are_counted_by_what_they_are(vault: Vault) -> None:
    told = vault.told()
    assert isinstance(told, VersionTally)
    assert (told.versions, told.delete_markers, told.size, told.untold) == (3, 1, 27, 0)
    assert [(k.mode, k.hours, k.count) for k in told.kept] == [("compliance", 720, 3)]
    assert [(e.kind, e.count) for e in told.encrypted] == [("aes256", 3)]
    assert [(s.data, s.parity, s.count) for s in told.shards] == [(2, 2, 3)]
    assert told.kept[0].example == "mail/data/é & <1>"
    assert told.newest is not None
    assert abs(told.newest - datetime.now(UTC)) < timedelta(minutes=5)
    assert [vault.verdict(check) for check in CHECKS] == ["pass"] * 3


def test_a_bucket_without_promise_is_not_listed(vault: Vault) -> None:
    vault.server.make_bucket(f"{vault.bucket}-b")
    state = vault.collected().bucket(f"{vault.bucket}-b")
    assert state is not None
    assert state.versions is None


def test_what_a_client_wrote_for_less_long_is_found(vault: Vault) -> None:
    soon = datetime.now(UTC) + timedelta(hours=30)
    vault.put("mail/short", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=soon)
    told = vault.told()
    assert isinstance(told, VersionTally)
    assert [(k.hours, k.count, k.example) for k in told.kept[:1]] == [(30, 1, "mail/short")]
    assert vault.verdict("storage.versions-kept") == "fail"


def test_governance_is_not_compliance(vault: Vault) -> None:
    later = datetime.now(UTC) + timedelta(days=90)
    vault.put("mail/soft", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=later)
    assert vault.verdict("storage.versions-kept") == "fail"


def test_what_was_written_while_the_rule_was_lost_is_found(vault: Vault) -> None:
    with closing(vault.server.client()) as s3:
        rule = s3.get_object_lock_configuration(Bucket=vault.bucket)["ObjectLockConfiguration"]
        s3.put_object_lock_configuration(
            Bucket=vault.bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"}
        )
        vault.put("mail/loose")
        s3.put_object_lock_configuration(Bucket=vault.bucket, ObjectLockConfiguration=rule)
    told = vault.told()
    assert isinstance(told, VersionTally)
    assert (told.kept[0].mode, told.kept[0].hours) == (None, 0)
    assert told.kept[0].example == "mail/loose"
    assert vault.verdict("storage.object-lock") == "pass"
    assert vault.verdict("storage.versions-kept") == "fail"


def test_what_was_written_in_clear_is_found(vault: Vault) -> None:
    with closing(vault.server.client()) as s3:
        s3.delete_bucket_encryption(Bucket=vault.bucket)
        vault.put("mail/clear")
    told = vault.told()
    assert isinstance(told, VersionTally)
    assert [(e.kind, e.count, e.example) for e in told.encrypted][1] == ("none", 1, "mail/clear")
    assert vault.verdict("storage.versions-encrypted") == "fail"


def test_what_fewer_drives_hold_is_found(vault: Vault) -> None:
    vault.put("mail/thin", StorageClass="REDUCED_REDUNDANCY")
    told = vault.told()
    assert isinstance(told, VersionTally)
    assert (3, 1, 1, "mail/thin") in [(s.data, s.parity, s.count, s.example) for s in told.shards]
    assert vault.verdict("storage.versions-parity") == "fail"


def test_more_than_a_page_of_one_object_and_of_folders(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = ["mail/often"] * 1100 + [f"mail/data/{n % 40:02x}/{n}" for n in range(1100)]
    random.Random(7).shuffle(keys)
    with closing(vault.server.client()) as s3, ThreadPoolExecutor(8) as pool:
        for done in pool.map(lambda key: s3.put_object(Bucket=vault.bucket, Key=key), keys):
            assert done["VersionId"]
    told = vault.told()
    assert isinstance(told, VersionTally)
    assert (told.versions, told.delete_markers) == (2203, 1)
    monkeypatch.setattr("sitiv_infra.collectors.listing.FIRST", 1)  # divided by folders
    divided = vault.told()
    assert isinstance(divided, VersionTally)
    assert divided.model_dump(exclude=EXAMPLES) == told.model_dump(exclude=EXAMPLES)


def test_an_account_that_may_not_read_is_told_nothing_of_settings(vault: Vault) -> None:
    listed = audit_policy([vault.bucket], deny=["s3:GetObject"])
    narrow = replace(vault.place, keys=vault.server.add_reader(f"l-{vault.bucket}", listed))
    told = vault.told(narrow)
    assert isinstance(told, VersionTally)
    assert (told.versions, told.untold, told.kept) == (3, 3, ())
    assert {vault.verdict(check, narrow) for check in CHECKS} == {"unknown"}


def test_an_account_that_may_not_list_is_told_so(vault: Vault) -> None:
    denied = audit_policy([vault.bucket], deny=["s3:ListBucketVersions", "s3:ListBucket"])
    narrow = replace(vault.place, keys=vault.server.add_reader(f"n-{vault.bucket}", denied))
    action = f"s3:ListBucketVersions on {vault.bucket}"
    assert vault.told(narrow) == Unread(unread=f"access denied: the account lacks {action}")
    assert {vault.verdict(check, narrow) for check in CHECKS} == {"unknown"}


# Pages, held against what a parser of XML makes of them.

WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
FIRST = datetime(2024, 1, 1, tzinfo=UTC)
TIMES = st.integers(0, 10**11).map(lambda ms: FIRST + timedelta(milliseconds=ms))
LOCKS = st.none() | st.tuples(st.sampled_from(["GOVERNANCE", "COMPLIANCE"]), st.integers(0, 2000))
VERSIONS = st.tuples(
    WORDS, TIMES, st.integers(0, 10**12), LOCKS, st.sampled_from([None, "AES256", "aws:kms"]),
    st.sampled_from([None, (2, 2), (12, 4)]), st.booleans(), st.dictionaries(WORDS, WORDS),
)  # fmt: skip


# Pages whose versions differ in their times and sizes alone, and such with one that does not.
ALIKE = st.tuples(
    st.lists(st.tuples(WORDS, TIMES, st.integers(0, 10**12), st.integers(0, 2)), max_size=8),
    st.lists(VERSIONS, max_size=1),
).map(
    lambda both: [
        *((key, at, size, ("COMPLIANCE", hours), "AES256", (2, 2), False, {})
          for key, at, size, hours in both[0]),
        *both[1],
    ]
)  # fmt: skip


def written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def record(version: tuple[object, ...], dice: random.Random) -> str:
    """Write a version as MinIO does: its settings in any order, names in any case."""
    key, at, size, lock, kind, shards, marker, more = version
    assert isinstance(at, datetime)
    assert isinstance(more, dict)
    settings = {"content-type": "text/plain"}
    settings |= {f"X-Amz-Meta-{n}": escape(value) for n, value in enumerate(more.values())}
    if isinstance(lock, tuple):
        settings["x-amz-object-lock-mode"] = lock[0]
        settings["x-amz-object-lock-retain-until-date"] = written(at + timedelta(hours=lock[1]))
    if kind:
        settings["X-Amz-Server-Side-Encryption"] = str(kind)
    told = [f"<{name}>{value}</{name}>" for name, value in settings.items()]
    dice.shuffle(told)
    if isinstance(shards, tuple):
        told_shards = f"<Internal><K>{shards[0]}</K><M>{shards[1]}</M></Internal>"
    else:
        told_shards = ""
    name = "DeleteMarker" if marker else "Version"
    inner = "" if marker else f"<UserMetadata>{''.join(told)}</UserMetadata>{told_shards}"
    return (
        f"<{name}><Key>{quote_plus(str(key))}</Key><LastModified>{written(at)}</LastModified>"
        f"<ETag>&#34;0&#34;</ETag><Size>{size}</Size>{inner}<IsLatest>true</IsLatest>"
        f"<VersionId>v</VersionId></{name}>"
    )


def page(records: list[str], following: str = "") -> bytes:
    more = f"<NextKeyMarker>{following}</NextKeyMarker><NextVersionIdMarker>7</NextVersionIdMarker>"
    head = f"<IsTruncated>{'true' if following else 'false'}</IsTruncated>"
    head += more if following else ""
    name = "ListVersionsResult"
    return f"<?xml version='1.0'?>\n<{name}>{head}{''.join(records)}</{name}>".encode()


@given(st.lists(VERSIONS, max_size=8) | ALIKE, st.randoms(use_true_random=False))
def test_a_page_says_what_a_parser_of_xml_finds(
    versions: list[tuple[object, ...]], dice: random.Random
) -> None:
    body = page([record(version, dice) for version in versions])
    root = ET.fromstring(body)
    told = Page(body).tally.facts()
    real = root.findall("Version")
    assert told.versions == len(real)
    assert told.delete_markers == len(root.findall("DeleteMarker"))
    assert told.size == sum(int(one.findtext("Size") or 0) for one in real)
    assert told.untold == 0
    kinds = Counter(
        (one.findtext("UserMetadata/X-Amz-Server-Side-Encryption") or "none").lower()
        for one in real
    )
    assert {one.kind: one.count for one in told.encrypted} == kinds
    assert {(one.mode, one.hours): one.count for one in told.kept} == Counter(map(kept, real))
    keys = {unquote_plus(one.findtext("Key") or "") for one in real}
    assert {one.example for one in (*told.kept, *told.encrypted, *told.shards)} <= keys
    shards = Counter(
        (int(one.findtext("Internal/K") or 0), int(one.findtext("Internal/M") or 0))
        for one in real
        if one.find("Internal") is not None
    )
    assert {(one.data, one.parity): one.count for one in told.shards} == shards


def kept(version: ET.Element) -> tuple[str | None, int]:
    mode = version.findtext("UserMetadata/x-amz-object-lock-mode")
    until = version.findtext("UserMetadata/x-amz-object-lock-retain-until-date")
    if mode is None or until is None:
        return None, 0
    start = datetime.fromisoformat(version.findtext("LastModified") or "")
    hours = (datetime.fromisoformat(until) - start) // timedelta(hours=1)
    return (mode.lower(), hours) if hours else (None, 0)


ONE = (
    "<Version><Key>a</Key><LastModified>2026-11-20T01:00:00Z</LastModified><Size>1</Size></Version>"
)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"some text",
        b"<html></html>",
        b"<ListBucketResult></ListBucketResult>",
        page([ONE])[:-30],
        page([ONE.replace("<Size>1</Size>", "")]),
        page([ONE.replace("<Size>1</Size>", "<Size>many</Size>")]),
        page([ONE.replace("<LastModified>", "<Modified>")]),
        page([ONE.replace("</Version>", "")]),
        page([ONE]).replace(b"false", b"true"),
    ],
)
def test_a_list_that_is_none(body: bytes) -> None:
    with pytest.raises(NotObserved, match="the list of versions"):
        Page(body)


def tally(endpoint: str, authority: Authority, end: float) -> VersionTally | Unread:
    place = Place(endpoint, Keys.new("auditor"), authority.ca_file, timeout="2s")
    estate = place.estate()
    store = estate.object_stores["near"]
    with (
        listing(store, place.session(estate), monotonic() + end) as lister,
        ThreadPoolExecutor(2) as executor,
    ):
        return lister.tally("backup", executor)


def test_a_list_that_goes_in_circles_is_left(authority: Authority) -> None:
    with answering(authority, page([ONE], following="a")) as endpoint:
        found = tally(endpoint, authority, 60)
    assert found == Unread(unread="the list of versions goes in circles")


def test_a_page_without_end_is_not_kept(authority: Authority) -> None:
    with answering(authority, page([ONE]) + b" " * MOST_BYTES) as endpoint:
        found = tally(endpoint, authority, 60)
    cause = f"a page of the list of versions has more than {MOST_BYTES} bytes"
    assert found == Unread(unread=cause)


def test_one_connection_is_enough_for_many_pages(
    vault: Vault, relay: Callable[..., Relay], monkeypatch: pytest.MonkeyPatch
) -> None:
    passing = relay(vault.server.at)
    place = replace(vault.place, endpoint=passing.endpoint)
    estate = place.estate()
    store = estate.object_stores["near"].model_copy(update={"connections": 1})
    monkeypatch.setattr("sitiv_infra.collectors.listing.FIRST", 0)
    with (
        listing(store, place.session(estate), monotonic() + 60) as lister,
        ThreadPoolExecutor(1) as executor,
    ):
        assert isinstance(lister.tally(vault.bucket, executor), VersionTally)
    assert passing.accepted == 1


def test_a_list_ends_with_its_time(authority: Authority) -> None:
    with answering(authority, page([ONE])) as endpoint:
        found = tally(endpoint, authority, 0)
    assert found == Unread(unread="not all versions were listed within 2 s")


def test_a_server_that_hangs_up(relay: Callable[..., Relay], authority: Authority) -> None:
    rude = relay(says=b"\r\n")
    found = tally(rude.endpoint, authority, 60)
    assert isinstance(found, Unread)
    assert found.unread.startswith("listing versions broke off: ")
