from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import BaseModel

from sitiv_infra.documents import MAX_BYTES, parse_list, read
from sitiv_infra.errors import InvalidInput
from sitiv_infra.positions import MAX_DEPTH, MAX_PROBLEMS, MAX_VALUES, compose

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(8)
)

# name: (bytes of the file, line, column, part of the message)
REFUSED = {
    "anchor loop": (b"a: 1\nb: &x\n  c: *x\n", 3, 6, "leads back to its own anchor"),
    "alias of nothing": (b"a: *x\n", 1, 4, "no anchor '&x'"),
    "billion laughs": (LAUGHS.encode(), 6, 12, f"more than {MAX_VALUES} values"),
    "too many values": (b"a: [" + b"x," * MAX_VALUES + b"]", 1, 2 * MAX_VALUES - 1, "more than"),
    "too large": (b"a" * (MAX_BYTES + 1), 1, 1, "larger than 4 MiB"),
    "brackets": (b"a:\n " + b"[" * 10_000, 2, MAX_DEPTH + 1, "nested more than"),
    "a million brackets": (b"[" * 1_000_000, 1, MAX_DEPTH + 1, "nested more than"),
    "dashes": (b"- " * 10_000, 1, 2 * MAX_DEPTH + 1, "nested more than"),
    "duplicate key": (b"a: 1\nb: 2\na: 3\n", 3, 1, "the key 'a' is already set above"),
    "duplicate key below": (b"a: {b: 1, 'b': 2}\n", 1, 11, "the key 'b' is already set above"),
    "merge key": (b"a: &a {b: 1}\nc:\n  <<: *a\n  d: 1\n", 3, 3, "merge keys"),
    "object tag": (b"a: !!python/object:os.system\n  b: 1\n", 1, 4, "is not read"),
    "scalar tag": (b"a: !vault x\n", 1, 4, "the tag '!vault' is not read"),
    "list tag": (b"a: !!python/tuple [1]\n", 1, 4, "is not read"),
    "list as a key": (b"? [a, b]\n: 1\n", 1, 3, "a key must be a single value"),
    "alias as a key": (b"a: &x [1]\n*x : 2\n", 2, 1, "a key must be a single value"),
    "jinja": (b"a: {{ b }}\n", 1, 5, "if this is Jinja"),
    "tab": (b"a:\n\tb: 1\n", 2, 1, "not YAML"),
    "half a list": (b"a: [1,\n", 2, 1, "not YAML"),
    "two documents": (b"a: 1\n---\nb: 2\n", 2, 1, "a second document"),
    "nul": ("é: 1\nb: x\x00\n".encode(), 2, 5, "U+0000"),
    "nul as an escape": (b'a: 1\nb: "x\\0"\n', 2, 4, "U+0000"),
    "escape sequence": (b'a: "\\e[31m"\n', 1, 4, "U+001B"),
    "latin-1": ("a: 1\nville: Vénissieux\n".encode("latin-1"), 2, 9, "byte 0xe9 is not UTF-8"),
    "latin-1 after utf-8": (b"\xc3\xa9: \xe9\n", 1, 4, "byte 0xe9 is not UTF-8"),
    "utf-16": ("a: 1\n".encode("utf-16"), 1, 1, "is not UTF-8"),
    "image": (b"\x89PNG\r\n\x1a\n\0\0", 1, 1, "is not UTF-8"),
}


@contextmanager
def nobody() -> Iterator[None]:
    """Root reads every file: be somebody else for a moment."""
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if was_root:
            os.seteuid(0)


def refused(path: Path) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        read(path)
    return caught.value


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_with_the_place(name: str, tmp_path: Path) -> None:
    raw, line, column, part = REFUSED[name]
    path = tmp_path / "bad.yml"
    path.write_bytes(raw)
    first = refused(path).problems[0]
    assert (first.line, first.column) == (line, column)
    assert part in first.what


def test_refuses_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yml")
    (tmp_path / "dangling.yml").symlink_to(tmp_path / "nothing")
    assert "not a file" in str(refused(tmp_path))
    assert "not a file" in str(refused(tmp_path / "pipe.yml"))
    assert "No such file" in str(refused(tmp_path / "dangling.yml"))


def test_refuses_an_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "closed.yml"
    path.touch(mode=0)
    with nobody():
        assert "Permission denied" in str(refused(path))


def test_lists_every_mistake_up_to_a_bound(tmp_path: Path) -> None:
    path = tmp_path / "bad.yml"
    path.write_text("a: 1\na: 2\nb: !x 1\n? [c]\n: *d\n")
    assert [p.line for p in refused(path).problems] == [2, 3, 4, 5]
    path.write_text("a: 1\n" * (2 * MAX_PROBLEMS))
    assert len(refused(path).problems) == MAX_PROBLEMS


def test_a_message_stays_on_one_short_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.yml"
    path.write_text('"a\\nb": 1\n"a\\nb": 1\n' + f"? !{'x' * 5000} y\n")
    one, two = refused(path).problems
    assert "a\\x0ab" in one.what
    assert len(two.what) < 600


def test_scalars_stay_text_and_only_null_is_none() -> None:
    text = "a: no\nb: 08\nc: 1e3\nd: 2024-01-01\ne:\nf: ~\ng: 'null'\nh: ''\ni: null\nj: 0x1f\n"
    data = compose(text, "x").data
    assert data == {
        "a": "no", "b": "08", "c": "1e3", "d": "2024-01-01", "e": None, "f": None, "g": "null",
        "h": "", "i": None, "j": "0x1f",
    }  # fmt: skip


def test_aliases_stand_for_their_anchor(tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_bytes(b"\xef\xbb\xbfa: &n name\nb: &l [1, *n]\nc: {*n : *l}\n")
    document = read(path)
    assert document.data == {"a": "name", "b": ["1", "name"], "c": {"name": ["1", "name"]}}
    assert document.problem(("c", "name"), "x").column == 10
    assert document.problem(("c", "name", 1), "x").line == 2


def test_an_empty_file_has_a_beginning(tmp_path: Path) -> None:
    path = tmp_path / "empty.yml"
    for text in ("", "# nothing\n", "---\n...\n"):
        path.write_text(text)
        document = read(path)
        assert document.data is None
        assert document.problem(("a", 1), "x").line in (1, 2)


def test_a_problem_stands_at_the_value_or_its_key() -> None:
    document = compose("top:\n  thing:\n    key: [one, two]\n", "x.yml")
    assert str(document.problem(("top", "thing", "key", 1), "w")) == "x.yml:3:16: w"
    assert str(document.problem(("top", "thing", "key"), "w", at_key=True)) == "x.yml:3:5: w"
    assert str(document.problem(("top", "thing"), "w")) == "x.yml:2:3: w"
    assert str(document.problem(("top", "thing", "gone", 3), "w")) == "x.yml:2:3: w"


def test_names_files_from_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "in" / "a.yml"
    path.parent.mkdir()
    path.write_text("a: [")
    monkeypatch.chdir(tmp_path)
    assert refused(path).problems[0].file == "in/a.yml"
    monkeypatch.chdir(path.parent)
    assert refused(Path("../in/a.yml")).problems[0].file == "../in/a.yml"
    monkeypatch.chdir("/")
    assert refused(path).problems[0].file == str(path).lstrip("/")


class Row(BaseModel, extra="forbid"):
    name: str
    count: int = 0


def test_parse_list(tmp_path: Path) -> None:
    path = tmp_path / "rows.yml"
    path.write_text("- {name: a, count: 08}\n- name: no\n")
    assert parse_list(path, Row) == [Row(name="a", count=8), Row(name="no")]
    path.write_text("")
    assert parse_list(path, Row) == []
    path.write_text("- {nam: a}\n- {name: b, count: many}\n- text\n")
    with pytest.raises(InvalidInput) as caught:
        parse_list(path, Row)
    assert [(p.line, p.column, p.what) for p in caught.value.problems] == [
        (1, 3, "'name' is missing"),
        (1, 4, "unknown key 'nam'; did you mean 'name'?"),
        (2, 20, "a whole number is expected; this is 'many'"),
        (3, 3, "a mapping is expected; this is 'text'"),
    ]
    path.write_text("name: a\n")
    with pytest.raises(InvalidInput, match="a list is expected; this is a mapping"):
        parse_list(path, Row)
