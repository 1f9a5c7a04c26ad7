"""Object storage: buckets as declared, versioned, locked, encrypted, and closed to strangers."""

from __future__ import annotations

from collections.abc import Iterator

from sitiv_infra import Estate, Found, Placed, SeenFacts, Unread, Verdicts, check, fail, ok, unknown
from sitiv_infra.estate import Bucket, ObjectStore
from sitiv_infra.facts import ObjectStoreFacts
from sitiv_infra.facts.object_store import BucketState

UNREAD = "could not be read: {cause}"


def placed(estate: Estate) -> Iterator[Placed]:
    """Every declared bucket on every store that shall hold it."""
    for bucket in estate.buckets.values():
        for store in bucket.stores:
            yield Placed(bucket, estate.object_stores[store])


def states(estate: Estate, facts: SeenFacts) -> Iterator[tuple[Placed, Bucket, BucketState]]:
    """Every declared bucket that is there; of one that isn't, storage.bucket-missing speaks."""
    for subject, seen in facts.each(placed(estate), ObjectStoreFacts):
        bucket = estate.buckets[subject.thing.name]
        state = seen.bucket(bucket.name)
        if state is not None:
            yield subject, bucket, state


def hidden(store: ObjectStore, seen: ObjectStoreFacts) -> Verdicts:
    """Say of a store that it may hold more buckets than were listed."""
    if isinstance(seen.complete, Unread):
        what = "there may be buckets that the account is not shown: {cause}"
        yield unknown(store, what, cause=seen.complete.unread)


@check(
    "storage.bucket-missing",
    severity="high",
    needs=["object-store"],
    proves=["hygiene:37", "recyf:13.5"],
)
def bucket_missing(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Every declared bucket is on every store that shall hold it.

    Risk: A service writes nowhere, or one of its copies does not exist: the loss of a site takes
    the data with it.

    Fix: Make the bucket on the store that lacks it and start its replication, or take it out of
    the declaration.
    """
    for subject, seen in facts.each(placed(estate), ObjectStoreFacts):
        state = seen.bucket(subject.thing.name)
        if state is None:
            yield fail(subject, "declared, but not on {store}", store=subject.place.name)
        elif isinstance(state.present, Unread):
            yield unknown(subject, UNREAD, cause=state.present.unread)
        else:
            yield ok(subject, "on {store}", store=subject.place.name)


@check(
    "storage.versioning",
    severity="high",
    needs=["object-store"],
    proves=["hygiene:37", "recyf:13.3"],
)
def versioning(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Buckets keep former versions of objects as declared.

    Risk: Without versions, an object that is overwritten or deleted, by mistake or by ransomware,
    is gone at once, on both sites when it is replicated.

    Fix: Set the bucket's versioning as declared (mc version enable), or correct the declaration.
    """
    for subject, bucket, state in states(estate, facts):
        if isinstance(state.versioning, Unread):
            yield unknown(subject, UNREAD, cause=state.versioning.unread)
        elif bucket.versioning and state.versioning != "enabled":
            yield fail(subject, "versioning is {state}, declared enabled", state=state.versioning)
        elif not bucket.versioning and state.versioning == "enabled":
            yield fail(subject, "versioning is enabled, declared off")
        else:
            yield ok(subject, "versioning is {state}, as declared", state=state.versioning)


@check(
    "storage.object-lock",
    severity="critical",
    needs=["object-store"],
    proves=["hygiene:37", "recyf:13.3"],
)
def object_lock(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Buckets that are declared locked keep every new object at least as long as promised.

    Risk: Whoever steals a writer's or an administrator's key deletes the copies that would undo
    the attack.

    Fix: Set the default rule again (mc retention set --default); a site that joins a replication
    may lose it. A bucket made without object lock must be made anew.
    """
    for subject, bucket, state in states(estate, facts):
        promised, lock = bucket.lock, state.lock
        if promised is None:
            continue
        if isinstance(lock, Unread):
            yield unknown(subject, UNREAD, cause=lock.unread)
            continue
        shown = {"mode": lock.mode, "kept": lock.seconds, "wanted": promised.mode}
        if not lock.enabled:
            yield fail(subject, "no object lock, declared {wanted}", **shown)
        elif lock.mode is None and lock.seconds:
            yield unknown(subject, "its lock is of a mode that is not known")
        elif not lock.seconds:
            yield fail(subject, "object lock without a default rule: nothing is kept", **shown)
        elif promised.mode == "compliance" and lock.mode != "compliance":
            yield fail(subject, "lock mode is {mode}, declared {wanted}", **shown)
        elif lock.seconds < promised.retention.total_seconds():
            what = "new objects are kept {kept:duration}, promised {promised:duration}"
            yield fail(subject, what, promised=promised.retention, **shown)
        else:
            yield ok(subject, "new objects are kept {kept:duration} in mode {mode}", **shown)


@check(
    "storage.encryption-at-rest",
    severity="medium",
    needs=["object-store"],
    proves=["hygiene:31"],
)
def encryption_at_rest(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Buckets encrypt every new object by a default rule.

    Risk: A disk that is stolen, sent back under warranty or thrown away carries the members' mail
    and files in clear.

    Fix: Give the bucket a default encryption rule (mc encrypt set sse-s3); objects written before
    stay as they are until they are copied.
    """
    for subject, _, state in states(estate, facts):
        if isinstance(state.encrypted, Unread):
            yield unknown(subject, UNREAD, cause=state.encrypted.unread)
        elif state.encrypted:
            yield ok(subject, "a default rule encrypts new objects")
        else:
            yield fail(subject, "no default rule encrypts new objects")


@check(
    "storage.public-bucket",
    severity="critical",
    needs=["object-store"],
    proves=["hygiene:9", "recyf:10.C.2"],
)
def public_bucket(estate: Estate, facts: SeenFacts) -> Verdicts:
    """No bucket's policy lets everyone in, be the bucket declared or not.

    Risk: Anybody who reaches the store reads, or writes, the members' data without an account.

    Fix: Remove the statement for everyone from the bucket's policy (mc anonymous set private);
    serve what is meant to be public through the web front.
    """
    for store, seen in facts.each(estate.object_stores.values(), ObjectStoreFacts):
        for state in seen.buckets:
            bucket = estate.buckets.get(state.name)
            declared = bucket is not None and store.name in bucket.stores
            subject = Placed(bucket, store) if bucket and declared else Found(store, state.name)
            if isinstance(state.public, Unread):
                yield unknown(subject, UNREAD, cause=state.public.unread)
            elif state.public:
                yield fail(subject, "the bucket's policy lets everyone in")
            else:
                yield ok(subject, "the bucket's policy lets nobody in without an account")
        yield from hidden(store, seen)


@check(
    "storage.undeclared-bucket",
    severity="medium",
    needs=["object-store"],
    proves=["hygiene:4", "recyf:5.A.1"],
)
def undeclared_bucket(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Every bucket of a store is declared.

    Risk: Nobody promised anything for what lies in an undeclared bucket: neither owner, nor copy,
    nor retention, nor who may read it.

    Fix: Declare the bucket with its purpose, or find its owner and remove it.
    """
    for store, seen in facts.each(estate.object_stores.values(), ObjectStoreFacts):
        declared = {b.name for b in estate.buckets.values() if store.name in b.stores}
        strangers = [state.name for state in seen.buckets if state.name not in declared]
        for name in strangers:
            yield fail(Found(store, name), "a bucket that nobody declared")
        yield from hidden(store, seen)
        if not strangers and not isinstance(seen.complete, Unread):
            yield ok(store, "{count} buckets, all declared", count=len(seen.buckets))
