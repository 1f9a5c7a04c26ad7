"""One HTML file: no script, nothing from elsewhere, readable on a phone and on paper.

The same audit always gives the same bytes: nothing is told of the moment of writing.
"""

from __future__ import annotations

from functools import cache, partial
from importlib import resources
from importlib.metadata import PackageNotFoundError, version

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sitiv_infra.messages import Language
from sitiv_infra.report import moves
from sitiv_infra.report.audit import Audit, Change, State
from sitiv_infra.report.flows import in_words
from sitiv_infra.report.labels import fit, under, written
from sitiv_infra.report.matrix import LEGEND, SIDE, drawing
from sitiv_infra.report.matrix import SIGNS as SQUARE_SIGNS
from sitiv_infra.report.plan import plans
from sitiv_infra.report.safe import cut
from sitiv_infra.report.sections import MOST_PASSED, Told, bar, sections
from sitiv_infra.report.summary import actions, attention, domains, grid, severities
from sitiv_infra.report.topology import topology
from sitiv_infra.report.words import SIGNS, Words
from sitiv_infra.wanted.filtering import bound

MOST_CHANGES = 4
MOST_ACTIONS = 5


def render(audit: Audit, language: Language) -> str:
    """Tell an audit as one HTML page."""
    words = Words(language, audit)
    network = topology(audit)
    template = environment().get_template("page.html.j2")
    return template.render(
        # Looked up here once, for the page: what the templates call, then what they show.
        t=language.text, day=language.date, day_of=language.day, instant=language.instant,
        number=language.number, duration=language.duration, cause=language.cause, cut=cut,
        words=words, signs=SIGNS, State=State,
        audit=audit, lang=language.code, style=style(), version=software(),
        told=Told(audit, language, words), sections=sections(audit, language, words),
        apart=[in_words(flow, audit.estate, language) for flow in bound(audit.estate, audit.day)],
        matrix=drawing(audit), legend=LEGEND, side=SIDE, square_signs=SQUARE_SIGNS,
        network=network, plans=plans(network) if network else (), fit=fit, written=written,
        estate=audit.estate, under=partial(under, language),
        vlans_of=lambda zone: written(v for v in audit.estate.vlans.values() if v.zone == zone),
        domains=domains(audit), rows=grid(audit), actions=actions(audit, MOST_ACTIONS),
        attention=attention(audit), severities=severities, bar=bar(audit),
        new=audit.changed(Change.NEW), back=audit.changed(Change.BACK),
        moves=moves.told(audit, language), most_changes=MOST_CHANGES, most_passed=MOST_PASSED,
    )  # fmt: skip


@cache
def environment() -> Environment:
    """Give what reads this package's templates: everything that they show is escaped."""
    return Environment(
        loader=PackageLoader("sitiv_infra.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def style() -> Markup:
    """Give the style sheet, which is the project's own text and holds no ``<``."""
    file = resources.files("sitiv_infra.report") / "templates" / "style.css"
    return Markup(file.read_text(encoding="utf-8"))  # noqa: S704 - a file of this package


@cache
def software() -> str:
    """Give this package's version."""
    try:
        return version("sitiv-infra")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "-"
