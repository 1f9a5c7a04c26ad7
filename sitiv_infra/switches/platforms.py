"""Cisco IOS and Arista EOS: their defaults, and the lines that only one of them has.

On IOS a port that nothing is said of negotiates what it is (DTP), and VLANs stand in the running
configuration only while VTP is off or transparent. EOS has neither, and a port is an access port
of VLAN 1 until something else is said.
"""

from __future__ import annotations

from sitiv_infra.facts.switch import PortMode
from sitiv_infra.switches.reading import Grammar
from sitiv_infra.switches.statements import Draft, Match, sets, statement, word


def _routes(draft: Draft, match: Match) -> None:
    draft["routing"] = {**draft["routing"], match["vrf"] or "": match["no"] is None}


def _six(draft: Draft, _match: Match) -> None:
    draft["routing"] = {**draft["routing"], "": True}


SHARED = (
    statement(r"hostname (\S+)", word("hostname")),
    statement(r"(?P<no>no )?ip routing(?: vrf (?P<vrf>\S+))?", _routes),
    statement(r"ipv6 unicast-routing", _six),
    statement(r"end", sets(ended=True)),
)
IOS = Grammar(
    platform="ios",
    mode=PortMode.NEGOTIATED,
    dtp=True,
    ports=(
        statement(r"switchport mode dynamic (?:auto|desirable)", sets(mode=PortMode.NEGOTIATED)),
        statement(r"switchport nonegotiate", sets(quiet=True)),
        statement(r"no switchport nonegotiate", sets(quiet=False)),
        statement(r"spanning-tree portfast (?:edge )?trunk", sets(edge=True)),
    ),
    globally=(
        *SHARED,
        statement(r"vtp mode (\S+)", word("vtp")),
        statement(r"vlan dot1q tag native", sets(native_tagged=True)),
        statement(r"no vlan dot1q tag native", sets(native_tagged=False)),
        statement(r"spanning-tree portfast (?:edge )?default", sets(edge=True)),
        statement(r"spanning-tree portfast (?:edge )?bpduguard default", sets(guard=True)),
    ),
)
EOS = Grammar(
    platform="eos",
    mode=PortMode.ACCESS,
    dtp=False,
    ports=(statement(r"spanning-tree portfast auto", sets()),),
    globally=(
        *SHARED,
        statement(r"spanning-tree edge-port bpduguard default", sets(guard=True)),
    ),
)
