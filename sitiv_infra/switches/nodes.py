"""What the graph of layer 2 is made of: nodes, the ways between them, and how to go along them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sitiv_infra.facts.switch import PortMode, SwitchPort
from sitiv_infra.vlan_ids import Ids


class Guest(NamedTuple):
    """A virtual machine: its vCenter, its place among the machines there, and its name."""

    vcenter: str
    number: int
    name: str


# A switch, real or virtual, and a VLAN's id or a routed port; or a virtual machine.
Node = tuple[str, int | str] | Guest
UNTAGGED = 0  # on a virtual switch: the network of frames without a tag
Path = tuple[Node | str, ...]


@dataclass(frozen=True)
class Edge:
    """A way between two nodes; ``via`` names what it leads over, ``sure`` whether it is certain."""

    one: Node
    other: Node
    via: tuple[str, ...]
    sure: bool


Graph = dict[Node, list[tuple[Node, Edge]]]


def graph_of(edges: Iterable[Edge], *, sure: bool) -> Graph:
    """Lay edges out by their ends, the certain ones alone where ``sure``."""
    graph: Graph = {}
    for edge in edges:
        if edge.sure or not sure:
            graph.setdefault(edge.one, []).append((edge.other, edge))
            graph.setdefault(edge.other, []).append((edge.one, edge))
    return graph


def go(start: Iterable[Node], graph: Graph, zones: Mapping[Node, str]) -> Iterator[Path]:
    """Go from nodes until others are met that a zone has, which are not gone through.

    Yields the way to each of these, both ends included.
    """
    paths: dict[Node, Path] = {node: (node,) for node in start}
    queue = deque(paths)
    while queue:
        here = queue.popleft()
        for there, edge in graph.get(here, ()):
            if there in paths:
                continue
            via = edge.via if edge.one == here else edge.via[::-1]
            paths[there] = (*paths[here], *via, there)
            if there in zones:
                yield paths[there]
            else:
                queue.append(there)


def certain(port: SwitchPort) -> bool:
    """Tell whether what a port carries is certain: it does not negotiate, all is understood."""
    return port.mode is not PortMode.NEGOTIATED and not port.doubts


def tagged(port: SwitchPort) -> Ids:
    """Give the VLANs that a port carries with a tag, or may come to carry."""
    return port.allowed if port.mode is PortMode.NEGOTIATED else port.tagged


def untagged(port: SwitchPort) -> Ids:
    """Give the VLANs that a port takes, or may take, frames without a tag for."""
    if port.mode is PortMode.NEGOTIATED:
        return frozenset({port.access, port.native})
    return frozenset() if port.untagged is None else frozenset({port.untagged})
