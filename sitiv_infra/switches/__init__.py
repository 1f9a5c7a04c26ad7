"""Layer 2 as switches are configured: read, judged by itself, and held against the estate."""

from sitiv_infra.switches.against import Deviation, deviations, gateways, unlike_ends, unused
from sitiv_infra.switches.changes import Script, changes
from sitiv_infra.switches.dumps import read, read_text
from sitiv_infra.switches.graph import Joined, Standing, joined, standings
from sitiv_infra.switches.hygiene import Finding, findings, undecided
from sitiv_infra.switches.portgroups import Connected, connected, members, sites, unclear, uplinks

__all__ = [
    "Connected",
    "Deviation",
    "Finding",
    "Joined",
    "Script",
    "Standing",
    "changes",
    "connected",
    "deviations",
    "findings",
    "gateways",
    "joined",
    "members",
    "read",
    "read_text",
    "sites",
    "standings",
    "unclear",
    "undecided",
    "unlike_ends",
    "unused",
    "uplinks",
]
