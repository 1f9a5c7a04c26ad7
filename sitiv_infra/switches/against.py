"""A switch as it is configured against what is declared of it, port by port."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sitiv_infra.estate import Estate, Switch
from sitiv_infra.facts.switch import PortMode, RoutedLeg, SwitchFacts, SwitchPort
from sitiv_infra.vlan_ids import Ids, written
from sitiv_infra.wanted.trunks import WantedPort, cables


@dataclass(frozen=True)
class Deviation:
    """A port that carries too much or too little; ``line`` 0 where there is no such port."""

    port: str
    line: int = 0
    extra: Ids = frozenset()
    lacking: Ids = frozenset()

    def __str__(self) -> str:
        """Give ``Gi0/1 (line 12): +130 -120``; an access port that is tagged has neither."""
        more = f" +{written(self.extra)}" if self.extra else ""
        less = f" -{written(self.lacking)}" if self.lacking else ""
        return (
            f"{self.port} (line {self.line}):{more}{less}" if self.line else f"{self.port}:{less}"
        )


def deviations(wanted_ports: Iterable[WantedPort], seen: SwitchFacts) -> Iterator[Deviation]:
    """Yield the declared ports that do not carry exactly what is needed behind them."""
    asleep = {vlan.id for vlan in seen.vlans if not vlan.active}
    known = {vlan.id for vlan in seen.vlans} if seen.vlans and seen.vlans_whole else None
    for wanted in wanted_ports:
        needed = wanted.allowed if wanted.access is None else frozenset({wanted.access})
        now = seen.port(wanted.name)
        if now is None or not now.switched:
            if needed:
                yield Deviation(wanted.name, now.line if now else 0, lacking=needed)
            continue
        missing = needed - (known - asleep) if known is not None else needed & asleep
        extra, lacking = now.vlans - needed, needed - now.vlans | missing
        if extra or lacking or _tagged_otherwise(now, wanted):
            yield Deviation(now.name, now.line, extra, lacking)


def _tagged_otherwise(now: SwitchPort, wanted: WantedPort) -> bool:
    if wanted.access is not None:
        return now.untagged != wanted.access
    return now.mode is not PortMode.TRUNK or now.untagged is not None


def unlike_ends(estate: Estate, name: str, seen: Mapping[str, SwitchFacts]) -> Iterator[str]:
    """Yield the links of a switch whose ends take frames without a tag for different VLANs."""
    for cable in cables(estate):
        for end, other in ((cable.one, cable.other), (cable.other, cable.one)):
            if end[0] == name and other[0] in seen:
                here, there = seen[name].port(end[1]), seen[other[0]].port(other[1])
                if here and there and here.switched and there.switched and _unlike(here, there):
                    yield (
                        f"{here.name} (line {here.line}): {_native(here)},"
                        f" {other[0]} {there.name}: {_native(there)}"
                    )


def _native(port: SwitchPort) -> int | None:
    if port.mode is PortMode.ACCESS:
        return port.access
    return None if port.native_tagged else port.native


def _unlike(here: SwitchPort, there: SwitchPort) -> bool:
    """Tell whether the ends differ; where all is tagged at one, the other may take nothing else."""
    natives = _native(here), _native(there)
    if None in natives:
        return here.untagged is not None or there.untagged is not None
    return natives[0] != natives[1]


def unused(estate: Estate, switch: Switch, seen: SwitchFacts) -> Iterator[SwitchPort]:
    """Yield the ports that nothing declared hangs on, and that are open or not parked."""
    ends = {end for cable in cables(estate) for end in (cable.one, cable.other)}
    names = {*switch.links, *(port for name, port in ends if name == switch.name)}
    linked = {port.name for name in names if (port := seen.port(name))}
    for port in seen.ports:
        if port.channel or port.name in linked or port.mode is PortMode.ROUTED:
            continue
        parked = port.mode is PortMode.ACCESS and port.access == switch.parking
        if not port.shut or (switch.parking is not None and not parked):
            yield port


def gateways(estate: Estate, seen: SwitchFacts) -> Iterator[tuple[RoutedLeg, str]]:
    """Yield the switch's own addresses that are the gateway of a declared VLAN, which it names."""
    held = {str(gateway): v.name for v in estate.vlans.values() for gateway in v.gateways}
    for leg in seen.legs:
        for address in leg.addresses if not leg.shut else ():
            if address in held:
                yield leg, held[address]
