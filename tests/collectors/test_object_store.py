from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sitiv_infra.collectors.object_store import COLLECTOR, is_public
from sitiv_infra.errors import NotObserved
from sitiv_infra.facts import ObjectStoreFacts, Unread
from sitiv_infra.facts.object_store import BucketLock
from sitiv_infra.lab.minio import Keys, MinioServer, audit_policy
from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.pki import Authority
from sitiv_infra.lab.process import free_port
from sitiv_infra.testing import judged
from tests.servers.minio import Place, Relay, answering, new_minio
from tests.servers.need import need

MakeRelay = Callable[..., Relay]


def collect(place: Place) -> ObjectStoreFacts:
    estate = place.estate()
    facts = COLLECTOR(estate.object_stores["near"], place.session(estate))
    assert isinstance(facts, ObjectStoreFacts)
    assert place.keys.secret not in facts.model_dump_json()
    return facts


def cause(place: Place) -> str:
    with pytest.raises(NotObserved) as caught:
        collect(place)
    text = str(caught.value)
    assert place.keys.secret not in text
    return text


def statuses(check: str, place: Place) -> dict[str, str]:
    verdicts = judged(check, place.estate(), {"object-store/near": collect(place)})
    return {path: verdict.status.value for path, verdict in verdicts.items()}


def test_reads_what_each_bucket_is(place: Place) -> None:
    facts = collect(place)
    assert (facts.server, facts.complete) == ("MinIO", True)
    assert [b.name for b in facts.buckets] == ["backup", "documents", "forgotten", "scratch"]
    seen = {b.name: (b.versioning, b.encrypted, b.public) for b in facts.buckets}
    assert seen == {
        "backup": ("enabled", True, False),
        "documents": ("enabled", True, False),
        "forgotten": ("enabled", True, True),
        "scratch": ("off", False, False),
    }
    locks = {b.name: b.lock for b in facts.buckets}
    month = 30 * 86_400
    assert locks["backup"] == BucketLock(enabled=True, mode="compliance", seconds=month)
    assert locks["documents"] == BucketLock(enabled=False)


def test_faults_of_a_real_server_are_found(place: Place) -> None:
    assert statuses("storage.undeclared-bucket", place) == {
        "sitiv/object-store/near/forgotten": "fail"
    }
    assert statuses("storage.public-bucket", place) == {
        "sitiv/bucket/backup@near": "pass",
        "sitiv/bucket/documents@near": "pass",
        "sitiv/bucket/scratch@near": "pass",
        "sitiv/object-store/near/forgotten": "fail",
    }
    assert statuses("storage.encryption-at-rest", place)["sitiv/bucket/scratch@near"] == "fail"
    assert statuses("storage.object-lock", place) == {"sitiv/bucket/backup@near": "pass"}
    assert set(statuses("storage.versioning", place).values()) == {"pass"}


def test_a_declared_bucket_that_is_not_there(place: Place) -> None:
    place.extra = "buckets: {archive: {stores: [near], purpose: archive}}"
    assert statuses("storage.bucket-missing", place)["sitiv/bucket/archive@near"] == "fail"
    assert "sitiv/bucket/archive@near" not in statuses("storage.versioning", place)


@pytest.mark.parametrize(
    ("action", "field", "check"),
    [
        ("s3:GetBucketVersioning", "versioning", "storage.versioning"),
        ("s3:GetBucketObjectLockConfiguration", "lock", "storage.object-lock"),
        ("s3:GetEncryptionConfiguration", "encrypted", "storage.encryption-at-rest"),
        ("s3:GetBucketPolicy", "public", "storage.public-bucket"),
    ],
)
def test_a_policy_with_a_hole_makes_one_fact_unread(
    minio: MinioServer, place: Place, action: str, field: str, check: str
) -> None:
    name = action.partition(":")[2].lower()
    keys = minio.add_reader(f"no-{name}", audit_policy(["backup"], deny=[action]))
    narrow = replace(place, keys=keys)
    state = collect(narrow).bucket("backup")
    assert state is not None
    unread = getattr(state, field)
    assert unread == Unread(unread=f"access denied: the account lacks {action}")
    whole = {"versioning", "lock", "encrypted", "public"} - {field}
    assert not any(isinstance(getattr(state, other), Unread) for other in whole)
    assert statuses(check, narrow)["sitiv/bucket/backup@near"] == "unknown"


def test_an_account_that_is_shown_only_some_buckets_proves_nothing_of_the_others(
    minio: MinioServer, place: Place
) -> None:
    policy: dict[str, object] = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::documents"]}
        ],
    }
    narrow = replace(place, keys=minio.add_reader("narrow", policy))
    facts = collect(narrow)
    assert isinstance(facts.complete, Unread)
    assert statuses("storage.undeclared-bucket", narrow) == {"sitiv/object-store/near": "unknown"}
    assert statuses("storage.bucket-missing", narrow) == {
        "sitiv/bucket/backup@near": "unknown",
        "sitiv/bucket/documents@near": "pass",
        "sitiv/bucket/scratch@near": "unknown",
    }
    assert statuses("storage.versioning", narrow)["sitiv/bucket/backup@near"] == "unknown"


def test_a_reader_without_any_right(minio: MinioServer, place: Place) -> None:
    keys = minio.add_reader("nobody", audit_policy(deny=["s3:*"]))
    assert cause(replace(place, keys=keys)) == (
        f"{place.endpoint} denied ListBuckets to the account"
    )


def test_a_wrong_secret(place: Place, reader: Keys) -> None:
    wrong = replace(place, keys=Keys(reader.access, "not-the-secret-at-all"))
    assert cause(wrong) == (
        f"{place.endpoint} refused the access key or its secret (SignatureDoesNotMatch)"
    )


def test_an_unknown_access_key(place: Place) -> None:
    wrong = replace(place, keys=Keys.new("stranger"))
    assert "refused the access key or its secret (InvalidAccessKeyId)" in cause(wrong)


def test_no_account_is_declared(place: Place) -> None:
    estate = place.estate()
    store = estate.object_stores["near"].model_copy(update={"account": None})
    with pytest.raises(NotObserved, match="no account is declared"):
        COLLECTOR(store, place.session(estate))


def test_an_authority_that_is_not_trusted(place: Place, tmp_path: Path) -> None:
    other = Authority(tmp_path, "Another CA")
    assert cause(replace(place, ca_file=other.ca_file)).startswith(
        f"the certificate of {place.endpoint} can't be verified: "
    )


def test_without_an_authority_the_system_decides(place: Place) -> None:
    assert "can't be verified" in cause(replace(place, ca_file=None))


def test_a_server_that_is_stopped(place: Place) -> None:
    gone = f"https://127.0.0.1:{free_port()}"
    assert cause(replace(place, endpoint=gone)) == f"{gone} can't be reached: connection refused"


def test_a_host_that_does_not_exist(place: Place) -> None:
    assert "can't be reached" in cause(replace(place, endpoint="https://nowhere.invalid:9000"))


def test_a_server_that_accepts_and_never_answers(place: Place, relay: MakeRelay) -> None:
    silent = relay()
    slow = replace(place, endpoint=silent.endpoint, operation=0.5)
    assert cause(slow) == f"no answer from {silent.endpoint} within 0.5 s"


def test_a_server_that_speaks_no_tls(place: Place, relay: MakeRelay) -> None:
    rude = relay(says=b"220 ready\r\n" * 10)
    assert f"TLS with {rude.endpoint} failed" in cause(replace(place, endpoint=rude.endpoint))


def test_the_whole_takes_no_longer_than_the_sources_timeout(
    place: Place, minio: MinioServer, relay: MakeRelay
) -> None:
    """The server falls silent after some answers; one operation alone might take a minute."""
    released = threading.Event()
    slow = relay(minio.at, after=9000, then=released.wait)
    patient = replace(place, endpoint=slow.endpoint, operation=60)
    estate = patient.estate()
    store = estate.object_stores["near"].model_copy(update={"timeout": timedelta(seconds=2)})
    try:
        with pytest.raises(NotObserved) as caught:
            COLLECTOR(store, patient.session(estate))
    finally:
        released.set()
    assert str(caught.value) == f"{slow.endpoint} did not answer everything within 2 s"


@pytest.mark.parametrize(
    "answer",
    [b"", b"garbage", b"<html><body>It works!</body></html>", b"<a>", b"{}", b"\x00\xff" * 500],
)
def test_a_server_that_is_no_object_store(
    place: Place, authority: Authority, answer: bytes
) -> None:
    with answering(authority, answer) as endpoint:
        assert cause(replace(place, endpoint=endpoint)) in {
            f"the answer of {endpoint} is not S3",
            f"{endpoint} answered ListBuckets with 500",  # what botocore makes of broken XML
        }


def test_a_server_that_is_killed_while_it_is_read(
    tmp_path: Path, authority: Authority, relay: MakeRelay
) -> None:
    server = new_minio(tmp_path, authority)
    server.start()
    try:
        for name in ("backup", "documents", "scratch"):
            server.make_bucket(name)
        whole = Place(server.endpoint, server.root, server.ca_file)
        assert len(collect(whole).buckets) == 3
        passing = relay(server.at, after=9000, then=server.kill)
        text = cause(replace(whole, endpoint=passing.endpoint))
        assert text in {
            f"{passing.endpoint} broke off the connection",
            f"{passing.endpoint} can't be reached: connection refused",
        }
    finally:
        server.kill()


def test_the_machines_own_aws_settings_are_not_looked_at(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = tmp_path / "config"
    settings.write_text("[profile other]\nregion = nowhere\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(settings))
    monkeypatch.setenv("AWS_PROFILE", "missing")
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nonexistent")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://192.0.2.1")
    monkeypatch.setenv("HTTPS_PROXY", "http://192.0.2.1:3128")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "wrong")
    assert collect(place).complete is True


@pytest.mark.parametrize("connections", [1, 3])
def test_no_more_connections_than_declared(
    place: Place, minio: MinioServer, relay: MakeRelay, connections: int
) -> None:
    passing = relay(minio.at)
    through = replace(place, endpoint=passing.endpoint)
    estate = through.estate()
    store = estate.object_stores["near"].model_copy(update={"connections": connections})
    assert COLLECTOR(store, through.session(estate)) == collect(place)
    assert 1 <= passing.accepted <= 2 * connections  # to list versions, once the first are closed


@pytest.mark.usefixtures("repository_in_s3")
def test_a_further_copy_of_a_repository_is_listed_by_its_restore_points(
    place: Place, minio: MinioServer
) -> None:
    """The same server under a second name stands for the other site."""
    place.extra = f"""
object_stores:
  far: {{site: b, endpoint: '{place.endpoint}', account: {place.keys.access},
         credential: s3-near, observed_from: admin}}
"""
    estate = place.estate()
    bucket = estate.buckets["backup"].model_copy(update={"stores": ("near", "far")})
    estate = estate.model_copy(update={"buckets": {**estate.buckets, "backup": bucket}})
    far = COLLECTOR(estate.object_stores["far"], place.session(estate))
    assert isinstance(far, ObjectStoreFacts)
    copy = far.copy_of("backup", "mail")
    with closing(minio.client()) as s3:
        listed = s3.list_objects_v2(Bucket="backup", Prefix="mail/snapshots/")["Contents"]
    assert copy is not None
    assert copy.restore_points == tuple(sorted(o["Key"].split("/")[-1] for o in listed))
    assert collect(place).copies == ()


def test_a_server_in_a_network_of_its_own(tmp_path: Path, authority: Authority) -> None:
    need("minio", root=True)
    with Namespace("store", ["10.99.0.9/32"]) as network, network.inside():
        server = MinioServer(tmp_path, authority, at=("10.99.0.9", 9000), namespace=network.name)
        server.start()
        try:
            server.make_bucket("documents")
            facts = collect(Place(server.endpoint, server.root, server.ca_file))
            assert [bucket.name for bucket in facts.buckets] == ["documents"]
        finally:
            server.stop()


@pytest.mark.parametrize(
    ("policy", "public"),
    [
        ('{"Statement": [{"Effect": "Allow", "Principal": "*"}]}', True),
        ('{"Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}}}', True),
        ('{"Statement": [{"Effect": "Allow", "Principal": {"AWS": ["*"]}}]}', True),
        ('{"Statement": [{"Effect": "Allow", "NotPrincipal": {"AWS": "x"}}]}', True),
        ('{"Statement": [{"Effect": "Deny", "Principal": "*"}]}', False),
        ('{"Statement": [{"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam::1:x"]}}]}', False),
        ('{"Statement": []}', False),
        ("{}", False),
    ],
)
def test_what_a_public_policy_is(policy: str, *, public: bool) -> None:
    assert is_public(policy) is public
