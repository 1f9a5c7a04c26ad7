"""Reads a configuration of the Cisco kind: what is common to IOS and EOS."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from sitiv_infra.facts.switch import (
    Doubt,
    PortMode,
    RoutedLeg,
    SwitchFacts,
    SwitchPort,
    VlanState,
)
from sitiv_infra.switches.lines import Block, Line, blocks
from sitiv_infra.switches.statements import ASIDE, COMMON, Draft, Statement
from sitiv_infra.vlan_ids import ALL, read

SVI = re.compile(r"vlan(\d+)", re.IGNORECASE)
# Interfaces with which a switch is only a host, or a router: no frame is switched there.
ROUTED = re.compile(r"(?:loopback|tunnel|management|mgmt|null|bdi)\S*|\S+\.\d+", re.IGNORECASE)
SWITCHED = re.compile(r"(?:\S*ethernet|\S*gig\S*|port-channel)[\d/]+", re.IGNORECASE)
# First words of what stands at the margin and does not change layer 2.
HEADS = re.compile(
    r"(?:no )?(?:"
    r"aaa|access-list|agent|alias|archive|arp|authentication mac-move|banner"
    r"|boot(?:-(?:start|end)-marker)?|call-home|cdp|class-map|clock|control-plane|crypto"
    r"|daemon|device-tracking|dhcp|diagnostic|dns|dot1x|enable|end|environment|errdisable"
    r"|event|exception|file|flow|hardware|hw-module|hw-switch|ip|ipv6|key|lacp|license|line"
    r"|lldp|logging|login|mac access-list|mac address-table|management|memory|mlag|mls"
    r"|netconf-yang|network-clock|ntp|object-group|parser|platform|policy-map|port-channel"
    r"|power|privilege|process|prompt|ptp|qos|queue-monitor|radius|radius-server|redundancy"
    r"|restconf|role|route-map|router|schedule|scheduler|service|sflow|snmp|snmp-server|sntp"
    r"|spanning-tree|stack-mac|stackwise-virtual|switch \d+ provision|switch virtual|system"
    r"|table-map|tacacs|tacacs-server|telemetry|template|terminal|tftp-server|track"
    r"|transceiver|udld|username|version|vlan internal|vrf|vtp|Building configuration\.\.\."
    r"|Current configuration|Last configuration"
    r")(?:[ :].*)?"
)
VLAN = re.compile(r"vlan ([\d,-]+)")


@dataclass(frozen=True)
class Grammar:
    """What differs between platforms: defaults, and the lines that only one of them has.

    ``globally`` are lines at the margin; they set values that ``SwitchFacts`` or all ports take.
    """

    platform: str
    mode: PortMode
    dtp: bool
    ports: tuple[Statement, ...]
    globally: tuple[Statement, ...]


@dataclass
class Reading:
    """A switch while it is read."""

    grammar: Grammar
    settings: Draft
    drafts: dict[str, Draft] = field(default_factory=dict)
    vlans: dict[int, Draft] = field(default_factory=dict)
    doubts: list[Doubt] = field(default_factory=list)


def read_config(text: str, grammar: Grammar) -> SwitchFacts:
    """Read a running configuration; what is not understood is among the doubts."""
    settings: Draft = {"hostname": None, "routing": {}, "vtp": None, "edge": None, "guard": None}
    reading = Reading(grammar, {**settings, "native_tagged": False, "ended": False})
    for block in blocks(text):
        _block(reading, block)
    if not reading.settings["ended"]:
        last = len(text.splitlines())
        reading.doubts.append(Doubt(line=last, words="(no 'end': it may be cut off)"))
    return _facts(reading)


def _doubt(line: Line) -> Doubt:
    return Doubt(line=line.number, words=" ".join(line.text.split()[:2]))


def _block(reading: Reading, block: Block) -> None:
    head = block.head
    kind, _, name = head.text.partition(" ")
    if kind == "interface" and " " not in name:
        _interface(reading, name, block)
    elif VLAN.fullmatch(head.text):
        _vlan(reading, block)
    elif not _understood(reading.grammar.globally, reading.settings, head, HEADS):
        reading.doubts.append(_doubt(head))


def _understood(
    statements: Iterable[Statement], draft: Draft, line: Line, aside: re.Pattern[str]
) -> bool:
    """Let the first statement that fits a line do its work; False where the line is not known."""
    for pattern, handler in statements:
        match = pattern.fullmatch(line.text)
        if match:
            try:
                handler(draft, match)
            except ValueError:
                return False
            return True
    return aside.fullmatch(line.text) is not None


def _interface(reading: Reading, name: str, block: Block) -> None:
    draft = reading.drafts.setdefault(name, {
        "line": block.head.number, "mode": reading.grammar.mode, "allowed": ALL, "addresses": (),
        "doubts": (), "bare": True, "said": None, "edge": None, "guard": None,
    })  # fmt: skip
    if not any(kind.fullmatch(name) for kind in (SVI, ROUTED, SWITCHED)):
        draft["doubts"] += (_doubt(block.head),)
    for line in block.body:
        draft["bare"] = draft["bare"] and line.text in {"shutdown", "no shutdown", "no ip address"}
        if not _understood((*reading.grammar.ports, *COMMON), draft, line, ASIDE):
            draft["doubts"] += (_doubt(line),)


def _vlan(reading: Reading, block: Block) -> None:
    match = VLAN.fullmatch(block.head.text)
    try:
        ids = read(match[1]) if match else ()
    except ValueError:
        reading.doubts.append(_doubt(block.head))
        return
    state: Draft = {}
    for line in block.body:
        kind, _, value = line.text.partition(" ")
        if kind == "name":
            state["name"] = value.strip('"')
        elif line.text in {"state suspend", "shutdown"}:
            state["active"] = False
        elif line.text not in {"state active", "no shutdown"}:
            reading.doubts.append(_doubt(line))
    for one in ids:
        reading.vlans.setdefault(one, {}).update(state)


def _facts(reading: Reading) -> SwitchFacts:
    # Where a platform says "switchport" of some ports, those of which it does not are routed.
    spoken = any(draft["said"] == "switched" for draft in reading.drafts.values())
    ports, legs = [], []
    for name, draft in reading.drafts.items():
        svi = SVI.fullmatch(name)
        if svi or ROUTED.fullmatch(name):
            legs.append(_leg(name, draft, int(svi[1]) if svi else draft.get("vlan")))
            continue
        channel = name.casefold().startswith("port-channel")
        routed = draft["said"] == "routed" or (
            draft["said"] is None and (_addressed(reading, draft) or (spoken and not channel))
        )
        if routed and not draft.get("channel"):
            legs.append(_leg(name, draft, None))
        ports.append(_port(reading, name, draft, routed=routed))
    vtp = reading.settings["vtp"]
    return SwitchFacts(
        platform=reading.grammar.platform,
        hostname=reading.settings["hostname"],
        ports=tuple(ports),
        vlans=tuple(VlanState(id=n, **state) for n, state in sorted(reading.vlans.items())),
        vlans_whole=not reading.grammar.dtp or vtp in {"transparent", "off"},
        legs=tuple(legs),
        routing=reading.settings["routing"],
        vtp=(vtp or "server") if reading.grammar.dtp else None,
        doubts=tuple(reading.doubts),
    )


def _addressed(reading: Reading, draft: Draft) -> bool:
    """Tell whether an address makes a port routed; EOS takes one on any port, to no effect."""
    return reading.grammar.dtp and (bool(draft["addresses"]) or "vrf" in draft)


def _leg(name: str, draft: Draft, vlan: int | None) -> RoutedLeg:
    return RoutedLeg(
        name=name, line=draft["line"], vlan=vlan, addresses=draft["addresses"],
        vrf=draft.get("vrf", ""), shut=draft.get("shut", False), doubts=draft["doubts"],
    )  # fmt: skip


def _port(reading: Reading, name: str, draft: Draft, *, routed: bool) -> SwitchPort:
    mode = PortMode.ROUTED if routed else draft["mode"]
    may = mode in {PortMode.TRUNK, PortMode.NEGOTIATED} and not draft.get("quiet", False)
    settings = reading.settings
    edge = draft["edge"]
    if edge is None:  # the default for all ports is for those that are no trunks
        edge = bool(settings["edge"]) and mode is not PortMode.TRUNK
    guard = draft["guard"]
    if guard is None:  # and that of the guard for those that are edges
        guard = bool(settings["guard"]) and edge
    channel = draft.get("channel")
    kept = {k: v for k, v in draft.items() if k in SwitchPort.model_fields}
    return SwitchPort(**kept | {
        "name": name, "mode": mode, "negotiates": reading.grammar.dtp and may, "edge": edge,
        "guard": guard, "channel": f"Port-channel{channel}" if channel else None,
        "native_tagged": draft.get("native_tagged", settings["native_tagged"]),
    })  # fmt: skip
