"""Objects of Stormshield SNS as sets of packets; see ``sns_text`` for the sources.

What only the appliance knows (names, routers, hosts that it resolves, objects that it makes itself
such as ``Network_internals``) makes every rule that names it undecided.
"""

from __future__ import annotations

from typing import NamedTuple

from sitiv_infra.policy.objects import Book, everywhere, network, ported, span
from sitiv_infra.policy.operands import PROTOCOLS as NUMBERS
from sitiv_infra.policy.sns_text import Text
from sitiv_infra.policy.space import Box, Interval, Intervals, union

SILENT = {
    "name", "comment", "color", "update", "type", "global", "modify", "mac", "localfirst",
    "nb_elements", "used", "pos",
}  # fmt: skip
PORTED = {"tcp": (6,), "udp": (17,), "sctp": (132,), "any": (6, 17, 132)}
# Of one family: single addresses, networks, and ranges.
FORMS = {
    4: ("ip", ("mask", "prefixlen"), ("begin", "end")),
    6: ("ipv6", ("prefixlenv6",), ("beginv6", "endv6")),
}


class Service(NamedTuple):
    """Packets to some ports; ``vague`` where the protocols are not all known."""

    boxes: tuple[Box, ...]
    vague: bool = False


class Objects:
    """The objects of a text: addresses of one family, services, and protocols by number."""

    def __init__(self, text: Text, version: int) -> None:
        self.addresses: Book[Intervals] = Book("object", {"any": everywhere(version)})
        self.services: Book[Service] = Book("service")
        self.protocols = dict(NUMBERS)
        for tokens, line in zip(text.objects, text.lines, strict=True):
            name, kind = tokens.get("name", ""), tokens.get("type", "")
            (self.services if kind.startswith("service") else self.addresses).lines[name] = line
            try:
                if kind == "protocol":
                    self.protocols[name.lower()] = int(tokens["protonumber"])
                elif kind == "service":
                    self.services.leaves[name] = _service(tokens)
                elif kind not in {"group", "servicegroup"}:
                    self.addresses.leaves[name] = _address(tokens, kind, version)
            except (ValueError, KeyError) as error:
                why = error if isinstance(error, ValueError) else f"no {error.args[0]}"
                (self.services if kind == "service" else self.addresses).unclear[name] = str(why)
        for book in (self.addresses, self.services):
            book.lines |= text.joined
            for name, nodes in text.members.items():
                if name in text.made:
                    book.groups[name] = tuple(nodes)
                else:
                    book.unclear[name] = "its other members are not in the file"


def _address(tokens: dict[str, str], kind: str, version: int) -> Intervals:
    """Give the addresses of one family that an object has; ValueError where they are not known."""
    if kind not in {"host", "network", "range"}:
        raise ValueError(f"type {kind}")
    known = {option for alone, masks, ends in FORMS.values() for option in (alone, *masks, *ends)}
    for option, value in tokens.items():
        if option == "resolve" and value in {"static", "manual"}:
            continue
        if option not in SILENT | known and value:
            raise ValueError(f"{option}={value}")
    given = {option: value for option, value in tokens.items() if value}
    if not known & given.keys():
        raise ValueError("no address")
    return union(_spans(given, version))


def _spans(given: dict[str, str], version: int) -> list[Interval]:
    alone, masks, (low, high) = FORMS[version]
    if low in given:
        return [span(given[low], given[high], version)]
    if alone not in given:
        return []
    mask = next((given[option] for option in masks if option in given), "")
    return [network(f"{given[alone]}/{mask}" if mask else given[alone], version)]


def _service(tokens: dict[str, str]) -> Service:
    for option, value in tokens.items():
        if option not in SILENT | {"port", "toport", "proto"} and value:
            raise ValueError(f"{option}={value}")
    protocol = tokens["proto"].lower()
    if protocol not in PORTED:
        raise ValueError(f"proto={protocol}")
    low, high = int(tokens["port"]), int(tokens.get("toport") or tokens["port"])
    if not 0 <= low <= high <= 65535:
        raise ValueError(f"port={low}")
    boxes = tuple(ported(number, ((low, high),)) for number in PORTED[protocol])
    return Service(boxes, vague=protocol == "any")
