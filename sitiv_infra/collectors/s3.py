"""Speaking S3 to a declared store: bounded, verified, and with causes that a person understands."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sitiv_infra.collectors.base import Session
from sitiv_infra.errors import NotObserved
from sitiv_infra.estate import ObjectStore

if TYPE_CHECKING:
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
    from types_boto3_s3 import S3Client

DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "403"})
WRONG_KEY = frozenset({"InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch"})
ABSENT = frozenset({"NoSuchBucket", "404"})
CLOCK = frozenset({"RequestTimeTooSkewed", "RequestExpired"})


@contextmanager
def opened(store: ObjectStore, session: Session) -> Iterator[S3Client]:
    """Give a client of a store; what fails inside becomes NotObserved with its cause.

    Only what is declared counts: neither ``~/.aws`` nor AWS and proxy variables are looked at.
    Trust anchors are ``session.ca_file`` where there is one, else the system's.
    """
    import boto3  # noqa: PLC0415 - takes half a second to load
    import botocore.session  # noqa: PLC0415 - the same
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - the same
    from botocore.parsers import ResponseParserError  # noqa: PLC0415 - the same

    if store.account is None:
        raise NotObserved("no account is declared for this source")
    secret = session.secret(store.credential)
    core = botocore.session.Session(
        session_vars={
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
            "profile": (None, None, None, None),
        }
    )
    client = boto3.session.Session(botocore_session=core).client(
        "s3",
        endpoint_url=store.endpoint,
        region_name=store.region,
        aws_access_key_id=store.account,
        aws_secret_access_key=secret,
        verify=str(session.ca_file) if session.ca_file else system_trust(),
        config=_config(store, session),
    )
    try:
        with closing(client):
            yield client
    except (BotoCoreError, ClientError) as error:
        raise NotObserved(cause_of(error, store, session.timeout)) from None
    except ResponseParserError:
        raise NotObserved(f"the answer of {store.endpoint} is not S3") from None


def _config(store: ObjectStore, session: Session) -> Config:
    from botocore.config import Config  # noqa: PLC0415 - loaded with boto3

    return Config(
        connect_timeout=session.timeout,
        read_timeout=session.timeout,
        retries={"mode": "standard", "total_max_attempts": 2},
        max_pool_connections=store.connections,
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        proxies={},
    )


def system_trust() -> str | bool:
    """Give the system's file of trust anchors; True lets boto3 take its own where there is none."""
    paths = ssl.get_default_verify_paths()
    debian = Path(paths.capath or "/nowhere", "ca-certificates.crt")
    return paths.cafile or (str(debian) if debian.exists() else True)


def restore_points(s3: S3Client, bucket: str, prefix: str) -> tuple[str, ...]:
    """List the ids of a restic repository's restore points: the names of its snapshot objects."""
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=f"{below(prefix)}snapshots/"
    )
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    return tuple(sorted(key.rpartition("/")[2] for key in keys))


def below(prefix: str) -> str:
    """Give what the keys of a repository begin with."""
    folder = prefix.strip("/")
    return f"{folder}/" if folder else ""


def code_of(error: ClientError) -> str:
    """Give the S3 code of a refusal, such as ``AccessDenied``."""
    return error.response.get("Error", {}).get("Code", "") or "no code"


def hopeless(error: ClientError) -> bool:
    """Tell whether every other request would be refused as well."""
    return code_of(error) in WRONG_KEY | CLOCK


def cause_of(error: BotoCoreError | ClientError, store: ObjectStore, seconds: float) -> str:
    """Say why a store could not be read; nothing of what was sent is in it."""
    from botocore import exceptions as known  # noqa: PLC0415 - loaded with boto3

    where = store.endpoint
    if isinstance(error, known.ClientError):
        return _refusal(error, where)
    if isinstance(error, known.SSLError):
        return _distrust(error, where)
    if isinstance(error, known.ConnectTimeoutError | known.ReadTimeoutError):
        return f"no answer from {where} within {seconds:g} s"
    if isinstance(error, known.EndpointConnectionError):
        return f"{where} can't be reached: {_reason(error)}"
    if isinstance(error, known.HTTPClientError | known.IncompleteReadError):
        return f"{where} broke off the connection"
    return f"{where} could not be read: {type(error).__name__}"


def _refusal(error: ClientError, where: str) -> str:
    code = code_of(error)
    if code in WRONG_KEY:
        return f"{where} refused the access key or its secret ({code})"
    if code in CLOCK:
        return f"{where} refused the time of the request: its clock and this machine's differ"
    if code in DENIED:
        return f"{where} denied {error.operation_name} to the account"
    return f"{where} answered {error.operation_name} with {code}"


def _distrust(error: BotoCoreError, where: str) -> str:
    for link in _chain(error):
        if isinstance(link, ssl.SSLCertVerificationError):
            return f"the certificate of {where} can't be verified: {link.verify_message}"
        if isinstance(link, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return f"{where} broke off the connection"
        if isinstance(link, ssl.SSLError) and link.reason:
            return f"TLS with {where} failed: {link.reason.replace('_', ' ').lower()}"
    return f"TLS with {where} failed"


def _reason(error: BotoCoreError) -> str:
    """Find the operating system's own words below the wrappers."""
    for link in _chain(error):
        if isinstance(link, OSError) and link.strerror:
            return link.strerror.lower()
    return "no reason given"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Walk through what an error wraps: botocore keeps it in ``kwargs``, urllib3 in ``args``."""
    pending: list[object] = [error]
    seen: set[int] = set()
    while pending:
        link = pending.pop(0)
        if not isinstance(link, BaseException) or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        inner = getattr(link, "kwargs", {}).get("error")
        pending += [inner, link.__cause__, link.__context__, getattr(link, "reason", None)]
        pending += link.args
