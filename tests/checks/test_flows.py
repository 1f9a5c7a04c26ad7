from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitiv_infra.checking import Status
from sitiv_infra.estate import Access, Cell, Flow
from sitiv_infra.policy.cells import refused
from sitiv_infra.testing import NOW, estate_of, judged

ZONES = """
zones:
  web: {title: Web}
  data: {title: Data}
  net: {title: Internet, internet: true}
"""
REST = "zones: {lost: {title: Nobody's, unassigned: true}}"
CELLS = """
cells:
  some: {sources: [web], destinations: [data], access: allow-only, services: [tcp/100-200, icmp]}
  most: {sources: [data], destinations: [web], access: block-only, services: [tcp/22]}
  none: {sources: [net], destinations: [data], access: block-all, severity: critical}
  every: {sources: [web, data], destinations: [net], access: allow-all}
"""


def flow(source: str, destination: str, services: str, more: str = "") -> str:
    said = f"source: {source}, destination: {destination}, services: [{services}]"
    return f"flows: {{it: {{{said}, owner_team: net, reason: a test{more}}}}}"


@pytest.mark.parametrize(
    ("source", "destination", "services", "refusal"),
    [
        ("web", "data", "tcp/100, tcp/150-200, icmp", None),
        ("web", "data", "tcp/99-100", ["tcp/99"]),
        ("web", "data", "udp/100", ["udp/100"]),
        ("data", "web", "tcp/23", None),
        ("data", "web", "tcp/20-30", ["tcp/22"]),
        ("net", "data", "tcp/1", ["tcp/1"]),
        ("net", "web", "tcp/1", ["tcp/1"]),
        ("data", "net", "udp/1-65535", None),
    ],
)
def test_flow_permitted(
    source: str, destination: str, services: str, refusal: list[str] | None
) -> None:
    estate = estate_of(ZONES, CELLS, flow(source, destination, services))
    found = judged("segmentation.flow-permitted", estate, {})["sitiv/flow/it"]
    assert found.status is (Status.FAIL if refusal else Status.PASS)
    assert found.evidence.get("services") == refusal


def test_without_a_matrix_no_flow_is_judged_by_it() -> None:
    found = judged("segmentation.flow-permitted", estate_of(ZONES, flow("web", "data", "icmp")), {})
    assert {v.status for v in found.values()} == {Status.NOT_APPLICABLE}


SPANS = st.tuples(st.integers(1, 12), st.integers(0, 5)).map(lambda s: (s[0], s[0] + s[1]))


@given(st.sampled_from(Access), st.lists(SPANS, min_size=1), st.lists(SPANS, min_size=1))
def test_what_is_refused_is_what_ports_say_one_by_one(
    access: Access, listed: list[tuple[int, int]], asked: list[tuple[int, int]]
) -> None:
    def said(spans: list[tuple[int, int]]) -> tuple[str, ...]:
        return tuple(f"tcp/{low}-{high}" for low, high in spans)

    def ports(spans: list[tuple[int, int]]) -> set[int]:
        return {port for low, high in spans for port in range(low, high + 1)}

    some = access in {Access.ALLOW_ONLY, Access.BLOCK_ONLY}
    cell = Cell(
        name="c", sources=("web",), destinations=("data",), access=access,
        services=said(listed) if some else (),
    )  # fmt: skip
    wanted = Flow(
        name="f", source="web", destination="data", services=said(asked), owner_team="net",
        reason="a test",
    )  # fmt: skip
    taken = {
        Access.ALLOW_ALL: ports(asked), Access.BLOCK_ALL: set[int](),
        Access.ALLOW_ONLY: ports(asked) & ports(listed),
        Access.BLOCK_ONLY: ports(asked) - ports(listed),
    }[access]  # fmt: skip
    estate = estate_of(ZONES).model_copy(update={"cells": {"c": cell}})
    spans = [text.partition("/")[2].partition("-") for text in refused(estate, wanted)]
    found = ports([(int(low), int(high or low)) for low, _, high in spans])
    assert found == ports(asked) - taken


def test_zones_total() -> None:
    check = "segmentation.zones-total"
    lacking = judged(check, estate_of(ZONES), {})["sitiv/operator/sitiv"]
    assert (lacking.status, lacking.evidence) == (Status.FAIL, {"rests": ["unassigned"]})
    whole = judged(check, estate_of(ZONES, REST), {})["sitiv/operator/sitiv"]
    assert whole.status is Status.PASS


@pytest.mark.parametrize(
    ("more", "missing"),
    [
        ("", ["ticket", "until"]),
        (", ticket: T-1", ["until"]),
        (", until: 2027-01-01", ["ticket"]),
        (", ticket: T-1, until: 2027-01-01", None),
    ],
)
def test_flow_justified(more: str, missing: list[str] | None) -> None:
    estate = estate_of(ZONES, flow("web", "data", "icmp", more))
    found = judged("segmentation.flow-justified", estate, {})["sitiv/flow/it"]
    assert found.status is (Status.FAIL if missing else Status.PASS)
    assert found.evidence.get("missing") == missing


@pytest.mark.parametrize(
    ("now", "status"),
    [
        (NOW, Status.PASS),
        (datetime(2026, 12, 1, 12, tzinfo=UTC), Status.PASS),
        (datetime(2026, 12, 2, 12, tzinfo=UTC), Status.FAIL),
        (datetime(2027, 1, 1, 12, tzinfo=UTC), Status.FAIL),
    ],
)
def test_flow_ending(now: datetime, status: Status) -> None:
    estate = estate_of(ZONES, flow("web", "data", "icmp", ", until: 2027-01-01"))
    found = judged("segmentation.flow-ending", estate, {}, now=now)
    assert found["sitiv/flow/it"].status is status
    over = judged("segmentation.flow-ending", estate, {}, now=datetime(2027, 1, 2, 12, tzinfo=UTC))
    assert {v.status for v in over.values()} == {Status.NOT_APPLICABLE}, "it has ended"
