"""Layer 2 as switches are configured: how it is read, and what is unsafe in it by itself."""

from sitiv_infra.switches.changes import Script, changes
from sitiv_infra.switches.dumps import read, read_text
from sitiv_infra.switches.hygiene import Finding, findings, undecided

__all__ = ["Finding", "Script", "changes", "findings", "read", "read_text", "undecided"]
