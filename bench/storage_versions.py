"""One side of the audit of versions: python storage_versions.py SIDE ENDPOINT CA_FILE KEY MOST.

SIDE is ours, boto3 (list, and head of each) or minio-py (list with settings). The secret comes in
AUDIT_SECRET. Printed are wall and CPU seconds, peak MiB, and how many versions were seen.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
BUCKET = "backup"


def ours(endpoint: str, ca_file: Path, key: str, most: int) -> Callable[[], int]:
    """List as the collector does."""
    from sitiv_infra.collectors.base import Session
    from sitiv_infra.collectors.listing import listing
    from sitiv_infra.facts.object_store import VersionTally
    from sitiv_infra.secrets import Secrets
    from sitiv_infra.testing import estate_of

    estate = estate_of(
        f"object_stores: {{near: {{site: a, endpoint: '{endpoint}', account: {key},"
        " credential: key, observed_from: admin, timeout: 1h}}"
    )
    secrets = Secrets(environment={"SITIV_SECRET_KEY": os.environ["AUDIT_SECRET"]})
    session = Session(estate, secrets, 30, ca_file=ca_file)
    store = estate.object_stores["near"]

    def ask() -> int:
        end = time.monotonic() + 3600
        with (
            listing(store, session, end) as lister,
            ThreadPoolExecutor(store.connections) as pool,
        ):
            found = lister.tally(BUCKET, pool)
        assert isinstance(found, VersionTally), found
        assert sum(one.count for one in found.kept) == found.versions >= most
        return found.versions

    return ask


def boto3(endpoint: str, ca_file: Path, key: str, most: int) -> Callable[[], int]:
    """List versions, and ask for each."""
    from boto3.session import Session
    from botocore.config import Config

    s3 = Session().client(
        "s3", endpoint_url=endpoint, aws_access_key_id=key, verify=str(ca_file),
        aws_secret_access_key=os.environ["AUDIT_SECRET"], region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, proxies={}),
    )  # fmt: skip

    def ask() -> int:
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=BUCKET)
        listed = (one for page in pages for one in page.get("Versions", []))
        count = 0
        for one in islice(listed, most):
            told = s3.head_object(Bucket=BUCKET, Key=one["Key"], VersionId=one["VersionId"])
            assert told["ObjectLockMode"] == "COMPLIANCE"
            count += 1
        return count

    return ask


def minio(endpoint: str, ca_file: Path, key: str, most: int) -> Callable[[], int]:
    """List versions with their settings, which it asks for in lists without versions alone."""
    import urllib3
    from minio import Minio

    client = Minio(
        endpoint.removeprefix("https://"), access_key=key, region="us-east-1",
        secret_key=os.environ["AUDIT_SECRET"],
        http_client=urllib3.PoolManager(ca_certs=str(ca_file)),
    )  # fmt: skip

    def ask() -> int:
        listed = client.list_objects(
            BUCKET, recursive=True, include_version=True, extra_query_params={"metadata": "true"}
        )
        count = 0
        for one in islice(listed, most):
            assert one.metadata["x-amz-object-lock-mode"] == "COMPLIANCE"
            count += 1
        return count

    return ask


SIDES = {"ours": ours, "boto3": boto3, "minio-py": minio}


def main(side: str, endpoint: str, ca_file: str, key: str, most: str) -> None:
    """Ask once, when everything is loaded."""
    ask = SIDES[side](endpoint, Path(ca_file), key, int(most))
    began, cpu = time.perf_counter(), time.process_time()
    found = ask()
    took = time.perf_counter() - began, time.process_time() - cpu
    print(json.dumps([*took, _peak(), found]))


def _peak() -> float:
    """Give the most MiB that this program has had; getrusage counts its parent's as well."""
    for told in Path("/proc/self/status").read_text("utf-8").splitlines():
        if told.startswith("VmHWM:"):
            return int(told.split()[1]) / 1024
    raise RuntimeError("no VmHWM in /proc/self/status")


if __name__ == "__main__":
    main(*sys.argv[1:])
