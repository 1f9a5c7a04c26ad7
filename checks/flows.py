"""What is declared between zones: a matrix, and flows that it takes, for a time."""

from sitiv_infra import Estate, SeenFacts, Verdicts, check, fail, ok
from sitiv_infra.policy.cells import refused
from sitiv_infra.wanted.filtering import bound
from sitiv_infra.wanted.ways import wavering


@check(
    "segmentation.zones-total",
    severity="medium",
    needs=(),
    proves=["hygiene:19", "recyf:5.A.1", "recyf:7.B.1"],
)
def zones_total(estate: Estate, _facts: SeenFacts) -> Verdicts:
    """Every address is in one zone, of IPv4 and of IPv6.

    Risk: what is in no zone is in no row of the matrix; nobody decided about it, and no proof looks
    at it. A new network is open before anybody named it.

    Fix: declare a zone with ``internet: true`` and one with ``unassigned: true``; they hold what
    the others leave.
    """
    missing = [
        rest
        for rest in ("internet", "unassigned")
        if not any(getattr(zone, rest) for zone in estate.zones.values())
    ]
    if missing:
        yield fail(estate.operator, "no zone is declared with {rests:list}: true", rests=missing)
    else:
        yield ok(estate.operator, "{count} zones share all addresses", count=len(estate.zones))


@check(
    "segmentation.flow-permitted",
    severity="high",
    needs=(),
    proves=["hygiene:19", "hygiene:22", "recyf:7.B.1", "filtering:3.3.4"],
)
def flow_permitted(estate: Estate, _facts: SeenFacts) -> Verdicts:
    """The matrix of zones takes every flow.

    Risk: each flow is reasonable for whoever asked for it; together they open what was decided to
    stay shut, such as copies to the servers that a ransomware begins with.

    Fix: remove or narrow the flow, or have the matrix decided again by those who answer for it.
    """
    for flow in estate.flows.values() if estate.cells else ():
        services = refused(estate, flow)
        told = {"source": flow.source, "destination": flow.destination, "services": services}
        cell = estate.matrix.get((flow.source, flow.destination))
        if services and cell:
            told |= {"cell": cell.name, "severity": cell.severity}
            yield fail(
                flow,
                "from {source} to {destination}, {cell} does not take {services:list}"
                " (severity {severity})",
                **told,
            )
        elif services:
            message = "from {source} to {destination} the matrix takes nothing: {services:list}"
            yield fail(flow, message, **told)
        else:
            yield ok(flow, "taken by {cell}", cell=cell.name if cell else "")


@check(
    "segmentation.flow-justified",
    severity="low",
    needs=(),
    proves=[
        "hygiene:22",
        "recyf:7.B.1",
        "recyf:7.B.5",
        "filtering:3.3.4",
        "gateway:R2",
        "gateway:R3",
    ],
)
def flow_justified(estate: Estate, _facts: SeenFacts) -> Verdicts:
    """A flow has a ticket, and a day on which it is decided about again.

    Risk: nobody knows any more who asked for it, or what breaks without it, so it stays for ever.

    Fix: find the demand and name it under ``ticket``, and give ``until``; a year is usual.
    """
    for flow in estate.flows.values():
        missing = [field for field in ("ticket", "until") if getattr(flow, field) is None]
        if missing:
            message = "not declared for this flow of {team}: {missing:list}"
            yield fail(flow, message, missing=missing, team=flow.owner_team)
        else:
            message = "{ticket}, until {until:date}"
            yield ok(flow, message, ticket=flow.ticket, until=flow.until)


@check(
    "segmentation.flow-steady",
    severity="medium",
    needs=(),
    proves=["hygiene:19", "recyf:7.B.1"],
)
def flow_steady(estate: Estate, facts: SeenFacts) -> Verdicts:
    """A flow of some sites passes, or does not, whichever site's firewalls lead.

    Risk: the day the other site takes over, what worked is shut; or it works on that day alone, and
    nobody knows why.

    Fix: name under ``sites`` those of all firewalls that may be on its way, or leave ``sites`` out;
    or accept that it is so.
    """
    for flow in bound(estate, facts.today):
        found = [
            f"{one.source} > {one.destination} ({', '.join(one.open_under)})"
            for one in wavering(estate, flow)
        ]
        if found:
            message = "open only while certain sites lead: {ways:list}"
            yield fail(flow, message, ways=found)
        else:
            message = "held at {sites:list}, whichever site leads"
            yield ok(flow, message, sites=list(flow.sites))


@check(
    "segmentation.flow-ending",
    severity="info",
    needs=(),
    proves=["recyf:7.B.5"],
)
def flow_ending(estate: Estate, facts: SeenFacts) -> Verdicts:
    """What is to be decided about a flow is decided before it ends.

    Risk: on its last day the flow is shut, and a service that still needs it stops.

    Fix: ask its owner; extend it with a new date and a reason, or let it end.
    """
    notice = estate.operator.thresholds.flow_notice
    for flow in estate.flows.values():
        if flow.until is None or flow.until < facts.today:
            continue
        told = {"until": flow.until, "team": flow.owner_team}
        if flow.until - facts.today <= notice:
            yield fail(flow, "{team} has to decide: it ends on {until:date}", **told)
        else:
            yield ok(flow, "allowed for {team} until {until:date}", **told)


@check(
    "segmentation.flow-expired",
    severity="medium",
    needs=(),
    proves=["hygiene:38", "recyf:7.B.5", "gateway:R2", "gateway:R3"],
)
def flow_expired(estate: Estate, facts: SeenFacts) -> Verdicts:
    """A flow that was allowed for a time ends on its day.

    Risk: an opening that was made for a migration or a supplier stays for years.

    Fix: remove the flow from the declaration and from the firewalls, or have it decided again with
    a new date.
    """
    for flow in estate.flows.values():
        if flow.until is None:
            continue
        told = {"until": flow.until, "team": flow.owner_team}
        if facts.today > flow.until:
            yield fail(flow, "allowed for {team} until {until:date}, which has passed", **told)
        else:
            yield ok(flow, "allowed for {team} until {until:date}", **told)
