"""What firewalls let through between zones, against the flows that are declared."""

from collections.abc import Iterable, Mapping
from datetime import date

from sitiv_infra import Estate, Found, Placed, SeenFacts, Verdicts, check, fail, ok, unknown
from sitiv_infra.checking import Outcome, Subject
from sitiv_infra.estate import Firewall, Flow
from sitiv_infra.facts import FirewallFacts
from sitiv_infra.messages import noop
from sitiv_infra.policy.cover import Inconclusive
from sitiv_infra.policy.exact import Ruleset, alike, apart, differences, mismatches
from sitiv_infra.policy.matrix import Carried, blocked, carried, undeclared
from sitiv_infra.policy.mismatch import Mismatch, known
from sitiv_infra.policy.nft_text import ruleset
from sitiv_infra.policy.nftables import forward_policies
from sitiv_infra.wanted import forward_sets
from sitiv_infra.wanted.filtering import bound, current, held, together

BUDGET = noop("too many rules overlap to compare them within the budget")
TOLD = 20  # of a firewall's mismatches; the first ones show what happened


@check(
    "segmentation.undeclared-flow",
    severity="high",
    needs=["firewall"],
    proves=[
        "hygiene:19",
        "hygiene:22",
        "recyf:7.B.1",
        "recyf:7.B.3",
        "recyf:7.B.4",
        "filtering:3.3.4",
        "gateway:R2",
        "gateway:R3",
    ],
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
    judged: dict[Placed, tuple[Flow, Carried]] = {}
    for firewall in estate.firewalls.values():
        seen = facts.of(firewall.source, FirewallFacts)
        here = carried(estate, firewall, seen.ruleset if seen else ())
        pairs = set(here.pairs)
        judged |= {
            Placed(flow, firewall): (flow, here)
            for flow in held(estate, firewall.site, facts.today)
            if _pair(flow) in pairs
        }
    for subject, _ in facts.each(judged, FirewallFacts):
        yield _let_through(subject, *judged[subject])
    placed = {flow.name for flow, _ in judged.values()}
    for flow in current(estate, facts.today):
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
    proves=["hygiene:19", "hygiene:22", "recyf:7.B.3", "filtering:3.3.6"],
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
    "segmentation.render-exact",
    severity="high",
    needs=(),
    proves=["hygiene:19", "recyf:7.B.1", "filtering:3.3.4"],
)
def render_exact(estate: Estate, facts: SeenFacts) -> Verdicts:
    """The rules that playbooks write on the firewalls permit what is declared, and nothing else.

    Risk: a renderer that leaves a condition out opens more than anybody decided, on every firewall
    at once, and the declaration still looks right.

    Fix: do not apply ``network.yml``; report the rule that is named here as a fault of this tool.
    """
    if not estate.firewalls:
        return
    groups = together(estate, facts.today)
    for sites in groups:
        sets = forward_sets(estate, sites[0], facts.today)
        count = sum(len(one.elements) for one in sets)
        # The same rules on all sites are the operator's; else they are those of some sites.
        subject = Found(estate.operator, "+".join(sites)) if len(groups) > 1 else estate.operator
        good = ok(subject, "{count} rendered elements of sets permit just that", count=count)
        rendered = ruleset([one.text for one in sets], [one.rule for one in sets])
        yield _proved(mismatches(estate, sites[0], rendered, facts.today), good)


@check(
    "segmentation.live-exact",
    severity="high",
    needs=["firewall"],
    proves=[
        "hygiene:19",
        "hygiene:22",
        "recyf:7.B.1",
        "recyf:7.B.4",
        "filtering:3.3.4",
        "gateway:R2",
        "gateway:R3",
    ],
)
def live_exact(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Firewalls forward exactly what is declared, over the whole address space.

    Risk: what is open inside a zone, or between addresses that nobody named, is in no matrix; a
    flow that has ended stays open.

    Fix: apply the declaration again (``network.yml``), or declare what is missing from it.
    """
    for firewall, seen in facts.each(estate.firewalls.values(), FirewallFacts):
        good = ok(firewall, "forwards what is declared, and nothing else")
        yield _proved(mismatches(estate, firewall.site, seen.ruleset, facts.today), good)


@check(
    "segmentation.pair-alike",
    severity="medium",
    needs=["firewall"],
    proves=["hygiene:19", "recyf:7.B.4"],
)
def pair_alike(estate: Estate, facts: SeenFacts) -> Verdicts:
    """All firewalls forward the same, but for flows that are declared for some sites alone.

    Risk: the day one of them takes over, what worked is blocked, or what was blocked is open.

    Fix: apply the declaration to both (``network.yml``); find out who changed one by hand.
    """
    if len(estate.firewalls) < 2:
        return
    firewalls = list(facts.each(estate.firewalls.values(), FirewallFacts))
    rulesets = {firewall.name: seen.ruleset for firewall, seen in firewalls}
    usual = _usual(estate, rulesets, facts.today)
    for firewall, seen in firewalls:
        if len(firewalls) == 1:
            yield unknown(firewall, "no other firewall was read")
        else:
            there = apart(estate, firewall.site, facts.today)
            same = _alike(estate, firewall, facts.today, lone=usual == [firewall.name])
            yield _proved(differences(rulesets[usual[0]], seen.ruleset, there), same)


def _alike(estate: Estate, firewall: Firewall, today: date, *, lone: bool) -> Outcome:
    """Say that a firewall does as the others, and what of it is declared to be otherwise."""
    flows = [flow.name for flow in bound(estate, today)]
    if lone:
        return ok(firewall, "the other firewalls are compared with it")
    if flows:
        message = "forwards the same, but for what is declared for some sites: {flows:list}"
        return ok(firewall, message, flows=flows)
    return ok(firewall, "forwards the same")


def _usual(estate: Estate, rulesets: Mapping[str, Ruleset], today: date) -> list[str]:
    """Give the firewalls that do what most do; of as many, those that do what is declared.

    What sites are declared to do otherwise is of no weight.
    """
    groups = alike(rulesets, apart(estate, "", today))

    def weight(names: list[str]) -> tuple[int, bool]:
        site, seen = estate.firewalls[names[0]].site, rulesets[names[0]]
        try:
            return len(names), not any(mismatches(estate, site, seen, today))
        except Inconclusive:
            return len(names), False

    return max(groups, key=weight) if len(groups) > 1 else next(iter(groups), [])


def _proved(mismatched: Iterable[Mismatch], good: Outcome) -> Outcome:
    """Give a good answer where nothing is mismatched; else what is, or that it is not known.

    What surely deviates is told even where the budget does not suffice to find all that does.
    """
    found, whole = known(mismatched)
    if not whole and all(one.passes is None for one in found):
        return unknown(good.subject, BUDGET)
    return _mismatched(good.subject, found) if found else good


def _mismatched(subject: Subject, found: list[Mismatch]) -> Outcome:
    """Judge mismatches: what passes and should not, and what should and does not."""
    passing = [one.told for one in found if one.passes]
    dropped = [one.told for one in found if one.passes is False]
    told = {"passing": passing[:TOLD], "dropped": dropped[:TOLD], "count": len(found)}
    if passing and dropped:
        message = "passes and should not: {passing:list}; should pass and does not: {dropped:list}"
        return fail(subject, message, **told)
    if passing:
        return fail(subject, "passes and should not: {passing:list}", **told)
    if dropped:
        return fail(subject, "should pass and does not: {dropped:list}", **told)
    causes = [one.told for one in found][:TOLD]
    return unknown(subject, "can't be decided by the rules: {causes:list}", causes=causes)
