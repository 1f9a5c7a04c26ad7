"""``make bench``: every family, or those named, as JSON lines.

python bench/run.py [FAMILY ...]
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

HERE = Path(__file__).parent
FAMILIES = ("estate", "judge", "report", "replay", "policy", "render", "packets", "storage", "lab")


def main(wanted: list[str]) -> None:
    """Run the families that are wanted."""
    sys.path[:0] = [str(HERE), str(HERE.parent)]
    for name in wanted or FAMILIES:
        if name not in FAMILIES:
            sys.exit(f"no family '{name}'; there are: {', '.join(FAMILIES)}")
        importlib.import_module(f"bench_{name}").main()


if __name__ == "__main__":
    main(sys.argv[1:])
