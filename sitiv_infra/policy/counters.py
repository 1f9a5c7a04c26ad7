"""What the counters of two nights prove together."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime

from sitiv_infra.facts import FirewallFacts
from sitiv_infra.facts.firewall import Hit


def carried(before: FirewallFacts, then: datetime, now: FirewallFacts) -> FirewallFacts:
    """Give tonight's facts with what two looks at the counters prove: which rules were hit since.

    The counter of the same rule that is higher has risen since, also where it began anew in
    between. One that is lower or new proves nothing: it may have been loaded with a number, as a
    saved list has them. then -- when the former facts were read.
    """
    known = {
        _rule(body): before.hits[number]
        for number, body in _rules(before.ruleset).items()
        if number in before.hits
    }
    bodies = _rules(now.ruleset)
    hits: dict[int, Hit] = {}
    for number, hit in now.hits.items():
        old = known.get(_rule(bodies[number])) if number in bodies else None
        after = None if old is None else then if hit.count > old.count else old.after
        hits[number] = hit.model_copy(update={"after": after})
    return now.model_copy(update={"hits": hits})


def _rules(ruleset: Iterable[Mapping[str, object]]) -> dict[int, object]:
    listed = [body for item in ruleset for kind, body in item.items() if kind == "rule"]
    return dict(enumerate(listed, 1))


def _rule(body: object) -> str:
    """Tell rules apart by all that they say, their handle included."""
    return json.dumps(body, sort_keys=True, default=str)
