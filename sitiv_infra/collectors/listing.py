"""Every version of every object of a bucket, from listing alone.

MinIO tells each version's settings in the list (``metadata=true``), a thousand at a time: a million
versions are a thousand requests, where asking for each would be a million. Prefixes are listed side
by side. What is listed is counted and forgotten, so that memory does not grow with the bucket.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import islice
from time import monotonic
from typing import cast
from urllib.parse import quote, urlsplit

import urllib3
from minio.credentials.credentials import Credentials
from minio.signer import sign_v4_s3

from sitiv_infra.collectors.base import Session
from sitiv_infra.collectors.s3 import system_trust
from sitiv_infra.collectors.versions import Page, Tally, folders
from sitiv_infra.errors import NotObserved
from sitiv_infra.estate import ObjectStore
from sitiv_infra.facts import Unread
from sitiv_infra.facts.object_store import VersionTally

MOST_BYTES = 32 * 1024 * 1024  # a page of the longest keys and settings has about 12
UNSIGNED = "UNSIGNED-PAYLOAD"  # there is none; over TLS
FIRST = 50  # pages: a bucket that has no more is listed as one
LEVELS = 3  # of folders, before what lies below is listed as one
MOST = 300  # folders that one is divided into; restic has 256
FEW = 4  # times as many prefixes as connections: the last ones end at about the same time


@dataclass(frozen=True)
class Lister:
    """Lists versions of one store, all over by ``end`` (of ``monotonic``)."""

    store: ObjectStore
    pool: urllib3.PoolManager
    credentials: Credentials
    end: float

    def tally(self, bucket: str, executor: Executor) -> VersionTally | Unread:
        """Count the versions of a bucket by their settings; Unread if not all could be listed."""
        try:
            found = self._at_once(bucket) or self._divided(bucket, executor)
        except NotObserved as gap:
            return Unread(unread=str(gap))
        except TimeoutError:
            return Unread(unread=str(self._late()))
        return found.facts()

    def _at_once(self, bucket: str) -> Tally | None:
        """Count a bucket as one; None if it has more pages than that is done for."""
        found = Tally()
        for page in islice(self._pages(bucket, ""), FIRST):
            found.add(page.tally)
            if page.following is None:
                return found
        return None

    def _divided(self, bucket: str, executor: Executor) -> Tally:
        """Count a large bucket, folders side by side."""
        prefixes, found = self._prefixes(bucket)
        parts = [executor.submit(self._below, bucket, prefix) for prefix in prefixes]
        for part in parts:
            found.add(part.result(max(0.0, self.end - monotonic())))
        return found

    def _late(self) -> NotObserved:
        seconds = self.store.timeout.total_seconds()
        return NotObserved(f"not all versions were listed within {seconds:g} s")

    def _prefixes(self, bucket: str) -> tuple[list[str], Tally]:
        """Give prefixes to list each as one, and what lies above them, counted."""
        found, leaves, open_ones = Tally(), list[str](), [""]
        for _ in range(LEVELS):
            if len(leaves) + len(open_ones) >= FEW * self.store.connections:
                break
            below: list[str] = []
            for folder in open_ones:
                body = self._body(bucket, folder, delimiter="/")
                page, inner = Page(body), folders(body)
                if page.following or len(inner) > MOST:
                    leaves.append(folder)
                else:
                    found.add(page.tally)
                    below += inner
            open_ones = below
        return leaves + open_ones, found

    def _below(self, bucket: str, prefix: str) -> Tally:
        found = Tally()
        for page in self._pages(bucket, prefix):
            found.add(page.tally)
        return found

    def _pages(self, bucket: str, prefix: str) -> Iterator[Page]:
        at: tuple[str, str] | None = ("", "")
        while at is not None:
            markers = {"key-marker": at[0], "version-id-marker": at[1]}
            page = Page(self._body(bucket, prefix, **markers))
            yield page
            if page.following and (page.following == at or page.following[0] < at[0]):
                raise NotObserved("the list of versions goes in circles")
            at = page.following

    def _body(self, bucket: str, prefix: str, **more: str) -> bytes:
        if monotonic() > self.end:
            raise self._late()
        asked = {
            "encoding-type": "url", "max-keys": "1000", "metadata": "true", "prefix": prefix,
            "versions": "", **{name: value for name, value in more.items() if value},
        }  # fmt: skip
        status, body = self._get(bucket, asked)
        if status in {HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED}:
            action = f"s3:ListBucketVersions on {bucket}"
            raise NotObserved(f"access denied: the account lacks {action}")
        if status != HTTPStatus.OK:
            raise NotObserved(f"the server answered ListObjectVersions with {status}")
        if len(body) > MOST_BYTES:
            raise NotObserved(f"a page of the list of versions has more than {MOST_BYTES} bytes")
        return body

    def _get(self, bucket: str, asked: dict[str, str]) -> tuple[int, bytes]:
        words = "&".join(f"{name}={quote(value, safe='')}" for name, value in sorted(asked.items()))
        url = f"{self.store.endpoint}/{bucket}?{words}"
        place, now = urlsplit(url), datetime.now(UTC)
        headers: dict[str, str | list[str] | tuple[str]] = {
            "Host": place.netloc,
            "x-amz-content-sha256": UNSIGNED,
            "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ"),
        }
        signed = sign_v4_s3(
            method="GET", url=place, region=self.store.region, headers=headers,
            credentials=self.credentials, content_sha256=UNSIGNED, date=now,
        )  # fmt: skip
        try:
            answer = self.pool.request(
                "GET", url, headers=cast("dict[str, str]", signed), preload_content=False
            )
            with closing(answer):  # or, read to its end, the connection is used again
                return answer.status, answer.read(MOST_BYTES + 1)
        except urllib3.exceptions.HTTPError as error:
            kind = type(getattr(error, "reason", None) or error).__name__
            raise NotObserved(f"listing versions broke off: {kind}") from None


@contextmanager
def listing(store: ObjectStore, session: Session, end: float) -> Iterator[Lister]:
    """Give what lists versions of a store; NotObserved where no account is declared for it."""
    if store.account is None:
        raise NotObserved("no account is declared for this source")
    trust = session.ca_file or system_trust()
    with urllib3.PoolManager(
        maxsize=store.connections,
        block=True,
        cert_reqs="CERT_REQUIRED",
        ca_certs=None if isinstance(trust, bool) else str(trust),
        timeout=urllib3.Timeout(connect=session.timeout, read=session.timeout),
        retries=urllib3.Retry(2, redirect=False, status=0),
    ) as pool:
        keys = Credentials(store.account, session.secret(store.credential))
        yield Lister(store, pool, keys, end)
