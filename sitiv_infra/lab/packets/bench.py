"""One switch and one firewall with the rules that are rendered: a stand without any host.

All VLANs of an estate, one real firewall leg in each, up in seconds: for a change of the
declaration that nobody has applied yet. Sites, trunks and failover are the whole lab's to prove.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date

from sitiv_infra.estate import Estate
from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.packets.plan import End
from sitiv_infra.lab.packets.stand import REFUSED, Stand, by_vlan, cable, plugged
from sitiv_infra.lab.place import Place
from sitiv_infra.lab.plan import rule_base
from sitiv_infra.lab.switch import Switch
from sitiv_infra.lab.wiring import Cable, lay
from sitiv_infra.wanted.nftables import forward_sets

SWITCH, FIREWALL = "bench", "firewall"
COUNTED = f'counter comment "{REFUSED}"'
FORWARDING = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")


@contextmanager
def bench(
    estate: Estate, site: str, ends: Sequence[End], today: date, place: Place
) -> Iterator[Stand]:
    """Put up the stand with a site's rules, and take all of it away again."""
    with place.alone():
        _clear(place)  # what a killed run left
        try:
            switch = Switch(place, SWITCH)
            switch.start()
            firewall = _firewall(estate, site, switch, today)
            cables = [cable(SWITCH, vlan, own) for vlan, own in by_vlan(ends).values()]
            with plugged(place, cables, ends) as spaces:
                yield Stand(spaces, {FIREWALL: firewall})
        finally:
            _clear(place)


def _clear(place: Place) -> None:
    place.group().kill()
    for name in place.namespaces():
        Namespace(name).stop()
    shutil.rmtree(place.folder, ignore_errors=True)


def _firewall(estate: Estate, site: str, switch: Switch, today: date) -> Namespace:
    legs = [
        Cable(SWITCH, FIREWALL, vlan.device, vlan, vlan.gateways)
        for vlan in estate.vlans.values()
        if vlan.gateways
    ]
    space = Namespace(switch.place.namespace(FIREWALL))
    lay(switch.place, legs)
    switch.plug(leg.port for leg in legs)
    space.run("sysctl", "-qw", *FORWARDING)
    space.filter(rule_base(forward_sets(estate, site, today), [COUNTED]))
    return space
