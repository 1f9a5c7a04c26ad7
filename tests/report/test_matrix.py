"""The matrix of zones, as the page draws it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sitiv_infra.checking import Status, Verdict
from sitiv_infra.estate import Estate, Severity
from sitiv_infra.messages import Language
from sitiv_infra.report.audit import Audit, Finding
from sitiv_infra.report.formats import FORMATS
from sitiv_infra.report.matrix import Drawing, Mark, drawing
from sitiv_infra.testing import estate_of
from tests.report import factory
from tests.report.pages import complaints, parsed

ZONES = """
zones: {web: {title: W}, data: {title: D}, net: {title: N, internet: true}}
flows:
  a: {source: net, destination: web, services: [tcp/80, tcp/443], owner_team: t, reason: r}
  b: {source: web, destination: data, services: [tcp/5432], owner_team: t, reason: r}
  c: {source: web, destination: data, services: [tcp/5432, tcp/22], owner_team: t, reason: r}
"""
FIREWALL = "sitiv/firewall/fw"
UNDECLARED, CLOSED = "segmentation.undeclared-flow", "segmentation.declared-closed"
PERMITTED = "segmentation.flow-permitted"


RULES = {
    name: factory.rule(name, "It is as declared.", "high")
    for name in (UNDECLARED, CLOSED, PERMITTED)
}


def seen(
    check: str, subject: str, status: Status = Status.FAIL, waiver: str | None = None
) -> Finding:
    verdict = Verdict(check, subject, status, Severity.HIGH, "said", {}, waiver=waiver)
    return Finding(verdict, RULES[check])


def drawn(*findings: Finding, estate: Estate | None = None) -> Drawing:
    audit = factory.audit(*findings, estate=estate or estate_of(ZONES))
    found = drawing(audit)
    assert found is not None
    return found


def marks(found: Drawing) -> dict[tuple[str, str], Mark]:
    return {(square.source, square.destination): square.mark for square in found.squares}


PASSED = seen(UNDECLARED, FIREWALL, Status.PASS)


def test_what_is_declared_and_nothing_else() -> None:
    found = drawn(PASSED)
    assert found.zones == ("admin", "web", "data", "net")
    assert len(found.squares) == 12
    declared = {pair: mark for pair, mark in marks(found).items() if mark is Mark.DECLARED}
    assert set(declared) == {("net", "web"), ("web", "data")}
    signs = {(s.source, s.destination): s.sign for s in found.squares}
    assert (signs["net", "web"], signs["web", "data"], signs["data", "net"]) == ("2", "2", "")


TWO_SITES = """
firewalls:
  fw-a: {site: a, host: a.test, observed_from: admin}
  fw-b: {site: b, host: b.test, observed_from: admin}
"""


def test_what_holds_at_some_sites_says_where() -> None:
    flows = ZONES.replace("[tcp/5432, tcp/22], owner_team: t,", (
        "[tcp/5432, tcp/22], owner_team: bases, ticket: GLPI-9, until: 2027-01-31, sites: [b],"
    ))  # fmt: skip
    estate = estate_of(flows, TWO_SITES)
    services = {(s.source, s.destination): s.services for s in drawn(PASSED, estate=estate).squares}
    assert services["net", "web"] == ("tcp/80", "tcp/443")
    assert services["web", "data"] == ("tcp/5432", "tcp/22 (b)")
    told = page(factory.audit(PASSED, estate=estate)).translate(PLAIN)
    assert "Différences déclarées entre sites" in told
    flow = "de « W » vers « D », tcp/5432 et tcp/22 ; bases, GLPI-9, jusqu'au 31/01/2027 : r"
    assert f"<li>{flow} (sur b seulement)</li>" in told.replace("&#8217;", "'")
    assert "Différences déclarées" not in page(factory.audit(PASSED, estate=estate_of(ZONES)))


@pytest.mark.parametrize(
    ("finding", "pair", "mark"),
    [
        (seen(UNDECLARED, f"{FIREWALL}/data>net"), ("data", "net"), Mark.OPENED),
        (seen(UNDECLARED, f"{FIREWALL}/data>net", Status.UNKNOWN), ("data", "net"), Mark.UNKNOWN),
        (seen(CLOSED, "sitiv/flow/a@fw"), ("net", "web"), Mark.CLOSED),
        (seen(CLOSED, "sitiv/flow/a@fw", Status.UNKNOWN), ("net", "web"), Mark.UNKNOWN),
        (seen(PERMITTED, "sitiv/flow/a"), ("net", "web"), Mark.REFUSED),
        (seen(CLOSED, "sitiv/flow/a@fw", waiver="w"), ("net", "web"), Mark.DECLARED),
        (seen(CLOSED, "sitiv/flow/gone@fw"), ("net", "web"), Mark.DECLARED),
    ],
)
def test_what_findings_say_of_a_pair(finding: Finding, pair: tuple[str, str], mark: Mark) -> None:
    assert marks(drawn(PASSED, finding))[pair] is mark


def test_the_worst_of_a_pair_is_shown() -> None:
    worse = seen(UNDECLARED, f"{FIREWALL}/web>data")
    better = seen(CLOSED, "sitiv/flow/b@fw")
    for order in ((worse, better), (better, worse)):
        assert marks(drawn(*order))["web", "data"] is Mark.OPENED


@pytest.mark.parametrize("status", [Status.UNKNOWN, Status.NOT_APPLICABLE])
def test_of_a_firewall_that_was_not_read_nothing_is_known(status: Status) -> None:
    other = seen(UNDECLARED, "sitiv/firewall/fx", status)
    assert set(marks(drawn(PASSED, other)).values()) == {Mark.UNKNOWN}
    assert set(marks(drawn(seen(CLOSED, "sitiv/flow/a@fw", Status.PASS))).values()) == {
        Mark.UNKNOWN
    }


def test_no_drawing_of_what_was_not_judged() -> None:
    other = factory.audit(factory.finding(), estate=estate_of(ZONES))
    assert drawing(other) is None
    assert drawing(factory.audit(PASSED)) is None, "one zone has no matrix"


PLAIN = str.maketrans(
    {"\N{NO-BREAK SPACE}": " ", "\u202f": " ", "\N{RIGHT SINGLE QUOTATION MARK}": "'"}
)


def page(audit: Audit) -> str:
    return FORMATS["html"].encode(audit, Language("fr")).decode()


def test_thirty_zones_on_the_page() -> None:
    zones = "".join(f"  zone-number-{n}: {{title: Z}}\n" for n in range(29))
    estate = estate_of(f"zones:\n{zones}")
    bad = seen(UNDECLARED, f"{FIREWALL}/zone-number-3>zone-number-7")
    told = page(factory.audit(bad, estate=estate))
    assert complaints(told) == []
    root = parsed(told)
    assert len(list(root.all("rect"))) >= 30 * 29
    assert "zone-number-3 → zone-number-7: passe sans être déclaré" in told
    found = drawn(bad, estate=estate)
    for square in found.squares:
        assert found.left <= square.x <= found.width - 24
        assert found.top <= square.y <= found.height - 24


def test_names_are_escaped() -> None:
    estate = estate_of(ZONES)
    flow = estate.flows["a"].model_copy(update={"services": ("<b>x</b>",)})
    hostile = estate.model_copy(update={"flows": {"a": flow}})
    told = page(replace(factory.audit(PASSED), estate=hostile))
    assert "&lt;b&gt;x&lt;/b&gt;" in told
    assert "<b>x</b>" not in told
