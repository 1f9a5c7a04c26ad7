"""What is locked away: each version kept as long as promised, encrypted, and on enough drives."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sitiv_infra import Estate, Placed, SeenFacts, Unread, Verdicts, check, fail, ok, unknown
from sitiv_infra.estate import Bucket
from sitiv_infra.facts import ObjectStoreFacts
from sitiv_infra.facts.object_store import VersionTally

UNLISTED = "its versions could not be listed: {cause}"
UNTOLD = "of {count} of {all} versions, the account is not told the settings"
LOOSE = "{count} of {all} versions are kept shorter than promised; nothing keeps {example}"
SHORT = (
    "{count} of {all} versions are kept shorter than promised, such as {example}: {kept:duration}"
    " in mode {mode}, promised {promised:duration} in mode {wanted}"
)
WEAK = (
    "{count} of {all} versions survive fewer than {wanted} drives, such as {example}, which"
    " survives {parity}"
)
NOT_ASKED = Unread(unread="that was not done yet when this was recorded")


def listed(
    estate: Estate, facts: SeenFacts
) -> Iterator[tuple[Placed, Bucket, VersionTally | Unread]]:
    """Every bucket that is declared locked and is there, with what its versions are."""
    places = (
        Placed(bucket, estate.object_stores[store])
        for bucket in estate.buckets.values()
        if bucket.lock is not None
        for store in bucket.stores
    )
    for subject, seen in facts.each(places, ObjectStoreFacts):
        bucket = estate.buckets[subject.thing.name]
        state = seen.bucket(bucket.name)
        if state is not None:  # of one that is not, storage.bucket-missing speaks
            yield subject, bucket, state.versions or NOT_ASKED


@check(
    "storage.versions-kept",
    severity="critical",
    needs=["object-store"],
    proves=["hygiene:37", "recyf:13.3"],
)
def versions_kept(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Every version in a locked bucket is kept as long as promised, counted from its writing.

    Risk: The bucket's rule is only for what is written from now on. What was written before, while
    the rule was lost, or by a client that asked for less, can be destroyed by whoever holds a key.

    Fix: Extend the retention of the versions that are named (mc retention set --recursive
    --versions), and find out since when the rule was another one.
    """
    for subject, bucket, told in listed(estate, facts):
        promised = bucket.lock
        if promised is None:
            continue
        if not isinstance(told, VersionTally):
            yield unknown(subject, UNLISTED, cause=told.unread)
            continue
        short = [
            one
            for one in told.kept
            if timedelta(hours=one.hours) < promised.retention
            or (promised.mode == "compliance" and one.mode != "compliance")
        ]
        shown = {"all": told.versions, "promised": promised.retention, "wanted": promised.mode}
        if short:
            least = min(short, key=lambda one: one.hours)
            shown |= {"count": sum(one.count for one in short), "example": least.example}
            shown |= {"kept": timedelta(hours=least.hours), "mode": least.mode}
            yield fail(subject, SHORT if least.hours else LOOSE, **shown)
        elif told.untold:
            yield unknown(subject, UNTOLD, count=told.untold, all=told.versions)
        else:
            yield ok(subject, "{all} versions, each kept {promised:duration} or longer", **shown)


@check(
    "storage.versions-encrypted",
    severity="high",
    needs=["object-store"],
    proves=["hygiene:31"],
)
def versions_encrypted(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Every version in a locked bucket is encrypted by the server.

    Risk: What was written before the bucket had its default rule lies on the disks in clear, and
    stays there as long as the lock holds.

    Fix: Copy the objects that are named onto themselves, so that a new version is encrypted; the
    old one goes when its lock ends. Wipe the disks when they leave.
    """
    for subject, _, told in listed(estate, facts):
        if not isinstance(told, VersionTally):
            yield unknown(subject, UNLISTED, cause=told.unread)
            continue
        clear = next((one for one in told.encrypted if one.kind == "none"), None)
        if clear:
            what = "{count} of {all} versions are not encrypted, such as {example}"
            yield fail(subject, what, count=clear.count, all=told.versions, example=clear.example)
        elif told.untold:
            yield unknown(subject, UNTOLD, count=told.untold, all=told.versions)
        else:
            yield ok(subject, "{all} versions, each encrypted", all=told.versions)


@check(
    "storage.versions-parity",
    severity="high",
    needs=["object-store"],
    proves=["hygiene:37"],
)
def versions_parity(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Every version in a locked bucket survives the loss of as many drives as declared.

    Risk: Objects that were written with less parity, by a client's storage class or while another
    setting stood, are lost with fewer drives than everybody counts on.

    Fix: Set the store's parity again (MINIO_STORAGE_CLASS_STANDARD), and copy the objects that are
    named onto themselves.
    """
    for subject, _, told in listed(estate, facts):
        wanted = estate.object_stores[subject.place.name].parity
        if wanted is None:
            continue
        if not isinstance(told, VersionTally):
            yield unknown(subject, UNLISTED, cause=told.unread)
            continue
        weak = [one for one in told.shards if one.parity < wanted]
        shown = {"all": told.versions, "wanted": wanted, "count": sum(one.count for one in weak)}
        if weak:
            least = min(weak, key=lambda one: one.parity)
            shown |= {"parity": least.parity, "example": least.example}
            yield fail(subject, WEAK, **shown)
        elif sum(one.count for one in told.shards) < told.versions:
            yield unknown(subject, "the server does not tell how many shards hold each version")
        else:
            yield ok(subject, "{all} versions, each survives {wanted} drives", **shown)
