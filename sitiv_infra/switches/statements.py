"""The lines of interfaces that IOS and EOS have in common, and what each of them sets.

A list of VLANs is absolute (``10,20``, ``except``, ``all``, ``none``) or changes the one before it
(``add``, ``remove``); without any, and after ``no``, a trunk carries all VLANs. Source: Cisco,
Catalyst command references, ``switchport trunk``; Arista, EOS User Manual, VLANs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_interface
from typing import Any

from sitiv_infra.facts.switch import PortMode
from sitiv_infra.vlan_ids import ALL, Ids, read

Draft = dict[str, Any]
Match = re.Match[str]
Handler = Callable[[Draft, Match], None]
Statement = tuple[re.Pattern[str], Handler]
VID = r"(\d+)"
CHANGES: dict[str, Callable[[Ids, Ids], Ids]] = {
    "add": lambda now, given: now | given,
    "remove": lambda now, given: now - given,
    "except": lambda _now, given: ALL - given,
}


def changed(now: Ids, words: str) -> Ids:
    """Give the list of a trunk after ``switchport trunk allowed vlan WORDS``.

    ValueError for what is not such a list.
    """
    if words == "all":
        return ALL
    verb, _, ids = words.partition(" ")
    if ids:
        if verb not in CHANGES:
            raise ValueError(f"'{words}' is no list of VLANs")
        return CHANGES[verb](now, read(ids))
    return read(words)


def sets(**values: object) -> Handler:
    """Make a handler that sets values."""
    return lambda draft, _match: draft.update(values)


def vid(field: str) -> Handler:
    """Make a handler that sets a field to the VLAN id that the line names."""

    def handle(draft: Draft, match: Match) -> None:
        (draft[field],) = read(match[1])

    return handle


def word(field: str) -> Handler:
    """Make a handler that sets a field to what the line names."""
    return lambda draft, match: draft.update({field: match[1]})


def _allowed(draft: Draft, match: Match) -> None:
    draft["allowed"] = changed(draft["allowed"], match[1])


def _address(draft: Draft, match: Match) -> None:
    draft["addresses"] += (str(ip_interface(match[1].replace(" ", "/"))),)


def _addressed(draft: Draft, match: Match) -> None:
    draft["addresses"] += (match[1].partition(" ")[0],)


def statement(pattern: str, handler: Handler) -> Statement:
    """Join a pattern of a whole line and what it sets."""
    return re.compile(pattern), handler


COMMON: tuple[Statement, ...] = (
    statement(r"switchport", sets(said="switched")),
    statement(r"no switchport", sets(said="routed")),
    statement(r"switchport mode access", sets(mode=PortMode.ACCESS)),
    statement(r"switchport mode trunk", sets(mode=PortMode.TRUNK)),
    statement(rf"switchport access vlan {VID}", vid("access")),
    statement(r"no switchport access vlan", sets(access=1)),
    statement(rf"switchport trunk native vlan {VID}", vid("native")),
    statement(r"switchport trunk native vlan tag", sets(native_tagged=True)),
    statement(r"no switchport trunk native vlan", sets(native=1, native_tagged=False)),
    statement(r"switchport trunk allowed vlan (.+)", _allowed),
    statement(r"no switchport trunk allowed vlan", sets(allowed=ALL)),
    statement(rf"switchport (?:voice|phone) vlan {VID}", vid("voice")),
    statement(r"switchport voice vlan (?:none|dot1p|untagged)", sets(voice=None)),
    statement(r"shutdown", sets(shut=True)),
    statement(r"no shutdown", sets(shut=False)),
    statement(r"spanning-tree portfast(?: edge)?", sets(edge=True)),
    statement(r"spanning-tree portfast (?:disable|network)", sets(edge=False)),
    statement(r"no spanning-tree portfast", sets(edge=False)),
    statement(r"spanning-tree bpduguard enable", sets(guard=True)),
    statement(r"(?:no spanning-tree bpduguard|spanning-tree bpduguard disable)", sets(guard=False)),
    statement(r"spanning-tree bpdufilter enable", sets(deaf=True)),
    statement(r"(?:no spanning-tree bpdufilter|spanning-tree bpdufilter disable)",
              sets(deaf=False)),
    statement(r"storm-control .+", sets(storm_control=True)),
    statement(r"channel-group (\d+)(?: mode \S+)?", word("channel")),
    statement(r"description (.+)", word("description")),
    statement(r"ip(?:v6)? address (?:virtual )?([\da-fA-F.:]+[ /][\d.]+)(?: secondary| eui-64)?",
              _address),
    statement(r"ip(?:v6)? address (dhcp|autoconfig|negotiated)(?: .*)?", _addressed),
    statement(r"ip (unnumbered) .+", _addressed),
    statement(r"no ip(?:v6)? address", sets(addresses=())),
    statement(r"ipv6 address \S+ link-local", sets()),
    statement(r"(?:ip )?vrf(?: forwarding)? (\S+)", word("vrf")),
    statement(rf"encapsulation dot1q(?: vlan)? {VID}(?: native)?", vid("vlan")),
)  # fmt: skip

# First words of lines of an interface that no frame's VLAN hangs on.
ASIDE = re.compile(
    r"(?:no )?(?:ip(?! address)|ipv6(?! address)|arp|auto qos|autostate|bandwidth|carrier-delay"
    r"|cdp|channel-protocol|delay|device-tracking|duplex|error-correction|flowcontrol|glbp"
    r"|hold-queue|isis|keepalive|l2 mtu|lacp|link-debounce|lldp|load-interval|logging"
    r"|macro description|mdix|media-type|mlag|mls|mop|mtu|negotiation|nmsp|ntp|peer default|pim"
    r"|port-channel (?:lacp|min-links)|power|priority-queue|ptp|qos|queue-set|service-policy|sflow"
    r"|snmp|spanning-tree (?:cost|guard|link-type|mst|port-priority"
    r"|vlan [\d,-]+ (?:cost|port-priority))|speed|srr-queue|standby|storm-control"
    r"|switchport (?:block|nonegotiate|port-security|trunk encapsulation dot1q)|transceiver"
    r"|trust device|udld|vrrp)(?: .*)?"
)
