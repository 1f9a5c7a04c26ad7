"""Lists the restore points of a restic repository in an S3 object store; nothing is written there.

With ``--no-lock`` restic asks for no write, so an account that may only read is enough.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, BaseModel, TypeAdapter, ValidationError

from sitiv_infra.collectors.base import Collector, Session
from sitiv_infra.collectors.child import Ended, run
from sitiv_infra.collectors.s3 import ABSENT, DENIED, below, code_of, opened, restore_points
from sitiv_infra.errors import NotObserved
from sitiv_infra.estate import Backup, ObjectStore
from sitiv_infra.facts import BackupFacts
from sitiv_infra.facts.backup import RestorePoint

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

MOST_BYTES = 64 * 1024 * 1024  # about 200 000 restore points

# What restic 0.14 to 0.18 writes to its error stream, and what it means; the first match counts.
CAUSES = (
    ("wrong password or no key found", "the repository's password is wrong"),
    ("x509: ", "the object store's certificate can't be verified"),
    ("signature we calculated does not match", "the object store refused the access key"),
    ("access key id you provided", "the object store refused the access key"),
    ("access denied", "the object store denied reading the repository to the account"),
    ("connection refused", "the object store stopped answering"),
    ("connection reset", "the object store stopped answering"),
    ("timeout", "the object store stopped answering"),
    ("eof", "the object store stopped answering"),
    ("ciphertext verification failed", "the repository is damaged"),
    ("is there a repository at", "no restic repository there"),
)


class _Listed(BaseModel):
    """What is kept of a line of ``restic snapshots --json``; paths and user names are not."""

    id: str
    time: AwareDatetime
    hostname: str = ""


LISTED = TypeAdapter(list[_Listed] | None)


def collect(source: Backup, session: Session) -> BackupFacts:
    """List one repository; NotObserved when it can't be opened, or takes longer than its timeout.

    The store is asked for the repository's ``config`` first: S3 tells its refusals apart, restic
    does not, and retries a server that is gone for a long time.
    """
    end = monotonic() + source.timeout.total_seconds()
    store = session.estate.object_stores[source.repository.store]
    password = session.secret(source.credential)
    program = shutil.which("restic")
    if program is None:
        raise NotObserved("restic is not installed on this machine")
    with opened(store, session) as s3:
        stored = _stored(s3, source, store)
    environment = {
        "AWS_ACCESS_KEY_ID": store.account or "",
        "AWS_SECRET_ACCESS_KEY": session.secret(store.credential),
        "RESTIC_PASSWORD": password,
    }
    command = [program, *_arguments(source, store, session)]
    ended = run(command, environment, seconds=max(1.0, end - monotonic()), most=MOST_BYTES)
    points = _points(ended, source, session)
    unreadable = stored - {point.id for point in points}
    return BackupFacts(
        tool="restic",
        read_at=datetime.now(UTC),
        points=points,
        unreadable=tuple(sorted(unreadable)),
    )


def _stored(s3: S3Client, source: Backup, store: ObjectStore) -> set[str]:
    """List the ids that the store holds, or say what is in the way of the repository.

    restic ends well when it can't read some of its restore points, and leaves them out.
    """
    from botocore.exceptions import ClientError  # noqa: PLC0415 - loaded with boto3

    place = source.repository
    key = f"{below(place.prefix)}config"
    try:
        s3.get_object(Bucket=place.bucket, Key=key, Range="bytes=0-0")["Body"].close()
        return set(restore_points(s3, place.bucket, place.prefix))
    except ClientError as error:
        code = code_of(error)
        if code in DENIED:
            missing = "s3:GetObject and s3:ListBucket"
            what = f"access denied: the account lacks {missing} on {place.bucket}"
            raise NotObserved(what) from None
        if code in ABSENT:
            raise NotObserved(f"no bucket '{place.bucket}' on {store.endpoint}") from None
        if code == "NoSuchKey":
            raise NotObserved(f"no restic repository at {source.where}") from None
        raise


def _arguments(source: Backup, store: ObjectStore, session: Session) -> list[str]:
    """Give restic's arguments; secrets never are among them, they would show in ``ps``."""
    place = source.repository
    path = f"{place.bucket}/{below(place.prefix)}".rstrip("/")
    options = [f"s3.connections={source.connections}", "s3.bucket-lookup=path"]
    trust = ["--cacert", str(session.ca_file)] if session.ca_file else []
    return [
        "snapshots",
        *("--json", "--no-lock", "--no-cache", "--quiet"),
        *("--repo", f"s3:{store.endpoint}/{path}"),
        *trust,
        *(word for option in [*options, f"s3.region={store.region}"] for word in ("-o", option)),
    ]


def _points(ended: Ended, source: Backup, session: Session) -> tuple[RestorePoint, ...]:
    if ended.flooded:
        raise NotObserved(f"restic wrote more than {MOST_BYTES} bytes")
    if ended.code != 0:
        raise NotObserved(_cause(ended, source, session))
    try:
        listed = LISTED.validate_json(ended.out)
    except ValidationError:
        raise NotObserved("restic's answer is not the JSON that is expected") from None
    points = [RestorePoint(id=p.id, host=p.hostname, taken=p.time) for p in listed or ()]
    return tuple(sorted(points, key=lambda point: (point.taken, point.id)))


def _cause(ended: Ended, source: Backup, session: Session) -> str:
    """Say why restic failed: in our words where they are known, else in its last line."""
    said = ended.err.decode(errors="replace").strip()
    known = next((cause for mark, cause in CAUSES if mark in said.lower()), None)
    if ended.code is None:
        seconds = f"{source.timeout.total_seconds():g}"
        return f"restic was not done after {seconds} s: {known or 'no reason given'}"
    last = said.splitlines()[-1][:200] if said else "no reason given"
    return known or f"restic ended with {ended.code}: {session.secrets.scrub(last)}"


COLLECTOR = Collector("backup", "list of restore points, by restic over S3", collect)
