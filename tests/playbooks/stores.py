"""Two real MinIO servers in a network of their own, set up by the modules of the collection."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from sitiv_infra.lab.minio import Keys, MinioServer
from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.pki import Authority
from sitiv_infra.lab.process import Held, program

ADDRESSES = {"near": "192.0.2.10", "far": "192.0.2.20"}
COUNTER, WRITER = Keys.new("app-counter"), Keys.new("backup-counter")
DAYS = 2


def allow(actions: list[str], *resources: str) -> dict[str, Any]:
    names = [f"arn:aws:s3:::{name}" for name in resources]
    return {"Effect": "Allow", "Action": actions, "Resource": names}


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


DECLARED: dict[str, Any] = {
    "buckets": [
        {"name": "documents"},
        {"name": "backups", "lock": {"mode": "governance", "days": DAYS}},
    ],
    "accounts": [
        {
            "name": COUNTER.access,
            "secret": COUNTER.secret,
            "policy": policy(
                allow(["s3:PutObject", "s3:GetObject"], "documents/*"),
                allow(["s3:ListBucket"], "documents"),
            ),
        },
        {
            "name": WRITER.access,
            "secret": WRITER.secret,
            "policy": policy(
                allow(["s3:ListBucket", "s3:GetBucketLocation"], "backups"),
                allow(["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], "backups/counter/*"),
                {**allow(["s3:DeleteObjectVersion"], "backups/*"), "Effect": "Deny"},
            ),
        },
    ],
}


class Stores(Held):
    """The stores, joined and set up; one bucket was there before.

    ``foretold`` is what the first was said to need, ``declared`` what each was then given.
    """

    def __init__(
        self, folder: Path, authority: Authority, repository: Path, further: Iterable[str] = ()
    ) -> None:
        self.repository = repository
        self.network = Namespace("storage", [*ADDRESSES.values(), *further])
        self.servers: dict[str, MinioServer] = {}
        for name, address in ADDRESSES.items():
            self.servers[name] = MinioServer(
                folder / name, authority, at=(address, 9000), drives=4, namespace=self.network.name
            )
        self.servers["far"].root = self.servers["near"].root
        self.foretold: list[str] = []
        self.declared: dict[str, list[str]] = {}

    def start(self) -> None:
        self.network.start()
        for name in ADDRESSES:
            self.restart(name)
        with self.network.inside():
            self.servers["near"].make_bucket("backups", lock=("GOVERNANCE", DAYS), encrypted=False)
        self.foretold = self.changes("near", "--check")
        for name in ADDRESSES:
            self.declared[name] = self.changes(name)

    def stop(self) -> None:
        for server in self.servers.values():
            server.stop()
        self.network.stop()

    def module(self, kind: str, name: str, *options: str, **given: Any) -> dict[str, Any]:
        server = self.servers[name]
        values = {
            "name": name,
            "endpoint": server.endpoint,
            "account": server.root.access,
            "secret": server.root.secret,
            "ca": str(server.ca_file),
            "client": program("mc"),
            **given,
        }
        command = [
            str(Path(sys.executable).with_name("ansible")), "localhost", "-i", "localhost,",
            "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}",
            "-m", f"sitiv.infra.{kind}", "-a", json.dumps(values), *options,
        ]  # fmt: skip
        done = self.run(command, cwd=self.repository)
        assert "=> {" in done.stdout, done.stdout + done.stderr
        told: dict[str, Any] = json.loads(done.stdout.partition("=> ")[2])
        return told

    def apply(self, name: str, *options: str, **given: Any) -> dict[str, Any]:
        replicas = {name: server.endpoint for name, server in self.servers.items()}
        values = {"replicas": replicas, **DECLARED, **given}
        return self.module("object_store", name, *options, **values)

    def changes(self, name: str, *options: str, **given: Any) -> list[str]:
        told = self.apply(name, *options, **given)
        assert "msg" not in told, told["msg"]
        assert told["changed"] == bool(told["changes"])
        changes: list[str] = told["changes"]
        return changes

    def run(
        self, command: list[str], environment: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["ip", "netns", "exec", self.network.name, *command],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
            **options,
        )

    def put(self, name: str, keys: list[str]) -> None:
        with self.network.inside(), closing(self.servers[name].client()) as s3:
            for key in keys:
                s3.put_object(Bucket="documents", Key=key, Body=key.encode())

    def held(self, name: str, prefix: str) -> set[str]:
        """List what lies there; a listing is never answered by the other store."""
        with self.network.inside(), closing(self.servers[name].client()) as s3:
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket="documents", Prefix=prefix)
            return {item["Key"] for page in pages for item in page.get("Contents", [])}

    def rule(self, name: str, bucket: str) -> Mapping[str, Any]:
        with self.network.inside(), closing(self.servers[name].client()) as s3:
            answer = s3.get_object_lock_configuration(Bucket=bucket)
        return answer["ObjectLockConfiguration"].get("Rule", {}).get("DefaultRetention", {})

    def restart(self, name: str) -> None:
        with self.network.inside():
            self.servers[name].start()
