"""What firewalls let through between zones, against the flows that are declared."""

from sitiv_infra import Estate, Found, Placed, SeenFacts, Verdicts, check, fail, ok, unknown
from sitiv_infra.checking import Outcome
from sitiv_infra.estate import Flow
from sitiv_infra.facts import FirewallFacts
from sitiv_infra.policy import Carried, blocked, carried, forward_policies, undeclared


@check(
    "segmentation.undeclared-flow",
    severity="high",
    needs=["firewall"],
    proves=["hygiene:19", "hygiene:22", "recyf:7.B.1", "recyf:7.B.3", "recyf:7.B.4"],
)
def undeclared_flow(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Firewalls let nothing through between zones that is not a declared flow.

    Risk: whoever takes one machine walks on to other zones, and other members, through openings
    that nobody decided.

    Fix: remove or narrow the rule that lets the witness packet through, or declare the flow with
    its reason and its owner.
    """
    for firewall, seen in facts.each(estate.firewalls.values(), FirewallFacts):
        here = carried(estate, firewall, seen.ruleset)
        found = list(undeclared(estate, here))
        for item in found:
            pair = Found(firewall, f"{item.source}>{item.destination}")
            told = {"source": item.source, "destination": item.destination}
            if item.witness:
                yield fail(
                    pair,
                    "undeclared from {source} to {destination}: {services:list}, such as {witness}",
                    services=item.services, witness=item.witness, doubts=item.doubts, **told,
                )  # fmt: skip
            else:
                yield unknown(
                    pair, "can't be decided by the rules: {causes:list}", causes=item.doubts
                )
        if not here.pairs:
            yield unknown(firewall, "no two declared zones lie on either side of this firewall")
        elif not found:
            count = len(here.pairs)
            yield ok(firewall, "only declared flows pass, in {count} pairs of zones", count=count)


@check(
    "segmentation.declared-closed",
    severity="medium",
    needs=["firewall"],
    proves=["hygiene:19", "recyf:7.B.1", "recyf:7.B.4"],
)
def declared_closed(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Firewalls let every declared flow through.

    Risk: a service does not work, or the declared matrix is no longer the one that is applied, and
    reviews of it prove nothing.

    Fix: apply the declared flows to the firewall, or remove the flow that nobody needs.
    """
    current = [f for f in estate.flows.values() if f.until is None or f.until >= facts.today]
    judged: dict[Placed, tuple[Flow, Carried]] = {}
    for firewall in estate.firewalls.values():
        seen = facts.of(firewall.source, FirewallFacts)
        here = carried(estate, firewall, seen.ruleset if seen else ())
        pairs = set(here.pairs)
        judged |= {Placed(f, firewall): (f, here) for f in current if _pair(f) in pairs}
    for subject, _ in facts.each(judged, FirewallFacts):
        yield _let_through(subject, *judged[subject])
    placed = {flow.name for flow, _ in judged.values()}
    for flow in current:
        if flow.name not in placed:
            yield unknown(flow, "no declared firewall stands between the addresses of its zones")


def _pair(flow: Flow) -> tuple[str, str]:
    return flow.source, flow.destination


def _let_through(subject: Placed, flow: Flow, here: Carried) -> Outcome:
    """Say whether one firewall lets one flow through."""
    item = blocked(flow, here)
    if item is None:
        return ok(subject, "let through: {services:list}", services=flow.services)
    told = {"services": item.services, "witness": item.witness, "doubts": item.doubts}
    if not item.witness:
        return unknown(subject, "can't be decided by the rules: {causes:list}", causes=item.doubts)
    if item.whole:
        return fail(subject, "blocked: {services:list}, such as {witness}", **told)
    return fail(subject, "blocked in part: {services:list}, such as {witness}", **told)


@check(
    "segmentation.default-drop",
    severity="high",
    needs=["firewall"],
    proves=["hygiene:19", "hygiene:22", "recyf:7.B.3"],
)
def default_drop(estate: Estate, facts: SeenFacts) -> Verdicts:
    """What no rule allows is dropped.

    Risk: every forgotten rule, new network or emptied rule base becomes an opening.

    Fix: give the chain on the forward hook the policy drop, for IPv4 and for IPv6.
    """
    for firewall, seen in facts.each(estate.firewalls.values(), FirewallFacts):
        policies = forward_policies(seen.ruleset)
        unfiltered, let_through, doubtful = (
            [f"IPv{version}" for version, policy in policies.items() if policy == wanted]
            for wanted in (set(), {"accept"}, {"accept", "drop"})
        )
        if unfiltered:
            yield fail(firewall, "no chain filters forwarded {families:list}", families=unfiltered)
        elif let_through:
            message = "forwarded {families:list} passes unless a rule forbids it"
            yield fail(firewall, message, families=let_through)
        elif doubtful:
            message = "the only chain that drops forwarded {families:list} may not be in force"
            yield unknown(firewall, message, families=doubtful)
        else:
            yield ok(firewall, "forwarded packets are dropped unless a rule allows them")


@check(
    "segmentation.flow-expired",
    severity="medium",
    needs=(),
    proves=["hygiene:38", "recyf:7.B.5"],
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
