"""What virtual machines are connected to: the zones that they join, and the declared VLANs."""

from __future__ import annotations

from sitiv_infra import Estate, Found, SeenFacts, Unread, Verdicts, check, fail, ok, unknown
from sitiv_infra.checking import Outcome, label, worst
from sitiv_infra.estate import Machine
from sitiv_infra.facts import HypervisorFacts, SwitchFacts
from sitiv_infra.messages import noop
from sitiv_infra.switches import Connected, Standing, connected, standings

SEGMENTED = ["hygiene:19", "recyf:7.B.3", "recyf:7.B.4"]
UNCLEAR = noop("what it is connected to is not known: {doubts:list}")
BLIND = noop("could not be looked for: {cause}")
NONE = noop("the vCenter shows none at all; the account may not see them")


@check(
    "hypervisor.dual-homed",
    severity="critical",
    needs=["hypervisor"],
    proves=[*SEGMENTED, "vsphere:network-vgt"],
)
def dual_homed(estate: Estate, facts: SeenFacts) -> Verdicts:
    """No virtual machine stands in two zones, unless it is a declared firewall.

    Risk: whoever takes the machine is in both zones, and no firewall and no journal is between
    them. A machine that sees all tags stands in every zone that its port group lets through.

    Fix: take the card away, or connect it to the port group of the machine's own VLAN; declare a
    flow for what the machine needs of the other zone.
    """
    all_seen = {v.name: f for v, f in facts.each(estate.vcenters.values(), HypervisorFacts)}
    seen = {name: found for name, found in all_seen.items() if not _older(found)}
    switches = {
        s.name: f for s in estate.switches.values() if (f := facts.of(s.source, SwitchFacts))
    }
    yield from worst(
        _standing(_subject(estate, guest.vcenter, guest.name), standing)
        for guest, standing in standings(estate, switches, seen).items()
    )
    for name, found in all_seen.items():
        if isinstance(found.portgroups, Unread):
            yield unknown(estate.vcenters[name], BLIND, cause=found.portgroups.unread)
        elif not found.machines:
            yield unknown(estate.vcenters[name], BLIND, cause=NONE)


def _older(seen: HypervisorFacts) -> bool:
    """Whether no network was read at all: that is said once, and not of every machine."""
    return isinstance(seen.portgroups, Unread)


def _subject(estate: Estate, vcenter: str, name: str) -> Machine | Found:
    declared = {m.name.casefold(): m for m in estate.machines.values() if m.cluster is not None}
    return declared.get(name.casefold()) or Found(estate.vcenters[vcenter], label(name))


def _standing(subject: Machine | Found, standing: Standing) -> Outcome:
    zones = sorted(standing.zones)
    if len(zones) > 1:
        ways = [" > ".join(standing.zones[zone][1:]) for zone in zones]
        return fail(subject, "it stands in {zones:list}, by {ways:list}", zones=zones, ways=ways)
    if standing.doubts:
        return unknown(subject, UNCLEAR, doubts=list(standing.doubts))
    networks = [*zones, *standing.possible, *standing.networks]
    if len(networks) > 1:
        return unknown(subject, "it may join what it stands in: {networks:list}", networks=networks)
    if not networks:
        return ok(subject, "it is connected to nothing")
    return ok(subject, "it stands in {network} alone", network=networks[0])


@check("hypervisor.machine-vlans", severity="high", needs=["hypervisor"], proves=SEGMENTED)
def machine_vlans(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Every declared virtual machine is connected to the VLANs that are declared for it.

    Risk: the machine is in another zone than everybody believes: rules that were written for it do
    not hold it, and those of its neighbours let it through.

    Fix: connect its cards to the port groups of its VLANs, or declare where it is to stand.
    """
    declared = [m for m in estate.machines.values() if m.cluster is not None and m.interfaces]
    for vcenter in estate.vcenters.values():
        older = facts.of(vcenter.source, HypervisorFacts)
        if older is not None and isinstance(older.portgroups, Unread):
            yield unknown(vcenter, BLIND, cause=older.portgroups.unread)
    for machine, seen in facts.each(declared, HypervisorFacts):
        if _older(seen):
            continue
        guests = [m for m in seen.machines if m.name.casefold() == machine.name.casefold()]
        yield from worst(_as_declared(machine, connected(estate, machine, seen, g)) for g in guests)


def _as_declared(machine: Machine, cards: Connected) -> Outcome:
    if cards.doubts:
        told = list(cards.doubts)
        return unknown(machine, UNCLEAR, doubts=told)
    if not cards.any:
        return unknown(machine, "it has no network card that is connected to a network")
    if cards.extra or cards.lacking:
        vlans = [f"+{vid}" for vid in sorted(cards.extra)]
        vlans += [f"-{vid}" for vid in sorted(cards.lacking)]
        return fail(machine, "VLANs too many (+), or that lack (-): {vlans:list}", vlans=vlans)
    return ok(machine, "connected to the VLANs that are declared for it")
