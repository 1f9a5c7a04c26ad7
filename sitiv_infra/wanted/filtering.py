"""The declared flows as rules: of firewalls, between zones; and of each host, towards itself.

A zone is one filtering domain a member: machines of one zone and one member talk across sites. A
flow whose end has passed is not rendered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import NamedTuple

from sitiv_infra.estate import Estate, Flow, Machine, Vlan
from sitiv_infra.wanted.addressing import firewall_sites
from sitiv_infra.wanted.ways import leaders

# What is not unicast on the internet: RFC 6890 and RFC 5771; IPv6 gives 2000::/3 out (RFC 4291).
NOT_PUBLIC = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.168.0.0/16", "224.0.0.0/3",
)  # fmt: skip
PUBLIC_6 = "2000::/3"
FAMILIES = {4: "ip", 6: "ip6"}
EVERYWHERE = {4: "0.0.0.0/0", 6: "::/0"}


@dataclass(frozen=True)
class Accept:
    """New connections that a host accepts: from these networks of one family, for a service.

    ``sources`` is empty for everybody; ``ports`` is empty for every port, or for ICMP.
    """

    flow: str
    family: str
    sources: tuple[str, ...]
    protocol: str
    ports: tuple[str, ...]


def current(estate: Estate, today: date) -> list[Flow]:
    """Give the flows that have not ended."""
    return [f for f in estate.flows.values() if f.until is None or f.until >= today]


def held(estate: Estate, site: str, today: date) -> list[Flow]:
    """Give the flows that the firewalls of a site let pass."""
    return [flow for flow in current(estate, today) if flow.holds_at(site)]


def bound(estate: Estate, today: date) -> list[Flow]:
    """Give the flows that the firewalls of some sites let pass and those of others do not."""
    sites = firewall_sites(estate)
    return [f for f in current(estate, today) if not all(f.holds_at(s.name) for s in sites)]


def together(estate: Estate, today: date) -> list[tuple[str, ...]]:
    """Group the sites with firewalls by the flows that they let pass; mostly all are one group.

    Without firewalls, there is one group of a site without a name.
    """
    groups: dict[tuple[str, ...], tuple[str, ...]] = {}
    for site in [site.name for site in firewall_sites(estate)] or [""]:
        flows = tuple(flow.name for flow in held(estate, site, today))
        groups[flows] = (*groups.get(flows, ()), site)
    return list(groups.values())


def subnets(estate: Estate, zone: str, version: int, owner: str | None = None) -> tuple[str, ...]:
    """Give the networks of a zone, of one owner's VLANs where one is given."""
    return tuple(str(n) for n in estate.networks_of(zone, owner) if n.version == version)


class End(NamedTuple):
    """One end of what is forwarded: in these networks, or anywhere if none; and in none of those.

    ``name`` is its zone, with the owner where it is one owner's part of it.
    """

    name: str
    inside: tuple[str, ...]
    outside: tuple[str, ...] = ()

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks that make up this end exactly."""
        return _networks(self.inside, self.outside)


@cache
def _networks(
    inside: tuple[str, ...], outside: tuple[str, ...]
) -> tuple[IPv4Network | IPv6Network, ...]:
    version = ip_network((*inside, *outside)[0]).version
    rest = [ip_network(net) for net in inside or (EVERYWHERE[version],)]
    for other in map(ip_network, outside):
        rest = [piece for net in rest for piece in _without(net, other)]
    return tuple(collapse_addresses(rest))  # type: ignore[type-var] # of one family


class Forward(NamedTuple):
    """New connections of one address family that pass between two ends.

    ``services`` are protocols with their ports; none for ICMP. Where they are not said (None, for
    machines of one zone), everything passes.
    """

    comment: str
    version: int
    source: End
    destination: End
    services: tuple[tuple[str, tuple[str, ...]], ...] | None = None


def forwards(estate: Estate, site: str, today: date) -> Iterator[Forward]:
    """Yield what a site's firewalls forward; what is in none of these is not.

    An end without addresses of a family has nothing in that family.
    """
    for zone in estate.zones.values():
        for owner in dict.fromkeys(v.owner for v in estate.vlans.values() if v.zone == zone.name):
            for version in FAMILIES:
                nets = subnets(estate, zone.name, version, owner)
                if len(nets) > 1 and not zone.internet:
                    end = End(f"{zone.name} {owner}", nets)
                    yield Forward(f"zone {zone.name}", version, end, end)
    ends = {(zone, v): _end(estate, zone, v) for zone in estate.zones for v in FAMILIES}
    for flow in held(estate, site, today):
        for version in FAMILIES:
            source, destination = ends[flow.source, version], ends[flow.destination, version]
            if source and destination:
                wanted = tuple(services(flow, version))
                yield Forward(flow.name, version, source, destination, wanted)


def filled(estate: Estate, site: str, today: date) -> list[Forward]:
    """Give what is forwarded between ends that have addresses: no network is never every one."""
    return [
        f for f in forwards(estate, site, today) if f.source.networks and f.destination.networks
    ]


def _end(estate: Estate, zone: str, version: int) -> End | None:
    """Give a zone as one end; None where it has no addresses of the family."""
    if not estate.zones[zone].internet:
        nets = subnets(estate, zone, version)
        return End(zone, nets) if nets else None
    ours = _public_subnets(estate, version)
    return End(zone, (PUBLIC_6,), ours) if version == 6 else End(zone, (), (*NOT_PUBLIC, *ours))


def _without(
    net: IPv4Network | IPv6Network, other: IPv4Network | IPv6Network
) -> Iterable[IPv4Network | IPv6Network]:
    if not net.overlaps(other):
        return (net,)
    return () if net.subnet_of(other) else net.address_exclude(other)  # type: ignore[arg-type]


def _public_subnets(estate: Estate, version: int) -> tuple[str, ...]:
    """Give the public networks of other zones: what is in them is not the internet."""
    return tuple(
        str(net)
        for name, zone in estate.zones.items()
        if not zone.internet
        for net in estate.networks_of(name)
        if net.version == version and _public(net)
    )


def _public(net: IPv4Network | IPv6Network) -> bool:
    if net.version == 6:
        return net.overlaps(ip_network(PUBLIC_6))
    return not any(net.overlaps(ip_network(other)) for other in NOT_PUBLIC)


def services(flow: Flow, version: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield a flow's protocols with their ports; ICMP by the name of the family."""
    for protocol in ("tcp", "udp"):
        ports = tuple(s.partition("/")[2] for s in flow.services if s.startswith(protocol))
        if ports:
            yield protocol, ports
    if "icmp" in flow.services:
        yield ("icmp" if version == 4 else "ipv6-icmp"), ()


def host_accepts(estate: Estate, machine: Machine, today: date) -> Iterator[Accept]:
    """Yield what a host accepts: the flows towards its zones, and its own zone's machines.

    Of a flow that holds at some sites alone, only where one of these may lead the host's VLAN.
    """
    vlans = [estate.vlans[leg.vlan] for leg in machine.interfaces]
    for vlan in {vlan.name: vlan for vlan in vlans}.values():
        for version, family in FAMILIES.items():
            nets = subnets(estate, vlan.zone, version, vlan.owner)
            if nets and not estate.zones[vlan.zone].internet:
                yield Accept(f"zone {vlan.zone}", family, nets, "", ())
    for flow in current(estate, today):
        if flow.destination not in {v.zone for v in vlans if _delivered(estate, flow, v)}:
            continue
        for version, family in FAMILIES.items():
            internet = estate.zones[flow.source].internet
            nets = () if internet else subnets(estate, flow.source, version)
            if nets or internet:
                for protocol, ports in services(flow, version):
                    yield Accept(flow.name, family, nets, protocol, ports)


def _delivered(estate: Estate, flow: Flow, vlan: Vlan) -> bool:
    """Whether a firewall that may lead a VLAN lets a flow pass."""
    return not flow.sites or any(flow.holds_at(site) for site in leaders(estate, vlan))


@dataclass(frozen=True)
class Translation:
    """A public port, and the address of a site's proxies that its packets are sent to."""

    family: str
    public: str
    protocol: str
    port: int
    to: str


def translations(estate: Estate, site: str, today: date) -> Iterator[Translation]:
    """Yield what a site's firewalls translate; exposures that have ended are left out."""
    held = [e for e in estate.exposures.values() if e.until is None or e.until >= today]
    for virtual in estate.virtual_addresses.values():
        if virtual.site != site:
            continue
        for public in virtual.publishes:
            to = next((a for a in virtual.addresses if a.version == public.version), None)
            places = {(str(e.protocol), e.port) for e in held if e.address == public}
            for protocol, port in sorted(places) if to else ():
                yield Translation(FAMILIES[public.version], str(public), protocol, port, str(to))
