"""The examples of the page on declaring an estate hold, laid over the example estate."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from sitiv_infra.estate import load

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "declare-an-estate.md").read_text("utf-8")
BLOCKS = [b for b in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if not b.startswith("#")]


def test_the_examples_are_an_estate(tmp_path: Path) -> None:
    folder = shutil.copytree(ROOT / "inventory" / "estate", tmp_path / "estate")
    for number, block in enumerate(BLOCKS):
        (folder / f"page-{number}.yml").write_text(block, "utf-8")
    # The machine that the page's backup names, as its reader would have added it.
    (folder / "more.yml").write_text("machines: {agenda-a1: {site: a, role: application}}", "utf-8")
    estate = load(folder)
    assert len(BLOCKS) == 7
    assert {"irigny"} <= set(estate.members)
    assert {"chamilo-a1"} <= set(estate.machines)
    assert {"agenda"} <= set(estate.services)
    assert estate.buckets["backups-far"].lock is not None
    assert estate.flows["trial-storage"].sites == ("b",)
    assert (
        estate.matrix["suppliers", "admin"].services == estate.flows["suppliers-bastion"].services
    )
