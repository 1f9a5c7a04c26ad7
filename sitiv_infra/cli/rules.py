"""The checks and accepted risks that a command's options name."""

from __future__ import annotations

from pathlib import Path

from sitiv_infra import waivers
from sitiv_infra.auditing import Rules
from sitiv_infra.checking import Check
from sitiv_infra.errors import InvalidInput
from sitiv_infra.judging import built_in, load_checks
from sitiv_infra.selection import Selection


def all_checks(folders: list[Path] | None) -> list[Check]:
    """Load the built-in checks and those of more folders."""
    return load_checks([built_in(), *(folders or ())])


def rules_of(
    estate: Path, waiver_file: Path | None, folders: list[Path] | None, wanted: Selection
) -> Rules:
    """Load what snapshots are judged by; a waivers' file that was named must be there."""
    file = waiver_file or estate.parent / "waivers.yml"
    if waiver_file is not None and not waiver_file.exists():
        raise InvalidInput(f"{waiver_file}: no such file")
    return Rules(all_checks(folders), waivers.load(file), wanted)
