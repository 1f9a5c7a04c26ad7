"""What an S3 object store says of its buckets."""

from __future__ import annotations

from typing import ClassVar, Literal

from sitiv_infra.facts.base import Fact, Facts, Unread


class BucketLock(Fact):
    """Object lock; ``mode`` is None and ``seconds`` 0 where no default rule sets a retention."""

    enabled: bool
    mode: Literal["governance", "compliance"] | None = None
    seconds: int = 0


class BucketState(Fact):
    """One bucket, as its store's API describes it.

    present -- Unread where a declared bucket was not listed and the account may not ask for it.
    encrypted -- a default rule encrypts new objects. public -- the bucket's policy allows
    something to everyone, whatever its conditions; ACLs are not read.
    """

    name: str
    present: Literal[True] | Unread = True
    versioning: Literal["enabled", "suspended", "off"] | Unread
    lock: BucketLock | Unread
    encrypted: bool | Unread
    public: bool | Unread


class RepositoryCopy(Fact):
    """A declared backup repository on a store that holds a further copy of its bucket.

    restore_points -- ids of the restore points whose record lies there.
    """

    bucket: str
    prefix: str
    restore_points: tuple[str, ...] | Unread


class ObjectStoreFacts(Facts):
    """One object store.

    server -- its product name, where it tells. complete -- True when the account may see every
    bucket: some servers leave out of the list, without a word, what an account may not see.
    """

    family: ClassVar[str] = "object-store"

    server: str | None
    complete: Literal[True] | Unread
    buckets: tuple[BucketState, ...]
    copies: tuple[RepositoryCopy, ...] = ()

    def bucket(self, name: str) -> BucketState | None:
        """Give the state of one bucket, or None where it is not there."""
        return next((state for state in self.buckets if state.name == name), None)

    def copy_of(self, bucket: str, prefix: str) -> RepositoryCopy | None:
        """Give what was seen of one repository's further copy, or None where it was not asked."""
        wanted = (bucket, prefix)
        return next((c for c in self.copies if (c.bucket, c.prefix) == wanted), None)
