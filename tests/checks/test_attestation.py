from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sitiv_infra.checking import Status
from sitiv_infra.testing import estate_of, judged

ESTATE = estate_of("""
attestations:
  doors:
    proves: [hygiene:26]
    statement: The server rooms are locked
    by: RSSI
    seen: 2026-06-01
    until: 2026-11-30
""")


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2026, 5, 31, 21, 59, tzinfo=UTC), Status.FAIL),
        (datetime(2026, 5, 31, 22, 0, tzinfo=UTC), Status.PASS),  # midnight in Paris
        (datetime(2026, 11, 30, 22, 59, tzinfo=UTC), Status.PASS),
        (datetime(2026, 11, 30, 23, 0, tzinfo=UTC), Status.UNKNOWN),
    ],
)
def test_an_attestation_counts_from_its_first_to_its_last_day(
    now: datetime, expected: Status
) -> None:
    found = judged("attestation.current", ESTATE, {}, now=now)
    assert found["sitiv/attestation/doors"].status is expected
