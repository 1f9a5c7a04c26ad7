"""A MinIO server of the lab: TLS, encryption at rest, and an account that may only read."""

from __future__ import annotations

import base64
import http.client
import json
import os
import secrets
import shutil
import signal
import ssl
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import urllib3
from botocore.config import Config
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

from sitiv_infra.lab.pki import Authority
from sitiv_infra.lab.process import Server, program

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import (
        ObjectLockConfigurationTypeDef,
        ServerSideEncryptionRuleTypeDef,
    )

SETTINGS = (
    "s3:GetBucketLocation",
    "s3:GetBucketObjectLockConfiguration",
    "s3:GetBucketPolicy",
    "s3:GetBucketVersioning",
    "s3:GetEncryptionConfiguration",
    "s3:ListAllMyBuckets",
)
ENCRYPTED: ServerSideEncryptionRuleTypeDef = {
    "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}
}
Document = dict[str, object]


def audit_policy(buckets: Sequence[str] = (), deny: Sequence[str] = ()) -> Document:
    """Give the least policy that observing needs.

    It reads the settings of all buckets, and lists and reads objects of some only: of those with
    repositories, where restic encrypts what lies there, and of locked ones, since MinIO tells in
    lists what a version's settings are to those alone who may read it.

    deny -- actions to refuse, to rehearse a policy with a hole.
    """
    statements = [_statement("Allow", SETTINGS, ["*"])]
    if buckets:
        inside = [f"{bucket}/*" for bucket in buckets]
        statements += [
            _statement("Allow", ["s3:ListBucket", "s3:ListBucketVersions"], buckets),
            _statement("Allow", ["s3:GetObject"], inside),
        ]
    if deny:
        statements.append(_statement("Deny", deny, ["*"]))
    return {"Version": "2012-10-17", "Statement": statements}


def _statement(effect: str, actions: Sequence[str], resources: Sequence[str]) -> Document:
    names = [f"arn:aws:s3:::{name}" for name in resources]
    return {"Effect": effect, "Action": list(actions), "Resource": names}


@dataclass(frozen=True)
class Keys:
    """An access key and its secret, made up for one server of the lab."""

    access: str
    secret: str

    def __repr__(self) -> str:
        """Show no secret."""
        return f"Keys({self.access!r}, ***)"

    @classmethod
    def new(cls, access: str) -> Keys:
        """Make up a secret."""
        return cls(access, secrets.token_urlsafe(24))


class MinioServer:
    """One server with 1 or 4 drives; ``root`` are the keys that may do everything.

    In a namespace, call the methods inside it (``Namespace.inside``), unless the address is one
    that can be reached from outside.
    """

    def __init__(
        self,
        folder: Path,
        authority: Authority,
        *,
        at: tuple[str, int],
        drives: int = 1,
        namespace: str | None = None,
    ) -> None:
        self.folder = folder
        self.at = at
        self.root = Keys.new("lab-root")
        self.ca_file = authority.ca_file
        self._namespace = namespace
        self._drives = [folder / f"drive{number}" for number in range(1, drives + 1)]
        for drive in self._drives:
            drive.mkdir(parents=True, exist_ok=True)
        self._certificates(authority)
        self._kms = "lab-key:" + base64.b64encode(secrets.token_bytes(32)).decode()
        self._server: Server | None = None

    def _certificates(self, authority: Authority) -> None:
        folder = self.folder / "certs"
        (folder / "CAs").mkdir(parents=True, exist_ok=True)
        certificate, key = authority.issue(self.at[0])
        shutil.copy(certificate, folder / "public.crt")
        shutil.copy(key, folder / "private.key")
        shutil.copy(authority.ca_file, folder / "CAs" / "lab.crt")

    @property
    def endpoint(self) -> str:
        """Address of its S3 API."""
        return f"https://{self.at[0]}:{self.at[1]}"

    def start(self) -> None:
        """Start and wait until it serves; LabError with its log when it does not."""
        host, port = self.at
        options = ["--quiet", "--certs-dir", str(self.folder / "certs")]
        command = [program("minio"), "server", *options, "--address", f"{host}:{port}"]
        self._server = Server(
            [*command, *map(str, self._drives)],
            self.folder / "minio.log",
            environment=self._environment(),
            namespace=self._namespace,
        )
        self._server.wait(self._ready)

    def _environment(self) -> Mapping[str, str]:
        return {
            "HOME": str(self.folder),
            "MINIO_ROOT_USER": self.root.access,
            "MINIO_ROOT_PASSWORD": self.root.secret,
            "MINIO_KMS_SECRET_KEY": self._kms,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
            "MINIO_CI_CD": "on",  # or it refuses several drives on one disk
        }

    def _ready(self) -> bool:
        trust = ssl.create_default_context(cafile=self.ca_file)
        with closing(http.client.HTTPSConnection(*self.at, timeout=2, context=trust)) as link:
            try:
                link.request("GET", "/minio/health/cluster")
                return link.getresponse().status == http.HTTPStatus.OK
            except (OSError, http.client.HTTPException):
                return False

    def stop(self) -> None:
        """End it politely."""
        if self._server is not None:
            self._server.stop()

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._server is not None and self._server.process.poll() is None:
            os.killpg(self._server.process.pid, signal.SIGKILL)
            self._server.process.wait()

    def client(self, keys: Keys | None = None) -> S3Client:
        """Give an S3 client, with the root keys unless others are given; close it after use."""
        used = keys or self.root
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=used.access,
            aws_secret_access_key=used.secret,
            region_name="us-east-1",
            verify=str(self.ca_file),
            config=Config(s3={"addressing_style": "path"}, proxies={}),
        )

    def make_bucket(
        self,
        name: str,
        *,
        versioning: bool = True,
        lock: tuple[str, int] | None = None,
        encrypted: bool = True,
        public: bool = False,
    ) -> None:
        """Make a bucket; lock -- mode (``GOVERNANCE``, ``COMPLIANCE``) and days, if any."""
        with closing(self.client()) as s3:
            s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock is not None)
            if versioning and lock is None:
                s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
            if lock is not None:
                s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=_lock(*lock))
            if encrypted:
                s3.put_bucket_encryption(
                    Bucket=name, ServerSideEncryptionConfiguration={"Rules": [ENCRYPTED]}
                )
            if public:
                s3.put_bucket_policy(Bucket=name, Policy=json.dumps(_open_to_all(name)))

    def add_reader(self, access: str, policy: Document) -> Keys:
        """Add a user with one policy; give its keys."""
        keys = Keys.new(access)
        admin = self._admin()
        admin.policy_add(access, policy=policy)
        admin.user_add(keys.access, keys.secret)
        admin.policy_set(access, user=keys.access)
        return keys

    def _admin(self) -> MinioAdmin:
        return MinioAdmin(
            endpoint="{}:{}".format(*self.at),
            credentials=StaticProvider(self.root.access, self.root.secret),
            region="us-east-1",
            http_client=urllib3.PoolManager(ca_certs=str(self.ca_file), timeout=30),
        )


def _lock(mode: str, days: int) -> ObjectLockConfigurationTypeDef:
    rule = {"DefaultRetention": {"Mode": mode, "Days": days}}
    return {"ObjectLockEnabled": "Enabled", "Rule": rule}  # type: ignore[typeddict-item]  # ``mode`` is any text here


def _open_to_all(bucket: str) -> Document:
    statement = _statement("Allow", ["s3:GetObject"], [f"{bucket}/*"])
    return {"Version": "2012-10-17", "Statement": [{**statement, "Principal": {"AWS": ["*"]}}]}
