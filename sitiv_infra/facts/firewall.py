"""What a firewall's live rule base holds."""

from __future__ import annotations

from typing import ClassVar

from sitiv_infra.facts.base import Facts


class FirewallFacts(Facts):
    """One firewall: its rule base as the engine lists it (``nft -j list ruleset``).

    ``ruleset`` holds tables, chains, rules, sets and maps, each as ``{kind: body}``, without
    counters; handles stay, since they name a rule.
    """

    family: ClassVar[str] = "firewall"

    engine: str
    version: str | None
    ruleset: tuple[dict[str, object], ...]
