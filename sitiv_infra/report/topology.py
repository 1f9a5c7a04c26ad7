"""What the drawing of the network holds: sites, their zones and firewalls, and what failed where.

It says nothing that no finding below says; each mark leads to the check that it stands for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from sitiv_infra.checking import Check
from sitiv_infra.estate import Estate, Site, Vlan
from sitiv_infra.report.audit import Audit, Finding, State
from sitiv_infra.report.words import SIGNS

JOINING = ("switching.bypass", "hypervisor.dual-homed", "switching.dual-homed")
PORT_GROUPS = (
    "hypervisor.portgroup-vlan", "hypervisor.guest-tagging", "hypervisor.promiscuous",
    "hypervisor.forged-frames", "hypervisor.port-override", "hypervisor.machine-vlans",
)  # fmt: skip
DOMAINS = ("segmentation", "switching", "hypervisor")
TOLD = (State.OPEN, State.UNKNOWN)


@dataclass(frozen=True)
class Mark:
    """What failed, or is not known, at one place: how often, and the check to read below."""

    check: Check
    state: State
    count: int = 1

    @property
    def look(self) -> str:
        """Class of the style sheet: a failure has its severity's colour."""
        return self.check.severity.value if self.state is State.OPEN else self.state.value

    @property
    def sign(self) -> str:
        """What repeats the colour."""
        return SIGNS[self.state]


@dataclass(frozen=True)
class Join:
    """Zones of one site that something joins without a firewall."""

    zones: tuple[str, ...]
    mark: Mark


@dataclass(frozen=True)
class Place:
    """A zone on a site: its VLANs there, and the declared machines in them."""

    zone: str
    vlans: tuple[Vlan, ...]
    machines: int
    mark: Mark | None

    @property
    def members(self) -> tuple[str, ...]:
        """Members that have VLANs of their own in it."""
        return tuple(dict.fromkeys(v.member for v in self.vlans if v.member))


@dataclass(frozen=True)
class Half:
    """A site: firewalls by name with what was found of each, zones, and what is below them.

    good -- something of its switches and port groups was judged, and all of it passed: neither a
    failure that somebody accepted nor a site without a verdict is that.
    """

    site: Site
    firewalls: Mapping[str, Mark | None]
    places: Mapping[str, Place]
    joins: tuple[Join, ...]
    below: tuple[Mark, ...]
    good: bool


@dataclass(frozen=True)
class Topology:
    """The network: what is outside, the sites, and the VLANs that link their firewalls.

    home -- the domain of the page where it is drawn. zones -- those with VLANs, in the order of the
    declaration.
    """

    estate: Estate
    home: str
    outside: tuple[str, ...]
    links: tuple[Vlan, ...]
    halves: tuple[Half, ...]

    @cached_property
    def zones(self) -> tuple[str, ...]:
        """Zones that stand on some site."""
        held = {zone for half in self.halves for zone in half.places}
        return tuple(zone for zone in self.estate.zones if zone in held)


def topology(audit: Audit) -> Topology | None:
    """Give the network of an audit; None where nothing of it was judged, or it has no VLAN."""
    estate = audit.estate
    judged = {finding.verdict.domain for finding in audit.findings}
    home = next((domain for domain in DOMAINS if domain in judged), None)
    links = tuple(v for v in estate.vlans.values() if v.transit)
    inside = {v.zone for v in estate.vlans.values() if not v.transit}
    inside -= {zone.name for zone in estate.zones.values() if zone.internet}
    if home is None or not inside:
        return None
    beyond = {zone.name for zone in estate.zones.values() if zone.internet or zone.networks}
    outside = tuple(zone for zone in estate.zones if zone in beyond - inside)
    halves = tuple(
        _half(audit, site, inside)
        for site in estate.sites.values()
        if any(site.name in v.sites for v in estate.vlans.values())
    )
    return Topology(estate, home, outside, links, halves)


def _half(audit: Audit, site: Site, inside: set[str]) -> Half:
    estate = audit.estate
    here = [f for f in audit.findings if site.name in f.verdict.sites]
    vlans: dict[str, list[Vlan]] = {}
    for vlan in estate.vlans.values():
        if vlan.zone in inside and site.name in vlan.sites and not vlan.transit:
            vlans.setdefault(vlan.zone, []).append(vlan)
    joins = _joins(here, vlans.keys())
    below = [f for f in here if f.check.domain == "switching" or f.check.id in PORT_GROUPS]
    below = [f for f in below if f.check.id not in JOINING]
    return Half(
        site,
        {f.name: _of(f.name, here) for f in estate.firewalls.values() if f.site == site.name},
        {
            zone: Place(
                zone, tuple(held), _machines(estate, site.name, zone),
                next((join.mark for join in joins if zone in join.zones), None),
            )
            for zone, held in vlans.items()
        },
        tuple(join for join in joins if len(join.zones) > 1),
        _worst_first(below),
        good=bool(below) and all(f.state is State.PASS for f in below),
    )  # fmt: skip


def _machines(estate: Estate, site: str, zone: str) -> int:
    return sum(
        machine.site == site
        and machine.name not in estate.firewalls
        and any(estate.vlans[leg.vlan].zone == zone for leg in machine.interfaces)
        for machine in estate.machines.values()
    )


def _joins(findings: Iterable[Finding], here: Iterable[str]) -> list[Join]:
    """Give the zones that findings say are joined, each set once, the worst first."""
    found: dict[tuple[str, ...], list[Finding]] = {}
    known = list(here)
    for finding in findings:
        if finding.check.id in JOINING and finding.state in TOLD:
            told = _zones(finding)
            zones = tuple(zone for zone in known if zone in told)
            if zones:
                found.setdefault(zones, []).append(finding)
    return sorted(
        (Join(zones, _worst_first(each)[0]) for zones, each in found.items()),
        key=lambda join: (-len(join.zones), _badness(join.mark), join.zones),
    )


def _zones(finding: Finding) -> list[str]:
    """Give the zones that a verdict names as joined."""
    evidence = finding.verdict.evidence
    zones = evidence.get("zones")
    named = zones if isinstance(zones, list) else [evidence.get("one"), evidence.get("other")]
    return [zone for zone in named if isinstance(zone, str)]


def _of(firewall: str, findings: Iterable[Finding]) -> Mark | None:
    """Give the worst that segmentation says of a firewall: ``…/firewall/fw/…``, ``…/web@fw``."""
    own = [
        f
        for f in findings
        if f.check.domain == "segmentation" and firewall in re.split("[/@]", f.verdict.subject)[2:]
    ]
    return next(iter(_worst_first(own)), None)


def _worst_first(findings: Iterable[Finding]) -> tuple[Mark, ...]:
    """Give a mark for each check and state that somebody has to look at."""
    counts: dict[tuple[str, State], Mark] = {}
    for f in findings:
        if f.state in TOLD:
            known = counts.get((f.check.id, f.state))
            counts[f.check.id, f.state] = Mark(f.check, f.state, known.count + 1 if known else 1)
    return tuple(sorted(counts.values(), key=_badness))


def _badness(mark: Mark) -> tuple[int, int, str]:
    return TOLD.index(mark.state), -mark.check.severity.rank, mark.check.id
