"""The declared flows as rules: of firewalls, between zones; and of each host, towards itself.

A zone is one filtering domain a member: machines of one zone and one member talk across sites. A
flow whose end has passed is not rendered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from ipaddress import IPv4Network, IPv6Network, ip_network

from sitiv_infra.estate import Estate, Flow, Machine

# What is not unicast on the internet: RFC 6890 and RFC 5771; IPv6 gives 2000::/3 out (RFC 4291).
NOT_PUBLIC = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.168.0.0/16", "224.0.0.0/3",
)  # fmt: skip
PUBLIC_6 = "2000::/3"
FAMILIES = {4: "ip", 6: "ip6"}


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


def subnets(estate: Estate, zone: str, version: int, owner: str | None = None) -> tuple[str, ...]:
    """Give the networks of a zone, of one owner's VLANs where one is given."""
    return tuple(str(n) for n in estate.networks_of(zone, owner) if n.version == version)


def forward_rules(estate: Estate, today: date) -> Iterator[str]:
    """Yield the rules of nftables for forwarded packets, the same on every firewall."""
    for zone in estate.zones.values():
        for owner in dict.fromkeys(v.owner for v in estate.vlans.values() if v.zone == zone.name):
            for version, family in FAMILIES.items():
                nets = subnets(estate, zone.name, version, owner)
                if len(nets) > 1 and not zone.internet:
                    ends = f"{_set(nets)} {family} daddr {_set(nets)}"
                    yield f'{family} saddr {ends} ct state new accept comment "zone {zone.name}"'
    for flow in current(estate, today):
        for version, family in FAMILIES.items():
            matches = [
                _match(estate, zone, version, f"{family} {word}")
                for zone, word in ((flow.source, "saddr"), (flow.destination, "daddr"))
            ]
            if all(matches):
                for protocol, ports in services(flow, version):
                    match = f"{' '.join(matches)} {_service(protocol, ports)}"
                    yield f'{match} ct state new accept comment "{flow.name}"'


def _match(estate: Estate, zone: str, version: int, word: str) -> str:
    if not estate.zones[zone].internet:
        nets = subnets(estate, zone, version)
        return f"{word} {_set(nets)}" if nets else ""
    ours = _public_subnets(estate, version)
    if version == 4:
        return f"{word} != {_set((*NOT_PUBLIC, *ours))}"
    return f"{word} {PUBLIC_6}" + (f" {word} != {_set(ours)}" if ours else "")


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


def _set(items: tuple[str, ...]) -> str:
    return items[0] if len(items) == 1 else f"{{ {', '.join(items)} }}"


def _service(protocol: str, ports: tuple[str, ...]) -> str:
    return f"{protocol} dport {_set(ports)}" if ports else f"meta l4proto {protocol}"


def services(flow: Flow, version: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield a flow's protocols with their ports; ICMP by the name of the family."""
    for protocol in ("tcp", "udp"):
        ports = tuple(s.partition("/")[2] for s in flow.services if s.startswith(protocol))
        if ports:
            yield protocol, ports
    if "icmp" in flow.services:
        yield ("icmp" if version == 4 else "ipv6-icmp"), ()


def host_accepts(estate: Estate, machine: Machine, today: date) -> Iterator[Accept]:
    """Yield what a host accepts: the flows towards its zones, and its own zone's machines."""
    vlans = [estate.vlans[leg.vlan] for leg in machine.interfaces]
    for vlan in {vlan.name: vlan for vlan in vlans}.values():
        for version, family in FAMILIES.items():
            nets = subnets(estate, vlan.zone, version, vlan.owner)
            if nets and not estate.zones[vlan.zone].internet:
                yield Accept(f"zone {vlan.zone}", family, nets, "", ())
    for flow in current(estate, today):
        if flow.destination not in {vlan.zone for vlan in vlans}:
            continue
        for version, family in FAMILIES.items():
            internet = estate.zones[flow.source].internet
            nets = () if internet else subnets(estate, flow.source, version)
            if nets or internet:
                for protocol, ports in services(flow, version):
                    yield Accept(flow.name, family, nets, protocol, ports)


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
