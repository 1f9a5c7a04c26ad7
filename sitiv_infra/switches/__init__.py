"""Layer 2 as switches are configured: read, judged by itself, and held against the estate."""

from sitiv_infra.switches.against import Deviation, deviations, gateways, unlike_ends, unused
from sitiv_infra.switches.changes import Script, changes
from sitiv_infra.switches.dumps import read, read_text
from sitiv_infra.switches.graph import Joined, joined
from sitiv_infra.switches.hygiene import Finding, findings, undecided

__all__ = [
    "Deviation",
    "Finding",
    "Joined",
    "Script",
    "changes",
    "deviations",
    "findings",
    "gateways",
    "joined",
    "read",
    "read_text",
    "undecided",
    "unlike_ends",
    "unused",
]
