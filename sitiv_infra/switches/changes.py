"""From a switch as it is configured to the switch as it is declared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sitiv_infra.estate import Estate, Switch
from sitiv_infra.facts.switch import PortMode, SwitchFacts, SwitchPort
from sitiv_infra.vlan_ids import Ids
from sitiv_infra.wanted.switch_lines import change, config, fixed
from sitiv_infra.wanted.trunks import WantedPort, ports

TRUNKS = frozenset({PortMode.TRUNK, PortMode.NEGOTIATED})


@dataclass(frozen=True)
class Script:
    """Lines to say to a switch, and the ports that are left because they are not understood."""

    lines: tuple[str, ...]
    undecided: tuple[str, ...]


def changes(estate: Estate, switch: Switch, seen: SwitchFacts) -> Script:
    """Give the lines that make the declared ports of a switch carry what is declared.

    What is a trunk, or may be one, has its list changed; any other port is written whole.
    """
    wanted = {port.name: port for port in ports(estate)[switch.name]}
    here = {name: seen.port(name) for name in wanted}
    undecided = tuple(name for name, port in here.items() if port is not None and port.doubts)
    lists: dict[str, tuple[Ids, Ids]] = {}
    lines: list[str] = []
    for name, port in wanted.items():
        now = here[name]
        if name in undecided or (now is not None and as_wanted(now, port)):
            continue
        if now is None or now.mode not in TRUNKS or port.access is not None:
            lines += config([port], switch.platform)
            continue
        port = replace(port, name=now.name)  # noqa: PLW2901 - a part of a channel is the channel
        lists[port.name] = (now.allowed, port.allowed)
        if not as_wanted(now.model_copy(update={"allowed": port.allowed}), port):
            lines += fixed(port, switch.platform)
    known = {vlan.id for vlan in seen.vlans}
    new = {
        vlan.vid: vlan.name
        for vlan in estate.vlans.values()
        if vlan.vid in _carried(wanted.values()) - known and switch.site in vlan.sites
    }
    return Script((*change(lists, new), *lines), undecided)


def as_wanted(now: SwitchPort, wanted: WantedPort) -> bool:
    """Tell whether a port carries what it is to carry, no more and no less, and tagged alike."""
    if wanted.access is not None:
        return now.mode is PortMode.ACCESS and now.vlans == {wanted.access}
    return (
        now.mode is PortMode.TRUNK
        and now.allowed == wanted.allowed
        and (wanted.native is None or now.native_tagged or now.native == wanted.native)
        and not now.negotiates
    )


def _carried(wanted: Iterable[WantedPort]) -> set[int]:
    return {vid for port in wanted for vid in (port.allowed or {port.access}) if vid is not None}
