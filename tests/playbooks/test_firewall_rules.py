"""The whole file of rules that the firewalls' role writes: the kernel takes it, and it is exact."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import jinja2
import pytest
import yaml

from sitiv_infra.estate import Estate, load
from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.process import LabError, program
from sitiv_infra.policy.exact import mismatches
from sitiv_infra.wanted import variables
from tests.servers.need import need

ROOT = Path(__file__).parents[2]
ROLE = ROOT / "playbooks/roles/firewall"
TODAY = date(2026, 11, 22)


@pytest.fixture(scope="module")
def bench() -> Iterator[Namespace]:
    need("ip", "nft", root=True)
    with Namespace(f"role-{os.getpid()}") as namespace:
        yield namespace


@pytest.fixture(scope="module")
def estate() -> Estate:
    return load(ROOT / "inventory/lab/estate")


def written(estate: Estate, name: str) -> str:
    """Write what the role would; of Ansible itself the template needs nothing."""
    given = variables(estate, estate.machines[name], TODAY)
    plain = yaml.safe_load((ROLE / "defaults/main.yml").read_text(encoding="utf-8"))
    found = {
        **plain,
        **{key.replace("sitiv_", "firewall_", 1): value for key, value in given.items()},
        "firewall_bastions": [one["address"] for one in given["sitiv_bastions"]],  # type: ignore[attr-defined]
        "ansible_managed": "written by a test",
    }
    place = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROLE / "templates"), trim_blocks=True,
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    return place.get_template("nftables.conf.j2").render(found)


def listed(bench: Namespace, *words: str) -> str:
    return bench.run(program("nft"), *words, "list", "ruleset")


@pytest.mark.parametrize("name", ["fw-a1", "fw-b2"])
def test_what_is_loaded_is_declared_and_written_again_is_the_same(
    bench: Namespace, estate: Estate, name: str
) -> None:
    text = written(estate, name)
    bench.run(program("nft"), "-f", "-", text=text)
    ruleset = json.loads(listed(bench, "-j"))["nftables"]
    assert list(mismatches(estate, "a", ruleset, TODAY)) == []
    # What the role compares to see whether anything changed.
    once = listed(bench, "--stateless")
    bench.run(program("nft"), "-f", "-", text=text)
    assert listed(bench, "--stateless") == once


def test_rules_that_are_refused_leave_those_before(bench: Namespace, estate: Estate) -> None:
    text = written(estate, "fw-a1")
    bench.run(program("nft"), "-f", "-", text=text)
    before = listed(bench, "--stateless")
    overlapping = text.replace(
        "elements = {",
        "elements = { 10.0.0.0/8 . 10.0.0.0/8 . tcp . 1-9, 10.1.0.0/16 . 10.0.0.0/8 . tcp . 5-7,",
        1,
    )
    assert overlapping != text
    with pytest.raises(LabError):
        bench.run(program("nft"), "-f", "-", text=overlapping)
    assert listed(bench, "--stateless") == before
