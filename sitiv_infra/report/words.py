"""The report's own words: states, severities, domains, frameworks; each with a sign of its own.

A sign and a word stand beside every colour, so that nothing is told by colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from sitiv_infra.estate import Severity
from sitiv_infra.frameworks import frameworks
from sitiv_infra.messages import Language, french, noop
from sitiv_infra.report.audit import Audit, Change, State
from sitiv_infra.waivers import Standing

SIGNS: Mapping[State, str] = {
    State.OPEN: "\N{MULTIPLICATION X}",
    State.UNKNOWN: "?",
    State.WAIVED: "\N{ALMOST EQUAL TO}",
    State.PASS: "\N{CHECK MARK}",
    State.NOTHING: "\N{MIDDLE DOT}",
}
STATES: Mapping[State, str] = {
    State.OPEN: noop("open failure"),
    State.UNKNOWN: noop("not verified"),
    State.WAIVED: noop("accepted risk"),
    State.PASS: noop("as promised"),
    State.NOTHING: noop("not applicable"),
}
COUNTS: Mapping[State, str] = {
    State.OPEN: noop("Open failures"),
    State.UNKNOWN: noop("Not verified"),
    State.WAIVED: noop("Accepted risks"),
    State.PASS: noop("As promised"),
    State.NOTHING: noop("Not applicable"),
}
SEVERITIES: Mapping[Severity, str] = {
    Severity.CRITICAL: noop("critical"),
    Severity.HIGH: noop("high"),
    Severity.MEDIUM: noop("medium"),
    Severity.LOW: noop("low"),
    Severity.INFO: noop("info"),
}
CHANGES: Mapping[Change, str] = {
    Change.NEW: noop("new"),
    Change.BACK: noop("back"),
    Change.SAME: noop("unchanged"),
}
STANDINGS: Mapping[Standing, str] = {
    Standing.PLANNED: noop("still to come"),
    Standing.ACTIVE: noop("in force"),
    Standing.ENDING: noop("ends soon"),
    Standing.EXPIRED: noop("ended"),
    Standing.UNMATCHED: noop("covers nothing"),
}
DOMAINS: Mapping[str, str] = {
    "attestation": noop("Attestations"),
    "backup": noop("Backups"),
    "directory": noop("Directories"),
    "drift": noop("Drift"),
    "exposure": noop("Internet exposure"),
    "host": noop("Servers"),
    "hypervisor": noop("Hypervisors"),
    "machine": noop("Machines"),
    "segmentation": noop("Segmentation"),
    "storage": noop("Storage"),
    "switching": noop("Switches"),
}


@dataclass(frozen=True)
class Words:
    """The words of one report, looked up once."""

    language: Language
    audit: Audit

    @cached_property
    def run(self) -> str:
        """The run's name; one that was not kept has none."""
        return self.audit.name if self.audit.name != "-" else self.language.text("not recorded")

    @cached_property
    def states(self) -> dict[State, str]:
        """What a verdict is."""
        return {key: self.language.text(word) for key, word in STATES.items()}

    @cached_property
    def counts(self) -> dict[State, str]:
        """Headings of numbers of verdicts."""
        return {key: self.language.text(word) for key, word in COUNTS.items()}

    @cached_property
    def severities(self) -> dict[Severity, str]:
        """How bad a failure is."""
        return {key: self.language.text(word) for key, word in SEVERITIES.items()}

    @cached_property
    def changes(self) -> dict[Change, str]:
        """How a failure differs from the run before."""
        return {key: self.language.text(word) for key, word in CHANGES.items()}

    @cached_property
    def standings(self) -> dict[Standing, str]:
        """Where an accepted risk is in its life."""
        return {key: self.language.text(word) for key, word in STANDINGS.items()}

    def domain(self, name: str) -> str:
        """Give a domain's title; one that nobody titled is its own name."""
        return self.language.text(DOMAINS[name]) if name in DOMAINS else name.capitalize()

    def point(self, proves: str) -> str:
        """Cite a point: the framework, its number, and its title, which are in French."""
        name, _, number = proves.partition(":")
        framework = frameworks().get(name)
        if framework is None:
            return proves
        title = framework.points.get(number)
        cited = f"{framework.title}, {number}"
        return french(f"{cited} \N{EN DASH} {title}" if title else cited)

    def members(self, names: tuple[str, ...]) -> str:
        """Name up to three members; more than that by their number."""
        declared = self.audit.estate.members
        if not names:
            return self.audit.estate.operator.title
        if len(names) > 3:
            return self.language.text("{count} members", count=len(names))
        return ", ".join(declared[n].title if n in declared else n for n in names)

    def sites(self, names: tuple[str, ...]) -> str:
        """Name sites."""
        declared = self.audit.estate.sites
        return ", ".join(declared[n].title if n in declared else n for n in names)
