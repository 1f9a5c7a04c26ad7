"""The declared flows as NSRPC commands of Stormshield: what ``forward_sets`` says, told to it.

Objects are named by what they hold, and groups by their members: what an appliance has under a name
is what is meant, whatever was declared when it was made. The forms are those of the public guide
(see ``policy.sns_text``); no appliance could be tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network

from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Estate
from sitiv_infra.wanted.filtering import End, Forward, filled

SLOT = 5
SLOTS = range(1, 11)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
ICMPV6, ICMPV6_NUMBER = "ip_58", 58  # the guide names ICMP, but not what IPv6's is called
PROTOCOLS = {"icmp": "icmp", "ipv6-icmp": ICMPV6}


def sns_commands(estate: Estate, site: str, today: date, slot: int = SLOT) -> Iterator[str]:
    """Yield commands that fill a filter slot: objects, rules a flow and family, and a last block.

    They are for a firewall of one site.

    The slot's rules are replaced at once, by the last command. Raises InvalidInput for a slot that
    does not exist, or a name that cannot be written safely.
    """
    if slot not in SLOTS:
        raise InvalidInput(f"slot {slot}: there are slots {SLOTS[0]} to {SLOTS[-1]}")
    found = filled(estate, site, today)
    yield from dict.fromkeys(line for forward in found for line in _objects(forward))
    yield "CONFIG OBJECT ACTIVATE"
    yield f"CONFIG FILTER RULE REMOVE index={slot} type=filter position=all global=0"
    rules = [rule for forward in found for rule in _rules(forward)]
    rules.append('action=block srctarget=any dsttarget=any loglevel=log comment="everything else"')
    for position, rule in enumerate(rules, 1):
        yield (
            f"CONFIG FILTER RULE INSERT index={slot} type=filter global=0 state=on"
            f" position={position} {rule}"
        )
    yield "CONFIG FILTER ACTIVATE"


def plain(text: str) -> str:
    """Give the name of an object as it is; InvalidInput where it cannot be written safely."""
    if not NAME.fullmatch(text):
        raise InvalidInput(f"{text!r} cannot be the name of a Stormshield object: rename it")
    return text


def quoted(text: str) -> str:
    """Put a comment in quotes; InvalidInput where it cannot be written safely."""
    if not text.isascii() or not text.isprintable() or set(text) & {'"', "\\"}:
        raise InvalidInput(f"{text!r} cannot be written in an NSRPC command: rename it")
    return f'"{text}"'


def _objects(forward: Forward) -> Iterator[str]:
    for end in (forward.source, forward.destination):
        group = _group(end)
        for net in end.networks:
            yield _network(net)
        yield f"CONFIG OBJECT GROUP NEW name={group} comment={quoted(f'zone {end.name}')} update=1"
        for net in end.networks:
            yield f"CONFIG OBJECT GROUP ADDTO group={group} node={_name(net)} update=1"
    for protocol, ports in forward.services or ():
        for port in ports:
            low, dash, high = port.partition("-")
            to = f" toport={high}" if dash else ""
            name = _service(protocol, port)
            yield f"CONFIG OBJECT SERVICE NEW name={name} port={low}{to} proto={protocol} update=1"
        if PROTOCOLS.get(protocol) == ICMPV6:
            yield f"CONFIG OBJECT PROTOCOL NEW name={ICMPV6} protonumber={ICMPV6_NUMBER} update=1"


def _network(net: IPv4Network | IPv6Network) -> str:
    """Give the command that makes a network, or a host: networks of one address are refused."""
    suffix = "" if net.version == 4 else "v6"
    if net.num_addresses == 1:
        kind, told = "HOST", f"ip{suffix}={net.network_address} resolve=static"
    else:
        told = f"ip{suffix}={net.network_address} prefixlen{suffix}={net.prefixlen}"
        kind = "NETWORK"
    return f"CONFIG OBJECT {kind} NEW name={_name(net)} {told} update=1"


def _name(net: IPv4Network | IPv6Network) -> str:
    """Name a network: the colons of IPv6 become ``_``, the stroke becomes ``-``."""
    return plain(f"net_{net}".replace(":", "_").replace("/", "-"))


def _group(end: End) -> str:
    members = " ".join(map(str, end.networks))
    digest = sha256(members.encode()).hexdigest()[:12]
    return plain(f"zone_{end.name.replace(' ', '_')}_{digest}")


def _service(protocol: str, port: str) -> str:
    return plain(f"{protocol}_{port}")


def _rules(forward: Forward) -> Iterator[str]:
    """Yield a rule for what has ports, and one for ICMP, without the words before them."""
    start = (
        f"action=pass srctarget={_group(forward.source)} dsttarget={_group(forward.destination)}"
    )
    end = f"comment={quoted(forward.comment)}"
    if forward.services is None:
        yield f"{start} {end}"
        return
    ported = [_service(protocol, port) for protocol, ports in forward.services for port in ports]
    if ported:
        yield f"{start} dstport={','.join(dict.fromkeys(ported))} {end}"
    for protocol, ports in forward.services:
        if not ports:
            yield f"{start} ipproto={PROTOCOLS[protocol]} {end}"
