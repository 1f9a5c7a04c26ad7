"""The object stores behind the counter, and the rule of what is acknowledged.

A document is acknowledged once every store that is up has it, and at least one: so a site may die
at any moment without taking an acknowledged document along. A store is down from its first failed
request, or its second failed probe, until a while has passed and a probe succeeds. A store that is
down is not asked, and slows nobody.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import boto3
import urllib3
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

CONNECT = 1  # seconds that a store has for a connection; for an answer its settings say
PROBE = 1  # seconds between two probes, and that a probe may last
REST = 5  # seconds that a store is left alone after a failed request
COPIED = (0, 0.02, 0.05, 0.1, 0.2)  # seconds between looks for the copy that the stores make
log = logging.getLogger("standin")


class Unavailable(Exception):
    """A store did not do what it was asked."""


def by_itself(request: AWSRequest, **_: object) -> None:
    """Have a store answer for what it has: else MinIO asks the others, and answers for them."""
    request.headers["X-Minio-Source-Proxy-Request"] = "false"


class Store:
    """An object store, and whether it is up; down until its first good probe."""

    def __init__(self, endpoint: str, settings: Mapping[str, Any], secret: str) -> None:
        self.endpoint = endpoint
        self.up = False
        self._bucket = settings["bucket"]
        self._rests_until = 0.0
        self._s3: Any = boto3.client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id=settings["account"],
            aws_secret_access_key=secret,
            region_name="us-east-1",
            verify=settings["ca"],
            config=Config(
                connect_timeout=CONNECT,
                read_timeout=settings["seconds"],
                retries={"total_max_attempts": 1},
                max_pool_connections=64,
                s3={"addressing_style": "path"},
            ),
        )
        for call in ("HeadObject", "GetObject"):
            self._s3.meta.events.register(f"before-sign.s3.{call}", by_itself)
        self._probes = urllib3.PoolManager(ca_certs=settings["ca"], timeout=PROBE, retries=False)
        threading.Thread(target=self._watch, daemon=True).start()

    def put(self, name: str, body: bytes) -> str | None:
        """Keep a document; give its version, where the bucket has any."""
        with self._asked():
            stored = self._s3.put_object(Bucket=self._bucket, Key=name, Body=body)
        version: str | None = stored.get("VersionId")
        return version

    def get(self, name: str) -> bytes | None:
        """Give a document; None where there is none."""
        with self._asked():
            try:
                body: bytes = self._s3.get_object(Bucket=self._bucket, Key=name)["Body"].read()
            except self._s3.exceptions.NoSuchKey:
                return None
        return body

    def gets(self, name: str, version: str) -> bool:
        """Tell whether this version is here, or comes within a moment from where it was put."""
        for pause in COPIED:
            time.sleep(pause)
            with self._asked():
                try:
                    self._s3.head_object(Bucket=self._bucket, Key=name, VersionId=version)
                except ClientError as error:
                    if error.response["ResponseMetadata"]["HTTPStatusCode"] != HTTPStatus.NOT_FOUND:
                        raise
                else:
                    return True
        return False

    @contextmanager
    def _asked(self) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError, urllib3.exceptions.HTTPError) as error:
            self._rests_until = time.monotonic() + REST
            self._turns(up=False, cause=str(error))
            raise Unavailable(self.endpoint) from None

    def _turns(self, *, up: bool, cause: str) -> None:
        if self.up != up:
            self.up = up
            log.warning("%s is %s: %s", self.endpoint, "up" if up else "down", cause)

    def _watch(self) -> None:
        failed = 0
        while True:
            cause = self._probe()
            failed = failed + 1 if cause else 0
            if failed > 1:
                self._turns(up=False, cause=cause)
            elif not failed and time.monotonic() >= self._rests_until:
                self._turns(up=True, cause="it can write")
            time.sleep(PROBE)

    def _probe(self) -> str:
        """Give why the store can't write; empty when it can."""
        try:
            answer = self._probes.request("GET", f"{self.endpoint}/minio/health/cluster")
        except urllib3.exceptions.HTTPError as error:
            return str(error)
        return "" if answer.status == HTTPStatus.OK else f"its health is {answer.status}"


class Documents:
    """The rule of the counter, over its stores in their order."""

    def __init__(self, stores: list[Store]) -> None:
        self._stores = stores

    @property
    def up(self) -> bool:
        """Tell whether some store is up."""
        return any(store.up for store in self._stores)

    def put(self, name: str, body: bytes) -> None:
        """Return once every store that is up has the document; Unavailable when none has."""
        version: str | None = None
        kept = False
        for store in self._stores:
            if not store.up:
                continue
            try:
                if version is None or not store.gets(name, version):
                    version = store.put(name, body)
                kept = True
            except Unavailable:
                continue  # it is down from now on: the rule asks no more of it
        if not kept:
            raise Unavailable("no store is up")

    def get(self, name: str) -> bytes | None:
        """Give a document; None only if every store was asked, Unavailable otherwise."""
        silent = False
        for store in self._stores:
            try:
                body = store.get(name) if store.up else None
            except Unavailable:
                body = None
            if body is not None:
                return body
            silent = silent or not store.up
        if silent:
            raise Unavailable("not every store could be asked")
        return None
