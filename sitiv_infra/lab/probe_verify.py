"""Reading back what was acknowledged: each document that is not there as written is named."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sitiv_infra.lab.probe_http import Ask, Client
from sitiv_infra.lab.probe_targets import Target
from sitiv_infra.report.continuity.records import Record, read

READERS = 8  # documents that are read back at once
PASSES, PAUSE = 5, 1.0  # "written" promises a document, not that it is to be had at this instant
MOST_SECONDS = 120.0  # for one service; what was not asked for by then is not verified
Written = tuple[Target, Sequence[str]]


@dataclass(frozen=True)
class Verified:
    """How many documents are lost; ``whole`` tells whether every one was asked for."""

    lost: int
    whole: bool


async def verify(
    target: Target, names: Sequence[str], client: Client, tell: Callable[[Record], None]
) -> Verified:
    """Read documents back, the bad ones again after a while; ``tell`` is given the outcomes."""
    end, gate = time.monotonic() + MOST_SECONDS, asyncio.Semaphore(READERS)
    bad: dict[str, Record] = {}

    async def one(door: int, name: str) -> None:
        async with gate:
            if time.monotonic() > end:
                return
            ask = Ask("verify", target.service, target.doors[door % len(target.doors)], name)
            record = await client.ask(ask)
        if record.good:
            asked.discard(name)
            bad.pop(name, None)
            tell(record)
        else:
            bad[name] = record

    asked = set(names)
    for turn in range(PASSES):
        if turn and asked:
            await asyncio.sleep(PAUSE)
        async with asyncio.TaskGroup() as group:
            for number, name in enumerate(sorted(asked)):
                group.create_task(one(number + turn, name))
    for record in bad.values():
        tell(record)
    return Verified(len(bad), asked <= bad.keys())


def unverified(folder: Path) -> dict[str, list[str]]:
    """Give the documents, by service, that a killed probe knew to be acknowledged."""
    records: Sequence[Record] = read(folder).records
    done = {r.name for r in records if r.kind == "verify"}
    found: dict[str, list[str]] = {}
    for record in records:
        if record.kind == "put" and record.good and record.name not in done:
            found.setdefault(record.service, []).append(record.name)
    return found
