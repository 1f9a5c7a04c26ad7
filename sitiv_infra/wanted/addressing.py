"""Names, legs and gateways of machines.

A machine's DNS name is its own below the operator's domain. The first address of a subnet is its
gateway, held by the firewalls of the sites where the VLAN stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_interface

from sitiv_infra.estate import Estate, Machine, Site, Vlan

FIREWALL = "firewall"
AnyInterface = IPv4Interface | IPv6Interface


@dataclass(frozen=True)
class Leg:
    """A machine's network device in a VLAN; ``addresses`` hold their prefix lengths."""

    vlan: Vlan
    addresses: tuple[AnyInterface, ...] = ()

    @property
    def device(self) -> str:
        """Name of the device."""
        return self.vlan.device


def full_name(estate: Estate, machine: str) -> str:
    """Give the DNS name of a machine."""
    return f"{machine}.{estate.operator.domain}" if estate.operator.domain else machine


def legs(estate: Estate, machine: Machine) -> tuple[Leg, ...]:
    """Give the devices of a machine; a firewall has one in every VLAN of its site."""
    own: dict[str, tuple[object, ...]] = {}
    for leg in machine.interfaces:
        own[leg.vlan] = (*own.get(leg.vlan, ()), *leg.addresses)
    names = list(own)
    if machine.name in estate.firewalls:
        names += [v.name for v in estate.vlans.values() if machine.site in v.sites]
    return tuple(
        Leg(vlan, tuple(_with_prefix(vlan, address) for address in own.get(vlan.name, ())))
        for vlan in (estate.vlans[name] for name in dict.fromkeys(names))
    )


def _with_prefix(vlan: Vlan, address: object) -> AnyInterface:
    """Give an address its subnet's prefix length; the loader has proven that there is one."""
    found = ip_interface(str(address))
    length = next(net.prefixlen for net in vlan.subnets if found.ip in net)
    return ip_interface(f"{address}/{length}")


def gateways(estate: Estate, machine: Machine) -> tuple[str, ...]:
    """Give a machine's default gateways, one a family: those of its first VLAN.

    A firewall has none of its own: its routes follow from the VRRP instances that it leads.
    """
    if machine.name in estate.firewalls or not machine.interfaces:
        return ()
    return tuple(str(gateway.ip) for gateway in estate.vlans[machine.interfaces[0].vlan].gateways)


def hosts(estate: Estate) -> Mapping[str, tuple[str, ...]]:
    """Map every DNS name of the estate to its addresses.

    Those are machines, virtual addresses, and the published names at their public addresses.
    """
    found: dict[str, tuple[str, ...]] = {}
    for machine in estate.machines.values():
        first = machine.interfaces[0].addresses if machine.interfaces else ()
        found[full_name(estate, machine.name)] = tuple(map(str, first))
    for virtual in estate.virtual_addresses.values():
        found[full_name(estate, virtual.name)] = tuple(map(str, virtual.addresses))
    for exposure in estate.exposures.values():
        known = found.get(exposure.host, ())
        found[exposure.host] = tuple(dict.fromkeys((*known, str(exposure.address))))
    return {name: addresses for name, addresses in found.items() if addresses}


def firewall_sites(estate: Estate) -> tuple[Site, ...]:
    """Give the sites with firewalls, in the order of the declaration: the first one leads."""
    held = {firewall.site for firewall in estate.firewalls.values()}
    return tuple(site for site in estate.sites.values() if site.name in held)


def stretched(estate: Estate, vlan: Vlan) -> bool:
    """Tell whether one firewall of all sites leads a VLAN, and not one of each site.

    It does where the VLAN stands on several sites with firewalls, and for the transit VLAN and the
    internet's even where a single site has firewalls.
    """
    if vlan.transit or estate.zones[vlan.zone].internet:
        return True
    return len({s.name for s in firewall_sites(estate)} & set(vlan.sites)) > 1


def nearest(estate: Estate, machine: Machine, role: str) -> Iterator[Machine]:
    """Give the machines of a role, those on a machine's own site first, then the others."""
    found = [m for m in estate.machines.values() if m.role == role and m.primary_address]
    yield from sorted(found, key=lambda other: other.site != machine.site)
