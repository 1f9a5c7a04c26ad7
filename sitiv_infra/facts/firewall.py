"""What a firewall's live rule base holds."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from sitiv_infra.facts.base import Fact, Facts


class Hit(Fact):
    """What a rule's counter says: its number, and after which instant it is known to have risen."""

    count: int
    after: datetime | None = None


class FirewallFacts(Facts):
    """One firewall: its rule base as the engine lists it (``nft -j list ruleset``).

    ``ruleset`` holds tables, chains, rules, sets and maps, each as ``{kind: body}``, without
    counters; handles stay, since they name a rule. ``hits`` are the counters of those rules that
    have one, by the rule's number in the list, from 1.
    """

    family: ClassVar[str] = "firewall"

    engine: str
    version: str | None
    ruleset: tuple[dict[str, object], ...]
    hits: dict[int, Hit] = {}
