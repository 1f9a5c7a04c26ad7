from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sitiv_infra.checking import Status, Verdict
from sitiv_infra.facts import ExposureFacts, Unread
from sitiv_infra.facts.exposure import Certificate, Endpoint, OpenPort
from sitiv_infra.testing import NOW, estate_of, judged

DAY = timedelta(days=1)
V4, V6, ELSEWHERE = "203.0.113.5", "2001:db8::5", "203.0.113.6"
PORTAL = "corbas/exposure/portal"
VANTAGE = "sitiv/vantage/outside"
ESTATE = f"""
services:
  web: {{title: Web, domain: citizens, criticality: low, rpo: 1d, rto: 1d, zone: admin, sites: [a]}}
vantages:
  outside: {{networks: [203.0.113.0/29, '2001:db8::/125'], observed_from: admin}}
exposures:
  portal: {{address: {V4}, port: 443, host: portal.corbas.test, service: web, member: corbas,
    reason: for citizens, approved_by: the CISO}}
"""
MORE = """
exposures:
  voice: {{address: 203.0.113.5, port: 5060, protocol: udp, host: voice.corbas.test, service: web,
    tls: false, reason: for citizens, approved_by: the CISO{0}}}
"""


def opened(address: str = V4, port: int = 443, service: str = "https") -> OpenPort:
    return OpenPort(address=address, protocol="tcp", port=port, service=service)


def certificate(
    remaining: timedelta = 60 * DAY, lifetime: timedelta = 90 * DAY, cause: str | None = None
) -> Certificate:
    return Certificate(
        subject="CN=portal.corbas.test",
        issuer="CN=Lab CA",
        not_before=NOW + remaining - lifetime,
        not_after=NOW + remaining,
        distrusted=cause,
    )


def shown(given: Certificate | Unread) -> Endpoint:
    return Endpoint(
        address=V4, port=443, host="portal.corbas.test", protocol="TLSv1.3", certificate=given
    )


def seen(
    *ports: OpenPort, endpoint: Endpoint | None = None, unread: dict[str, str] | None = None
) -> ExposureFacts:
    return ExposureFacts(
        scanned=("203.0.113.0/29", "2001:db8::/125"),
        ports="1-65535",
        open_ports=ports,
        endpoints=(endpoint,) if endpoint else (),
        unread={k: Unread(unread=v) for k, v in (unread or {}).items()},
    )


def verdicts(
    check: str, facts: ExposureFacts | None, *, more: str = "", now: datetime = NOW
) -> dict[str, Verdict]:
    estate = estate_of(ESTATE, more)
    observed = {"exposure/outside": facts} if facts is not None else {}
    gaps = {} if facts is not None else {"exposure/outside": "nmap can't be run"}
    return judged(check, estate, observed, gaps=gaps, now=now)


def statuses(check: str, facts: ExposureFacts | None, **given: str) -> dict[str, str]:
    return {k: v.status.value for k, v in verdicts(check, facts, **given).items()}  # type: ignore[arg-type]


def test_only_declared_ports() -> None:
    assert statuses("exposure.undeclared-port", seen(opened())) == {VANTAGE: "pass"}


def test_undeclared_ports_are_named_in_both_families() -> None:
    facts = seen(opened(), opened(V4, 3389, "ms-wbt-server"), opened(V6, 443), opened(ELSEWHERE))
    found = verdicts("exposure.undeclared-port", facts)
    assert set(found) == {
        f"{VANTAGE}/tcp-3389@{V4}", f"{VANTAGE}/tcp-443@{V6}", f"{VANTAGE}/tcp-443@{ELSEWHERE}"
    }  # fmt: skip
    assert {v.status for v in found.values()} == {Status.FAIL}
    assert found[f"{VANTAGE}/tcp-3389@{V4}"].evidence["service"] == "ms-wbt-server"


@pytest.mark.parametrize("change", [{"scanned": ()}, {"ports": "443"}], ids=["nowhere", "one port"])
def test_what_was_never_tried_is_unknown(change: dict[str, object]) -> None:
    facts = seen(opened()).model_copy(update=change)
    assert set(statuses("exposure.undeclared-port", facts).values()) == {"unknown"}


def test_a_port_that_was_not_tried_is_not_closed() -> None:
    facts = seen().model_copy(update={"ports": "22,1000-2000"})
    assert set(statuses("exposure.declared-closed", facts).values()) == {"unknown"}


@pytest.mark.parametrize(
    "check", ["exposure.certificate-remaining", "exposure.certificate-trusted"]
)
def test_an_open_port_that_was_not_asked_for_its_certificate_is_unknown(check: str) -> None:
    assert set(statuses(check, seen(opened())).values()) == {"unknown"}


def test_what_was_not_swept_is_never_without_open_ports() -> None:
    facts = seen(opened(), unread={ELSEWHERE: "not swept to the end after 9 s"})
    found = verdicts("exposure.undeclared-port", facts)
    assert found[VANTAGE].status is Status.UNKNOWN
    assert found[VANTAGE].evidence["where"] == [ELSEWHERE]
    both = seen(opened(V4, 22), unread={ELSEWHERE: "not swept to the end after 9 s"})
    assert statuses("exposure.undeclared-port", both) == {
        VANTAGE: "unknown", f"{VANTAGE}/tcp-22@{V4}": "fail"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        (seen(opened()), "pass"),
        (seen(), "fail"),
        (seen(opened(V4, 80)), "fail"),
        (seen(unread={V4: "not swept to the end after 9 s"}), "unknown"),
        (seen(opened(), unread={V4: "not swept to the end after 9 s"}), "pass"),
        (None, "unknown"),
    ],
)
def test_declared_closed(facts: ExposureFacts | None, status: str) -> None:
    assert statuses("exposure.declared-closed", facts) == {PORTAL: status}


def test_udp_is_not_judged_as_closed() -> None:
    found = statuses("exposure.declared-closed", seen(opened()), more=MORE.format(""))
    assert found == {PORTAL: "pass", "sitiv/exposure/voice": "unknown"}


@pytest.mark.parametrize(
    ("given", "status", "message"),
    [
        (certificate(60 * DAY), "pass", "the certificate ends in {remaining:duration}"),
        (certificate(29 * DAY), "fail", "less than {least:duration}"),
        (certificate(-3 * DAY), "fail", "the certificate ended on"),
        (certificate(90 * DAY, 80 * DAY), "fail", "begins only on"),
        (certificate(20 * DAY, 47 * DAY), "pass", "ends in"),  # over a third of a short life
        (certificate(15 * DAY, 47 * DAY), "fail", "less than"),
        (certificate(35 * DAY, 398 * DAY), "pass", "ends in"),  # the promise, not a third of a year
        (Unread(unread="no TLS: wrong version number"), "unknown", "no certificate"),
    ],
)
def test_certificate_remaining(given: Certificate | Unread, status: str, message: str) -> None:
    facts = seen(opened(), endpoint=shown(given))
    item = verdicts("exposure.certificate-remaining", facts)[PORTAL]
    assert item.status.value == status
    assert message in item.message


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (certificate(), "pass"),
        (certificate(-3 * DAY), "pass"),  # its end is the other check's matter
        (certificate(cause="self-signed certificate"), "fail"),
        (certificate(cause="Hostname mismatch, certificate is not valid for 'x'."), "fail"),
        (Unread(unread="no answer in time"), "unknown"),
    ],
)
def test_certificate_trusted(given: Certificate | Unread, status: str) -> None:
    facts = seen(opened(), endpoint=shown(given))
    assert statuses("exposure.certificate-trusted", facts) == {PORTAL: status}


@pytest.mark.parametrize(
    "check", ["exposure.certificate-remaining", "exposure.certificate-trusted"]
)
def test_certificates_of_ports_that_are_closed_or_unread(check: str) -> None:
    closed = statuses(check, seen())
    assert closed == {"sitiv/operator/sitiv": "not-applicable"}
    assert statuses(check, seen(unread={V4: "not swept"})) == {PORTAL: "unknown"}
    assert statuses(check, None) == {PORTAL: "unknown"}


@pytest.mark.parametrize(
    "check",
    ["exposure.declared-closed", "exposure.certificate-remaining", "exposure.certificate-trusted"],
)
def test_an_exposure_that_no_vantage_sees_is_unknown(check: str) -> None:
    alone = ESTATE.replace("vantages:\n", "").split("  outside:")
    text = alone[0] + alone[1][alone[1].index("exposures:") :]
    assert judged(check, estate_of(text), {})[PORTAL].status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("now", "status"),
    [
        (datetime(2026, 11, 30, 22, 59, tzinfo=UTC), Status.PASS),
        (datetime(2026, 11, 30, 23, 1, tzinfo=UTC), Status.FAIL),  # 1 December in Paris
    ],
)
def test_expired_declaration(now: datetime, status: Status) -> None:
    more = MORE.format(", until: 2026-11-30")
    found = verdicts("exposure.expired-declaration", seen(), more=more, now=now)
    assert {k: v.status for k, v in found.items()} == {"sitiv/exposure/voice": status}
