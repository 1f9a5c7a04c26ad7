"""``sitiv policy prove``: the proofs that need no access to anything."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path

import pytest

from sitiv_infra.cli import run
from sitiv_infra.estate import Estate, load
from sitiv_infra.policy.nft_text import ruleset
from sitiv_infra.wanted import forward_sets

LAB = Path(__file__).parents[1] / "inventory/lab/estate"
EXAMPLE = Path(__file__).parents[1] / "inventory/estate"


def told(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = run(["policy", "prove", "--lang", "en", *map(str, words)])
    out = capsys.readouterr()
    return code, out.out, out.err


@pytest.fixture
def dumps(tmp_path: Path) -> dict[str, Path]:
    """Give what every firewall of the lab would print."""
    return dumped(load(LAB), tmp_path)


def dumped(estate: Estate, folder: Path) -> dict[str, Path]:
    about = {"metainfo": {"version": "1.0.6"}}
    files = {name: folder / f"{name}.json" for name in estate.firewalls}
    for name, file in files.items():
        sets = forward_sets(estate, estate.firewalls[name].site, date(2026, 11, 22))
        objects = ruleset([one.text for one in sets], [one.rule for one in sets])
        file.write_text(json.dumps({"nftables": [about, *objects]}), encoding="utf-8")
    return files


def live(dumps: dict[str, Path]) -> list[str]:
    return [word for name, file in dumps.items() for word in ("--live", f"{name}={file}")]


def test_the_declaration_alone(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capsys, "--estate", LAB)
    assert (code, out.splitlines()[-1].endswith(" proved, 0 not")) == (0, True)
    code, out, _ = told(capsys, "--estate", EXAMPLE)
    assert code == 1
    assert "the matrix takes nothing: tcp/5432" in " ".join(out.split())


def test_live_dumps(dumps: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "--estate", LAB, *live(dumps))[0] == 0
    file = dumps["fw-b2"]
    listed = json.loads(file.read_text(encoding="utf-8"))
    rule = next(item["rule"] for item in listed["nftables"] if "rule" in item)
    rule["expr"] = [{"accept": None}]
    file.write_text(json.dumps(listed), encoding="utf-8")
    code, out, _ = told(capsys, "--estate", LAB, *live(dumps))
    assert code == 1
    assert "segmentation.live-exact" in out
    assert "segmentation.pair-alike" in out
    assert "fw-a1" not in out, "it is as declared"


def test_declared_differences_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A flow of one site: live as declared is proved, and told; elsewhere it is an opening."""
    place = tmp_path / "estate"
    shutil.copytree(LAB, place)
    network = place / "network.yml"
    text = network.read_text(encoding="utf-8")
    head = "  application-storage:\n"
    assert head in text
    network.write_text(text.replace(head, f"{head}    sites: [b]\n"), encoding="utf-8")
    estate = load(place)
    flow = estate.flows["application-storage"]
    dumps = dumped(estate, tmp_path)
    code, out, _ = told(capsys, "--estate", place, *live(dumps))
    assert code == 0, out
    line = next(one for one in out.splitlines() if one.startswith("declared difference"))
    for word in ("application-storage", flow.owner_team, flow.ticket or "", "(at b alone)"):
        assert word in line
    dumps["fw-a2"].write_bytes(dumps["fw-b1"].read_bytes())
    code, out, _ = told(capsys, "--estate", place, *live(dumps))
    assert code == 1
    assert out.count("sitiv/firewall/fw-a2") >= 2, "live-exact and pair-alike"
    assert "sitiv/firewall/fw-b1" not in out


def test_a_live_rule_that_asks_for_no_state_is_found(
    dumps: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    file = dumps["fw-b2"]
    listed = json.loads(file.read_text(encoding="utf-8"))
    rule = next(item["rule"] for item in listed["nftables"] if "rule" in item)
    rule["expr"] = rule["expr"][1:]
    file.write_text(json.dumps(listed), encoding="utf-8")
    code, out, _ = told(capsys, "--estate", LAB, *live(dumps))
    assert code == 1
    assert "such as an invalid packet, " in " ".join(out.split())
    assert "fw-a1" not in out, "it is as declared"


def test_a_firewall_without_a_dump_is_not_proved(
    dumps: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    del dumps["fw-a1"]
    code, out, _ = told(capsys, "--estate", LAB, *live(dumps))
    assert (code, "sitiv/firewall/fw-a1" in out) == (2, True)


def test_what_is_no_dump(
    dumps: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = told(capsys, "--estate", LAB, "--live", f"fw-a3={dumps['fw-a1']}")
    assert (code, "did you mean 'fw-a" in err) == (3, True)
    dumps["fw-a1"].write_text("{}", encoding="utf-8")
    code, _, err = told(capsys, "--estate", LAB, *live(dumps))
    assert (code, "fw-a1.json: the answer is not nft's JSON" in err) == (3, True)
    assert told(capsys, "--estate", LAB, "--live", f"fw-a1={tmp_path / 'none'}")[0] == 3
