"""Cables between hosts and switches, and between switches, as the declared VLANs want them.

The first two sites are joined by two links that are one (LACP), with all VLANs that stand on both.
Every other switch, and the carrier's, hangs on both of them by one link each, of which one is used
at a time: there is no loop, and either of the two sites may go.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_interface

from sitiv_infra.estate import Estate, Machine, Vlan
from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.place import INTERNET, STATION, Place, device_name
from sitiv_infra.lab.switch import Port, Switch
from sitiv_infra.wanted import legs
from sitiv_infra.wanted.addressing import gateways
from sitiv_infra.wanted.routing import site_routes
from sitiv_infra.wanted.switching import CARRIER, main_sites, trunk

MAIN_LINKS = 2
STANDBY = "bond_mode=active-backup"
LACP = (STANDBY, "lacp=active", "other_config:lacp-time=fast")
BASTION = "bastion"


@dataclass(frozen=True)
class Cable:
    """From a switch's port to a device in a namespace, with what is set on the device."""

    site: str
    machine: str
    device: str
    vlan: Vlan
    addresses: tuple[IPv4Interface | IPv6Interface, ...] = ()

    @property
    def port(self) -> Port:
        """Give the switch's end."""
        name = device_name(self.machine, str(self.vlan.vid))
        ids = {"sitiv-machine": self.machine, "sitiv-vlan": self.vlan.name}
        return Port(name, (name,), tag=self.vlan.vid, ids=ids)


@dataclass(frozen=True)
class Link:
    """Between two switches; ``number`` tells links of one pair apart."""

    one: str
    other: str
    number: int = 1

    def device(self, here: str) -> str:
        """Name the device at one end after the switch at the other."""
        there = self.other if here == self.one else self.one
        return device_name("to", there, str(self.number))


def switch_names(estate: Estate) -> list[str]:
    """Name the switches: one a site, and the carrier's where a VLAN is of the internet."""
    carrier = [CARRIER] if any(_public(estate, v) for v in estate.vlans.values()) else []
    return [*estate.sites, *carrier]


def _public(estate: Estate, vlan: Vlan) -> bool:
    return estate.zones[vlan.zone].internet


def machine_cables(estate: Estate, machine: Machine) -> Iterator[Cable]:
    """Yield the cables of a machine."""
    for leg in legs(estate, machine):
        yield Cable(machine.site, machine.name, leg.device, leg.vlan, leg.addresses)


def station_cables(estate: Estate) -> Iterator[Cable]:
    """Yield the cables of the administrator's workstation: beside every bastion, and outside.

    Its address is the last of a bastion's subnet. Outside it stands beside the internet, so that
    an audit from there sees what citizens see.
    """
    seen: set[str] = set()
    for machine in estate.machines.values():
        if machine.role == BASTION and machine.interfaces:
            vlan = estate.vlans[machine.interfaces[0].vlan]
            if vlan.name not in seen:
                seen.add(vlan.name)
                yield Cable(machine.site, STATION, vlan.device, vlan, vlan.carriers)
    for vlan in estate.vlans.values() if seen else ():
        if _public(estate, vlan):
            beside = tuple(ip_interface(f"{a.ip - 1}/{a.network.prefixlen}") for a in vlan.carriers)
            yield Cable(CARRIER, STATION, vlan.device, vlan, beside)


def internet_cables(estate: Estate) -> Iterator[Cable]:
    """Yield the cables of the internet: one in every VLAN of it, at the carrier's address."""
    for vlan in estate.vlans.values():
        if _public(estate, vlan):
            yield Cable(CARRIER, INTERNET, vlan.device, vlan, vlan.carriers)


def links(estate: Estate) -> list[Link]:
    """Give the links between switches."""
    main = main_sites(estate)
    numbers = range(1, MAIN_LINKS + 1) if len(main) > 1 else ()
    found = [Link(main[0], main[1], number) for number in numbers]
    others = [name for name in switch_names(estate) if name not in main]
    return found + [Link(name, one) for name in others for one in main]


def link_ports(estate: Estate, site: str) -> Iterator[Port]:
    """Yield the ports of a switch towards other switches."""
    main = main_sites(estate)
    own = [link for link in links(estate) if site in {link.one, link.other}]
    towards: dict[str, list[Link]] = {}
    for link in own:
        towards.setdefault(link.other if link.one == site else link.one, []).append(link)
    if site not in main:
        devices = tuple(link.device(site) for link in own)
        settings: tuple[str, ...] = (STANDBY, f"other_config:bond-primary={devices[0]}")
        vids = sorted({vid for other in towards for vid in trunk(estate, site, other)})
        yield _link_port(",".join(towards), devices, tuple(vids), settings)
        return
    for other, several in towards.items():
        devices = tuple(link.device(site) for link in several)
        settings = (*LACP, f"other_config:bond-primary={devices[0]}") if len(devices) > 1 else ()
        yield _link_port(other, devices, trunk(estate, site, other), settings)


def _link_port(
    other: str, devices: tuple[str, ...], vids: tuple[int, ...], settings: tuple[str, ...]
) -> Port:
    name = devices[0] if len(devices) == 1 else device_name("bond", other.replace(",", "-"))
    return Port(name, devices, trunks=vids, ids={"sitiv-link": other}, settings=settings)


def lay(place: Place, cables: Sequence[Cable]) -> None:
    """Lay a machine's cables where they are missing, and set its addresses."""
    space = Namespace(place.namespace(cables[0].machine))
    if not space.stands():
        space.start()
    present = devices(space)
    for cable in cables:
        if cable.device not in present:
            _join(Switch(place, cable.site).namespace, cable.port.name, space, cable.device)
    _settle(space, [cable.device for cable in cables])
    words = [f"link set {name} up" for name in ("lo", *(cable.device for cable in cables))]
    words += [
        f"address replace {address} dev {cable.device}{' nodad' if address.version == 6 else ''}"
        for cable in cables
        for address in cable.addresses
    ]
    _batch(space, words)
    for site in {cable.site for cable in cables}:
        ports = [f"link set {cable.port.name} up" for cable in cables if cable.site == site]
        _batch(Switch(place, site).namespace, ports)


def _join(near: Namespace, port: str, space: Namespace, device: str) -> None:
    """Make a cable; the device's address follows from its names, as a real card keeps its own."""
    if port in devices(near):
        near.run("ip", "link", "del", port)  # its other end is gone with an earlier namespace
    digest = hashlib.sha256(f"{space.name}/{device}".encode()).hexdigest()
    mac = ":".join(["02", *(digest[i : i + 2] for i in range(0, 10, 2))])
    end = ["type", "veth", "peer", "name", device, "address", mac, "netns", space.name]
    near.run("ip", "link", "add", port, *end)


def _settle(space: Namespace, names: Sequence[str]) -> None:
    """Set what a device of the lab needs, again at each time: an earlier one may have been killed.

    Open vSwitch in userspace passes frames on as they are, so the sender fills checksums in.
    Duplicate addresses can't be here, and their detection would delay every boot by a second.
    """
    words = "ethtool --offload $d tx off && sysctl -qw net.ipv6.conf.$d.accept_dad=0 || exit 1"
    space.run("sh", "-c", f'for d in "$@"; do {words}; done', "sh", *names)


def devices(space: Namespace, *state: str) -> set[str]:
    """Name the network devices of a namespace, all or those that are ``up``."""
    found = json.loads(space.run("ip", "-json", "link", "show", *state))
    return {item["ifname"] for item in found if item}


def route(estate: Estate, place: Place, machine: Machine) -> None:
    """Set the routes of a machine that is no firewall, as its installer would."""
    if machine.name in estate.firewalls:
        return
    words = [f"route replace default via {gateway}" for gateway in gateways(estate, machine)]
    words += [f"route replace {r.network} via {r.via}" for r in site_routes(estate, machine)]
    _batch(Namespace(place.namespace(machine.name)), words)


def route_station(estate: Estate, place: Place) -> None:
    """Send what the station has no cable for by the gateway beside the first bastion."""
    first = next(station_cables(estate), None)
    if first is not None:
        words = [f"route replace default via {gateway.ip}" for gateway in first.vlan.gateways]
        _batch(Namespace(place.namespace(STATION)), words)


def _batch(space: Namespace, words: Sequence[str]) -> None:
    if words:
        space.run("ip", "-batch", "-", text="\n".join([*words, ""]))


def connect(estate: Estate, place: Place) -> None:
    """Lay the links between switches that are missing."""
    for link in links(estate):
        near, far = (Switch(place, site).namespace for site in (link.one, link.other))
        if not all(space.stands() for space in (near, far)):
            continue  # the switch is without power
        if link.device(link.one) not in devices(near):
            near.connect(link.device(link.one), far, link.device(link.other))
        elif link.device(link.other) not in devices(far, "up"):
            # The far end comes up last, and no fault takes it down: whoever laid it was killed.
            for space, site in ((near, link.one), (far, link.other)):
                space.run("ip", "link", "set", link.device(site), "up")
