"""What is unsafe in a switch's configuration by itself, without knowing what hangs on it.

Source: ANSSI, DAT-NT-25, Recommandations pour la sécurisation d'un commutateur de desserte, 24 June
2016, without the numbers of its recommendations; for a trunk's list and native VLAN also Cisco's
command references, ``switchport trunk``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sitiv_infra.facts.switch import PortMode, RoutedLeg, SwitchFacts, SwitchPort
from sitiv_infra.vlan_ids import FIRST, LAST

RESERVED = frozenset(range(1002, 1006))  # of FDDI and Token Ring on IOS
WHOLE = frozenset(range(FIRST + 1, LAST + 1)) - RESERVED
TRUNKS = frozenset({PortMode.TRUNK, PortMode.NEGOTIATED})


@dataclass(frozen=True)
class Finding:
    """A rule that a port, or the switch where that is empty, breaks; ``line`` from 1, 0 for none.

    detail -- what of it, such as the VLAN.
    """

    rule: str
    port: str = ""
    line: int = 0
    detail: str = ""


def findings(switch: SwitchFacts) -> Iterator[Finding]:
    """Yield every finding, in the order of the configuration within each rule."""
    for rule in RULES.values():
        yield from rule(switch)


def undecided(switch: SwitchFacts) -> Iterator[Finding]:
    """Yield the lines that are not understood, and so what is not judged."""
    for doubt in switch.doubts:
        yield Finding("undecided", "", doubt.line, doubt.words)
    things: tuple[SwitchPort | RoutedLeg, ...] = (*switch.ports, *switch.legs)
    for one in things:
        for doubt in one.doubts:
            yield Finding("undecided", one.name, doubt.line, doubt.words)


def _found(rule: str, ports: Iterable[SwitchPort], detail: str = "") -> Iterator[Finding]:
    return (Finding(rule, port.name, port.line, detail) for port in ports)


def _live(switch: SwitchFacts) -> Iterator[SwitchPort]:
    """Give the ports whose own configuration is in force; parts of channels follow the channel."""
    return (port for port in switch.ports if port.switched)


def _chosen(switch: SwitchFacts) -> Iterator[SwitchPort]:
    """Give the ports whose VLANs somebody chose; of a trunk that carries all it is said already."""
    for port in _live(switch):
        if not port.bare and not (port.mode in TRUNKS and port.allowed >= WHOLE):
            yield port


def _trunks(switch: SwitchFacts) -> Iterator[SwitchPort]:
    return (port for port in _live(switch) if port.mode in TRUNKS)


def _edges(switch: SwitchFacts) -> Iterator[SwitchPort]:
    """Give access ports; Open vSwitch's have no spanning tree to be protected from."""
    live = _live(switch) if switch.platform != "openvswitch" else ()
    return (port for port in live if port.mode is PortMode.ACCESS)


def _vlan_one(switch: SwitchFacts) -> Iterator[Finding]:
    yield from _found("vlan-1", (p for p in _live(switch) if 1 in p.vlans), "carries VLAN 1")
    for leg in switch.legs:
        if leg.vlan == 1 and leg.addresses and not leg.shut:
            yield Finding("vlan-1", leg.name, leg.line, "has an address in VLAN 1")


def _all_vlans(switch: SwitchFacts) -> Iterator[Finding]:
    whole = (port for port in _trunks(switch) if port.allowed >= WHOLE)
    yield from _found("trunk-all", whole, "carries every VLAN")


def _native(switch: SwitchFacts) -> Iterator[Finding]:
    used = {leg.vlan: leg.name for leg in switch.legs if leg.vlan and leg.addresses}
    for port in _chosen(switch):
        own = port.vlans if port.mode is PortMode.ACCESS else port.tagged
        used |= dict.fromkeys(own, port.name)
    for port in _trunks(switch):
        if port.native_tagged:
            continue
        if port.native == 1:
            yield from _found("native-vlan", [port], "the native VLAN is 1")
        elif port.native in used:
            detail = f"the native VLAN {port.native} is used by {used[port.native]}"
            yield from _found("native-vlan", [port], detail)


def _dtp(switch: SwitchFacts) -> Iterator[Finding]:
    for port in _live(switch):
        if port.negotiates and not port.bare:  # of a bare one it is said that it is unused
            said = "may become a trunk" if port.mode is PortMode.NEGOTIATED else "sends DTP"
            yield from _found("dtp", [port], said)


def _unused(switch: SwitchFacts) -> Iterator[Finding]:
    yield from _found("unused-port", (p for p in _live(switch) if p.bare), "nothing is said of it")
    used = {vid for port in _chosen(switch) for vid in port.vlans} | {1}
    used |= {leg.vlan for leg in switch.legs if leg.vlan}
    for port in switch.ports:
        parked = port.mode is PortMode.ACCESS and port.access not in used
        if port.shut and port.mode is not PortMode.ROUTED and not port.channel and not parked:
            yield from _found("parking", [port], "shut, but in no VLAN of its own")


def _edge(switch: SwitchFacts) -> Iterator[Finding]:
    lacking = (port for port in _edges(switch) if not port.bare and not port.edge)
    yield from _found("portfast", lacking, "an access port without portfast")


def _guard(switch: SwitchFacts) -> Iterator[Finding]:
    for port in _edges(switch):
        if port.deaf:
            yield from _found("bpdu-guard", [port], "a BPDU filter hides spanning tree from it")
        elif not port.guard and not port.bare:
            yield from _found("bpdu-guard", [port], "an access port without BPDU guard")


def _storms(switch: SwitchFacts) -> Iterator[Finding]:
    lacking = (port for port in _edges(switch) if not port.storm_control and not port.bare)
    yield from _found("storm-control", lacking, "an access port without storm control")


def _vtp(switch: SwitchFacts) -> Iterator[Finding]:
    if switch.vtp not in {None, "off", "transparent"}:
        yield Finding("vtp", detail=f"VTP is on ({switch.vtp}): another switch can change VLANs")


RULES: Mapping[str, Callable[[SwitchFacts], Iterator[Finding]]] = MappingProxyType({
    "vlan-1": _vlan_one,
    "trunk-all": _all_vlans,
    "native-vlan": _native,
    "dtp": _dtp,
    "vtp": _vtp,
    "unused-port": _unused,
    "portfast": _edge,
    "bpdu-guard": _guard,
    "storm-control": _storms,
})  # fmt: skip
