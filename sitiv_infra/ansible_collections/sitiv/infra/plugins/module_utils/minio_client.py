# GNU General Public License v3.0-or-later
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MinIO's own client, run by modules: keys in a folder that ends with it, answers as JSON."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from ansible.module_utils.basic import AnsibleModule

Document = dict[str, Any]
SECONDS = 120  # that a command may take; the client itself waits for ever for a store that hangs
TIMED_OUT = 124  # timeout(1)
MEMORY = "/run"  # files there never reach a drive

OPTIONS: dict[str, Document] = {
    "name": {"type": "str", "required": True},
    "endpoint": {"type": "str", "required": True},
    "account": {"type": "str", "required": True},
    "secret": {"type": "str", "required": True, "no_log": True},
    "ca": {"type": "path"},
    "client": {"type": "path", "default": "/usr/local/bin/mc"},
}


class Refused(Exception):
    """The client or a store did not do what it was asked; the message says why."""


class Client:
    """``mc``, knowing stores by their names; use it in a ``with`` block."""

    def __init__(self, module: AnsibleModule, endpoints: Mapping[str, str]) -> None:
        self._module = module
        self._endpoints = endpoints
        memory = MEMORY if os.access(MEMORY, os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix="object-store-", dir=memory))

    def __enter__(self) -> Self:
        """Write its configuration, which only this account can read."""
        given = self._module.params
        keys = {"accessKey": given["account"], "secretKey": given["secret"]}
        common = {**keys, "api": "S3v4", "path": "auto"}
        aliases = {name: {**common, "url": url} for name, url in self._endpoints.items()}
        text = json.dumps({"version": "10", "aliases": aliases})
        (self.folder / "config.json").write_text(text, encoding="utf-8")
        if given["ca"]:
            trusted = self.folder / "certs" / "CAs"
            trusted.mkdir(parents=True)
            shutil.copy(given["ca"], trusted / "ca.crt")
        return self

    def __exit__(self, *_: object) -> None:
        """Leave no key behind."""
        shutil.rmtree(self.folder)

    def run(self, *words: str) -> list[Document]:
        """Run one command and give its answers; Refused with the first complaint."""
        answers = self.ask(*words)
        for answer in answers:
            if answer.get("status") == "error":
                raise Refused(f"mc {' '.join(words[:3])}: {complaint(answer)}")
        return answers

    def ask(self, *words: str) -> list[Document]:
        """Run one command and give its answers, complaints as well."""
        bound = ["timeout", "--kill-after", "5", str(SECONDS)]
        code, out, err = self._run([*bound, self._module.params["client"], "--json", *words])
        if code == TIMED_OUT:
            raise Refused(
                f"mc {' '.join(words[:3])}: no answer within {SECONDS} s; a node that hangs is"
                " restarted by its minio-watch.service"
            )
        answers = list(documents(out))
        if code and not answers:
            raise Refused(f"mc {' '.join(words[:3])}: {err.strip() or out.strip()}")
        return answers

    def discard(self, *words: str) -> None:
        """Run one command whose answers may be many, and are not wanted; Refused if it fails."""
        silent = ["/bin/sh", "-c", 'exec "$@" >/dev/null', "sh"]
        code, _, err = self._run([*silent, self._module.params["client"], *words])
        if code:
            raise Refused(f"mc {' '.join(words[:3])}: {err.strip()}")

    def _run(self, command: list[str]) -> tuple[int, str, str]:
        folder = str(self.folder)
        environment = {"MC_CONFIG_DIR": folder, "HOME": folder}
        done: tuple[int, str, str] = self._module.run_command(command, environ_update=environment)
        return done


def documents(text: str) -> Iterator[Document]:
    """Yield the JSON documents that stand one after the other in a text."""
    decoder = json.JSONDecoder()
    place = text.find("{")
    while place >= 0:
        try:
            found, end = decoder.raw_decode(text, place)
        except ValueError:
            raise Refused(f"mc answered: {text[place : place + 200]}") from None
        yield found
        place = text.find("{", end)


def complaint(answer: Document) -> str:
    """Give the cause that an answer names."""
    error = answer.get("error", {})
    cause = error.get("cause") or {}
    return str(cause.get("message") or error.get("message") or error)
