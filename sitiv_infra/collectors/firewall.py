"""Reads the live rule base of a firewall over SSH, by an account whose only command lists it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import cast

from sitiv_infra.collectors.base import Collector, Session
from sitiv_infra.collectors.ssh import answer
from sitiv_infra.errors import NotObserved
from sitiv_infra.estate import Firewall
from sitiv_infra.facts import FirewallFacts
from sitiv_infra.facts.firewall import Hit
from sitiv_infra.policy.hits import of_nftables

COMMAND = "nft -j list ruleset"
KEPT = frozenset({"table", "chain", "rule", "set", "map"})


def collect(firewall: Firewall, session: Session) -> FirewallFacts:
    """Read one firewall; NotObserved says why it can't be."""
    output = answer(firewall, session, COMMAND, "nft")
    try:
        version, kept = rule_base(output)
    except ValueError as error:
        raise NotObserved(f"{firewall.where}: {error}") from None
    counted = of_nftables(json.loads(output)["nftables"])
    hits = {number: Hit(count=count) for number, count in counted.items()}
    return FirewallFacts(engine=firewall.engine, version=version, ruleset=kept, hits=hits)


NOT_JSON = "the answer is not nft's JSON"
NOT_WHOLE = "the answer has no 'metainfo': not a whole list"


def rule_base(output: bytes | str) -> tuple[str | None, tuple[dict[str, object], ...]]:
    """Read what nft printed: its version, and its objects without counters.

    ValueError says why anything else is not a rule base.
    """
    try:
        listed = json.loads(output)["nftables"]
        objects = [dict(item) for item in listed]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueError(NOT_JSON) from None
    about = next((item["metainfo"] for item in objects if "metainfo" in item), None)
    if not isinstance(about, dict):
        raise ValueError(NOT_WHOLE)  # noqa: TRY004 - it came from a host
    version = str(about.get("version")) if about.get("version") else None
    return version, tuple(_kept(objects))


def _kept(objects: Iterable[dict[str, object]]) -> Iterable[dict[str, object]]:
    for item in objects:
        if KEPT & item.keys():
            yield cast("dict[str, object]", _without_counters(item))


def _without_counters(value: object) -> object:
    """Leave numbers out that change at every packet: two nights of one rule base are equal."""
    if isinstance(value, dict):
        volatile = {"packets", "bytes", "expires"}
        return {k: _without_counters(v) for k, v in value.items() if k not in volatile}
    if isinstance(value, list):
        return [_without_counters(item) for item in value]
    return value


COLLECTOR = Collector("firewall", "the live rule base: tables, chains, rules and sets", collect)
