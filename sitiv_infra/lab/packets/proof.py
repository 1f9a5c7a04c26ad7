"""The whole proof: packets on a stand, held against what was planned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

from sitiv_infra.estate import Estate
from sitiv_infra.facts import PacketFacts
from sitiv_infra.lab.packets.bench import bench
from sitiv_infra.lab.packets.fates import findings
from sitiv_infra.lab.packets.frames import misplaced
from sitiv_infra.lab.packets.plan import Plan, planned
from sitiv_infra.lab.packets.stand import Stand, standing
from sitiv_infra.lab.packets.walk import walked
from sitiv_infra.lab.place import Place
from sitiv_infra.lab.twin import Twin
from sitiv_infra.wanted.filtering import together

Tell = Callable[[str], None]


def prove_declared(estate: Estate, today: date, place: Place, tell: Tell) -> PacketFacts:
    """Prove what is rendered of an estate, on a bench of its own; nobody's lab is touched.

    Where sites hold other flows, the bench stands once for each kind of firewall.
    """
    groups = together(estate, today)
    found: list[PacketFacts] = []
    for sites in groups:
        plan = planned(estate, today, sites[0])
        tell("a switch, a firewall, and an end in every VLAN")
        with bench(estate, sites[0], plan.ends, today, place) as stand:
            named = stand if len(groups) == 1 else _of(sites, stand)
            found.append(_proof(plan, named, tell))
    return joined(found)


def _of(sites: Sequence[str], stand: Stand) -> Stand:
    """Name the firewalls of a bench by the sites whose rules they have."""
    where = ", ".join(sites)
    firewalls = {f"{name} ({where})": space for name, space in stand.firewalls.items()}
    return replace(stand, firewalls=firewalls)


def joined(found: Sequence[PacketFacts]) -> PacketFacts:
    """Give several proofs as one: packets and findings of all of them."""
    sums = ("packets", "delivered", "dropped", "lost", "counted")
    return found[-1].model_copy(
        update={
            **{name: sum(getattr(one, name) for one in found) for name in sums},
            "findings": tuple(finding for one in found for finding in one.findings),
        }
    )


def prove_standing(lab: Twin, today: date, tell: Tell) -> PacketFacts:
    """Prove a lab that stands, by its own switches and firewalls, whatever is wrong with them."""
    tell("frames from every leg of every machine")
    found = tuple(misplaced(lab.place))
    plan = planned(lab.estate, today)
    tell("an end in every VLAN")
    with standing(lab, plan.ends) as stand:
        return _proof(plan, stand, tell, found)


def _proof(plan: Plan, stand: Stand, tell: Tell, legs: Sequence[str] = ()) -> PacketFacts:
    before = stand.counted()
    account = walked(stand, plan.probes, tell)
    counted = stand.counted() - before
    tell(f"{account.again} were sent again; {account.seconds:.1f} s under way")
    return PacketFacts(
        ended=datetime.now(UTC),
        packets=len(plan.probes),
        delivered=account.delivered,
        dropped=account.dropped,
        lost=account.lost,
        counted=counted,
        findings=tuple(findings(plan.probes, account.traces, stand.firewalls)),
        misplaced=tuple(legs),
        left_out=plan.left_out,
        unsent=plan.unsent,
    )
