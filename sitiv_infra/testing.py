"""Helpers for tests of checks: a small estate, what was seen of it, the verdicts that follow."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from sitiv_infra.checking import Verdict
from sitiv_infra.estate import Estate, load
from sitiv_infra.facts import Facts
from sitiv_infra.judging import built_in, judge, load_checks
from sitiv_infra.snapshot import Gap, Head, Observation, Snapshot

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
OPERATOR = """
operator:
  title: Test
  timezone: Europe/Paris
  delays: {critical: 2d, high: 15d, medium: 60d, low: 180d}
  thresholds: {certificate_remaining: 30d, krbtgt_age: 365d}
sites: {a: {title: A}, b: {title: B}}
members:
  corbas: {title: Corbas, domain: corbas.test}
  givors: {title: Givors, domain: givors.test}
zones: {admin: {title: Administration}}
"""


def estate_of(*texts: str) -> Estate:
    """Load an estate from YAML texts; two sites, two members and a zone are declared already."""
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate((OPERATOR, *texts)):
            Path(folder, f"{number}.yml").write_text(text, encoding="utf-8")
        return load(folder)


def snapshot_of(
    estate: Estate,
    seen: Mapping[str, Facts],
    *,
    gaps: Mapping[str, str] | None = None,
    now: datetime = NOW,
) -> Snapshot:
    """Make a snapshot from facts by source, and from causes by source that was not read."""
    observations = {source: Observation(source, now, facts) for source, facts in seen.items()}
    missed = {s: Gap(source=s, cause=cause, at=now) for s, cause in (gaps or {}).items()}
    head = Head(started=now, finished=now, fingerprint=estate.fingerprint)
    return Snapshot(head, estate, observations, missed)


def judged(
    check: str,
    estate: Estate,
    seen: Mapping[str, Facts],
    *,
    gaps: Mapping[str, str] | None = None,
    now: datetime = NOW,
    checks: Path | None = None,
) -> dict[str, Verdict]:
    """Run one check and give its verdicts by subject."""
    folder = checks or built_in()
    rules = [item for item in load_checks([folder]) if item.id == check]
    if not rules:
        raise LookupError(f"no check '{check}' in {folder}")
    snapshot = snapshot_of(estate, seen, gaps=gaps, now=now)
    return {verdict.subject: verdict for verdict in judge(rules, snapshot)}
