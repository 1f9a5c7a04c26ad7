"""Who holds which gateway, and the routes between sites: VRRP (RFC 5798) over firewall pairs.

Two instances a firewall. ``site`` is led by one of a site's pair and holds the gateways of the
VLANs that stand on this site alone. ``lead`` is led by one firewall of all sites and holds those of
stretched VLANs, the public addresses and the way out; a site leads only while it is part of a
majority of sites.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_interface

from sitiv_infra.estate import Estate, Machine, Vlan
from sitiv_infra.wanted.addressing import firewall_sites, legs, stretched

HIGHEST = 200  # below 255, which is the owner of an address
STEP = 10
SITE_ID, LEAD_ID = 1, 2
FALLBACK_METRIC = 500  # a connected network, or the leader's own way out, comes first


@dataclass(frozen=True)
class Held:
    """An address that the leader of an instance holds on a device."""

    address: str
    device: str


@dataclass(frozen=True)
class Route:
    """A route by a neighbour; without a metric it is the only one."""

    network: str
    via: str
    device: str
    metric: int = 0


@dataclass(frozen=True)
class Instance:
    """A VRRP instance: who leads it holds the addresses and has the routes.

    ``followers`` are the addresses, in the transit VLAN, of the firewalls that lead it only while
    this one does not.
    """

    name: str
    device: str
    router_id: int
    priority: int
    followers: tuple[str, ...]
    addresses: tuple[Held, ...]
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True)
class Routing:
    """How one firewall takes part.

    ``led`` are the networks and addresses that only the leader of all sites serves, the same for
    every firewall; ``witnesses`` are what it pings to know of a majority.
    """

    instances: tuple[Instance, ...]
    routes: tuple[Route, ...]
    led: tuple[str, ...]
    witnesses: dict[str, tuple[str, ...]]
    sync_device: str
    sync_address: str
    sync_peers: tuple[str, ...]


def routing(estate: Estate, machine: Machine) -> Routing | None:
    """Give a firewall's part; None where it has no address in a transit VLAN."""
    transit = next((vlan for vlan in estate.vlans.values() if vlan.transit), None)
    own = legs(estate, machine)
    here = next((leg for leg in own if transit and leg.vlan.name == transit.name), None)
    if transit is None or here is None or not here.addresses:
        return None
    return Routing(
        instances=tuple(_instances(estate, machine, transit)),
        routes=(
            *site_routes(estate, machine),
            *_to_own_site(estate, machine, transit),
            *_to_leader(estate, transit),
        ),
        led=tuple(_led_alone(estate)),
        witnesses=_witnesses(estate, machine, transit),
        sync_device=transit.device,
        sync_address=str(here.addresses[0].ip),
        sync_peers=tuple(_peers(estate, machine, transit)),
    )


def _pair(estate: Estate, site: str) -> list[str]:
    return [f.name for f in estate.firewalls.values() if f.site == site]


def _instances(estate: Estate, machine: Machine, transit: Vlan) -> Iterator[Instance]:
    sites = [site.name for site in firewall_sites(estate)]
    rank = _pair(estate, machine.site).index(machine.name)
    place = sites.index(machine.site)
    local = [leg.vlan for leg in legs(estate, machine) if not stretched(estate, leg.vlan)]
    held = [Held(str(gateway), vlan.device) for vlan in local for gateway in vlan.gateways]
    held += [Held(address, transit.device) for address in _transit_addresses(transit, place)]
    first = legs(estate, machine)[0]
    pair, every = _pair(estate, machine.site), [f for s in sites for f in _pair(estate, s)]
    yield Instance(
        "site", first.device, SITE_ID, HIGHEST - STEP * rank,
        _after(estate, machine, transit, pair), tuple(held),
    )  # fmt: skip
    priority = HIGHEST - STEP * (rank + sum(len(_pair(estate, s)) for s in sites[:place]))
    yield Instance(
        "lead", transit.device, LEAD_ID, priority, _after(estate, machine, transit, every),
        tuple(_led(estate, machine)), tuple(_ways_out(estate, machine)),
    )  # fmt: skip


def _after(estate: Estate, machine: Machine, transit: Vlan, ranked: list[str]) -> tuple[str, ...]:
    """Give the addresses of the firewalls that come after one."""
    later = ranked[ranked.index(machine.name) + 1 :]
    return tuple(_addresses(estate, transit, later))


def _transit_addresses(transit: Vlan, place: int) -> Iterator[str]:
    """Give the addresses of a site's pair: those after the gateway, in the order of the sites."""
    for gateway in transit.gateways:
        yield f"{gateway.ip + 1 + place}/{gateway.network.prefixlen}"


def _led(estate: Estate, machine: Machine) -> Iterator[Held]:
    """Yield what the leader holds: gateways, and the published addresses that are none of them."""
    public = {a for virtual in estate.virtual_addresses.values() for a in virtual.publishes}
    for leg in legs(estate, machine):
        if stretched(estate, leg.vlan):
            for gateway in leg.vlan.gateways:
                yield Held(str(gateway), leg.device)  # with its subnet, published or not
                public.discard(gateway.ip)
    for vlan in _outside(estate, machine):
        for address in sorted(public, key=lambda a: (a.version, int(a))):
            if any(address in net for net in vlan.subnets):
                yield Held(str(ip_interface(str(address))), vlan.device)


def _outside(estate: Estate, machine: Machine) -> list[Vlan]:
    own = [leg.vlan for leg in legs(estate, machine)]
    return [vlan for vlan in own if estate.zones[vlan.zone].internet]


def _ways_out(estate: Estate, machine: Machine) -> Iterator[Route]:
    """Yield one default route a family, by the carrier's router of the first subnet of it."""
    routes: dict[int, Route] = {}
    for vlan in _outside(estate, machine):
        for carrier in vlan.carriers:
            everything = "0.0.0.0/0" if carrier.version == 4 else "::/0"
            routes.setdefault(carrier.version, Route(everything, str(carrier.ip), vlan.device))
    yield from routes.values()


def site_routes(estate: Estate, machine: Machine) -> Iterator[Route]:
    """Yield the routes of a machine on the transit VLAN to the networks of other sites."""
    transit = next((vlan for vlan in estate.vlans.values() if vlan.transit), None)
    if transit is None or transit.name not in {leg.vlan.name for leg in legs(estate, machine)}:
        return
    gateways = {gateway.version: gateway for gateway in transit.gateways}
    for place, site in enumerate(firewall_sites(estate)):
        if site.name == machine.site:
            continue
        for vlan in estate.vlans.values():
            if site.name in vlan.sites and not stretched(estate, vlan):
                for net in vlan.subnets:
                    if net.version in gateways:
                        via = str(gateways[net.version].ip + 1 + place)
                        yield Route(str(net), via, transit.device)


def _to_own_site(estate: Estate, machine: Machine, transit: Vlan) -> Iterator[Route]:
    """Yield the routes to a site's own networks, for the firewall of its pair that stands by."""
    gateways = {gateway.version: gateway for gateway in transit.gateways}
    place = [site.name for site in firewall_sites(estate)].index(machine.site)
    for leg in legs(estate, machine):
        for net in () if stretched(estate, leg.vlan) else leg.vlan.subnets:
            if net.version in gateways:
                via = str(gateways[net.version].ip + 1 + place)
                yield Route(str(net), via, transit.device, FALLBACK_METRIC)


def _led_networks(estate: Estate) -> Iterator[IPv4Network | IPv6Network]:
    for vlan in estate.vlans.values():
        if stretched(estate, vlan) and not vlan.transit:
            yield from vlan.subnets


def _led_alone(estate: Estate) -> Iterator[str]:
    """Yield stretched networks; of those outside, which others are in as well, our addresses.

    Instead of a published address, those that it is translated to: conntrackd looks at the sources
    of both directions, and an answer's is not translated yet.
    """
    for vlan in estate.vlans.values():
        if stretched(estate, vlan) and not vlan.transit:
            outside = estate.zones[vlan.zone].internet
            yield from map(str, [g.ip for g in vlan.gateways] if outside else vlan.subnets)
    for virtual in estate.virtual_addresses.values():
        yield from map(str, virtual.addresses if virtual.publishes else ())


def _to_leader(estate: Estate, transit: Vlan) -> Iterator[Route]:
    """Yield the routes to what only the leader is connected to."""
    gateways = {gateway.version: gateway for gateway in transit.gateways}
    for version, gateway in gateways.items():
        nets = [str(net) for net in _led_networks(estate) if net.version == version]
        for target in [*nets, "0.0.0.0/0" if version == 4 else "::/0"]:
            yield Route(target, str(gateway.ip), transit.device, FALLBACK_METRIC)


def _witnesses(estate: Estate, machine: Machine, transit: Vlan) -> dict[str, tuple[str, ...]]:
    """Give the addresses on the transit VLAN of every other site's machines, by site."""
    found: dict[str, tuple[str, ...]] = {}
    for other in estate.machines.values():
        for leg in other.interfaces:
            if leg.vlan == transit.name and other.site != machine.site and leg.addresses:
                found[other.site] = (*found.get(other.site, ()), str(leg.addresses[0]))
    return found


def _peers(estate: Estate, machine: Machine, transit: Vlan) -> Iterator[str]:
    others = [name for name in estate.firewalls if name != machine.name]
    yield from _addresses(estate, transit, others)


def _addresses(estate: Estate, transit: Vlan, firewalls: list[str]) -> Iterator[str]:
    """Yield the first address of each machine in the transit VLAN."""
    for name in firewalls:
        if name in estate.machines:
            for leg in estate.machines[name].interfaces:
                if leg.vlan == transit.name and leg.addresses:
                    yield str(leg.addresses[0])
