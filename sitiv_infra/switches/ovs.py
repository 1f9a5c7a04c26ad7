"""Open vSwitch's ports, as ``ovs-vsctl --format=json list Port`` prints them.

What a port carries follows from three columns (Open vSwitch, ovs-vswitchd.conf.db(5), table Port):
without ``vlan_mode`` a port with a ``tag`` is an access port and one without is a trunk; a trunk
without ``trunks`` carries all VLANs, and frames without a tag as a network of their own; the modes
``native-tagged`` and ``native-untagged`` carry their native VLAN whatever ``trunks`` says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sitiv_infra.errors import InvalidInput
from sitiv_infra.facts.switch import UNTAGGED, Doubt, PortMode, SwitchFacts, SwitchPort
from sitiv_infra.vlan_ids import ALL

NATIVE = {"native-tagged": True, "native-untagged": False}


def read_ports(text: str) -> SwitchFacts:
    """Read the ports of one switch; ``line`` is a port's place in the list, from 1."""
    try:
        table = json.loads(text)
        rows = [dict(zip(table["headings"], row, strict=True)) for row in table["data"]]
        ports = tuple(_port(number, row) for number, row in enumerate(rows, start=1))
    except (ValueError, KeyError, TypeError):
        raise InvalidInput("not what 'ovs-vsctl --format=json list Port' prints") from None
    return SwitchFacts(platform="openvswitch", ports=ports)


def _many(value: Any) -> list[Any]:  # noqa: ANN401 - OVSDB's JSON (RFC 7047): a set, or its only one
    return list(value[1]) if isinstance(value, list) else [value]


def _port(number: int, row: Mapping[str, Any]) -> SwitchPort:
    tags = [int(tag) for tag in _many(row["tag"])]
    trunks = [int(vid) for vid in _many(row["trunks"])]
    mode = "".join(_many(row["vlan_mode"])) or ("access" if tags else "trunk")
    port = SwitchPort(name=row["name"], line=number, mode=PortMode.TRUNK, native=UNTAGGED)
    allowed = frozenset(trunks) & ALL if trunks else ALL
    if mode == "access":
        tag = tags[0] if tags else UNTAGGED
        return port.model_copy(update={"mode": PortMode.ACCESS, "access": tag})
    if mode == "trunk":
        bare = bool(trunks) and UNTAGGED not in trunks
        return port.model_copy(update={"allowed": allowed, "native_tagged": bare})
    if mode in NATIVE and tags:
        told = {"native": tags[0], "native_tagged": False, "allowed": allowed | set(tags)}
        return port.model_copy(update=told)
    return port.model_copy(update={"doubts": (Doubt(line=number, words=f"vlan_mode={mode}"),)})
