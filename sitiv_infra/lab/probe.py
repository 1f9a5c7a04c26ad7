"""The probe: a citizen who asks each published service ten times a second, and writes all down.

    ip netns exec sitiv-lab-internet python -m sitiv_infra.lab.probe \
        --estate /var/lib/sitiv-lab/lab/estate.json --ca /var/lib/sitiv-lab/lab/pki/ca.pem \
        --folder FOLDER --seconds 300

It connects to declared public addresses only, without any DNS, and only from inside a lab. Requests
leave on time, however slow the answers are. Where it may write, every other request puts a document
of a name that was never used, and the next one reads one that was acknowledged. SIGTERM ends the
sending early; then every acknowledged document is read back. A probe that was killed has lost
nothing that it knew: ``--verify`` reads back what its folder says was acknowledged.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from sitiv_infra.errors import SitivError
from sitiv_infra.estate import load
from sitiv_infra.lab.probe_http import Ask, Client
from sitiv_infra.lab.probe_kept import Kept
from sitiv_infra.lab.probe_targets import (
    DOCUMENTS,
    Target,
    refuse_outside,
    targets,
)
from sitiv_infra.lab.probe_verify import Written, unverified, verify
from sitiv_infra.lab.process import LabError
from sitiv_infra.report.continuity.records import RECORDS, Begin, End, Line, write

RATE, TIMEOUT = 10.0, 5.0
MOST_LATE = 1.0  # seconds; a moment missed by more is left out, not made up for
STRIDE = 7919  # a prime: old documents are read again in no order of their age


class Log:
    """The file of records: each line is with the system before the next thing is done."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / RECORDS
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
        whole = self.path.read_bytes().rpartition(b"\n")
        os.ftruncate(self._descriptor, len(whole[0] + whole[1]))  # less what a kill cut short

    def write(self, line: Line) -> None:
        """Add a line."""
        write(self._descriptor, line)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


@dataclass
class Sender:
    """Asks one service at its pace; ``acknowledged`` are the documents that it must hold."""

    target: Target
    client: Client
    log: Log
    run: str
    rate: float
    acknowledged: list[str] = field(default_factory=list)
    _fresh: list[str] = field(default_factory=list)

    async def send(self, seconds: float | None, over: asyncio.Event) -> None:
        """Send until the time has passed, or somebody says that it is over."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in count():
                due = number / self.rate
                if seconds is not None and due >= seconds:
                    break
                with suppress(TimeoutError):
                    wait = max(0.0, began + due - time.monotonic())
                    await asyncio.wait_for(over.wait(), wait)
                if over.is_set():
                    break
                lag = time.monotonic() - began - due
                if lag <= MOST_LATE:
                    group.create_task(self._ask(number, lag))

    async def _ask(self, number: int, lag: float) -> None:
        record = await self.client.ask(self._next(number), lag)
        self.log.write(record)
        if record.kind == "put" and record.good:
            self.acknowledged.append(record.name)
            self._fresh.append(record.name)

    def _next(self, number: int) -> Ask:
        """Choose: pages in turn at each door; of documents, a write and a read at each."""
        doors, service = self.target.doors, self.target.service
        if not self.target.documents:
            return Ask("get", service, doors[number % len(doors)])
        door = doors[number // 2 % len(doors)]
        if number % 2 == 0 or not self.acknowledged:
            return Ask("put", service, door, f"probe-{self.run}-{service}-{number:06d}")
        if self._fresh:
            return Ask("get", service, door, self._fresh.pop(0))
        old = number * STRIDE % len(self.acknowledged)
        return Ask("get", service, door, self.acknowledged[old])


async def probe(
    chosen: Sequence[Target], client: Client, log: Log, rate: float, seconds: float | None
) -> int:
    """Probe, then verify; give how many acknowledged documents were lost."""
    run = secrets.token_hex(4)
    doors = {t.service: tuple(map(str, t.doors)) for t in chosen}
    documents = tuple(t.service for t in chosen if t.documents)
    told = {"run": run, "rate": rate, "timeout": client.timeout}
    log.write(Begin.model_validate({**_now(), **told, "doors": doors, "documents": documents}))
    senders = [Sender(target, client, log, run, rate) for target in chosen]
    with _told() as over, _keeping(chosen, client, log):
        async with asyncio.TaskGroup() as group:
            for number, sender in enumerate(senders):
                # Services take turns: they are not all asked at the same instant.
                await asyncio.sleep(number / rate / len(senders))
                group.create_task(sender.send(seconds, over))
    return await _verify([(s.target, s.acknowledged) for s in senders], client, log)


async def _verify(written: Sequence[Written], client: Client, log: Log) -> int:
    """Read everything back; give how many documents are lost."""
    done = [await verify(target, names, client, log.write) for target, names in written]
    log.write(End.model_validate({**_now(), "verified": all(one.whole for one in done)}))
    return sum(one.lost for one in done)


def _now() -> dict[str, datetime | float]:
    return {"at": datetime.now(UTC), "monotonic": time.monotonic()}


@contextmanager
def _told() -> Iterator[asyncio.Event]:
    """Give what is set when somebody asks the probe to end."""
    over, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    try:
        yield over
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


@contextmanager
def _keeping(chosen: Sequence[Target], client: Client, log: Log) -> Iterator[None]:
    """Keep a connection open to each service."""
    kept = [Kept(t.service, t.doors[0], client.tls, log.write, client.timeout) for t in chosen]
    for one in kept:
        one.start()
    try:
        yield
    finally:
        for one in kept:
            one.end()


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="probe", description="Probe a lab's published services.")
    add = parser.add_argument
    add("--estate", type=Path, required=True, help="folder of YAML, or a lab's estate.json")
    add("--ca", type=Path, required=True, help="authority that the services' certificates are of")
    add("--folder", type=Path, required=True, help="where the records are written")
    add("--seconds", type=float, help="how long to send; without it, until SIGTERM")
    add("--rate", type=float, default=RATE, help="requests a second and service")
    add("--timeout", type=float, default=TIMEOUT, help="seconds that one request may take")
    add("--service", action="append", help="only this one; repeatable")
    add("--documents", action="append", help="service that takes documents; repeatable")
    add("--verify", action="store_true", help="only read back what a killed probe left")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Run the probe; give 1 when an acknowledged document was lost, 3 when it can't run."""
    given = _arguments(words)
    try:
        refuse_outside()
        known = targets(load(given.estate), given.documents or DOCUMENTS)
        chosen = [t for t in known if not given.service or t.service in given.service]
        if not chosen:
            raise LabError("the estate publishes no such service over HTTP")
        client = Client(given.ca, given.timeout)
        left = unverified(given.folder) if given.verify else {}
        if not given.verify and (given.folder / RECORDS).exists():
            raise LabError(f"{given.folder / RECORDS} is there already: give a new folder")
        log = Log(given.folder)
        try:
            if given.verify:
                pairs = [(t, left.get(t.service, [])) for t in known]
                lost = asyncio.run(_verify(pairs, client, log))
            else:
                lost = asyncio.run(probe(chosen, client, log, given.rate, given.seconds))
        finally:
            log.close()
    except (SitivError, OSError) as error:
        print(f"probe: {error}", file=sys.stderr)
        return 3
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
