"""Object storage: lock, encryption, parity and age of every version, from listing.

The stub (``"kind": "stub"``) lists as MinIO does, so that the client is the limit; on a real MinIO
the server is. Peers are asked for fewer versions, since they take minutes: the ratio is of CPU
seconds a version, ``peer_size`` how many they were asked for. boto3 has to ask for each version;
minio-py lists with settings as we do.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path

from growth import draw
from measure import Figure, line, median

from sitiv_infra.lab.minio import Keys, MinioServer
from sitiv_infra.lab.pki import Authority
from sitiv_infra.lab.process import free_port

HERE = Path(__file__).parent
RUNS = 3
SIZES = (10_000, 100_000, 1_000_000)
REAL = 10_000
PEERS = {"boto3": 2000, "minio-py": 20_000}
AIM = {"aim_cpu_seconds": 6.5, "aim_peak_mib": 80}  # of a million


def main() -> None:
    """Print one line a size, and one a peer."""
    curve = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder, _stub(Path(folder), size) as endpoint:
            at = endpoint, Path(folder) / "ca.pem", Keys.new("auditor")
            figures = _in_turn(at, size, PEERS if size == SIZES[-1] else {})
            curve.append((size, figures["ours"].seconds))
            _lines(
                "storage.versions", size, figures, kind="stub", **AIM if size == SIZES[-1] else {}
            )
    print(
        draw("storage.versions", "versions of a bucket, on a stub", {"ours": curve}),
        file=sys.stderr,
    )
    with tempfile.TemporaryDirectory() as folder, _real(Path(folder)) as at:
        _lines("storage.versions", REAL, _in_turn(at, REAL, PEERS), kind="real")


Place = tuple[str, Path, Keys]


def _in_turn(at: Place, size: int, peers: dict[str, int]) -> dict[str, Figure]:
    seen: dict[str, list[Figure]] = {}
    for _ in range(RUNS):
        for side, most in {"ours": size, **peers}.items():
            seen.setdefault(side, []).append(_asked(side, at, min(most, size)))
    return {side: median(figures) for side, figures in seen.items()}


def _asked(side: str, at: Place, most: int) -> Figure:
    endpoint, ca_file, keys = at
    script = str(HERE / "storage_versions.py")
    done = subprocess.run(
        [sys.executable, script, side, endpoint, str(ca_file), keys.access, str(most)],
        capture_output=True, check=True, env={**os.environ, "AUDIT_SECRET": keys.secret},
    )  # fmt: skip
    *figures, found = json.loads(done.stdout)
    assert found == most, f"{side} saw {found} versions of {most}"
    return Figure(*figures)


def _lines(bench: str, size: int, figures: dict[str, Figure], **more: object) -> None:
    mine = figures["ours"]
    if len(figures) == 1:
        line(bench, size, mine, **more)
    for side, most in PEERS.items():
        if side in figures:
            theirs = figures[side].cpu_seconds / min(most, size)
            line(
                bench, size, mine, **more, peer=f"{side} {version(side.removesuffix('-py'))}",
                peer_size=min(most, size), peer_cpu_seconds=round(figures[side].cpu_seconds, 3),
                of="cpu_seconds a version", ratio=round(theirs / (mine.cpu_seconds / size), 1),
            )  # fmt: skip


@contextmanager
def _stub(folder: Path, size: int) -> Iterator[str]:
    command = [sys.executable, str(HERE / "storage_stub.py"), str(folder), str(size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def _real(folder: Path) -> Iterator[Place]:
    """Give a MinIO with four drives and a locked bucket full of small objects."""
    authority = Authority(folder / "pki")
    server = MinioServer(folder / "minio", authority, at=("127.0.0.1", free_port()), drives=4)
    server.start()
    try:
        server.make_bucket("backup", lock=("COMPLIANCE", 30))
        with closing(server.client()) as s3, ThreadPoolExecutor(8) as pool:
            keys = (f"data/{n % 256:02x}/{secrets.token_hex(8)}" for n in range(REAL))
            list(pool.map(lambda key: s3.put_object(Bucket="backup", Key=key, Body=b"x"), keys))
        yield server.endpoint, authority.ca_file, server.root  # to ask for each needs more rights
    finally:
        server.stop()
