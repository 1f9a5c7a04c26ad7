"""The continuity report: what faults did to services, beside what was promised of them.

from sitiv_infra.report.continuity import FORMATS, read, rehearsal

told = rehearsal(estate, read(folder))
FORMATS["html"](told, Language("fr"))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sitiv_infra.messages import Language
from sitiv_infra.report.continuity import jsonl, page, terminal
from sitiv_infra.report.continuity.figures import Figures, figures
from sitiv_infra.report.continuity.promises import Rehearsal, Standing, exit_code, rehearsal
from sitiv_infra.report.continuity.records import (
    EVENTS,
    RECORDS,
    Begin,
    End,
    Event,
    Probing,
    Record,
    append,
    read,
)

FORMATS: Mapping[str, Callable[[Rehearsal, Language], str]] = MappingProxyType(
    {"text": terminal.render, "jsonl": jsonl.render, "html": page.render}
)
ENDINGS: Mapping[str, str] = MappingProxyType({".txt": "text", ".jsonl": "jsonl", ".html": "html"})

__all__ = [
    "ENDINGS",
    "EVENTS",
    "FORMATS",
    "RECORDS",
    "Begin",
    "End",
    "Event",
    "Figures",
    "Probing",
    "Record",
    "Rehearsal",
    "Standing",
    "append",
    "exit_code",
    "figures",
    "read",
    "rehearsal",
]
