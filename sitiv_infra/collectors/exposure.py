"""Looks at the public addresses from a vantage: open TCP ports, and certificates.

Ports are looked for by the installed ``nmap``: SYN scan as root, else plain connections. What it
did not finish is recorded as unread: an incomplete scan never says "no open port".
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network, IPv6Network, ip_network
from time import monotonic

from sitiv_infra.collectors.base import Collector, Session
from sitiv_infra.collectors.scan import Sweep, has_route, sweep
from sitiv_infra.collectors.tls import endpoint
from sitiv_infra.errors import NotObserved
from sitiv_infra.estate import Exposure, Vantage
from sitiv_infra.facts import ExposureFacts, Unread
from sitiv_infra.facts.exposure import Endpoint

Network = IPv4Network | IPv6Network
MOST_SWEPT = 4096  # addresses of one network: a /20, a /116
SCANNING = 0.8  # share of the source's time; the rest is for certificates


def collect(vantage: Vantage, session: Session) -> ExposureFacts:
    """Look from one vantage; NotObserved when nothing at all could be swept."""
    end = monotonic() + vantage.timeout.total_seconds()
    declared = session.estate.exposures.values()
    exposures = [e for e in declared if any(e.address in net for net in vantage.networks)]
    ports = _ports(vantage, exposures)
    found = Sweep()
    targets = _targets(vantage, exposures, found)
    scanned = _swept(vantage, targets, ports, found)
    if not scanned:
        raise NotObserved("; ".join(sorted({item.unread for item in found.unread.values()})))
    return ExposureFacts(
        scanned=tuple(map(str, scanned)),
        ports=ports,
        open_ports=tuple(found.open_ports),
        endpoints=_endpoints(vantage, session, _speaking(exposures, found), end),
        unread=found.unread,
    )


def _ports(vantage: Vantage, exposures: Sequence[Exposure]) -> str:
    """Give the vantage's ports, and those declared ones that they leave out."""
    spans = [tuple(map(int, span.split("-"))) for span in vantage.ports.split(",")]
    declared = {e.port for e in exposures if e.protocol == "tcp"}
    beside = [p for p in sorted(declared) if not any(s[0] <= p <= s[-1] for s in spans)]
    return ",".join([vantage.ports, *map(str, beside)])


def _targets(vantage: Vantage, exposures: Sequence[Exposure], found: Sweep) -> list[Network]:
    """Give what can be swept; of a network that is too large, its declared addresses."""
    wanted: list[Network] = []
    for net in vantage.networks:
        if net.num_addresses <= MOST_SWEPT:
            wanted.append(net)
            continue
        why = f"{net} is too large to sweep: declare the parts that are in use"
        found.unread[str(net)] = Unread(unread=why)
        wanted += map(ip_network, sorted({e.address for e in exposures if e.address in net}))
    reachable = [net for net in wanted if has_route(net)]
    for net in wanted:
        if net not in reachable:
            found.unread[str(net)] = Unread(unread=f"no route to {net} from here")
    return reachable


def _swept(vantage: Vantage, targets: Sequence[Network], ports: str, found: Sweep) -> list[Network]:
    """Sweep IPv4 and IPv6 in turn and give what was swept; a family that failed is unread."""
    families = (
        [net for net in targets if isinstance(net, IPv4Network)],
        [net for net in targets if isinstance(net, IPv6Network)],
    )
    used = [nets for nets in families if nets]
    done: list[Network] = []
    for nets in used:
        seconds = vantage.timeout.total_seconds() * SCANNING / len(used)
        try:
            result = sweep(nets, ports, vantage.packets_per_second, seconds)
        except NotObserved as error:
            found.unread.update({str(net): Unread(unread=str(error)) for net in nets})
            continue
        found.open_ports += result.open_ports
        found.unread.update(result.unread)
        done += [net for net in nets if any(str(address) not in result.unread for address in net)]
    return done


def _speaking(exposures: Sequence[Exposure], found: Sweep) -> list[Exposure]:
    """Give the declared TLS ports that are open, or may be since their address is unread."""
    seen = {(port.address, port.port) for port in found.open_ports}
    return [
        e
        for e in exposures
        if e.tls
        and e.protocol == "tcp"
        and ((str(e.address), e.port) in seen or str(e.address) in found.unread)
    ]


def _endpoints(
    vantage: Vantage, session: Session, exposures: Sequence[Exposure], end: float
) -> tuple[Endpoint, ...]:
    """Ask each port for its certificate, a few at a time."""

    def ask(exposure: Exposure) -> Endpoint | None:
        address, port, host = str(exposure.address), exposure.port, exposure.host
        left = min(session.timeout, (end - monotonic()) / 3)
        if left <= 0:
            late = Unread(unread="no time was left to ask for it")
            return Endpoint(address=address, port=port, host=host, protocol=None, certificate=late)
        return endpoint(address, port, host, session.tls, left)

    with ThreadPoolExecutor(vantage.connections) as pool:
        return tuple(answer for answer in pool.map(ask, exposures) if answer is not None)


COLLECTOR = Collector("exposure", "open TCP ports, and certificates of declared TLS hosts", collect)
