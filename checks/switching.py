"""What switches join and carry, against the VLANs and links that are declared."""

from collections.abc import Iterable
from dataclasses import replace

from sitiv_infra import Estate, Found, SeenFacts, Verdicts, check, fail, ok, unknown
from sitiv_infra.checking import Outcome
from sitiv_infra.estate import Switch
from sitiv_infra.facts import HypervisorFacts, SwitchFacts
from sitiv_infra.switches import (
    Joined,
    deviations,
    findings,
    gateways,
    joined,
    standings,
    unclear,
    undecided,
    unlike_ends,
    unused,
    uplinks,
)
from sitiv_infra.wanted.trunks import cables
from sitiv_infra.wanted.trunks import ports as wanted_ports

SEGMENTED = ["hygiene:19", "recyf:7.B.3", "recyf:7.B.4"]
HARDENING = ["hygiene:14", "recyf:18.3"]


@check(
    "switching.bypass",
    severity="critical",
    needs=["switch", "hypervisor"],
    proves=[*SEGMENTED, "gateway:R2", "gateway:R3", "gateway:R4"],
)
def bypass(estate: Estate, facts: SeenFacts) -> Verdicts:
    """No two zones are joined by switches or virtual machines, without a firewall between them.

    Risk: whoever is in one zone is in the other: the firewalls' rules are walked around, and none
    of their journals shows it.

    Fix: take the link, the card, the address or the VLAN away that the way leads over. Where a
    switch routes on purpose, move that to the firewalls.
    """
    seen = {s.name: f for s, f in facts.each(estate.switches.values(), SwitchFacts)}
    vcenters = {v.name: f for v, f in facts.each(estate.vcenters.values(), HypervisorFacts)}
    ways = joined(estate, seen, vcenters)
    told: dict[str, Outcome] = {}
    for way in ways:
        outcome = _joined(estate, way)
        told.setdefault(outcome.subject.path, outcome)
    yield from told.values()
    begun = {_place(way.switch) for way in ways}
    for name, found in seen.items():
        switch = estate.switches[name]
        lost = sorted(_neighbours(estate, name) - seen.keys())
        if name in begun:
            continue
        if lost:
            yield unknown(switch, "linked to switches that were not read: {names:list}", names=lost)
        else:
            message = "it joins no two zones, with the switches that it is linked to"
            yield _answer(switch, found, ok(switch, message))
    yield from _virtual(estate, seen, vcenters, begun)


def _joined(estate: Estate, way: Joined) -> Outcome:
    name = _place(way.switch)
    place = estate.switches.get(way.switch) or estate.vcenters[name]
    subject = Found(place, "+".join(way.zones))
    told = {"one": way.zones[0], "other": way.zones[1], "path": way.path}
    if way.sure:
        return fail(subject, "{one} and {other} are joined by {path:list}", **told)
    return unknown(subject, "{one} and {other} may be joined by {path:list}", **told)


def _place(switch: str) -> str:
    """Give the source that tells of a switch: a virtual one is named below its vCenter."""
    return switch.partition("/")[0]


def _virtual(
    estate: Estate,
    seen: dict[str, SwitchFacts],
    vcenters: dict[str, HypervisorFacts],
    begun: set[str],
) -> Verdicts:
    """Say of each vCenter that its machines join nothing between them, or that it is not known."""
    standing = standings(estate, seen, vcenters)
    for name in vcenters.keys() - begun:
        here = [(guest, one) for guest, one in standing.items() if guest.vcenter == name]
        lost = [guest.name for guest, one in here if one.doubts]
        vcenter = estate.vcenters[name]
        if lost:
            message = "machines whose networks are not known: {names:list}"
            yield unknown(vcenter, message, names=_lines(lost))
        else:
            yield ok(vcenter, "several machines together join no two zones")


def _neighbours(estate: Estate, name: str) -> set[str]:
    ends = [(c.one[0], c.other[0]) for c in cables(estate)]
    return {other for pair in ends if name in pair for other in pair}


@check("switching.gateway", severity="high", needs=["switch"], proves=SEGMENTED)
def gateway(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Only firewalls hold the gateways of VLANs.

    Risk: a second gateway answers for the first: machines send to a switch, which filters nothing,
    what they ought to send to the firewall.

    Fix: take the address away from the switch. To be managed it needs another one, in the VLAN of
    administration alone.
    """
    for switch, seen in facts.each(estate.switches.values(), SwitchFacts):
        held = [f"{leg.name} (line {leg.line}): {vlan}" for leg, vlan in gateways(estate, seen)]
        message = "it has the gateway's address of: {held:list}"
        good = ok(switch, "it has no address that is a gateway")
        yield fail(switch, message, held=held) if held else _answer(switch, seen, good)


@check("switching.exact", severity="high", needs=["switch"], proves=["hygiene:19", "recyf:7.B.4"])
def exact(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Each port carries exactly the VLANs that are needed behind it.

    Risk: a VLAN that goes where nobody needs it can be listened to and spoken in from there; one
    that lacks cuts a service off, at the latest when the other way fails.

    Fix: let sitiv switches change print the lines, and say them to the switch; or declare what
    hangs on the port.
    """
    wanted = wanted_ports(estate)
    for switch, seen in facts.each(estate.switches.values(), SwitchFacts):
        ports = list(map(str, deviations(wanted[switch.name], seen)))
        message = "too much (+), too little (-), or tagged otherwise: {ports:list}"
        good = ok(
            switch, "declared ports that carry what is needed: {count}", count=len(switch.links)
        )
        yield fail(switch, message, ports=ports) if ports else _answer(switch, seen, good)


@check("switching.uplink", severity="high", needs=["switch", "hypervisor"], proves=SEGMENTED)
def uplink(estate: Estate, facts: SeenFacts) -> Verdicts:
    """A port to hypervisor hosts carries the VLANs of the port groups behind it, and no others.

    Risk: a VLAN that goes to hosts where nothing needs it is one new port group away from its
    machines; one that lacks cuts machines off as soon as they move to these hosts.

    Fix: let sitiv switches change print the lines; or declare what hangs on the port, or take the
    port group away.
    """
    vcenters = {
        v.name: f for v in estate.vcenters.values() if (f := facts.of(v.source, HypervisorFacts))
    }
    hosting = [s for s in estate.switches.values() if any(x.cluster for x in s.links.values())]
    for switch, seen in facts.each(hosting, SwitchFacts):
        lost = _lines(unclear(estate, switch.name, vcenters))
        # What else stands behind the port may need what seems too much.
        found = (
            replace(each, extra=frozenset()) if lost else each
            for each in uplinks(estate, switch.name, seen, vcenters)
        )
        ports = [str(each) for each in found if each.extra or each.lacking]
        good = ok(switch, "ports to hosts carry what the port groups behind them need")
        if ports:
            yield fail(
                switch, "too much (+) or too little (-) for hosts: {ports:list}", ports=ports
            )
        elif lost:
            yield unknown(switch, "port groups that are not known: {names:list}", names=lost)
        else:
            yield _answer(switch, seen, good)


@check("switching.native-vlan", severity="high", needs=["switch"], proves=HARDENING)
def native_vlan(estate: Estate, facts: SeenFacts) -> Verdicts:
    """A trunk's native VLAN is used by nothing, and is the same at both ends.

    Risk: frames without a tag go from one VLAN into another, by mistake or because an attacker
    tags them twice.

    Fix: give all trunks one native VLAN that nothing else has, and leave it out of their lists.
    """
    all_seen = {
        s.name: f for s in estate.switches.values() if (f := facts.of(s.source, SwitchFacts))
    }
    for switch, seen in facts.each(estate.switches.values(), SwitchFacts):
        ports = _broken(seen, "native-vlan")
        ports += list(unlike_ends(estate, switch.name, all_seen))
        message = "the native VLAN is used, or is not the other end's: {ports:list}"
        good = ok(switch, "native VLANs are used by nothing, and are alike at both ends")
        yield fail(switch, message, ports=ports) if ports else _answer(switch, seen, good)


@check("switching.vlan-1", severity="medium", needs=["switch"], proves=HARDENING)
def vlan_one(estate: Estate, facts: SeenFacts) -> Verdicts:
    """VLAN 1 carries nothing.

    Risk: every port that nobody configured is in VLAN 1: whoever plugs in is beside what is there.

    Fix: move ports and addresses to VLANs of their own, and take 1 out of every trunk's list.
    """
    for switch, seen in facts.each(estate.switches.values(), SwitchFacts):
        ports = _broken(seen, "vlan-1")
        good = ok(switch, "VLAN 1 carries nothing")
        message = "in VLAN 1: {ports:list}"
        yield fail(switch, message, ports=ports) if ports else _answer(switch, seen, good)


@check("switching.negotiation", severity="high", needs=["switch"], proves=HARDENING)
def negotiation(estate: Estate, facts: SeenFacts) -> Verdicts:
    """No port negotiates to become a trunk, and no other switch changes VLANs.

    Risk: whoever speaks DTP on such a port gets a trunk with every VLAN; whoever speaks VTP can
    remove all VLANs at once.

    Fix: set each port to access, or to trunk with switchport nonegotiate; set VTP to off or
    transparent.
    """
    for switch, seen in facts.each(estate.switches.values(), SwitchFacts):
        ports = _broken(seen, "dtp") + [f.detail for f in findings(seen) if f.rule == "vtp"]
        good = ok(switch, "neither ports nor VLANs are negotiated")
        message = "negotiated: {ports:list}"
        yield fail(switch, message, ports=ports) if ports else _answer(switch, seen, good)


@check("switching.edge", severity="medium", needs=["switch"], proves=HARDENING)
def edge(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Access ports have portfast and BPDU guard.

    Risk: a switch, or an attacker, on such a port becomes the root of spanning tree: it sees the
    traffic of others, or stops it.

    Fix: turn both on for every access port, or by default for all.
    """
    for switch, seen in facts.each(estate.switches.values(), SwitchFacts):
        ports = list(dict.fromkeys(_broken(seen, "portfast") + _broken(seen, "bpdu-guard")))
        good = ok(switch, "access ports have portfast and BPDU guard")
        message = "portfast or BPDU guard lacks on: {ports:list}"
        yield fail(switch, message, ports=ports) if ports else _answer(switch, seen, good)


@check("switching.unused-port", severity="medium", needs=["switch"], proves=["hygiene:7"])
def unused_port(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Ports that nothing declared hangs on are shut, and in the parking VLAN if one is declared.

    Risk: whoever finds a free socket is in the network.

    Fix: shut the port and put it in the parking VLAN; or declare what hangs on it.
    """
    for switch, seen in facts.each(estate.switches.values(), SwitchFacts):
        ports = [f"{p.name} (line {p.line})" for p in unused(estate, switch, seen)]
        good = ok(switch, "free ports are shut")
        message = "free, but open or not parked: {ports:list}"
        yield fail(switch, message, ports=ports) if ports else _answer(switch, seen, good)


@check("switching.dual-homed", severity="high", needs=(), proves=SEGMENTED)
def dual_homed(estate: Estate, _facts: SeenFacts) -> Verdicts:
    """Only firewalls have legs in several zones.

    Risk: whoever takes such a machine stands in both zones, and no firewall is between them.

    Fix: leave it one leg, and declare a flow for what it needs of the other zone.
    """
    for machine in estate.machines.values():
        zones = sorted({estate.vlans[leg.vlan].zone for leg in machine.interfaces})
        if machine.name in estate.firewalls or not zones:
            continue
        if len(zones) > 1:
            legs = sorted({leg.vlan for leg in machine.interfaces})
            yield fail(
                machine, "it stands in {zones:list}, by {vlans:list}", zones=zones, vlans=legs
            )
        else:
            yield ok(machine, "it stands in {zone} alone", zone=zones[0])


def _broken(seen: SwitchFacts, rule: str) -> list[str]:
    return [f"{one.port} (line {one.line})" for one in findings(seen) if one.rule == rule]


def _answer(switch: Switch, seen: SwitchFacts, good: Outcome) -> Outcome:
    """Give a good answer only where the whole configuration was understood."""
    lines = _lines(f"{one.line}: {one.detail}" for one in undecided(seen))
    if lines:
        return unknown(switch, "lines that are not understood: {lines:list}", lines=lines)
    return good


def _lines(lines: Iterable[str]) -> list[str]:
    found = list(lines)
    return [*found[:5], "…"] if len(found) > 5 else found
