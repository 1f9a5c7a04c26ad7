from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sitiv_infra.collectors.backup import COLLECTOR, MOST_BYTES
from sitiv_infra.errors import NotObserved
from sitiv_infra.facts import BackupFacts
from sitiv_infra.lab.minio import Keys, MinioServer, audit_policy
from sitiv_infra.lab.pki import Authority
from sitiv_infra.lab.process import free_port
from sitiv_infra.lab.restic import Repository
from sitiv_infra.testing import judged
from tests.servers.minio import PASSWORD, Place, Relay, new_minio
from tests.servers.need import need

MakeRelay = Callable[..., Relay]


def collect(place: Place, seconds: float = 60) -> BackupFacts:
    estate = place.estate()
    source = estate.backups["mail"].model_copy(update={"timeout": timedelta(seconds=seconds)})
    facts = COLLECTOR(source, place.session(estate))
    assert isinstance(facts, BackupFacts)
    text = facts.model_dump_json()
    assert place.keys.secret not in text
    assert place.password not in text
    return facts


def cause(place: Place, seconds: float = 60) -> str:
    with pytest.raises(NotObserved) as caught:
        collect(place, seconds)
    text = str(caught.value)
    assert place.keys.secret not in text
    assert place.password not in text
    return text


@pytest.fixture
def vault(place: Place, repository_in_s3: Repository) -> Place:
    """Where the repository lies."""
    assert repository_in_s3.place == "backup/mail"
    return place


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Put a program of one's own before restic on the path; gives a folder for its notes."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def make(script: str) -> Path:
        program = tmp_path / "restic"
        program.write_text(f"#!/bin/bash\nPATH=/usr/bin:/bin\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return tmp_path

    return make


def test_lists_the_restore_points(vault: Place, points: dict[str, datetime]) -> None:
    facts = collect(vault)
    assert {point.host: point.taken for point in facts.points} == points
    assert [point.host for point in facts.points] == ["mail-02", "mail-01"]
    assert all(len(point.id) == 64 for point in facts.points)
    assert facts.unreadable == ()
    assert abs(facts.read_at - datetime.now(UTC)) < timedelta(minutes=5)


def test_an_account_that_may_only_read_is_enough_and_nothing_is_written(
    vault: Place, minio: MinioServer
) -> None:
    with closing(minio.client()) as s3:
        before = s3.list_object_versions(Bucket="backup")["Versions"]
        assert collect(vault).points
        after = s3.list_object_versions(Bucket="backup")["Versions"]
    assert [v["VersionId"] for v in before] == [v["VersionId"] for v in after]
    with closing(minio.client(vault.keys)) as s3, pytest.raises(s3.exceptions.ClientError):
        s3.put_object(Bucket="backup", Key="mail/locks/mine", Body=b"")


def test_its_age_is_judged_by_the_services_own_rpo(vault: Place) -> None:
    facts = collect(vault)
    seen = {"backup/mail": facts}
    verdicts = judged("backup.recent", vault.estate(), seen, now=facts.read_at)
    assert verdicts["sitiv/backup/mail"].status == "pass"
    late = facts.read_at + timedelta(hours=24)
    verdicts = judged("backup.recent", vault.estate(), seen, now=late)
    assert verdicts["sitiv/backup/mail"].status == "fail"


def test_the_secrets_of_the_child_are_in_its_environment_only(
    vault: Place, fake: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SITIV_SECRET_OTHER", "of-another-source")
    monkeypatch.setenv("HTTPS_PROXY", "http://192.0.2.1:3128")
    notes = fake('d=$(dirname "$0"); printf "%s\\n" "$@" >$d/argv; env -u PATH >$d/env; echo "[]"')
    assert collect(vault).points == ()
    argv = (notes / "argv").read_text().splitlines()
    assert argv[0] == "snapshots"
    assert {"--json", "--no-lock", "--no-cache", "--cacert"} <= set(argv)
    assert f"s3:{vault.endpoint}/backup/mail" in argv
    assert not any(secret in word for word in argv for secret in (PASSWORD, vault.keys.secret))
    lines = (notes / "env").read_text().splitlines()
    names = {line.partition("=")[0] for line in lines} - {"PWD", "SHLVL", "_"}  # the shell's own
    assert names == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "RESTIC_PASSWORD"}


def test_a_wrong_password_of_the_repository(vault: Place) -> None:
    assert cause(replace(vault, password="not-the-password")) == (
        "the repository's password is wrong"
    )


def test_a_wrong_secret_of_the_store(vault: Place) -> None:
    wrong = replace(vault, keys=Keys(vault.keys.access, "not-the-secret-at-all"))
    assert "refused the access key or its secret (SignatureDoesNotMatch)" in cause(wrong)


def test_no_secret_is_known(vault: Place) -> None:
    assert "no secret 'restic-mail': set SITIV_SECRET_RESTIC_MAIL" in cause_without_password(vault)


def cause_without_password(place: Place) -> str:
    estate = place.estate()
    with pytest.raises(NotObserved) as caught:
        COLLECTOR(estate.backups["mail"], replace(place, password="").session(estate))
    return str(caught.value)


def test_no_repository_there(vault: Place) -> None:
    assert cause(replace(vault, prefix="empty")) == "no restic repository at near/backup/empty"


def test_an_account_that_may_not_read_the_bucket(vault: Place) -> None:
    assert cause(replace(vault, bucket="documents")) == (
        "access denied: the account lacks s3:GetObject and s3:ListBucket on documents"
    )


def test_no_bucket_there(vault: Place, minio: MinioServer) -> None:
    missing = replace(vault, bucket="archive", keys=minio.root)
    missing.extra = "buckets: {archive: {stores: [near], purpose: archive}}"
    assert cause(missing) == f"no bucket 'archive' on {vault.endpoint}"


def test_an_authority_that_is_not_trusted(vault: Place, tmp_path: Path) -> None:
    other = Authority(tmp_path, "Another CA")
    assert "can't be verified" in cause(replace(vault, ca_file=other.ca_file))


def test_a_store_that_is_stopped(vault: Place) -> None:
    gone = f"https://127.0.0.1:{free_port()}"
    assert cause(replace(vault, endpoint=gone)) == f"{gone} can't be reached: connection refused"


def test_a_store_that_accepts_and_never_answers(vault: Place, relay: MakeRelay) -> None:
    silent = relay()
    slow = replace(vault, endpoint=silent.endpoint, operation=0.5)
    assert cause(slow) == f"no answer from {silent.endpoint} within 0.5 s"


def test_a_policy_with_a_hole_is_not_an_empty_repository(vault: Place, minio: MinioServer) -> None:
    """restic tries again and again; it is bounded, and its reason is told."""
    policy = audit_policy(["backup"])
    statements = policy["Statement"]
    assert isinstance(statements, list)
    hole = "arn:aws:s3:::backup/mail/snapshots/*"
    statements.append({"Effect": "Deny", "Action": ["s3:GetObject"], "Resource": [hole]})
    narrow = replace(vault, keys=minio.add_reader("half", policy))
    for seconds in (4, 8, 16, 32, 64):  # until restic was refused at all: machines are busy
        told = cause(narrow, seconds)
        if "no reason given" not in told:
            break
    assert told == (
        f"restic was not done after {seconds} s: "
        "the object store denied reading the repository to the account"
    )


def test_a_damaged_restore_point_is_not_one(
    vault: Place, minio: MinioServer, tmp_path: Path
) -> None:
    need("restic")
    made = Repository(minio.endpoint, "documents/mail", minio.root, PASSWORD, minio.ca_file)
    made.init()
    (tmp_path / "letter.txt").write_text("dear colleague")
    for hours in (1, 2):
        made.back_up(tmp_path, "mail-01", datetime.now(UTC) - timedelta(hours=hours))
    with closing(minio.client()) as s3:
        listed = s3.list_objects_v2(Bucket="documents", Prefix="mail/snapshots/")["Contents"]
        key = listed[0]["Key"]
        s3.put_object(Bucket="documents", Key=key, Body=b"these bits have rotted away" * 9)
    there = replace(vault, bucket="documents", keys=minio.root)
    facts = collect(there)
    assert len(facts.points) == 1
    assert facts.unreadable == (key.rpartition("/")[2],)
    verdict = judged("backup.readable", there.estate(), {"backup/mail": facts})
    assert verdict["sitiv/backup/mail"].status == "fail"


def test_a_store_that_is_killed_while_it_is_read(
    tmp_path: Path, authority: Authority, relay: MakeRelay
) -> None:
    server = new_minio(tmp_path / "minio", authority)
    server.start()
    try:
        server.make_bucket("backup")
        made = Repository(server.endpoint, "backup/mail", server.root, PASSWORD, server.ca_file)
        made.init()
        made.back_up(authority.folder, "mail-01", datetime.now(UTC))
        whole = Place(server.endpoint, server.root, server.ca_file)
        assert len(collect(whole).points) == 1
        # The first questions come from boto3, over one connection; restic's come after.
        passing = relay(server.at, after=6500, then=server.kill)
        text = cause(replace(whole, endpoint=passing.endpoint), seconds=4)
        assert text.startswith("restic was not done after 4 s: ")
    finally:
        server.kill()


@pytest.mark.parametrize(
    "script",
    [
        "echo 'not JSON at all'",
        "echo '{}'",
        "echo '[{\"id\": 7}]'",
        'echo \'[{"id": "a", "time": "yesterday", "hostname": "x"}]\'',
        'echo \'[{"id": "a", "time": "2026-11-20T01:00:00"}]\'  # without a time zone',
        "head -c 5000 /dev/urandom",
        "true",
    ],
)
def test_an_answer_that_is_not_understood(
    vault: Place, fake: Callable[[str], Path], script: str
) -> None:
    fake(script)
    assert cause(vault) == "restic's answer is not the JSON that is expected"


def test_an_answer_without_end(vault: Place, fake: Callable[[str], Path]) -> None:
    fake("exec yes")
    assert cause(vault) == f"restic wrote more than {MOST_BYTES} bytes"


def test_a_restic_that_hangs_is_killed_with_its_children(
    vault: Place, fake: Callable[[str], Path]
) -> None:
    notes = fake('sleep 600 & echo $! >"$(dirname "$0")/child"; wait')
    assert cause(vault, seconds=2) == "restic was not done after 2 s: no reason given"
    child = int((notes / "child").read_text())
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or ") Z " in state.read_text()


def test_its_last_words_are_told_without_secrets(vault: Place, fake: Callable[[str], Path]) -> None:
    fake(f"echo Fatal: cannot use {shlex.quote(PASSWORD)} here >&2; exit 7")
    assert cause(vault) == "restic ended with 7: Fatal: cannot use *** here"


def test_restic_is_not_installed(
    vault: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cause(vault) == "restic is not installed on this machine"


def test_an_empty_repository_has_no_restore_point(vault: Place, minio: MinioServer) -> None:
    Repository(minio.endpoint, "backup/new", minio.root, PASSWORD, minio.ca_file).init()
    assert collect(replace(vault, prefix="new")).points == ()
