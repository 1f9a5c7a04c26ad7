"""What the packets say: where they fared otherwise than is declared, and what is at fault."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from ipaddress import ip_network
from typing import NamedTuple

from sitiv_infra.facts.packets import Fate, Finding
from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.packets.plan import Probe
from sitiv_infra.lab.packets.walk import Trace
from sitiv_infra.lab.packets.wire import TCP, UDP, Packet
from sitiv_infra.policy.dumps import FORMS, Dump
from sitiv_infra.policy.explain import Question, explained
from sitiv_infra.policy.lists import NO_RULE
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.telling import NAMES

FORWARD = "forward"


def findings(
    probes: Sequence[Probe], traces: Sequence[Trace], firewalls: Mapping[str, Namespace]
) -> list[Finding]:
    """Give what does not hold, packets that fared alike together; nothing where all of it does."""
    rules = Rules(firewalls)
    alike: dict[Fault, list[tuple[str, Probe]]] = {}
    for probe, trace in zip(probes, traces, strict=True):
        for fault, place in _faults(probe, trace, rules):
            alike.setdefault(fault, []).append((place, probe))
    return [
        Finding(
            **fault._asdict(),
            destinations=tuple(dict.fromkeys(place for place, _ in found)),
            count=len(found),
            witness=written(found[0][1]),
        )
        for fault, found in alike.items()
    ]


class Fault(NamedTuple):
    """What packets that fared alike have in common; see the finding that it becomes."""

    fate: Fate
    source: str = ""
    firewall: str = ""
    rule: str = ""
    device: str = ""
    flow: str = ""


def _faults(probe: Probe, trace: Trace, rules: Rules) -> Iterator[tuple[Fault, str]]:
    """Say what is wrong with one packet, and where it went."""
    source, place = probe.source, probe.destination
    name, device = trace.left[-1] if trace.left else ("", "")
    if trace.lost and not trace.entered:
        yield Fault(Fate.UNSEEN, source), place
    elif trace.lost:
        yield Fault(Fate.LOST, firewall=name, device=device), place
    for other in set(trace.arrived) - {place}:
        yield Fault(Fate.ASTRAY, source, name, device=device), other
    if place in trace.arrived and probe.flow is None:
        rule = rules.decides(name, probe.packet)[0] if name else ""
        yield Fault(Fate.UNDECLARED, source, name, rule), place
    if trace.stayed and probe.flow is not None:
        name = trace.entered[-1][0]
        rule, verdict = rules.decides(name, probe.packet)
        if verdict is Verdict.ACCEPT:  # no rule is at fault: a route, a neighbour, a cable
            yield Fault(Fate.STUCK, firewall=name), place
        else:
            yield Fault(Fate.REFUSED, source, name, rule, flow=probe.flow), place


def written(probe: Probe) -> str:
    """Write a packet as a person would."""
    packet = probe.packet
    kind = NAMES.get(packet.protocol, f"protocol {packet.protocol}")
    port = f" port {packet.port}" if packet.protocol in {TCP, UDP} else ""
    return f"{kind} {packet.source} > {packet.destination}{port}"


class Rules:
    """The rules in force, read once from each firewall that has to be asked."""

    def __init__(self, firewalls: Mapping[str, Namespace]) -> None:
        self._firewalls = firewalls
        self._dump = cache(self._read)

    def _read(self, name: str) -> Dump:
        return FORMS["nft-json"](self._firewalls[name].run("nft", "-j", "list", "ruleset"))

    def decides(self, name: str, packet: Packet) -> tuple[str, Verdict | None]:
        """Name the rule of a firewall that settles a packet, and what it does."""
        dump = self._dump(name)
        ends = ip_network(str(packet.source)), ip_network(str(packet.destination))
        question = Question(*ends, packet.protocol, ((packet.port, packet.port),))
        answers = [
            answer
            for chain, found in explained(dump, question).items()
            if FORWARD in chain.split()
            for answer in found
        ]
        # What drops in any chain comes before what accepts.
        found = min(answers, key=lambda a: (a.verdict is Verdict.ACCEPT, a.rule), default=None)
        rule = dump.texts[found.rule] if found and found.rule else NO_RULE
        return rule, found.verdict if found else None
