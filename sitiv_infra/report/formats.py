"""The formats of a report: one module each, and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sitiv_infra.messages import Language
from sitiv_infra.report import jsonl, page, terminal, worksheet
from sitiv_infra.report.audit import Audit


@dataclass(frozen=True, slots=True)
class Format:
    """One way to tell an audit; ``ending`` is that of its files, with the dot.

    ``render`` gives bytes where ``binary``, else text: the same audit always gives the same.
    """

    name: str
    ending: str
    binary: bool
    render: Callable[[Audit, Language], str | bytes]

    def encode(self, audit: Audit, language: Language) -> bytes:
        """Tell an audit as the bytes of a file; text is UTF-8."""
        told = self.render(audit, language)
        return told if isinstance(told, bytes) else told.encode()


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        item.name: item
        for item in (
            Format("text", ".txt", binary=False, render=terminal.render),
            Format("jsonl", ".jsonl", binary=False, render=jsonl.render),
            Format("csv", ".csv", binary=True, render=worksheet.render),
            Format("html", ".html", binary=False, render=page.render),
        )
    }
)
