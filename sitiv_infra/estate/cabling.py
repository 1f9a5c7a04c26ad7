"""What is wrong between switches and what hangs on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sitiv_infra.estate.complaint import Complaint

if TYPE_CHECKING:
    from sitiv_infra.documents import Location
    from sitiv_infra.estate.model import Estate
    from sitiv_infra.estate.switching import Link, Switch


def cabling(estate: Estate) -> Iterator[Complaint]:
    """Yield what is wrong with links and with the ids that switches keep for themselves."""
    for switch in estate.switches.values():
        yield from _own_ids(estate, switch)
        for port, link in switch.links.items():
            yield from _link(estate, switch, ("switches", switch.name, "links", port), link)


def _own_ids(estate: Estate, switch: Switch) -> Iterator[Complaint]:
    used = {v.vid: v.name for v in estate.vlans.values() if switch.site in v.sites}
    for field in ("native", "parking"):
        number = getattr(switch, field)
        if number in used:
            what = f"{number} is VLAN '{used[number]}'; it is to be used by nothing"
            yield Complaint(("switches", switch.name, field), what)
    if switch.vlan in estate.vlans and switch.site not in estate.vlans[switch.vlan].sites:
        what = f"VLAN '{switch.vlan}' does not stand on site '{switch.site}'"
        yield Complaint(("switches", switch.name, "vlan"), what)


def _link(estate: Estate, switch: Switch, at: Location, link: Link) -> Iterator[Complaint]:
    named = [
        ("switches", "switch", link.switch),
        ("machines", "machine", link.machine),
        ("clusters", "cluster", link.cluster),
    ]
    for collection, field, name in named:
        known = getattr(estate, collection)
        if name is not None and name not in known:
            what = f"'{name}' is not among the declared {collection}"
            yield Complaint((*at, field), what, (collection, name))
        elif name is not None and field != "switch" and known[name].site != switch.site:
            what = f"'{name}' stands on site '{known[name].site}', not '{switch.site}'"
            yield Complaint((*at, field), what)
    for index, name in enumerate(link.vlans):
        if name not in estate.vlans:
            what = f"'{name}' is not among the declared vlans"
            yield Complaint((*at, "vlans", index), what, ("vlans", name))
        elif switch.site not in estate.vlans[name].sites:
            what = f"VLAN '{name}' does not stand on site '{switch.site}'"
            yield Complaint((*at, "vlans", index), what)
    if link.machine in estate.machines and estate.machines[link.machine].cluster:
        yield Complaint((*at, "machine"), "it stands on a cluster; link the cluster's hosts")
    if link.switch in estate.switches:
        yield from _other_end(estate.switches[link.switch], switch, at, link)


def _other_end(other: Switch, switch: Switch, at: Location, link: Link) -> Iterator[Complaint]:
    back = other.links.get(link.port or "")
    here = str(at[-1])
    if back is not None and (back.switch, back.port) != (switch.name, here):
        what = f"port '{link.port}' of '{other.name}' is declared to lead elsewhere"
        yield Complaint((*at, "port"), what)
    claims = [p for p, one in switch.links.items() if one.switch == other.name]
    twice = [p for p in claims if switch.links[p].port == link.port]
    if twice[0] != here:
        what = f"port '{twice[0]}' leads to port '{link.port}' of '{other.name}' already"
        yield Complaint((*at, "port"), what)
    if other.native != switch.native:
        what = f"the native VLANs differ: {switch.native} here, {other.native} on '{other.name}'"
        yield Complaint((*at, "switch"), what)
