"""``sitiv policy prove``: what the declaration, and dumps of firewalls, have to hold."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from sitiv_infra.checking import Check, Status, Verdict
from sitiv_infra.cli import options as o
from sitiv_infra.cli.rules import all_checks
from sitiv_infra.cli.tables import show
from sitiv_infra.collectors.firewall import rule_base
from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Estate, load
from sitiv_infra.estate.references import unknown
from sitiv_infra.facts import FirewallFacts
from sitiv_infra.judging import judge
from sitiv_infra.messages import noop
from sitiv_infra.report.flows import in_words
from sitiv_infra.snapshot import Head, Observation, Snapshot
from sitiv_infra.wanted.filtering import bound

DOMAIN = "segmentation"
DIFFERS = noop("declared difference between sites: {name}, {flow}")


def prove(
    live: Annotated[
        list[str] | None,
        typer.Option("--live", help="NAME=FILE: what 'nft -j list ruleset' printed on a firewall."),
    ] = None,
    estate: o.EstateFolder = o.ESTATE,
    lang: o.Lang = o.DEFAULT_LANGUAGE,
) -> int:
    """Prove the declaration between zones, and what is rendered of it; with dumps, what is live.

    Well-formed: every address in one zone, every flow taken by the matrix. Render exact: the rules
    that playbooks write permit what is declared and nothing else. With --live for each firewall:
    live exact, and all firewalls alike, but for flows of some sites alone, which are told. Nothing
    is reached, and accepted risks do not count.

    Exit code: 0 proved; 1 something does not hold; 2 something can't be decided.

    Examples:
      sitiv policy prove
      sitiv policy prove --live fw-a1=a1.json --live fw-a2=a2.json
    """
    declared = load(estate)
    seen = dict(_dump(declared, text) for text in live or ())
    verdicts = judge(_checks(live=bool(seen)), _snapshot(declared, seen))
    words = o.language(lang, declared.operator.timezone)
    rows = [
        (verdict.status.value, verdict.check, verdict.subject,
         words.message(verdict.message, verdict.evidence))
        for verdict in verdicts
        if verdict.status in {Status.FAIL, Status.UNKNOWN}
    ]  # fmt: skip
    if rows:
        show(["", "check", "subject", "finding"], rows)
    today = datetime.now(ZoneInfo(declared.operator.timezone)).date()
    for flow in bound(declared, today):
        print(words.text(DIFFERS, name=flow.name, flow=in_words(flow, declared, words)))
    passed = sum(verdict.status is Status.PASS for verdict in verdicts)
    print(f"{passed} proved, {len(rows)} not")
    return _code(verdicts)


def _checks(*, live: bool) -> list[Check]:
    """Give the proofs that need nothing more than is given here."""
    given = {FirewallFacts.family} if live else set()
    found = (check for check in all_checks(None) if check.id.startswith(f"{DOMAIN}."))
    return [check for check in found if set(check.needs) <= given]


def _code(verdicts: list[Verdict]) -> int:
    found = {verdict.status for verdict in verdicts}
    return 2 if Status.UNKNOWN in found else 1 if Status.FAIL in found else 0


def _snapshot(estate: Estate, seen: dict[str, FirewallFacts]) -> Snapshot:
    now = datetime.now(UTC)
    head = Head(started=now, finished=now, fingerprint=estate.fingerprint)
    found = {source: Observation(source, now, facts) for source, facts in seen.items()}
    return Snapshot(head, estate, found)


def _dump(estate: Estate, said: str) -> tuple[str, FirewallFacts]:
    """Read ``NAME=FILE``; the firewall's source, and what it said."""
    name, _, place = said.partition("=")
    if name not in estate.firewalls:
        raise InvalidInput(f"--live {said}: {unknown(name, estate.firewalls, 'firewalls')}")
    try:
        version, listed = rule_base(Path(place).read_bytes())
    except ValueError as error:
        raise InvalidInput(f"{place}: {error}") from None
    facts = FirewallFacts(engine="nftables", version=version, ruleset=listed)
    return estate.firewalls[name].source, facts
