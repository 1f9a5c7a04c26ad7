"""Where jobs run: threads of this machine, or Dask where one machine is too small."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from sitiv_infra.errors import InvalidInput


@dataclass(frozen=True)
class Executing:
    """Where jobs run, and how many at once."""

    executor: Executor
    at_once: int


@contextmanager
def executing(spec: str) -> Iterator[Executing]:
    """Open ``threads:N`` or ``dask:ADDRESS``; InvalidInput for anything else."""
    kind, _, rest = spec.partition(":")
    if kind == "threads" and rest.isdecimal() and int(rest) > 0:
        # More threads than run at once: one that hangs past its time must not keep its place.
        executor = ThreadPoolExecutor(max_workers=1000, thread_name_prefix="source")
        try:
            yield Executing(executor, int(rest))
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
    elif kind == "dask" and rest:
        with _dask(rest) as found:
            yield found
    else:
        raise InvalidInput(f"--executor is threads:N or dask:ADDRESS, not '{spec}'")


@contextmanager
def _dask(address: str) -> Iterator[Executing]:
    try:
        from distributed import Client  # noqa: PLC0415 - an extra
    except ImportError:
        raise InvalidInput("dask is an extra: pip install 'sitiv-infra[dask]'") from None
    # distributed is typed only in part.
    try:
        client = Client(address, timeout=10)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise InvalidInput(f"no dask scheduler at {address}: {error}") from None
    with client:
        workers = sum(client.nthreads().values())  # type: ignore[no-untyped-call]
        executor = client.get_executor(pure=False)  # type: ignore[no-untyped-call]
        yield Executing(executor, max(1, workers))
