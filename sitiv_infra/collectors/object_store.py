"""Reads the settings of an S3 object store's buckets, and lists the versions in locked ones."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Literal, TypeVar

from sitiv_infra.collectors.base import Collector, Session
from sitiv_infra.collectors.listing import listing
from sitiv_infra.collectors.s3 import ABSENT, DENIED, code_of, hopeless, opened, restore_points
from sitiv_infra.errors import NotObserved
from sitiv_infra.estate import ObjectStore
from sitiv_infra.facts import ObjectStoreFacts, Unread
from sitiv_infra.facts.object_store import BucketLock, BucketState, RepositoryCopy

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import DefaultRetentionTypeDef

DAY = 86_400
YEAR = 365 * DAY  # as MinIO counts a year of retention
MODES: dict[str, Literal["governance", "compliance"]] = {
    "GOVERNANCE": "governance",
    "COMPLIANCE": "compliance",
}
T = TypeVar("T")


def collect(source: ObjectStore, session: Session) -> ObjectStoreFacts:
    """Read one store; NotObserved when it can't be, or takes longer than its own timeout."""
    here = [b for b in session.estate.buckets.values() if source.name in b.stores]
    declared = {bucket.name for bucket in here}
    copies = sorted(set(_further_copies(source, session)))
    end = monotonic() + source.timeout.total_seconds()
    with opened(source, session) as s3, _pooled(source, end) as pool:
        [(server, listed)] = pool.map(_listed, [(s3, source)])
        [complete] = pool.map(_complete, [(s3,)])
        names = sorted(listed | declared)
        states = pool.map(_bucket, [(s3, name, name in listed) for name in names])
        seen = pool.map(_copy, [(s3, *place) for place in copies])
    present = {state.name: state for state in states if state is not None}
    # Once those connections are closed: no more are open at once than the source allows.
    with _pooled(source, end) as pool, listing(source, session, end) as lister:
        for bucket in here:
            if bucket.lock is not None and bucket.name in present:
                told = {"versions": lister.tally(bucket.name, pool.executor)}
                present[bucket.name] = present[bucket.name].model_copy(update=told)
    return ObjectStoreFacts(
        server=server, complete=complete, buckets=tuple(present.values()), copies=tuple(seen)
    )


@dataclass(frozen=True)
class _Pool:
    """So many requests at once as the source allows, all over by ``end``."""

    executor: ThreadPoolExecutor
    source: ObjectStore
    end: float

    def map(self, function: Callable[..., T], arguments: Iterable[tuple[object, ...]]) -> list[T]:
        futures = [self.executor.submit(function, *given) for given in arguments]
        try:
            return [future.result(max(0.0, self.end - monotonic())) for future in futures]
        except TimeoutError:
            seconds = self.source.timeout.total_seconds()
            what = f"{self.source.endpoint} did not answer everything within {seconds:g} s"
            raise NotObserved(what) from None


@contextmanager
def _pooled(source: ObjectStore, end: float) -> Iterator[_Pool]:
    executor = ThreadPoolExecutor(source.connections, thread_name_prefix=source.source)
    try:
        yield _Pool(executor, source, end)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _listed(s3: S3Client, source: ObjectStore) -> tuple[str | None, set[str]]:
    """Give the server's product name and the names of the buckets that the account is shown."""
    names: set[str] = set()
    server = None
    for page in s3.get_paginator("list_buckets").paginate():
        if "Buckets" not in page:  # well-formed XML, but of something else
            raise NotObserved(f"the answer of {source.endpoint} is not S3")
        server = page["ResponseMetadata"]["HTTPHeaders"].get("server")
        names.update(bucket["Name"] for bucket in page["Buckets"])
    return server, names


def _complete(s3: S3Client) -> Literal[True] | Unread:
    """Ask for a bucket that can't exist: an account that may see all buckets is told so.

    MinIO shows an account without s3:ListAllMyBuckets only the buckets that it may use, and
    doesn't say that there are more.
    """
    known = _present(s3, f"sitiv-no-such-bucket-{secrets.token_hex(8)}")
    return known if isinstance(known, Unread) else True


def _present(s3: S3Client, name: str) -> bool | Unread:
    """Ask whether a bucket that was not listed exists."""
    found = _fact(lambda: bool(s3.get_bucket_location(Bucket=name)), "s3:GetBucketLocation", ABSENT)
    return False if found is None else found


def _bucket(s3: S3Client, name: str, listed: bool) -> BucketState | None:  # noqa: FBT001 - goes through a pool
    """Read one bucket; None where a declared one is not there."""
    present = True if listed else _present(s3, name)
    if present is False:
        return None
    return BucketState(
        name=name,
        present=present if isinstance(present, Unread) else True,
        versioning=_versioning(s3, name),
        lock=_lock(s3, name),
        encrypted=_encrypted(s3, name),
        public=_public(s3, name),
    )


def _fact(read: Callable[[], T], action: str, none: Iterable[str] = ()) -> T | Unread | None:
    """Read one fact; give None for the codes ``none``, and Unread for other refusals.

    What would refuse every other request as well is raised on: wrong keys, a wrong clock.
    """
    from botocore.exceptions import ClientError  # noqa: PLC0415 - loaded with boto3

    try:
        return read()
    except ClientError as error:
        code = code_of(error)
        if code in none:
            return None
        if hopeless(error):
            raise
        if code in DENIED:
            return Unread(unread=f"access denied: the account lacks {action}")
        return Unread(unread=f"the server answered {error.operation_name} with {code}")


def _versioning(s3: S3Client, name: str) -> Literal["enabled", "suspended", "off"] | Unread:
    answer = _fact(lambda: s3.get_bucket_versioning(Bucket=name), "s3:GetBucketVersioning")
    if answer is None or isinstance(answer, Unread):
        return answer or "off"
    match answer.get("Status"):
        case "Enabled":
            return "enabled"
        case "Suspended":
            return "suspended"
        case None:
            return "off"
    return Unread(unread="the server answered GetBucketVersioning with an unknown status")


def _lock(s3: S3Client, name: str) -> BucketLock | Unread:
    answer = _fact(
        lambda: s3.get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"],
        "s3:GetBucketObjectLockConfiguration",
        ["ObjectLockConfigurationNotFoundError"],
    )
    if answer is None:
        return BucketLock(enabled=False)
    if isinstance(answer, Unread):
        return answer
    enabled = answer.get("ObjectLockEnabled") == "Enabled"
    default = answer.get("Rule", {}).get("DefaultRetention", {})
    mode = default.get("Mode")
    if mode is not None and mode not in MODES:
        return Unread(unread="the server answered GetObjectLockConfiguration with an unknown mode")
    return BucketLock(enabled=enabled, mode=MODES[mode] if mode else None, seconds=_s(default))


def _s(default: DefaultRetentionTypeDef) -> int:
    return default.get("Days", 0) * DAY + default.get("Years", 0) * YEAR


def _encrypted(s3: S3Client, name: str) -> bool | Unread:
    rules = _fact(
        lambda: s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"],
        "s3:GetEncryptionConfiguration",
        ["ServerSideEncryptionConfigurationNotFoundError"],
    )
    return rules if isinstance(rules, Unread) else bool(rules)


def _public(s3: S3Client, name: str) -> bool | Unread:
    policy = _fact(
        lambda: s3.get_bucket_policy(Bucket=name)["Policy"],
        "s3:GetBucketPolicy",
        ["NoSuchBucketPolicy"],
    )
    if policy is None or isinstance(policy, Unread):
        return policy or False
    try:
        return is_public(policy)
    except (ValueError, TypeError, AttributeError):
        return Unread(unread="the bucket's policy is not one that can be understood")


def is_public(policy: str) -> bool:
    """Tell whether a bucket policy allows something to everyone, whatever its conditions.

    ValueError, TypeError or AttributeError for what is no policy.
    """
    statements = json.loads(policy).get("Statement", [])
    listed = statements if isinstance(statements, list) else [statements]
    return any(
        item.get("Effect") == "Allow"
        and ("NotPrincipal" in item or _everyone(item.get("Principal")))
        for item in listed
    )


def _everyone(principal: object) -> bool:
    if isinstance(principal, dict):
        return any(_everyone(value) for value in principal.values())
    if isinstance(principal, list):
        return any(_everyone(value) for value in principal)
    return principal == "*"


def _further_copies(source: ObjectStore, session: Session) -> Iterator[tuple[str, str]]:
    """Give bucket and prefix of the backup repositories whose bucket has a further copy here."""
    for backup in session.estate.backups.values():
        place = backup.repository
        stores = session.estate.buckets[place.bucket].stores
        if source.name in stores and place.store != source.name:
            yield place.bucket, place.prefix


def _copy(s3: S3Client, bucket: str, prefix: str) -> RepositoryCopy:
    """List what a further copy of a repository holds; nothing where its bucket is not there."""
    found = _fact(lambda: restore_points(s3, bucket, prefix), f"s3:ListBucket on {bucket}", ABSENT)
    return RepositoryCopy(bucket=bucket, prefix=prefix, restore_points=found or ())


COLLECTOR = Collector(
    "object-store",
    "settings of buckets and of versions in locked ones, and names of restore points, over S3",
    collect,
)
