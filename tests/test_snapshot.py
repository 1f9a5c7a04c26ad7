from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sitiv_infra.errors import RunError
from sitiv_infra.facts import ObjectStoreFacts
from sitiv_infra.snapshot import (
    Gap,
    Head,
    Observation,
    begin,
    finish,
    merge,
    part_path,
    read_snapshot,
    write_file,
    write_part,
)
from sitiv_infra.testing import NOW, estate_of

ESTATE = estate_of("""
object_stores:
  one: {site: a, endpoint: "https://one.test", observed_from: admin}
  two: {site: b, endpoint: "https://two.test", observed_from: admin}
""")
FACTS = ObjectStoreFacts(server="MinIO", buckets=(), complete=True)


def folder_of(path: Path, *seen: str, gaps: tuple[str, ...] = (), estate: object = ESTATE) -> Path:
    head = Head(started=NOW, fingerprint=estate.fingerprint, zones=("admin",))  # type: ignore[attr-defined]
    begin(path, estate, head)  # type: ignore[arg-type]
    for number, name in enumerate(seen, 1):
        write_part(
            path, Observation(f"object-store/{name}", NOW + timedelta(minutes=number), FACTS)
        )
    finish(path, head, [Gap(source=f"object-store/{g}", cause="dark", at=NOW) for g in gaps])
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    snapshot = read_snapshot(folder_of(tmp_path, "one", gaps=("two",)))
    assert snapshot.estate == ESTATE
    assert snapshot.estate.fingerprint == ESTATE.fingerprint
    assert snapshot.observations["object-store/one"].facts == FACTS
    assert snapshot.gaps["object-store/two"].cause == "dark"


def test_ages_are_counted_to_the_last_part(tmp_path: Path) -> None:
    snapshot = read_snapshot(folder_of(tmp_path, "one", "two"))
    assert snapshot.taken_at == NOW + timedelta(minutes=2)
    assert read_snapshot(folder_of(tmp_path / "empty")).taken_at == NOW


def test_the_same_facts_give_the_same_bytes(tmp_path: Path) -> None:
    paths = [folder_of(tmp_path / name, "one") for name in ("x", "y")]
    first, second = (part_path(p, "object-store/one").read_bytes() for p in paths)
    assert first == second


def test_zones_are_joined_and_a_part_outweighs_a_gap(tmp_path: Path) -> None:
    first = folder_of(tmp_path / "a", "one", gaps=("two",))
    second = folder_of(tmp_path / "b", "two")
    joined = merge([first, second])
    assert sorted(joined.observations) == ["object-store/one", "object-store/two"]
    assert joined.gaps == {}


def test_snapshots_of_two_estates_are_not_joined(tmp_path: Path) -> None:
    first = folder_of(tmp_path / "a", "one")
    second = folder_of(tmp_path / "b", estate=estate_of())
    with pytest.raises(RunError, match="another estate"):
        merge([first, second])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("parts/object-store/one.json.gz", b"garbage"),
        ("parts/object-store/one.json.gz", b""),
        ("estate.json.gz", b"\x1f\x8b\x08"),
        ("snapshot.json", b"{}"),
        ("gaps.json", b"[{]"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    folder = folder_of(tmp_path, "one")
    (folder / name).write_bytes(content)
    with pytest.raises(RunError, match=name.replace(".", r"\.")):
        read_snapshot(folder)


def test_a_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "deep" / "file"
    write_file(path, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sitiv_infra.snapshot.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_the_part_of_another_source_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "one")
    part_path(folder, "object-store/one").rename(part_path(folder, "object-store/two"))
    with pytest.raises(RunError, match="of 'object-store/one'"):
        read_snapshot(folder)


def test_any_damage_of_a_compressed_file_is_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "one")
    path = part_path(folder, "object-store/one")
    good = path.read_bytes()
    for place in range(len(good)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 0x55]) + good[place + 1 :])
        with suppress(RunError):  # some bytes of the head mean nothing
            read_snapshot(folder)


def test_what_can_not_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=str(tmp_path)):
        write_file(tmp_path, b"x")


def test_times_are_kept_as_utc(tmp_path: Path) -> None:
    snapshot = read_snapshot(folder_of(tmp_path, "one"))
    assert snapshot.observations["object-store/one"].taken_at.tzinfo == UTC
    assert isinstance(snapshot.head.started, datetime)
