"""What was rendered for a firewall, read back: it lets pass what is declared, or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Estate
from sitiv_infra.policy.dumps import FORMS, Dump
from sitiv_infra.policy.exact import declared, wanted_of
from sitiv_infra.policy.iptables_options import BEYOND, STATES, SYN_ALONE, More
from sitiv_infra.policy.lists import Line, RuleList
from sitiv_infra.policy.mismatch import Mismatch, known, mismatched, once
from sitiv_infra.policy.operands import NEW
from sitiv_infra.policy.space import EVERYTHING, Box, intersection

MORE = len(EVERYTHING)
NOT_PROVED = "what was rendered is not proved to be what is declared"


def prove(
    text: str, form: str, estate: Estate, site: str, today: date, versions: Iterable[int]
) -> None:
    """Raise InvalidInput, with the rule and a packet, unless just what a site has to let passes.

    That is of some families. What surely fares otherwise is named before what may. Packets that
    belong to no connection have to be dropped, where the form knows of states.

    form -- one of ``FORMS``, with one list a family; versions -- the families that are looked at.
    """
    dump = FORMS[form](text)
    for version in versions:
        found, whole = known(once(_mismatches(dump, version, estate, site, today)))
        if found:
            one = min(found, key=lambda one: one.passes is None)
            more = f"; {len(found) - 1} more" if len(found) > 1 else ""
            raise InvalidInput(f"{NOT_PROVED}: {one.told}{more}")
        if not whole:
            raise InvalidInput(f"{NOT_PROVED}: its rules overlap too much to be compared")


def _mismatches(
    dump: Dump, version: int, estate: Estate, site: str, today: date
) -> Iterator[Mismatch]:
    lists = [rules for name, rules in dump.lists.items() if name.endswith(f"IPv{version}")]
    if len(lists) != 1:
        raise InvalidInput(f"{NOT_PROVED}: {len(lists)} lists of rules are for IPv{version}")
    (seen,), wanted = lists, declared(estate, site, version, today)
    for state in (NEW, *BEYOND) if len(seen.whole) > More.STATE else (NEW,):
        here = of_state(seen, state, wanted.whole)
        yield from mismatched(wanted_of(state, wanted), here, version, state=state)


def of_state(rules: RuleList, state: str, whole: Box) -> RuleList:
    """Give what a list says of the packets in a state, in the common dimensions.

    Of a connection's first packet, TCP's flags are known.
    """
    asked = list(rules.whole)
    if len(asked) > More.STATE:
        asked[More.STATE] = ((STATES[state],) * 2,)
        asked[More.FLAGS] = SYN_ALONE if state == NEW else asked[More.FLAGS]
    lines = tuple(_cut(line, tuple(asked)) for line in rules.lines)
    return RuleList(lines, rules.policy, whole)


def _cut(line: Line, asked: Box) -> Line:
    """Leave dimensions out; a rule that hangs on them, as of one device only, is a doubt."""
    found = [both for one in line.boxes if (both := intersection(one, asked))]
    doubt = () if all(one[MORE:] == asked[MORE:] for one in found) else ("devices or flags",)
    boxes = tuple(one[:MORE] for one in found)
    return line._replace(boxes=boxes, doubts=(*line.doubts, *doubt))
