"""The continuity report as one HTML file, in the style of all pages: no script, nothing fetched."""

from __future__ import annotations

from functools import cache
from importlib import resources

from markupsafe import Markup

from sitiv_infra.messages import Language
from sitiv_infra.report.continuity.promises import Rehearsal, Standing
from sitiv_infra.report.continuity.timeline import marks, seconds, strips
from sitiv_infra.report.continuity.words import CLASSES, COUNTS, SIGNS, Words
from sitiv_infra.report.page import environment, software, style
from sitiv_infra.report.safe import cut

MOST_LOST = 500  # documents that are named; the JSON lines name all


def render(told: Rehearsal, language: Language) -> str:
    """Tell a rehearsal as one HTML page."""
    template = environment().get_template("continuity.html.j2")
    lost = [(row, loss) for row in told.rows for loss in row.figures.lost]
    return template.render(
        t=language.text, instant=language.instant, day_of=language.day, number=language.number,
        cut=cut, lang=language.code, style=style() + _style(), version=software(),
        told=told, words=Words(language), signs=SIGNS, classes=CLASSES, counts=COUNTS,
        standings=list(Standing), strips=strips(told), marks=marks(told), length=seconds(told),
        lost=lost[:MOST_LOST], left_out=max(0, len(lost) - MOST_LOST),
        failed=[row for row in told.rows if row.figures.failed],
    )  # fmt: skip


@cache
def _style() -> Markup:
    file = resources.files("sitiv_infra.report") / "templates" / "continuity.css"
    return Markup(file.read_text(encoding="utf-8"))  # noqa: S704 - a file of this package
