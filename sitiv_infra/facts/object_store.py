"""What an S3 object store says of its buckets."""

from __future__ import annotations

from typing import ClassVar, Literal

from sitiv_infra.facts.base import Fact, Facts, Unread


class BucketLock(Fact):
    """Default retention of a bucket; ``seconds`` is 0 and ``mode`` None without a default rule."""

    enabled: bool
    mode: Literal["governance", "compliance"] | None = None
    seconds: int = 0


class BucketState(Fact):
    """One bucket, as its store's API describes it."""

    name: str
    versioning: Literal["enabled", "suspended", "off"] | Unread
    lock: BucketLock | Unread
    encrypted: bool | Unread
    public: bool | Unread


class ObjectStoreFacts(Facts):
    """One object store."""

    family: ClassVar[str] = "object-store"

    server: str
    buckets: tuple[BucketState, ...]
