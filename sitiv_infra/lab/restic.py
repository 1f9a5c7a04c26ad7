"""A restic repository of the lab: made, and filled with restore points of any day."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sitiv_infra.lab.minio import Keys
from sitiv_infra.lab.process import LabError, program


@dataclass(frozen=True)
class Repository:
    """A repository in a bucket; ``keys`` may write there, the password never leaves memory."""

    endpoint: str
    place: str
    keys: Keys
    password: str = field(repr=False)
    ca_file: Path
    namespace: str | None = None

    def init(self) -> None:
        """Make the repository."""
        self._run("init")

    def back_up(self, folder: Path, host: str, taken: datetime) -> None:
        """Copy a folder as if a host had done so at a given time."""
        local = taken.astimezone().strftime("%Y-%m-%d %H:%M:%S")  # restic reads local time
        self._run("backup", "--host", host, "--time", local, str(folder))

    def _run(self, *arguments: str) -> None:
        inside = ["ip", "netns", "exec", self.namespace] if self.namespace else []
        options = ["--no-cache", "--quiet", "--cacert", str(self.ca_file)]
        command = [program("restic"), "--repo", f"s3:{self.endpoint}/{self.place}", *options]
        done = subprocess.run(
            [*inside, *command, *arguments],
            env={**os.environ, **self._environment()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            raise LabError(f"restic {arguments[0]} ended with {done.returncode}: {done.stderr}")

    def _environment(self) -> Mapping[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.keys.access,
            "AWS_SECRET_ACCESS_KEY": self.keys.secret,
            "RESTIC_PASSWORD": self.password,
        }
