"""Which VLANs the links between switches carry.

The first two sites are joined by links. Every other switch, and the carrier's, hangs on both of
them and uses one at a time, so a VLAN passes through the first two sites wherever it stands.
"""

from __future__ import annotations

from sitiv_infra.estate import Estate, Vlan

CARRIER = "carrier"  # the switch of whoever sells the way to the internet


def main_sites(estate: Estate) -> tuple[str, ...]:
    """Name the sites that all links lead to."""
    return tuple(estate.sites)[:2]


def trunk(estate: Estate, one: str, other: str) -> tuple[int, ...]:
    """Give the ids of the VLANs that a link between two switches carries."""
    ends = {one, other}
    found = [v.vid for v in estate.vlans.values() if _carried(estate, v, ends)]
    return tuple(sorted(found))


def _carried(estate: Estate, vlan: Vlan, ends: set[str]) -> bool:
    stands = set(vlan.sites)
    if estate.zones[vlan.zone].internet:
        stands.add(CARRIER)
    if len(stands) < 2:
        return False
    through = set(main_sites(estate)) if _alone(estate, vlan) else set()
    return ends <= stands | through and ends - set(main_sites(estate)) <= stands


def _alone(estate: Estate, vlan: Vlan) -> bool:
    """Tell whether no other VLAN has this one's id: on a site between, the two would be one."""
    return [v.vid for v in estate.vlans.values()].count(vlan.vid) == 1
