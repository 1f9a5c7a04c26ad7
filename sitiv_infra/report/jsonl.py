"""JSON lines: one verdict a line, for machines; ``schemas/verdict.schema.json`` is its contract.

Values are whole. Characters that steer a terminal are written as JSON escapes, which mean the same.
"""

from __future__ import annotations

import json
from importlib import resources

from sitiv_infra.messages import Language, plain
from sitiv_infra.report.audit import Audit, Finding
from sitiv_infra.report.safe import visible


def schema() -> dict[str, object]:
    """Give the JSON Schema (draft 2020-12) of one line."""
    file = resources.files("sitiv_infra.report") / "schemas" / "verdict.schema.json"
    data: dict[str, object] = json.loads(file.read_text(encoding="utf-8"))
    return data


def render(audit: Audit, language: Language) -> str:
    """Tell an audit as lines sorted by check and subject, each ended by a line feed."""
    findings = sorted(audit.findings, key=lambda f: (f.verdict.check, f.verdict.subject))
    return "".join(f"{line(audit, finding, language)}\n" for finding in findings)


def line(audit: Audit, finding: Finding, language: Language) -> str:
    """Tell one verdict as a JSON object without line feeds."""
    return visible(json.dumps(record(audit, finding, language), ensure_ascii=False))


def record(audit: Audit, finding: Finding, language: Language) -> dict[str, object]:
    """Give one verdict as plain data; instants are UTC, durations seconds."""
    verdict = finding.verdict
    return {
        "check": verdict.check,
        "subject": verdict.subject,
        "status": verdict.status.value,
        "severity": verdict.severity.value,
        "domain": verdict.domain,
        "title": language.text(finding.check.title),
        "message": language.message(verdict.message, verdict.evidence),
        "template": verdict.message,
        "evidence": plain(verdict.evidence),
        "members": list(verdict.members),
        "sites": list(verdict.sites),
        "waiver": verdict.waiver,
        "since": plain(finding.since),
        "due": plain(finding.due),
        "change": finding.change.value if finding.change else None,
        "run": audit.name,
        "taken_at": plain(audit.taken_at),
    }
