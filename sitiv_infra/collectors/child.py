"""Running a program on behalf of a collector: bounded in time and output, and always ended."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

CHUNK = 65_536


@dataclass(frozen=True)
class Ended:
    """How a program ended; ``code`` is None where it was killed, for time or for its output."""

    code: int | None
    out: bytes
    err: bytes
    flooded: bool = False


def run(
    command: Sequence[str], environment: Mapping[str, str], *, seconds: float, most: int
) -> Ended:
    """Run a program with exactly this environment, in a process group of its own.

    It is killed with its group when it takes longer than ``seconds`` or writes more than ``most``
    bytes. OSError when it can't be started.
    """
    process = subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        return _drained(process, monotonic() + seconds, most)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _drained(process: subprocess.Popen[bytes], end: float, most: int) -> Ended:
    """Read both streams until they end, and wait for the exit code."""
    kept: dict[str, bytearray] = {"out": bytearray(), "err": bytearray()}
    with selectors.DefaultSelector() as selector:
        for name, stream in (("out", process.stdout), ("err", process.stderr)):
            if stream is not None:
                selector.register(stream, selectors.EVENT_READ, name)
        while selector.get_map() and monotonic() < end:
            for key, _ in selector.select(max(0.0, end - monotonic())):
                chunk = os.read(key.fd, CHUNK)
                kept[key.data] += chunk
                if not chunk:
                    selector.unregister(key.fileobj)
            if sum(map(len, kept.values())) > most:
                return Ended(None, b"", b"", flooded=True)
    try:
        code = process.wait(max(0.0, end - monotonic()))
    except subprocess.TimeoutExpired:
        code = None
    return Ended(code, bytes(kept["out"]), bytes(kept["err"]))
