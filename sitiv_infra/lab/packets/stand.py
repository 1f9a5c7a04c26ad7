"""Where packets are sent and seen: an end in each VLAN, and the firewalls between them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_interface

from sitiv_infra.estate import Vlan
from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.packets.plan import End
from sitiv_infra.lab.place import Place
from sitiv_infra.lab.switch import Switch
from sitiv_infra.lab.twin import Twin
from sitiv_infra.lab.wiring import Cable, lay
from sitiv_infra.wanted.switching import CARRIER

# An end takes everything and answers nothing but what finds it: neighbours are asked for.
SILENT = """table inet silent {
  chain input {
    type filter hook input priority filter; policy drop;
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    icmp type echo-reply accept
    icmpv6 type echo-reply accept
  }
}
"""
PING_SECONDS = 2
REFUSED = "not declared"  # the comment of the rule that counts what no other took


@dataclass(frozen=True)
class Stand:
    """Namespaces: of each VLAN's end, by the VLAN's name; and of each firewall."""

    ends: Mapping[str, Namespace]
    firewalls: Mapping[str, Namespace]

    def counted(self) -> int:
        """Give how many packets the firewalls say that they refused since they were loaded."""
        return sum(map(_counted, self.firewalls.values()))


def _counted(firewall: Namespace) -> int:
    """Read the counter at the end of the chain; a firewall without it has counted nothing."""
    listed = json.loads(firewall.run("nft", "-j", "list", "ruleset"))["nftables"]
    rules = (entry["rule"] for entry in listed if "rule" in entry)
    return sum(
        int(statement["counter"]["packets"])
        for rule in rules
        if rule["chain"] == "forward" and rule.get("comment") == REFUSED
        for statement in rule["expr"]
        if "counter" in statement
    )


@contextmanager
def standing(lab: Twin, ends: Sequence[End]) -> Iterator[Stand]:
    """Put ends into a lab that stands, and take them out again; its firewalls are as they are."""
    place, estate = lab.place, lab.estate
    spaces = {name: Namespace(place.namespace(name)) for name in estate.firewalls}
    firewalls = {name: space for name, space in spaces.items() if space.stands()}
    outside = {v.name for v in estate.vlans.values() if estate.zones[v.zone].internet}
    cables = [
        cable(CARRIER if vlan.name in outside else vlan.sites[0], vlan, own)
        for vlan, own in by_vlan(ends).values()
    ]
    with place.alone(), plugged(place, cables, ends) as found:
        yield Stand(found, firewalls)


def by_vlan(ends: Iterable[End]) -> dict[str, tuple[Vlan, list[End]]]:
    """Put the ends of one VLAN together, by its name."""
    found: dict[str, tuple[Vlan, list[End]]] = {}
    for end in ends:
        found.setdefault(end.vlan.name, (end.vlan, []))[1].append(end)
    return found


def cable(site: str, vlan: Vlan, ends: Iterable[End]) -> Cable:
    """Give the cable from a switch to a VLAN's ends."""
    addresses = tuple(ip_interface(f"{end.address}/{end.length}") for end in ends)
    return Cable(site, f"end{vlan.vid}", vlan.device, vlan, addresses)


@contextmanager
def plugged(
    place: Place, cables: Sequence[Cable], ends: Iterable[End]
) -> Iterator[dict[str, Namespace]]:
    """Lay the cables of ends, each in a namespace of its own, and take them away again.

    Each end asks its gateway for an answer first, so that switches and firewalls know it.
    """
    spaces = {one.vlan.name: Namespace(place.namespace(one.machine)) for one in cables}
    with ExitStack() as stack:
        for one in cables:
            stack.callback(spaces[one.vlan.name].stop)
            stack.callback(Switch(place, one.site).unplug, [one.port.name])
            lay(place, [one])
            spaces[one.vlan.name].filter(SILENT)
        for site in {one.site for one in cables}:
            Switch(place, site).plug(one.port for one in cables if one.site == site)
        for name, (_, own) in by_vlan(ends).items():
            words = dict.fromkeys(f"route replace default via {end.gateway}" for end in own)
            spaces[name].run("ip", "-batch", "-", text="\n".join([*words, ""]))
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda end: _known(spaces[end.vlan.name], end), ends))
        yield spaces


def _known(space: Namespace, end: End) -> None:
    """Make an end known; whether its gateway answers is told by what is sent afterwards."""
    words = ["ip", "netns", "exec", space.name, "ping", "-n", "-q", "-c1", f"-W{PING_SECONDS}"]
    subprocess.run([*words, str(end.gateway)], capture_output=True, timeout=60, check=False)
