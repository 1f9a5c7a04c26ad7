"""What an S3 object store says of its buckets."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import AwareDatetime

from sitiv_infra.facts.base import Fact, Facts, Unread


class BucketLock(Fact):
    """Object lock; ``mode`` is None and ``seconds`` 0 where no default rule sets a retention."""

    enabled: bool
    mode: Literal["governance", "compliance"] | None = None
    seconds: int = 0


class Kept(Fact):
    """Versions that object lock keeps as long as each other, counted from when they were written.

    hours -- rounded up; 0 where nothing keeps them. example -- the key of one of them.
    """

    mode: Literal["governance", "compliance"] | None
    hours: int
    count: int
    example: str


class Encrypted(Fact):
    """Versions by how they are encrypted: ``aes256``, ``aws:kms``, ``customer`` or ``none``."""

    kind: str
    count: int
    example: str


class Shards(Fact):
    """Versions by the shards that hold them: of data, and how many of all may be lost."""

    data: int
    parity: int
    count: int
    example: str


class VersionTally(Fact):
    """All versions of a bucket's objects, counted by the settings of each.

    size -- bytes of all versions. untold -- versions whose settings the server did not tell.
    """

    versions: int
    delete_markers: int
    size: int
    untold: int
    newest: AwareDatetime | None
    kept: tuple[Kept, ...]
    encrypted: tuple[Encrypted, ...]
    shards: tuple[Shards, ...]


class BucketState(Fact):
    """One bucket, as its store's API describes it.

    present -- Unread where a declared bucket was not listed and the account may not ask for it.
    encrypted -- a default rule encrypts new objects. public -- the bucket's policy allows
    something to everyone, whatever its conditions; ACLs are not read. versions -- of a bucket that
    is declared locked; None of others.
    """

    name: str
    present: Literal[True] | Unread = True
    versioning: Literal["enabled", "suspended", "off"] | Unread
    lock: BucketLock | Unread
    encrypted: bool | Unread
    public: bool | Unread
    versions: VersionTally | Unread | None = None


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
