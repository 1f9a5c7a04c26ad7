"""``sitiv policy diff``: a merge request's change of the declaration, in plain words."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sitiv_infra.cli import run
from sitiv_infra.testing import OPERATOR

NETWORK = """\
zones:
  web: {title: Serveurs web}
  data: {title: Données}
vlans:
  w: {vid: 10, zone: web, sites: [a], subnets: [10.1.0.0/24]}
  d: {vid: 20, zone: data, sites: [a], subnets: [10.2.0.0/24]}
cells:
  down: {sources: [web], destinations: [data], access: allow-only, services: [tcp/5432]}
flows:
  base: {source: web, destination: data, services: [tcp/5432], owner_team: bases, reason: r}
"""
MORE = """\
  ssh:
    source: data
    destination: web
    services: [tcp/22]
    owner_team: hébergement
    ticket: GLPI-7
    until: 2099-01-31
    reason: Copies
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a repository with the declaration committed, and tagged as v1."""
    estate = tmp_path / "inventory" / "estate"
    estate.mkdir(parents=True)
    (estate / "operator.yml").write_text(OPERATOR, encoding="utf-8")
    (estate / "network.yml").write_text(NETWORK, encoding="utf-8")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    who = ["-c", "user.name=Test", "-c", "user.email=test@sitiv.test"]
    git(tmp_path, *who, "commit", "--quiet", "--message", "first")
    git(tmp_path, "tag", "v1")
    return estate


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), *words], check=True, timeout=30)


def told(
    capsys: pytest.CaptureFixture[str], folder: Path, *words: str | Path
) -> tuple[int, str, str]:
    code = run(["policy", "diff", *map(str, words), "--estate", str(folder)])
    out = capsys.readouterr()
    plain = {"\N{NO-BREAK SPACE}": " ", "\u202f": " ", "\N{RIGHT SINGLE QUOTATION MARK}": "'"}
    return code, out.out.translate(str.maketrans(plain)), out.err


def test_nothing_changes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, folder, "v1") == (0, "Rien ne change entre les zones.\n", "")
    assert (
        told(capsys, folder, "v1", "HEAD", "--lang", "en")[1] == "Nothing changes between zones.\n"
    )


def test_what_opens_is_told_with_who_asked_and_what_passes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "network.yml").write_text(NETWORK + MORE, encoding="utf-8")
    code, out, _ = told(capsys, folder, "v1")
    assert code == 1
    flow = "de « Données » vers « Serveurs web », tcp/22 ; hébergement, GLPI-7, jusqu'au 31/01/2099"
    assert out.splitlines() == [
        "- **La matrice n'admet pas** `ssh` : tcp/22",
        f"- **Ouvre** `ssh` : {flow} : Copies",
        "",
        "### Nouvelles connexions qui passent",
        "",
        "- `10.2.0.0/24 > 10.1.0.0/24 tcp/22` (ssh)",
    ]
    back = told(capsys, folder, folder, "v1", "--lang", "en")[1]
    assert back.splitlines()[0].startswith(
        "- **Closes** `ssh`: from Données to Serveurs web, tcp/22"
    )
    assert back.splitlines()[-1] == "- `10.2.0.0/24 > 10.1.0.0/24 tcp/22` (ssh)"


def test_a_network_that_grows_opens_without_any_flow(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "network.yml").write_text(NETWORK.replace("10.1.0.0/24", "10.1.0.0/23"), "utf-8")
    code, out, _ = told(capsys, folder, "v1", "--lang", "en")
    assert code == 1
    assert (
        out == "\n### New connections that pass\n\n- `10.1.1.0/24 > 10.2.0.0/24 tcp/5432` (base)\n"
    )


def test_what_is_altered_and_a_narrower_matrix(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = NETWORK.replace("owner_team: bases", "owner_team: dba").replace(
        "allow-only", "block-only"
    )
    (folder / "network.yml").write_text(text, encoding="utf-8")
    _, out, _ = told(capsys, folder, "v1", "--lang", "en")
    assert out.splitlines() == [
        "- **The matrix does not take** `base`: tcp/5432",
        "- **Changes** `base`: owner_team bases → dba",
        "- **Matrix**: `down`",
    ]


def test_what_can_not_be_compared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = told(capsys, folder, "v7")
    assert (code, "v7: not a valid object name" in err) == (3, True)
    assert told(capsys, folder, "--", "--output=x")[0] == 3
    (folder / "network.yml").write_text("zones: {x: {}}", encoding="utf-8")
    code, _, err = told(capsys, folder, "v1")
    assert code == 3
    assert "network.yml:1:9: 'title' is missing" in err
    git(folder, "add", ".")
    git(folder, "-c", "user.name=T", "-c", "user.email=t@t.test", "commit", "-q", "-m", "broken")
    code, _, err = told(capsys, folder, "HEAD", "v1")
    assert code == 3
    assert err.startswith("sitiv: HEAD: network.yml:1:9: 'title' is missing")
    empty = folder.parent / "none"
    empty.mkdir()
    assert told(capsys, empty / "x", "v1")[0] == 3
