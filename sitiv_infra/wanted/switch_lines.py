"""What is said to a switch, IOS or EOS, so that its ports carry what is wanted.

``config`` is for ports that are no trunks yet: the list is there before the port becomes a trunk.

``change`` is for trunks that carry traffic. Both platforms hold a trunk without a list for one that
carries every VLAN, and ``no switchport trunk allowed vlan`` takes the list away: the trunk is open
until the next line. A bare ``switchport trunk allowed vlan LIST`` replaces the list at once, but a
long list does not fit one line, and until the ``add`` that follows the rest is cut off. So a list
is changed by ``remove`` and ``add`` alone, in this order: after each line the trunk carries no VLAN
that it did not carry before or is not to carry, and all those that it is to keep. VLANs that are
new to the switch are made in between, because a trunk that carries all takes them up at once.
Source: Cisco, Catalyst command references, ``switchport trunk``; Arista, EOS User Manual, VLANs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sitiv_infra.vlan_ids import Ids, ranges
from sitiv_infra.wanted.trunks import WantedPort

WIDTH = 60  # characters of a list in one line: IOS itself breaks long lists
LIST = "switchport trunk allowed vlan"


def config(ports: Iterable[WantedPort], platform: str) -> Iterator[str]:
    """Yield the lines of ports, as they stand in a configuration."""
    for port in ports:
        yield f"interface {port.name}"
        yield f" description {port.leads_to}"
        if port.access is not None:
            yield f" switchport access vlan {port.access}"
            yield " switchport mode access"
            yield " spanning-tree portfast"
            yield " spanning-tree bpduguard enable"
            continue
        first, *others = _lists(port.allowed) or ["none"]
        yield f" {LIST} {first}"
        yield from (f" {LIST} add {one}" for one in others)
        yield from _trunk(port, platform)


def fixed(port: WantedPort, platform: str) -> Iterator[str]:
    """Yield what makes a port whose list is right a trunk for good, with its native VLAN."""
    yield f"interface {port.name}"
    yield from _trunk(port, platform)


def _trunk(port: WantedPort, platform: str) -> Iterator[str]:
    if port.native is not None:
        yield f" switchport trunk native vlan {port.native}"
    yield " switchport mode trunk"
    if platform == "ios":
        yield " switchport nonegotiate"


def vlans(named: Mapping[int, str]) -> Iterator[str]:
    """Yield the lines that make VLANs."""
    for vid, name in sorted(named.items()):
        yield from (f"vlan {vid}", f" name {name}")


def change(
    trunks: Mapping[str, tuple[Ids, Ids]], new: Mapping[int, str] | None = None
) -> Iterator[str]:
    """Yield the lines that bring trunks from the lists that they have to those that are wanted.

    trunks -- by port, what its list is and what it is to be. new -- VLANs to make, by their id.
    """
    for port, (present, wanted) in trunks.items():
        yield from _changed(port, "remove", present - wanted)
    yield from vlans(new or {})
    for port, (present, wanted) in trunks.items():
        yield from _changed(port, "add", wanted - present)


def _changed(port: str, verb: str, ids: Ids) -> Iterator[str]:
    if ids:
        yield f"interface {port}"
        yield from (f" {LIST} {verb} {one}" for one in _lists(ids))


def _lists(ids: Ids) -> list[str]:
    """Write a set as lists that each fit a line."""
    found: list[str] = []
    for run in ranges(ids):
        if found and len(found[-1]) + 1 + len(run) <= WIDTH:
            found[-1] += f",{run}"
        else:
            found.append(run)
    return found
