"""The declared flows as a FortiOS configuration: what ``forward_sets`` says, for such a firewall.

Objects are named by what they hold, so that a firewall that has them already is told the same
again. The policies are all that their VDOM should have: load them where there are no others. The
forms are those of Fortinet's CLI reference (7.x); no device could be tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from ipaddress import IPv4Network

from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Estate
from sitiv_infra.wanted.filtering import End, Forward, filled

MOST_NAME = 79
REFUSED = frozenset("<>()#'\"\\?")  # Fortinet refuses some in names; '?' asks the CLI for help
EVERYTHING = "ip/any"
SUFFIX = {4: "", 6: "6"}
# Said of every policy, so that nothing is left of one that had its number before.
PLAIN = {
    "status": "enable", "srcintf": '"any"', "dstintf": '"any"', "schedule": '"always"',
    "srcaddr-negate": "disable", "dstaddr-negate": "disable", "service-negate": "disable",
}  # fmt: skip
Edits = Mapping[str, Mapping[str, str]]


def fortios_rules(estate: Estate, site: str, today: date) -> Iterator[str]:
    """Yield the lines for a site's firewall: objects, a policy a flow and family, and a last deny.

    Raises InvalidInput for a name that FortiOS would not take, or that could not be written safely.
    """
    found = filled(estate, site, today)
    for version in SUFFIX:
        ends = [e for f in found if f.version == version for e in (f.source, f.destination)]
        yield from _addresses(ends, version)
    yield from _config("firewall service custom", _services(found))
    policies = {str(n): _policy(forward) for n, forward in enumerate(found, 1)}
    policies[str(len(found) + 1)] = _last()
    yield from _config("firewall policy", policies)


def quoted(text: str, most: int = MOST_NAME) -> str:
    """Put a name in quotes; InvalidInput where it cannot be written safely."""
    if not text.isascii() or not text.isprintable() or REFUSED & set(text):
        raise InvalidInput(f"{text!r} cannot be written in a FortiOS configuration: rename it")
    if not 0 < len(text) <= most:
        raise InvalidInput(
            f"{text!r} is not of 1 to {most} characters, as FortiOS wants: rename it"
        )
    return f'"{text}"'


def _config(table: str, edits: Edits) -> Iterator[str]:
    if not edits:
        return
    yield f"config {table}"
    for name, options in edits.items():
        yield f"    edit {name}"
        for option, value in options.items():
            yield f"        set {option} {value}" if value else f"        unset {option}"
        yield "    next"
    yield "end"


def _addresses(ends: Iterable[End], version: int) -> Iterator[str]:
    """Yield the networks of ends, and a group of them for each end."""
    addresses: dict[str, Mapping[str, str]] = {}
    groups: dict[str, Mapping[str, str]] = {}
    for end in ends:
        for net in end.networks:
            how = {"subnet": f"{net.network_address} {net.netmask}"}
            addresses[quoted(str(net))] = how if isinstance(net, IPv4Network) else {"ip6": str(net)}
        members = " ".join(quoted(str(net)) for net in end.networks)
        groups[_group(end)] = {"member": members}
    yield from _config(f"firewall address{SUFFIX[version]}", addresses)
    yield from _config(f"firewall addrgrp{SUFFIX[version]}", groups)


def _group(end: End) -> str:
    return quoted(f"zone {end.name}")


def _services(found: Iterable[Forward]) -> Edits:
    """Give the services that policies name, and the one that is everything."""
    edits: dict[str, Mapping[str, str]] = {
        quoted(EVERYTHING): {"protocol": "IP", "protocol-number": "0"}
    }
    for forward in found:
        for protocol, ports in forward.services or ():
            for port in ports:
                edits[quoted(f"{protocol}/{port}")] = {
                    "protocol": "TCP/UDP/SCTP", f"{protocol}-portrange": port,
                }  # fmt: skip
            if not ports:
                kind = {"icmp": "ICMP", "ipv6-icmp": "ICMP6"}[protocol]
                edits[quoted(protocol)] = {"protocol": kind}
    return edits


def _policy(forward: Forward) -> Mapping[str, str]:
    suffix, other = SUFFIX[forward.version], SUFFIX[10 - forward.version]
    names = [EVERYTHING]
    if forward.services is not None:
        names = [
            name
            for protocol, ports in forward.services
            for name in ([f"{protocol}/{port}" for port in ports] or [protocol])
        ]
    return {
        **PLAIN,
        f"srcaddr{suffix}": _group(forward.source),
        f"dstaddr{suffix}": _group(forward.destination),
        f"srcaddr{other}": "",
        f"dstaddr{other}": "",
        "service": " ".join(map(quoted, names)),
        "action": "accept",
        "comments": quoted(forward.comment, 1023),
    }


def _last() -> Mapping[str, str]:
    ends = {
        f"{end}{suffix}": '"all"' for suffix in SUFFIX.values() for end in ("srcaddr", "dstaddr")
    }
    said = {"service": quoted(EVERYTHING), "action": "deny", "logtraffic": "all"}
    return {**PLAIN, **ends, **said, "comments": quoted("everything else", 1023)}
