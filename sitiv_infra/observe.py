"""Observing: one job a source, on an executor; an error becomes a gap and the others go on."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from pathlib import Path
from time import monotonic

from sitiv_infra.collectors import COLLECTORS
from sitiv_infra.collectors.base import Session
from sitiv_infra.errors import InvalidInput, NotObserved, RunError
from sitiv_infra.estate import Estate, Source
from sitiv_infra.executing import Executing, executing
from sitiv_infra.secrets import Secrets
from sitiv_infra.snapshot import (
    Gap,
    Head,
    Observation,
    begin,
    finish,
    part_path,
    read_head,
    read_part,
    write_part,
)

OPERATION_SECONDS = 15.0  # one connection or answer; a source's own timeout bounds the whole job
GRACE_SECONDS = 5.0  # for a collector to notice its own timeout, and say so better than we can
RESUME_WITHIN = timedelta(hours=1)  # older parts would make ages look an hour longer
LONGEST_CAUSE = 600


@dataclass(frozen=True)
class Settings:
    """How sources are reached: paths only, so that no secret travels to another machine.

    ssh_config -- OpenSSH's, for the way to hosts, such as ProxyJump. drift -- folder of what runs
    of playbooks in check mode left.
    """

    secrets_file: Path | None = None
    ca_file: Path | None = None
    known_hosts: Path | None = None
    ssh_config: Path | None = None
    drift: Path | None = None


Result = Observation | Gap
Progress = Callable[[str, Result | None], None]


def _silent(_source: str, _result: Result | None) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class Observing:
    """How to observe; ``progress`` is told of each source as it begins (None) and ends."""

    settings: Settings
    executor: str = "threads:16"
    progress: Progress = _silent


@lru_cache(maxsize=4)
def _opened(file: Path, _stamp: tuple[int, int]) -> Secrets:
    return Secrets(file)


def _secrets(file: Path | None) -> Secrets:
    """Open a secrets file once, and again when it has changed: a worker of dask lives for long."""
    if file is None:
        return Secrets()
    try:
        stat = file.stat()
    except OSError as error:
        raise InvalidInput(f"{file}: can't be read: {error.strerror}") from None
    return _opened(file, (stat.st_mtime_ns, stat.st_size))


def check_settings(settings: Settings) -> None:
    """Try the files before anything is read; InvalidInput says what is wrong with one."""
    _opened.cache_clear()
    _secrets(settings.secrets_file)
    if settings.ca_file is not None:
        try:
            ssl.create_default_context().load_verify_locations(settings.ca_file)
        except OSError as error:
            raise InvalidInput(f"{settings.ca_file}: no certificates (PEM): {error}") from None
    if settings.known_hosts is not None and not settings.known_hosts.is_file():
        raise InvalidInput(f"{settings.known_hosts}: no such file of SSH host keys")
    if settings.ssh_config is not None and not settings.ssh_config.is_file():
        raise InvalidInput(f"{settings.ssh_config}: no such SSH configuration")


def read_source(source: Source, estate: Estate, settings: Settings) -> Result:
    """Read one source; whatever goes wrong is a gap with its cause, free of secrets."""
    try:
        secrets = _secrets(settings.secrets_file)
    except InvalidInput as error:  # on another machine the file may not be as here
        return _gap(source, str(error))
    timeout = min(OPERATION_SECONDS, source.timeout.total_seconds())
    session = Session(
        estate, secrets, timeout, settings.ca_file, settings.known_hosts, settings.ssh_config,
        settings.drift,
    )  # fmt: skip
    try:
        facts = COLLECTORS[source.family](source, session)
    except NotObserved as error:
        cause = str(error)
    except Exception as error:  # noqa: BLE001 - one of the two places: a source that fails is a gap
        cause = f"{type(error).__name__}: {error}"
    else:
        return Observation(source.source, datetime.now(UTC), facts)
    return _gap(source, secrets.scrub(cause))


def _gap(source: Source, cause: str) -> Gap:
    text = " ".join(cause.split())[:LONGEST_CAUSE]
    return Gap(source=source.source, cause=text, at=datetime.now(UTC))


@dataclass
class _Running:
    """Jobs under way, and when each must be over."""

    ends: dict[Future[Result], float] = field(default_factory=dict)
    sources: dict[Future[Result], Source] = field(default_factory=dict)

    def add(self, future: Future[Result], source: Source) -> None:
        self.ends[future] = monotonic() + source.timeout.total_seconds() + GRACE_SECONDS
        self.sources[future] = source

    def done(self) -> Iterator[tuple[Source, Result]]:
        """Wait for the next jobs that end or run out of time."""
        left = max(0.0, min(self.ends.values()) - monotonic())
        finished, _ = wait(self.ends, timeout=left, return_when=FIRST_COMPLETED)
        for future in finished:
            source = self._drop(future)
            yield source, _result(source, future)
        for future in [f for f, end in self.ends.items() if end <= monotonic()]:
            future.cancel()
            source = self._drop(future)
            cause = f"no answer after {source.timeout.total_seconds():.0f} s (the source's timeout)"
            yield source, _gap(source, cause)

    def _drop(self, future: Future[Result]) -> Source:
        del self.ends[future]
        return self.sources.pop(future)


def _result(source: Source, future: Future[Result]) -> Result:
    """Take what a job gave; a worker that was lost, and not the source, is a gap too."""
    error = None if future.cancelled() else future.exception()
    if error is None and not future.cancelled():
        return future.result()
    kind = type(error).__name__ if error else "cancelled"
    cause = f"the job was lost ({kind}): its worker ended, or can't be reached"
    return _gap(source, cause)


def run_jobs(
    sources: Iterable[Source], estate: Estate, settings: Settings, where: Executing
) -> Iterator[tuple[Source, Result | None]]:
    """Read sources, so many at once; yields each as it begins (None) and as it ends."""
    waiting = iter(sources)
    running = _Running()
    while True:
        for source in islice(waiting, where.at_once - len(running.ends)):
            future = where.executor.submit(read_source, source, estate, settings)
            running.add(future, source)
            yield source, None
        if not running.ends:
            return
        yield from running.done()


def observe(
    folder: Path,
    estate: Estate,
    how: Observing,
    *,
    zone: str | None = None,
    only: Iterable[str] | None = None,
) -> Mapping[str, Gap]:
    """Read every source of an estate into a snapshot folder; go on where a killed run stopped.

    zone -- read only what is observed from this trust zone. only -- identities of sources.
    Returns the gaps by source. RunError when the folder holds another estate's snapshot.
    """
    check_settings(how.settings)
    gaps: dict[str, Gap] = {}
    with executing(how.executor) as where:
        head = _head(folder, estate, zone)
        wanted = [s for s in selected(estate, zone, only) if not _kept(folder, s.source)]
        for source, result in run_jobs(wanted, estate, how.settings, where):
            if isinstance(result, Observation):
                write_part(folder, result)
            elif result is not None:
                gaps[source.source] = result
            how.progress(source.source, result)
    finish(folder, head.model_copy(update={"finished": datetime.now(UTC)}), gaps.values())
    return gaps


def selected(
    estate: Estate, zone: str | None = None, only: Iterable[str] | None = None
) -> list[Source]:
    """Give the sources to read; InvalidInput for a zone that isn't declared."""
    if zone is not None and zone not in estate.zones:
        known = ", ".join(estate.zones)
        raise InvalidInput(f"no zone '{zone}' in this estate; there are: {known}")
    names = None if only is None else set(only)
    return [
        source
        for name, source in estate.sources.items()
        if (zone is None or source.observed_from == zone) and (names is None or name in names)
    ]


def _head(folder: Path, estate: Estate, zone: str | None) -> Head:
    zones = (zone,) if zone else tuple(sorted({s.observed_from for s in estate.sources.values()}))
    if (folder / "snapshot.json").exists():
        head = read_head(folder)
        if head.fingerprint != estate.fingerprint or head.zones != zones:
            raise RunError(f"{folder}: holds the snapshot of another estate or zone; remove it")
        if not fresh(head, datetime.now(UTC)):
            raise RunError(f"{folder}: holds the snapshot of {head.started:%F %H:%MZ}; remove it")
        return head
    head = Head(started=datetime.now(UTC), fingerprint=estate.fingerprint, zones=zones)
    begin(folder, estate, head)
    return head


def _kept(folder: Path, source: str) -> bool:
    """Tell whether a part is there and whole; a damaged one is read again."""
    try:
        return read_part(folder, source) is not None
    except RunError:
        part_path(folder, source).unlink()
        return False


def fresh(head: Head, now: datetime) -> bool:
    """Tell whether a snapshot that was begun can be gone on with."""
    return timedelta(0) <= now - head.started <= RESUME_WITHIN


def discard_stale(folder: Path, estate: Estate, now: datetime) -> None:
    """Remove an unfinished snapshot that tonight's run can't go on with."""
    if not folder.exists():
        return
    try:
        head = read_head(folder)
    except RunError:
        shutil.rmtree(folder)
        return
    if head.fingerprint != estate.fingerprint or not fresh(head, now):
        # The head goes first: a kill in the middle leaves a folder that is known to be void.
        (folder / "snapshot.json").unlink()
        shutil.rmtree(folder)
