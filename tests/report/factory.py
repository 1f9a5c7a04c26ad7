"""Audits made by hand: what a format is told, without a server or a run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import product

from sitiv_infra.checking import Check, Evidence, SeenFacts, Status, Verdict, Verdicts, check
from sitiv_infra.estate import Estate
from sitiv_infra.report.audit import Audit, Change, Finding, Mended
from sitiv_infra.snapshot import Gap
from sitiv_infra.testing import estate_of
from sitiv_infra.waivers import Standing, Waiver, WaiverState

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
TODAY = date(2026, 11, 21)
MEMBERS = (
    "corbas", "givors", "feyzin", "irigny", "solaize", "ternay", "vernaison", "grigny", "mions",
    "saint-fons", "chaponost",
)  # fmt: skip
TITLES = {"saint-fons": "Saint-Fons"}
HOSTILE = (
    "</style><script>alert(1)</script>",
    "\N{RIGHT-TO-LEFT OVERRIDE}txt.exe",
    '"><img src=x onerror=alert(1)>',
    "\x1b[31mred\x1b[0m",
)


def rule(name: str, title: str, severity: str, proves: tuple[str, ...] = ()) -> Check:
    """Make a check that never runs."""

    def function(_estate: Estate, _facts: SeenFacts) -> Verdicts:
        yield from ()

    function.__doc__ = f"""{title}

    Risk: what may happen if this is left as it is, told in one or two plain sentences for a reader.

    Fix: what to change, where, and who usually does it.
    """
    return check(name, severity=severity, needs=(), proves=proves)(function)


RULES = {
    item.id: item
    for item in (
        rule("backup.recent", "Every copy is younger than promised.", "critical", ("hygiene:37",)),
        rule("backup.covered", "Every service is copied.", "high", ("hygiene:37", "hygiene:99")),
        rule("directory.krbtgt-age", "The krbtgt key was changed lately.", "high", ("odd:1",)),
        rule("directory.password-expires", "Passwords of accounts expire.", "medium"),
        rule("exposure.undeclared-port", "Every open port is declared.", "critical"),
        rule("exposure.certificate-lifetime", "Certificates are renewed in time.", "medium"),
        rule("hypervisor.lockdown", "Every host is in lockdown.", "low"),
        rule("segmentation.undeclared-flow", "Every open flow is declared.", "high"),
        rule("storage.versioning", "Buckets keep former versions.", "medium", ("hygiene:37",)),
    )
}
LATE = "last copy is {age:duration} old, promised {rpo:duration}"
EVIDENCE: Evidence = {"age": 97_200.0, "rpo": 86_400.0, "names": ["a", "b"]}


@cache
def estate() -> Estate:
    members = "".join(
        f"  {m}: {{title: {TITLES.get(m, m.capitalize())}, domain: {m}.test}}\n"
        for m in MEMBERS[2:]
    )
    return estate_of(f"members:\n{members}")


def finding(
    name: str = "backup.recent",
    subject: str = "corbas/service/zimbra",
    status: Status = Status.FAIL,
    message: str = LATE,
    evidence: Evidence | None = None,
    **more: object,
) -> Finding:
    """Make a finding; ``members``, ``sites`` and ``waiver`` go to its verdict, the rest to it."""
    item = RULES[name]
    members = more.pop("members", (subject.partition("/")[0],))
    sites, waiver = more.pop("sites", ("a",)), more.pop("waiver", None)
    seen = EVIDENCE if evidence is None else evidence
    verdict = Verdict(
        item.id,
        subject,
        status,
        item.severity,
        message,
        seen,
        members,
        sites,
        waiver,  # type: ignore[arg-type]
    )
    return Finding(verdict, item, **more)  # type: ignore[arg-type]


def audit(*findings: Finding, **more: object) -> Audit:
    """Make an audit of some findings."""
    values = {"name": "2026-11-21T0200Z", "taken_at": NOW, "estate": estate(), **more}
    return Audit(findings=tuple(findings), **values)  # type: ignore[arg-type]


def risk(name: str, subject: str, until: date, standing: Standing, failures: int) -> WaiverState:
    """Make an accepted risk."""
    waiver = Waiver(
        check=name, subject=subject, reason="le remplacement est commandé, livré en février",
        owner="Pôle systèmes", approved_by="Directrice générale", since=date(2026, 6, 1),
        until=until, ticket="SEC-412",
    )  # fmt: skip
    return WaiverState(waiver, standing, failures)


def full() -> Audit:
    """Make an audit with some of everything."""
    states = (
        risk("hypervisor.lockdown", "sitiv/cluster/*", date(2026, 12, 5), Standing.ENDING, 2),
        risk("storage.versioning", "corbas/bucket/old", date(2026, 10, 1), Standing.EXPIRED, 1),
        risk("backup.covered", "ternay/service/ged", date(2027, 5, 1), Standing.UNMATCHED, 0),
        risk("exposure.undeclared-port", "sitiv/x/y", date(2027, 5, 1), Standing.ACTIVE, 1),
    )
    gaps = (
        Gap(source="directory/givors", cause="the certificate is not trusted", at=NOW),
        Gap(source="hypervisor/vc-b", cause="no answer in 10 s", at=NOW),
    )
    fixed = (
        Mended("backup.recent", "irigny/service/ged", NOW - timedelta(days=9)),
        Mended("storage.versioning", "irigny/bucket/docs", NOW - timedelta(days=30)),
    )
    return audit(
        *_everything(), fixed=fixed, gaps=gaps, waivers=states, observed=14,
        previous="2026-11-20T0200Z",
        recording=date(2026, 11, 21),
    )  # fmt: skip


def _everything() -> Iterator[Finding]:
    since = NOW - timedelta(days=20)
    for number, (name, member) in enumerate(product(RULES, MEMBERS)):
        subject = f"{member}/service/zimbra"
        if member == "givors" and name.startswith("directory"):
            told = {"source": "directory/givors", "cause": "the certificate is not trusted"}
            yield finding(name, subject, Status.UNKNOWN, "{source} was not observed: {cause}", told)
        elif number % 5 == 0:
            change = (Change.NEW, Change.BACK, Change.SAME, Change.SAME)[number % 4]
            due = TODAY + timedelta(days=number % 7 * 5 - 10)
            yield finding(name, subject, change=change, since=since, due=due)
        else:
            yield finding(name, subject, Status.PASS, "last copy is {age:duration} old")
    waived = "hypervisor.lockdown sitiv/cluster/*"
    yield finding("hypervisor.lockdown", "sitiv/cluster/prod-a", members=(), waiver=waived)
    yield finding("hypervisor.lockdown", "sitiv/cluster/prod-b", members=(), waiver=waived)
    for number, text in enumerate(HOSTILE):
        evidence: Evidence = {"names": [text], "n": number}
        yield finding(
            "storage.versioning", f"corbas/bucket/{text}", Status.FAIL, "{names}", evidence
        )
    yield finding(
        "backup.covered", "sitiv/operator/sitiv",
        Status.NOT_APPLICABLE, "nothing declared for this check to judge", {}, members=(),
    )  # fmt: skip


def many(count: int) -> Audit:
    """Make an audit with as many open failures, over all checks and members."""
    names, since = list(RULES), NOW - timedelta(days=20)
    found = (
        finding(
            names[n % len(names)], f"{MEMBERS[n % len(MEMBERS)]}/service/service-{n}",
            change=Change.SAME, since=since, due=TODAY,
        )
        for n in range(count)
    )  # fmt: skip
    return audit(*found, previous="2026-11-20T0200Z")
