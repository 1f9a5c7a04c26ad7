"""Services as the declaration writes them, ``tcp/443``, ``udp/5060-5061``, ``icmp``, as packets."""

from __future__ import annotations

from collections.abc import Iterable

from sitiv_infra.errors import InvalidInput
from sitiv_infra.policy.space import PORTS, Box, Dimension, Intervals, box, split

ICMP_NUMBER = {4: 1, 6: 58}
NUMBERS = {"tcp": 6, "udp": 17}


def service(text: str) -> tuple[str, Intervals | None]:
    """Read a service: ``tcp``, ``udp`` or ``icmp``, and its ports where it has some.

    Raises InvalidInput for anything else.
    """
    name, slash, ports = text.partition("/")
    low, _, high = ports.partition("-")
    if text == "icmp" or (name in NUMBERS and not slash):
        return name, None
    try:
        span = int(low), int(high or low)
    except ValueError:
        span = 1, 0
    if name not in NUMBERS or not 0 <= span[0] <= span[1] <= PORTS[0][1]:
        raise InvalidInput(f"{text}: a service is tcp/443, udp/5060-5061 or icmp")
    return name, (span,)


def packets(text: str, version: int) -> Box:
    """Give the packets of a service in one address family, whatever their addresses."""
    name, ports = service(text)
    number = NUMBERS.get(name, ICMP_NUMBER[version])
    return box(
        {Dimension.PROTOCOL: ((number, number),), Dimension.DESTINATION_PORT: ports or PORTS}
    )


def beyond(services: Iterable[str], listed: Iterable[str]) -> list[Box]:
    """Give what services have that others, together, have not."""
    limits = [packets(text, 4) for text in listed]
    return [piece for text in services for piece in split(packets(text, 4), limits)[1]]


def shared(services: Iterable[str], listed: Iterable[str]) -> list[Box]:
    """Give what services have in common with others."""
    limits = [packets(text, 4) for text in listed]
    return [piece for text in services for piece in split(packets(text, 4), limits)[0]]
