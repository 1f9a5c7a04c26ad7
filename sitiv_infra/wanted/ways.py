"""Which sites' firewalls carry packets between two VLANs.

A VLAN of one site is led by its pair; a stretched one, the internet and what is behind carriers by
the pair that leads all sites, which may be any (see ``wanted.routing``). Between VLANs of two
leaders the firewalls of both carry a packet, and it passes where both let it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sitiv_infra.estate import Estate, Flow, Vlan
from sitiv_infra.wanted.addressing import firewall_sites, stretched


class Wavering(NamedTuple):
    """A way of a flow that is open while some sites lead, and shut while others do.

    source, destination -- VLANs, or the zone where it is in none.
    """

    source: str
    destination: str
    open_under: tuple[str, ...]


def leaders(estate: Estate, vlan: Vlan | None) -> tuple[str, ...]:
    """Give the sites whose firewalls may lead a VLAN, the ordinary one first.

    Where no firewall stands, packets are taken to go by the one that leads all sites.
    """
    sites = tuple(site.name for site in firewall_sites(estate))
    own = tuple(site for site in sites if vlan and site in vlan.sites)
    return sites if vlan is None or stretched(estate, vlan) else own or sites


def ways(
    estate: Estate, source: Vlan | None, destination: Vlan | None
) -> Mapping[str, frozenset[str]]:
    """Map each site that may lead all to those whose firewalls then carry a packet.

    The ordinary leader comes first; without any firewall, there is none.
    """
    ends = leaders(estate, source), leaders(estate, destination)
    return {
        lead.name: frozenset(lead.name if lead.name in sites else sites[0] for sites in ends)
        for lead in firewall_sites(estate)
    }


def wavering(estate: Estate, flow: Flow) -> Iterator[Wavering]:
    """Yield the ways of a flow that are open or shut as one site or another leads."""
    for source, here in _ends(estate, flow.source).items():
        for destination, there in _ends(estate, flow.destination).items():
            found = ways(estate, here, there)
            passing = tuple(lead for lead, sites in found.items() if all(map(flow.holds_at, sites)))
            if source != destination and 0 < len(passing) < len(found):
                yield Wavering(source, destination, passing)


def _ends(estate: Estate, zone: str) -> Mapping[str, Vlan | None]:
    """Give the places where a zone's addresses are: VLANs, and what is in none of ours."""
    found: dict[str, Vlan | None] = {v.name: v for v in estate.vlans.values() if v.zone == zone}
    if estate.zones[zone].internet or estate.zones[zone].networks:
        found[zone] = None
    return found
