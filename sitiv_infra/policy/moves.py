"""What a firewall does otherwise than the night before: what ``nights`` finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Shift(NamedTuple):
    """New connections between two zones that fare otherwise, by one rule.

    passes -- whether they pass now; None while that hangs on a rule that is not understood.
    source, destination -- names of zones, empty for addresses that none has. rule -- what lets them
    through now, or did before; empty where no rule does.
    """

    passes: bool | None
    source: str
    destination: str
    services: tuple[str, ...]
    witness: str
    rule: str


@dataclass(frozen=True)
class Moves:
    """What one firewall does otherwise; ``cause`` says why that is not known, where it is not."""

    firewall: str
    shifts: tuple[Shift, ...] = ()
    cause: str = ""
