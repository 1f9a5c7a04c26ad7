"""Who and where: operator, members, sites, and the services that members use."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, model_validator

from sitiv_infra.estate.base import Day, Declared, Duration, Host, Name, Part, Text
from sitiv_infra.frameworks import frameworks


class Severity(StrEnum):
    """How bad a failure is; words and order as in OCSF (ids 1 to 5)."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """OCSF severity id, 1 (info) to 5 (critical)."""
        return list(Severity).index(self) + 1


class Criticality(StrEnum):
    """How much a service matters to the public service that uses it."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class SiteRole(StrEnum):
    """What a site is for: it carries production, or only breaks a tie."""

    PRODUCTION = "production"
    ARBITER = "arbiter"


def _known_timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("not a time zone of the IANA database, such as Europe/Paris") from None
    return value


class Delays(Part):
    """Time that the operator gives itself to mend a failure, by severity."""

    critical: Duration
    high: Duration
    medium: Duration
    low: Duration
    info: Duration = timedelta(days=365)


class Thresholds(Part):
    """Promises that hold for the whole estate and that checks judge by.

    clock_skew -- how far two clocks may differ; the default is Kerberos's (RFC 4120, 5 minutes).
    update_list -- how old a host's list of security updates may be; the default is how long the
    lists of Debian's security archive say that they hold.
    flow_notice -- how long before a flow's end somebody is to decide about it.
    """

    certificate_remaining: Duration
    krbtgt_age: Duration
    clock_skew: Duration = timedelta(minutes=5)
    update_list: Duration = timedelta(days=7)
    flow_notice: Duration = timedelta(days=30)


class Operator(Declared):
    """The organisation that hosts; ``delays`` and ``thresholds`` are its own promises.

    A machine's DNS name is its own, a dot and ``domain``.
    """

    kind: ClassVar[str] = "operator"
    title: Text
    domain: Host | None = None
    timezone: Annotated[str, AfterValidator(_known_timezone)]
    delays: Delays
    thresholds: Thresholds
    retention_months: Annotated[int, Field(ge=1, le=120)] = 24


class Member(Declared):
    """A city; one that leaves keeps its place until ``leaves``."""

    kind: ClassVar[str] = "member"
    title: Text
    domain: Host
    inhabitants: Annotated[int, Field(ge=0)] | None = None
    joined: Day | None = None
    leaves: Day | None = None

    @property
    def owner(self) -> str:
        """A member owns itself."""
        return self.name


class Site(Declared):
    """A datacenter, or the arbiter of two."""

    kind: ClassVar[str] = "site"
    title: Text
    role: SiteRole = SiteRole.PRODUCTION


class Promise(Part):
    """RPO (PDMA) and RTO (DMIA) that one member was promised, where it differs."""

    rpo: Duration | None = None
    rto: Duration | None = None


class Service(Declared):
    """An application, who uses it, and what was promised.

    rpo is the most data, in time, that may be lost (PDMA); rto the longest outage (DMIA).
    """

    kind: ClassVar[str] = "service"
    title: Text
    domain: Text
    criticality: Criticality
    rpo: Duration
    rto: Duration
    zone: Name
    sites: Annotated[tuple[Name, ...], Field(min_length=1)]
    members: tuple[Name, ...] = ()
    overrides: dict[Name, Promise] = {}
    note: str | None = None

    @property
    def tightest_rpo(self) -> timedelta:
        """The strictest RPO that any member was promised."""
        return min([self.rpo, *(p.rpo for p in self.overrides.values() if p.rpo is not None)])


class Use(Declared):
    """One member's use of one service: the subject of a promise (``corbas/service/zimbra``)."""

    kind: ClassVar[str] = "service"
    member: Name
    service: Service
    rpo: Duration
    rto: Duration

    @property
    def owner(self) -> str:
        """The member that uses the service."""
        return self.member


def _point(value: str) -> str:
    name, _, number = value.partition(":")
    framework = frameworks().get(name)
    if framework is None or not number:
        raise ValueError(f"a point is written hygiene:26; there are {', '.join(frameworks())}")
    if framework.complete and number not in framework.points:
        raise ValueError(f"'{number}' is no point of: {framework.title}")
    return value


Point = Annotated[str, AfterValidator(_point)]


class Attestation(Declared):
    """What no machine can see, as somebody saw it: valid up to and including ``until``."""

    kind: ClassVar[str] = "attestation"
    proves: Annotated[tuple[Point, ...], Field(min_length=1)]
    statement: Text
    by: Text
    seen: Day
    until: Day
    evidence: str | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Attestation:
        if self.until < self.seen:
            raise ValueError("'until' is before 'seen'")
        return self
