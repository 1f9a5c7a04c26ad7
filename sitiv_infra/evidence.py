"""Proof that a run is what it was: hashes of its files, the chain of runs, an SSH signature.

Anyone can check a run with ``sha256sum`` and ``ssh-keygen -Y verify``; nothing here is secret.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from sitiv_infra.errors import InvalidInput, RunError
from sitiv_infra.snapshot import write_file

MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.sig"
NAMESPACE = "sitiv-evidence"
SSH_SECONDS = 30


class Previous(BaseModel):
    """The run before, and the SHA-256 of its manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    sha256: str


class Manifest(BaseModel):
    """What a run holds: SHA-256 by file, the versions that made it, and the run before.

    ``sequence`` counts from 1 and orders runs even when a clock jumped.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    sequence: int
    name: str
    started: datetime
    recorded: datetime
    previous: Previous | None
    versions: dict[str, str]
    files: dict[str, str]


def sha256(path: Path) -> str:
    """Give a file's SHA-256 in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def files_of(folder: Path) -> Iterator[str]:
    """Give every file of a run but the manifest and its signature, as sorted relative paths."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in (MANIFEST, SIGNATURE):
            yield name


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a run's manifest."""
    write_file(folder / MANIFEST, (manifest.model_dump_json(indent=1) + "\n").encode())


def read_manifest(folder: Path) -> Manifest:
    """Read a run's manifest; RunError when there is none."""
    path = folder / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{path}: is not there; {folder} is not a run") from None
    except OSError as error:
        raise RunError(f"{path}: can't be read: {error.strerror}") from None
    except ValidationError as error:
        raise RunError(f"{path}: not a manifest: {error.errors()[0]['msg']}") from None


def sign(folder: Path, key: Path) -> None:
    """Sign a run's manifest with an SSH key; InvalidInput when ``ssh-keygen`` refuses."""
    write_file(folder / SIGNATURE, _signature(key, (folder / MANIFEST).read_bytes()))


def check_key(key: Path) -> None:
    """Try a signing key, before a long run; InvalidInput says what is wrong with it."""
    _signature(key, b"")


def _signature(key: Path, text: bytes) -> bytes:
    if not key.is_file():
        raise InvalidInput(f"{key}: no such file: it should be an SSH private key")
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", NAMESPACE]
    done = _ssh_keygen(command, Path(), text)
    if done.returncode:
        raise InvalidInput(f"{key}: can't sign: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def tampered(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Say what differs between a run's files and its manifest."""
    present = set(files_of(folder))
    for name, expected in manifest.files.items():
        if name not in present:
            yield f"{folder / name}: is missing"
        elif sha256(folder / name) != expected:
            yield f"{folder / name}: was changed after the run was recorded, or {MANIFEST} was"
    for name in sorted(present - manifest.files.keys()):
        yield f"{folder / name}: was added after the run was recorded"


def chain_broken(folder: Path, manifest: Manifest) -> str | None:
    """Say how the link to the run before is broken, or None when it holds."""
    before = manifest.previous
    if before is None:
        return None if manifest.sequence == 1 else f"{folder}: names no run before it"
    path = folder.parent / before.name / MANIFEST
    if not path.exists():
        return f"{path}: the run before {folder.name} is missing"
    if sha256(path) != before.sha256:
        return f"{path}: was changed after {folder.name} was recorded"
    return None


def signature_wrong(folder: Path, allowed_signers: Path) -> str | None:
    """Say why a signature does not hold, or None when it does; who may sign is in the file."""
    signature = folder / SIGNATURE
    if not signature.exists():
        return f"{signature}: the run is not signed"
    find = ["ssh-keygen", "-Y", "find-principals", "-s", SIGNATURE]
    signers = str(allowed_signers.resolve())
    found = _ssh_keygen([*find, "-f", signers], folder)
    principal = found.stdout.decode().strip().splitlines()[:1]
    if found.returncode or not principal:
        return f"{signature}: was made by nobody of {allowed_signers}"
    check = ["ssh-keygen", "-Y", "verify", "-f", signers, "-I", principal[0], "-n", NAMESPACE]
    done = _ssh_keygen([*check, "-s", SIGNATURE], folder, (folder / MANIFEST).read_bytes())
    return f"{signature}: does not fit the manifest" if done.returncode else None


def _ssh_keygen(
    command: list[str], folder: Path, given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(  # noqa: S603 - a fixed command, no shell
            command, cwd=folder, input=given, capture_output=True, timeout=SSH_SECONDS, check=False,
            start_new_session=True,  # it would ask the terminal for a password
        )  # fmt: skip
    except FileNotFoundError:
        raise InvalidInput("ssh-keygen is not installed (Debian: openssh-client)") from None
    except subprocess.TimeoutExpired:
        raise InvalidInput(
            "ssh-keygen waits for something: does the key ask for a password?"
        ) from None
