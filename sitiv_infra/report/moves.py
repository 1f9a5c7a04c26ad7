"""What firewalls let through otherwise than in the run before, in plain words."""

from __future__ import annotations

from collections.abc import Sequence

from sitiv_infra.estate import Estate
from sitiv_infra.messages import Language, noop
from sitiv_infra.policy.moves import Shift
from sitiv_infra.report.audit import Audit

MOST = 20  # the first ones show what happened
FATES = {
    True: noop("At {firewall} now pass from {source} to {destination}: {services:list}"),
    False: noop("At {firewall} no longer pass from {source} to {destination}: {services:list}"),
    None: noop("At {firewall}, from {source} to {destination}: {services:list} may have changed"),
}
BY = noop("{what} (rule {rule}, such as {witness})")
BY_NONE = noop("{what} (no rule decides it; such as {witness})")
NOT_KNOWN = noop("{firewall}: what it lets through otherwise is not known: {cause}")
NOWHERE = noop("addresses of no zone")


def told(audit: Audit, words: Language) -> list[str]:
    """Give a sentence for each change: what is open now, what is closed, what is not known.

    What several firewalls, or both address families, have in common is told once.
    """
    unknown = [
        words.text(NOT_KNOWN, firewall=one.firewall, cause=one.cause)
        for one in audit.moves
        if one.cause
    ]
    alike: dict[tuple[object, ...], list[tuple[str, Shift]]] = {}
    for one in audit.moves:
        for shift in one.shifts:
            key = shift.passes, shift.source, shift.destination, shift.services
            alike.setdefault(key, []).append((one.firewall, shift))
    ordered = sorted(alike.values(), key=lambda found: _place(found[0][1]))
    lines = [_line(found, audit.estate, words) for found in ordered[:MOST]]
    more = len(ordered) - MOST
    return unknown + lines + ([words.text("{count} more", count=more)] if more > 0 else [])


def _place(shift: Shift) -> tuple[object, ...]:
    """Put what opened first."""
    return list(FATES).index(shift.passes), *shift[1:]


def _line(found: Sequence[tuple[str, Shift]], estate: Estate, words: Language) -> str:
    shift = found[0][1]
    source, destination = (
        estate.zones[name].title if name else words.text(NOWHERE)
        for name in (shift.source, shift.destination)
    )
    what = words.text(
        FATES[shift.passes], firewall=", ".join(dict.fromkeys(name for name, _ in found)),
        source=source, destination=destination, services=list(shift.services),
    )  # fmt: skip
    by = BY_NONE if not shift.rule else BY
    return words.text(by, what=what, rule=shift.rule, witness=shift.witness)
