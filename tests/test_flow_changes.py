"""The life of flows: what a change of the declaration opens, and a campaign's answers."""

from __future__ import annotations

import re
import subprocess
from datetime import date
from pathlib import Path

import pytest

from sitiv_infra.cli import run
from sitiv_infra.estate import load
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


FIREWALLS = """\
firewalls:
  fw-a: {site: a, host: a.test, observed_from: admin}
  fw-b: {site: b, host: b.test, observed_from: admin}
"""


def test_what_opens_and_closes_at_some_sites(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    near = NETWORK.replace("sites: [a]", "sites: [a, b]") + FIREWALLS
    bound = near.replace("reason: r}", "reason: r, sites: [a]}")
    (folder / "network.yml").write_text(near, encoding="utf-8")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=T", "-c", "user.email=t@t.test", "commit", "-q", "-m", "two sites")
    (folder / "network.yml").write_text(bound, encoding="utf-8")
    _, out, _ = told(capsys, folder, "HEAD", "--lang", "en")
    assert out.splitlines() == [
        "- **Changes** `base`: sites \N{EN DASH} → a",
        "",
        "### New connections that are blocked",
        "",
        "- `10.1.0.0/24 > 10.2.0.0/24 tcp/5432` (base; b)",
    ]
    more = MORE.replace("reason: Copies", "reason: Copies\n    sites: [b]")
    flows, _, _ = bound.partition("firewalls:")
    (folder / "network.yml").write_text(flows + more + FIREWALLS, encoding="utf-8")
    _, out, _ = told(capsys, folder, "HEAD", "--lang", "en")
    assert "Copies (at b alone)" in out
    assert "- `10.2.0.0/24 > 10.1.0.0/24 tcp/22` (ssh; b)" in out
    assert "(base; b)" in out


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


CAMPAIGN = """\
flows:
  # Kept for a reason of its own.
  base:
    source: web
    destination: data
    services: [tcp/5432]
    owner_team: Bases & données
    reason: "=1+1; not a formula"
    until: 2027-01-31
  old: # nobody knows
    source: data
    destination: web
    services: [tcp/22, icmp]
    owner_team: réseau
    reason: r

  later:
    source: data
    destination: web
    services: [tcp/23]
    owner_team: réseau
    reason: r
    until: 2099-01-31
"""


@pytest.fixture
def campaign(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[Path, list[Path]]:
    """Give the declaration's folder, and the files that two teams received."""
    zones = NETWORK.partition("flows:")[0]
    (folder / "network.yml").write_text(zones + CAMPAIGN, encoding="utf-8")
    monkeypatch.chdir(folder.parents[1])
    words = ["policy", "campaign", "out", "--before", "2027-07-01"]
    assert run([*words, "--estate", "inventory/estate"]) == 0
    files = [Path(name) for name in capsys.readouterr().out.split()]
    assert run([*words, "--estate", "inventory/estate"]) == 3, "answers that stand there stay"
    capsys.readouterr()
    return folder, files


def test_each_team_is_asked_about_what_ends(campaign: tuple[Path, list[Path]]) -> None:
    _, files = campaign
    assert [file.name for file in files] == ["Bases-données.csv", "réseau.csv"]
    first, second = (file.read_text(encoding="utf-8-sig").splitlines() for file in files)
    assert first[0].split(";")[:2] == ["Flux", "De"]
    assert first[1] == (
        'base;Serveurs web;Données;tcp/5432;;"\'=1+1; not a formula";;31/01/2027;;;'
    )
    assert [line.partition(";")[0] for line in second[1:]] == ["old"]


def test_a_team_is_told_at_which_sites_its_flow_holds(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    near = NETWORK.replace("sites: [a]", "sites: [a, b]").replace("r}", "r, sites: [b]}")
    more = MORE.replace("until: 2099-01-31", "until: 2027-01-31")
    (folder / "network.yml").write_text(near + more + FIREWALLS, encoding="utf-8")
    words = ["policy", "campaign", tmp_path / "out", "--before", "2027-07-01", "--lang", "en"]
    assert run([*map(str, words), "--estate", str(folder)]) == 0
    capsys.readouterr()
    sheets = [f.read_text(encoding="utf-8") for f in sorted((tmp_path / "out").iterdir())]
    assert sheets[0].splitlines()[0].split(",")[3:5] == ["Services", "Sites"]
    assert [sheet.splitlines()[1].split(",")[4] for sheet in sheets] == ["b", "a b"]


def test_answers_are_a_patch_that_git_applies(
    campaign: tuple[Path, list[Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, files = campaign
    before = (folder / "network.yml").read_text(encoding="utf-8")
    for file, said in zip(files, (";GARDER;31/01/2030;oui", ";remove;;"), strict=True):
        text = file.read_text(encoding="utf-8-sig").replace("\r\n", "\n")
        file.write_text(re.sub(r";;;$", said, text, flags=re.MULTILINE), encoding="utf-8-sig")
    words = ["policy", "answers", *map(str, files), "--estate", "inventory/estate"]
    assert run(words) == 0
    told = capsys.readouterr()
    assert told.err == "1 kept, 1 removed\n"
    subprocess.run(["git", "apply"], input=told.out.encode(), check=True, timeout=30)
    after = (folder / "network.yml").read_text(encoding="utf-8")
    assert "until: 2030-01-31" in after
    assert "# Kept for a reason of its own." in after
    flows = load(folder).flows
    assert list(flows) == ["base", "later"]
    assert flows["base"].until == date(2030, 1, 31)
    assert len(after.splitlines()) == len(before.splitlines()) - 6


def test_without_decisions_nothing_changes(
    campaign: tuple[Path, list[Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    _, files = campaign
    assert run(["policy", "answers", *map(str, files), "--estate", "inventory/estate"]) == 0
    assert capsys.readouterr() == ("", "0 kept, 0 removed\n")


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("nope;;;;;;;;garder;01/01/2030;", "line 2: no flow 'nope' is declared"),
        (
            "base;;;;;;;;perhaps;;",
            "line 2: 'perhaps' is no decision; write one of: garder, retirer",
        ),
        ("base;;;;;;;;garder;;", "line 2: a flow that is kept needs a new end, after today"),
        ("base;;;;;;;;keep;31/02/2030;", "line 2: a flow that is kept needs a new end"),
        ("base;;;;;;;;keep;01/01/2020;", "line 2: a flow that is kept needs a new end"),
        (
            "base;;;;;;;;keep;01/01/2030;\nbase;;;;;;;;remove;;",
            "line 3: base was answered otherwise",
        ),
    ],
)
def test_answers_that_can_not_be_taken(
    campaign: tuple[Path, list[Path]], capsys: pytest.CaptureFixture[str], row: str, what: str
) -> None:
    _, (file, *_) = campaign
    head = file.read_text(encoding="utf-8-sig").splitlines()[0]
    file.write_text(f"{head}\n{row}\n", encoding="utf-8-sig")
    assert run(["policy", "answers", str(file), "--estate", "inventory/estate"]) == 3
    assert what in capsys.readouterr().err
    file.write_text("a;b\n", encoding="utf-8")
    assert run(["policy", "answers", str(file), "--estate", "inventory/estate"]) == 3
    assert "not the headings of a campaign's file" in capsys.readouterr().err
