from __future__ import annotations

import pytest

from sitiv_infra.checking import Check, SeenFacts, Status, Verdict, Verdicts, check, ok
from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Estate, Severity
from sitiv_infra.selection import Selection
from sitiv_infra.testing import estate_of

ESTATE = estate_of("""
directories:
  corbas:
    {member: corbas, domain: ad.corbas.test, servers: [dc1.test], observed_from: admin}
  givors:
    {member: givors, domain: ad.givors.test, servers: [dc2.test], observed_from: admin}
object_stores:
  one: {site: a, endpoint: "https://one.test", observed_from: admin}
  two: {site: b, endpoint: "https://two.test", observed_from: admin}
""")


def rule_of(name: str, severity: str, *needs: str, aliases: tuple[str, ...] = ()) -> Check:
    def function(estate: Estate, facts: SeenFacts) -> Verdicts:
        """It holds.

        Risk: none.

        Fix: nothing.
        """
        del facts
        yield ok(estate.operator, "fine")

    return check(name, severity=severity, needs=needs, aliases=aliases)(function)


CHECKS = [
    rule_of("directory.age", "high", "directory", aliases=("directory.former-age",)),
    rule_of("storage.lock", "low", "object-store"),
]


def about(members: tuple[str, ...] = (), sites: tuple[str, ...] = ()) -> Verdict:
    said = Status.UNKNOWN
    return Verdict("storage.lock", "x", said, Severity.LOW, "said", {}, members, sites)


def test_an_empty_selection_wants_everything() -> None:
    empty = Selection()
    assert not empty
    assert str(empty) == ""
    assert empty.checks(CHECKS) == CHECKS
    assert empty.wants(about(("corbas",), ("a",)))


@pytest.mark.parametrize(
    "wanted",
    [Selection(members=("corbas",)), Selection(sites=("a",))],
)
def test_what_is_for_all_is_never_left_out(wanted: Selection) -> None:
    """A shared store that was not read, and a check that raised, belong to nobody."""
    assert wanted.wants(about())


def test_what_is_another_s_is_left_out() -> None:
    assert not Selection(members=("corbas",)).wants(about(("givors",), ("a",)))
    assert not Selection(sites=("a",)).wants(about(("corbas",), ("b",)))
    assert not Selection(members=("corbas",), sites=("a",)).wants(about(("corbas",), ("b",)))
    assert Selection(members=("corbas",)).wants(about(("corbas", "givors"), ("b",)))


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (Selection(only=("directory.*",)), ["directory.age"]),
        (Selection(only=("directory.former-age",)), ["directory.age"]),
        (Selection(domains=("storage",)), ["storage.lock"]),
        (Selection(severity=Severity.MEDIUM), ["directory.age"]),
        (Selection(severity=Severity.LOW, domains=("storage",)), ["storage.lock"]),
    ],
)
def test_checks_by_id_by_former_id_by_domain_and_by_severity(
    wanted: Selection, ids: list[str]
) -> None:
    assert [item.id for item in wanted.checks(CHECKS)] == ids


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Selection(only=("directory.aeg",)), "directory.age"),
        (Selection(domains=("storrage",)), "storage"),
        (Selection(members=("corbs",)), "corbas"),
        (Selection(sites=("z",)), "'z'"),
    ],
)
def test_a_name_that_is_none_is_refused(wanted: Selection, said: str) -> None:
    def names() -> None:
        wanted.validate(ESTATE)
        wanted.checks(CHECKS)

    with pytest.raises(InvalidInput, match=said):
        names()


@pytest.mark.parametrize(
    ("wanted", "sources"),
    [
        (Selection(), ["directory/corbas", "directory/givors", "object-store/one",
                       "object-store/two"]),
        (Selection(members=("corbas",)), ["directory/corbas", "object-store/one",
                                          "object-store/two"]),
        (Selection(sites=("a",)), ["directory/corbas", "directory/givors", "object-store/one"]),
        (Selection(only=("storage.lock",), sites=("b",)), ["object-store/two"]),
    ],
)  # fmt: skip
def test_sources_that_may_concern_what_is_wanted_are_read(
    wanted: Selection, sources: list[str]
) -> None:
    assert wanted.sources(ESTATE, wanted.checks(CHECKS)) == sources
