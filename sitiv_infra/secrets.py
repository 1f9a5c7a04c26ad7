"""Secrets by name: from the environment, a 0600 file, or an ansible-vault file; never stored.

``SITIV_SECRET_AD_CORBAS`` in the environment, or the key ``ad-corbas`` of the YAML file that
``--secrets`` or ``SITIV_SECRETS_FILE`` names. A vault file is opened by ``ansible-vault`` with the
password file that ``ANSIBLE_VAULT_PASSWORD_FILE`` names.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

import yaml

from sitiv_infra.errors import InvalidInput, NotObserved

PREFIX = "SITIV_SECRET_"
VAULT = b"$ANSIBLE_VAULT;"
HIDDEN = "***"


class Secrets:
    """Looks secrets up; shows nothing of them, and wipes them from texts."""

    def __init__(
        self, file: Path | None = None, environment: Mapping[str, str] = os.environ
    ) -> None:
        self._environment = environment
        self._file = file
        self._values = _read(file) if file is not None else {}

    def __repr__(self) -> str:
        """Show no value."""
        return "Secrets(***)"

    def get(self, name: str | None) -> str:
        """Give a secret; NotObserved says where it was looked for."""
        if name is None:
            raise NotObserved("no credential is declared for this source")
        variable = variable_of(name)
        value = self._environment.get(variable) or self._values.get(name)
        if not value:
            file = self._file
            if file is None:
                raise NotObserved(f"no secret '{name}': set {variable}, or use --secrets FILE")
            raise NotObserved(f"no secret '{name}': set {variable}, or that key in {file}")
        return value

    def scrub(self, text: str) -> str:
        """Replace every known secret in a text."""
        known = [v for k, v in self._environment.items() if k.startswith(PREFIX)]
        for value in sorted([*known, *self._values.values()], key=len, reverse=True):
            if len(value) >= 4:  # shorter ones would wipe ordinary words
                text = text.replace(value, HIDDEN)
        return text


def variable_of(name: str) -> str:
    """Give the environment variable that may hold a secret."""
    return PREFIX + name.upper().replace("-", "_").replace(".", "_")


def _read(file: Path) -> dict[str, str]:
    try:
        mode = file.stat().st_mode
        raw = file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{file}: can't be read: {error.strerror}") from None
    if raw.startswith(VAULT):
        raw = _open_vault(file)
    elif mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InvalidInput(f"{file}: others can read it; run: chmod 600 {file}")
    try:
        data = yaml.load(raw, Loader=yaml.CBaseLoader)  # noqa: S506 - makes nothing but text
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        # The message would quote the line, and so the secret: only the place is told.
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise InvalidInput(f"{file}{place}: not YAML in UTF-8") from None
    if data in (None, ""):
        return {}
    if not isinstance(data, dict) or not all(isinstance(v, str) for v in data.values()):
        raise InvalidInput(f"{file}: secrets are one mapping of names to texts")
    return data


def _open_vault(file: Path) -> bytes:
    command = ["ansible-vault", "view", str(file)]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command, no shell
            command, capture_output=True, timeout=60, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InvalidInput(f"{file}: ansible-vault could not be run: {error}") from None
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        hint = "set ANSIBLE_VAULT_PASSWORD_FILE"
        raise InvalidInput(f"{file}: ansible-vault could not open it ({hint}): {' '.join(last)}")
    return done.stdout
