"""Nothing secret gets into the file of drift, and what is worth reading does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sitiv_infra.foretold import (
    LONGEST_LINE,
    MOST_LINES,
    NOT_SHOWN,
    Discretion,
    Writer,
    file_of,
    label_of,
    may_be_shown,
)

PLAIN = Discretion()


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("PasswordAuthentication yes", "PasswordAuthentication yes"),
        ("PermitRootLogin no", "PermitRootLogin no"),
        ("db_password = hunter2", "db_password = ***"),
        ("    auth_pass   4n0ther", "auth_pass   ***"),
        ('"secret": "abc",', '"secret": ***'),
        ("Authorization: Bearer eyJhbGciOi", "Authorization: ***"),
        ("MINIO_ROOT_PASSWORD=none-of-your-business", "MINIO_ROOT_PASSWORD=***"),
        ("api-key: 12345", "api-key: ***"),
        ("url = https://user:word@s3.test/x", "url = https://***@s3.test/x"),
        ("root:$6$saltsalt$abcdefghijk:19000:0", "root:***"),
        ("key AAAAC3NzaC1lZDI1NTE5AAAAIPq7T0mNfXk9d8h2c5bVx1", "key ***"),
        ("/usr/share/doc/a/very/long/path/without/any/dot/in/it/at/all/x9", None),
        ("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----", "***"),
        ("-----BEGIN PRIVATE KEY-----\ncut off", "***"),
        ("bell\x07 and\ttab", "bell  and tab"),
    ],
)
def test_a_line_without_its_secrets(line: str, shown: str | None) -> None:
    assert PLAIN.text(line) == (line if shown is None else shown)


def test_known_secrets_are_hidden_wherever_they_stand() -> None:
    discreet = Discretion(["opensesame", "short", "first line here\nsecond line here", ""])
    assert discreet.text("say opensesame, short") == "say ***, short"
    assert discreet.text("a second line here b") == "a *** b"


def test_a_long_line_is_cut() -> None:
    text = PLAIN.text("word " * 100)
    assert len(text) == LONGEST_LINE
    assert text.endswith("…")


def test_the_lines_that_differ() -> None:
    before = "a\n--- b\nc\n" + "same\n" * 50
    after = "a\n--- x\nc\n" + "same\n" * 50 + "new\n"
    diff = {"before": before, "after": after, "before_header": "/etc/x"}
    shown = ("---- b", "+--- x", "+new")
    assert PLAIN.difference(diff, may_show=True) == shown
    assert PLAIN.difference([diff, diff], may_show=True) == shown
    assert PLAIN.difference(diff, may_show=False) == (NOT_SHOWN,)


def test_a_key_that_changes_is_one_line() -> None:
    key = "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n"
    diff = {"before": "x\n" + key.format("MIIEold"), "after": "y\n" + key.format("MIIEnew")}
    assert PLAIN.difference(diff, may_show=True) == ("-x", "+y")


def test_many_lines_are_counted() -> None:
    diff = {"before": "", "after": "".join(f"line {n}\n" for n in range(40))}
    shown = PLAIN.difference(diff, may_show=True)
    assert len(shown) == MOST_LINES + 1
    assert shown[-1] == "(and 28 more)"


def test_attributes_are_shown_and_the_unknown_are_not() -> None:
    diff = {
        "before": {"path": "/etc/x", "mode": "0644", "content": "hunter2"},
        "after": {"path": "/etc/x", "mode": "0600", "content": "hunter3"},
    }
    assert PLAIN.difference(diff, may_show=False) == ("mode: 0644 -> 0600", NOT_SHOWN)


@pytest.mark.parametrize(
    "diff",
    [{"dst_binary": 1}, {"src_larger": 104448}, {"prepared": "some text"}, {"before": "x"}],
)
def test_what_can_t_be_shown_is_said(diff: object) -> None:
    assert PLAIN.difference(diff, may_show=False) == (NOT_SHOWN,)


@pytest.mark.parametrize("diff", [None, "text", [None], {}, {"before": "x", "after": "x"}])
def test_no_difference(diff: object) -> None:
    assert PLAIN.difference(diff, may_show=False) == ()


@pytest.mark.parametrize(
    ("action", "arguments", "shown"),
    [
        ("ansible.builtin.copy", {"mode": "0644"}, True),
        ("ansible.builtin.copy", {"mode": 0o644}, True),
        ("ansible.builtin.copy", {"mode": "0640"}, False),
        ("ansible.builtin.copy", {"mode": "0600"}, False),
        ("ansible.builtin.copy", {"mode": 0o600}, False),
        ("ansible.builtin.copy", {"mode": "preserve"}, False),
        ("ansible.builtin.copy", {"mode": "u=rw,g=r,o=r"}, False),
        ("ansible.builtin.copy", {}, False),
        ("ansible.builtin.lineinfile", {"line": "x"}, False),
        ("ansible.builtin.apt", {"name": "x"}, True),
        ("apt", {}, True),
    ],
)
def test_content_is_for_everybody_where_the_task_says_so(
    action: str, arguments: dict[str, object], *, shown: bool
) -> None:
    assert may_be_shown(action, arguments) is shown


@pytest.mark.parametrize(
    ("item", "label"),
    [
        ("eth0", "eth0"),
        (5, "5"),
        ({"name": "x", "password": "y"}, "x"),
        ({"password": "y"}, None),
        (["a"], None),
        (None, None),
        (True, None),
    ],
)
def test_an_item_is_named_without_its_content(item: object, label: str | None) -> None:
    assert label_of(item) == label


def test_a_new_file_takes_the_old_one_s_place_as_the_run_begins(tmp_path: Path) -> None:
    folder = tmp_path / "drift"
    first = Writer(folder, "site.yml")
    assert not list(folder.glob("*.jsonl")), "nothing looks like a run before its first line"
    first.write("begin", at="yesterday")
    first.end()
    second = Writer(folder, "playbooks/site.yaml")
    second.write("begin", at="today")
    file = file_of(folder, "site.yml")
    assert [json.loads(line) for line in file.read_text().splitlines()] == [
        {"record": "begin", "at": "today"}
    ]
    assert list(folder.iterdir()) == [file]
    assert (file.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    second.write("change", host="é")
    second.end(estate=None)
    assert json.loads(file.read_text().splitlines()[-1]) == {
        "record": "end", "lines": 3, "estate": None,
    }  # fmt: skip
