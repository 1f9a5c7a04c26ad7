"""How the rules of firewalls look, beside what they let through."""

from sitiv_infra import Estate, Placed, SeenFacts, Verdicts, check, fail, ok, unknown
from sitiv_infra.facts import FirewallFacts
from sitiv_infra.policy.properties import lacking

TOLD = 20  # of a cell's rules; the first ones show what is meant


@check(
    "segmentation.rule-properties",
    severity="medium",
    needs=["firewall"],
    proves=["hygiene:22", "recyf:7.B.5", "filtering:3.3.4"],
)
def rule_properties(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Rules look as their cell of the matrix demands.

    Risk: a rule from anywhere, to every port, without a word on why, is what an attacker finds
    first and what nobody dares to remove.

    Fix: narrow the rule to the addresses and ports that it is for, and give it a comment or a log.
    """
    for firewall, seen in facts.each(estate.firewalls.values(), FirewallFacts):
        for cell, rules, unhit in lacking(estate, firewall, seen, facts.now):
            place = Placed(cell, firewall)
            if rules:
                told = [f"{one.rule}: {', '.join(one.properties)}" for one in rules][:TOLD]
                yield fail(place, "rules lack what {cell} demands: {told:list}", told=told,
                           cell=cell.name)  # fmt: skip
            elif unhit:
                days = cell.properties.hit_within_days
                message = "no counter proves that these rules were hit in {days} days: {rules:list}"
                yield unknown(place, message, days=days, rules=unhit[:TOLD])
            else:
                yield ok(place, "its rules have what {cell} demands", cell=cell.name)
