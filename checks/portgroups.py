"""What port groups let through, and whether their VLANs are the declared ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sitiv_infra import Estate, Found, SeenFacts, Unread, Verdicts, check, fail, ok, unknown
from sitiv_infra.checking import Outcome, label, rank, worst
from sitiv_infra.estate import Vcenter, Vlan
from sitiv_infra.facts import HypervisorFacts
from sitiv_infra.facts.hypervisor import PortGroup
from sitiv_infra.messages import noop
from sitiv_infra.switches import members, sites
from sitiv_infra.vlan_ids import written

SEGMENTED = ["hygiene:19", "recyf:7.B.3", "recyf:7.B.4"]
HARDENING = ["hygiene:14", "recyf:18.3"]
BLIND = noop("could not be looked for: {cause}")
NONE = noop("the vCenter shows none at all; the account may not see them")


@check("hypervisor.portgroup-vlan", severity="high", needs=["hypervisor"], proves=SEGMENTED)
def portgroup_vlan(estate: Estate, facts: SeenFacts) -> Verdicts:
    """A port group's VLAN is declared on its site, and is the one that its name says.

    Risk: what is connected to it stands in a network that no zone has and no firewall holds, or in
    another zone than the one in its name.

    Fix: give the port group the VLAN of its name, or take it away; or declare the VLAN.
    """
    return _each(estate, facts, _declared_vlan)


def _declared_vlan(place: Place) -> Outcome:
    vlan, subject = place.group.vlan, place.subject
    if isinstance(vlan, Unread):
        return unknown(subject, "its VLAN was not read: {cause}", cause=vlan.unread)
    if vlan.guest:
        return ok(subject, "it passes tags to machines; that has a check of its own")
    vids = {vlan.primary} if vlan.primary is not None else set(vlan.ids)
    standing = [v for v in place.vlans if v.vid in vids]
    named = next((v for v in place.vlans if v.name.casefold() == place.group.name.casefold()), None)
    if not vids:
        return fail(subject, "its frames have no tag: the switch decides which VLAN that is")
    if not standing:
        return fail(subject, "VLAN {vid} is not declared there", vid=min(vids))
    if named is not None and named not in standing:
        what = "it is VLAN {vid}, and {vlan} is {declared}"
        return fail(subject, what, vid=min(vids), vlan=named.name, declared=named.vid)
    return ok(subject, "it is the VLAN {vlan}", vlan=standing[0].name)


@check(
    "hypervisor.guest-tagging",
    severity="high",
    needs=["hypervisor"],
    proves=[*SEGMENTED, "vsphere:network-vgt"],
)
def guest_tagging(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Only declared firewalls choose their VLANs themselves.

    Risk: on a trunk, or with VLAN 4095, the machine writes the tag: it is in whatever VLAN it
    likes, in each at once.

    Fix: connect the machine to port groups of one VLAN each, or narrow the range; if it is a
    firewall, declare it.
    """
    return _each(estate, facts, _guest_tags)


def _guest_tags(place: Place) -> Outcome:
    vlan, subject = place.group.vlan, place.subject
    if isinstance(vlan, Unread):
        return unknown(subject, "its VLAN was not read: {cause}", cause=vlan.unread)
    if not vlan.guest:
        return ok(subject, "it has one VLAN")
    if place.others:
        what = "VLANs {vids} are open to machines that are no firewalls: {names:list}"
        return fail(subject, what, vids=written(vlan.ids), names=_few(place.others))
    if place.hidden:
        return unknown(
            subject, "machines whose cards were not read: {names:list}", names=place.hidden
        )
    return ok(subject, "no machine is on it but declared firewalls")


@check(
    "hypervisor.promiscuous",
    severity="critical",
    needs=["hypervisor"],
    proves=[*HARDENING, "vsphere:network-reject-promiscuous-mode-dvportgroup"],
)
def promiscuous(estate: Estate, facts: SeenFacts) -> Verdicts:
    """No port group lets machines see frames that are for others.

    Risk: whoever takes one machine of it reads what all others of the same VLANs say, private VLANs
    too; on a trunk, of every zone.

    Fix: reject promiscuous mode. A firewall pair that needs it gets a port group of its own.
    """
    return _each(
        estate, facts, lambda place: _setting(place, "promiscuous", place.group.promiscuous)
    )


@check(
    "hypervisor.forged-frames",
    severity="medium",
    needs=["hypervisor"],
    proves=[
        *HARDENING,
        "vsphere:network-reject-forged-transmit-dvportgroup",
        "vsphere:network-reject-mac-changes-dvportgroup",
    ],
)
def forged_frames(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Machines send from their own MAC address alone.

    Risk: a machine takes the address of another, a gateway's too, and gets what is meant for it.

    Fix: reject forged transmits and MAC address changes.
    """

    def both(place: Place) -> Outcome:
        forged = _setting(place, "forged transmits", place.group.forged)
        changes = _setting(place, "MAC address changes", place.group.mac_changes)
        return min(forged, changes, key=rank)

    return _each(estate, facts, both)


def _setting(place: Place, name: str, value: object) -> Outcome:
    if isinstance(value, Unread):
        return unknown(
            place.subject, "{setting} could not be read: {cause}", setting=name, cause=value.unread
        )
    if not value:
        return ok(place.subject, "{setting}: rejected", setting=name)
    if place.firewalls and not place.others and not place.hidden:
        names = place.firewalls
        return ok(
            place.subject,
            "{setting}: for declared firewalls {names:list}",
            setting=name,
            names=names,
        )
    names = _few(place.others) or ["-"]
    return fail(place.subject, "{setting}: accepted, for {names:list}", setting=name, names=names)


@check(
    "hypervisor.port-override",
    severity="medium",
    needs=["hypervisor"],
    proves=[*HARDENING, "vsphere:network-restrict-port-level-overrides"],
)
def port_override(estate: Estate, facts: SeenFacts) -> Verdicts:
    """A single port can't be set otherwise than its port group.

    Risk: one machine's port is opened, or put into another VLAN, and the settings of its port group
    still look right; single ports are not read.

    Fix: turn the override of security and of VLAN off; what needs other settings gets a port group.
    """
    return _each(estate, facts, _override)


def _override(place: Place) -> Outcome:
    flags = {"VLAN": place.group.vlan_override, "security": place.group.security_override}
    allowed = [name for name, flag in flags.items() if flag is True]
    lost = [flag.unread for flag in flags.values() if isinstance(flag, Unread)]
    if allowed:
        return fail(place.subject, "a port may differ in: {settings:list}", settings=allowed)
    if lost:
        return unknown(place.subject, "not read: {causes:list}", causes=lost)
    return ok(place.subject, "ports are as their group")


@dataclass(frozen=True)
class Place:
    """A port group in its vCenter; ``hidden`` are machines whose cards were not read."""

    subject: Found
    group: PortGroup
    vlans: tuple[Vlan, ...]
    firewalls: list[str]
    others: list[str]
    hidden: list[str]


def _each(estate: Estate, facts: SeenFacts, judge: Callable[[Place], Outcome]) -> Verdicts:
    """Judge every port group but uplinks, and say where some could not be read."""
    for vcenter, seen in facts.each(estate.vcenters.values(), HypervisorFacts):
        if isinstance(seen.portgroups, Unread):
            yield unknown(vcenter, BLIND, cause=seen.portgroups.unread)
            continue
        blind = [h for h in seen.hosts if isinstance(h.adapters, Unread)]
        for host in blind:
            cause = host.adapters.unread if isinstance(host.adapters, Unread) else ""
            yield unknown(Found(vcenter, label(host.name)), BLIND, cause=cause)
        if not seen.portgroups and not blind:
            yield unknown(vcenter, BLIND, cause=NONE)
        yield from worst(judge(place) for place in _places(estate, vcenter, seen))


def _places(estate: Estate, vcenter: Vcenter, seen: HypervisorFacts) -> Iterator[Place]:
    known = members(estate, vcenter.name, seen)
    here = sites(estate, vcenter)
    vlans = tuple(v for v in estate.vlans.values() if here & set(v.sites))
    hidden = _few([m.name for m in seen.machines if isinstance(m.nics, Unread)])
    for group in () if isinstance(seen.portgroups, Unread) else seen.portgroups:
        if group.uplink is not True:
            subject = Found(vcenter, label(f"{group.switch}/{group.name}"))
            on = known.get(group.key, {})
            firewalls, others = on.get("firewalls", []), on.get("others", [])
            yield Place(subject, group, vlans, firewalls, others, hidden)


def _few(names: list[str]) -> list[str]:
    return [*names[:5], "…"] if len(names) > 5 else names
