"""Reads the configuration of a switch over SSH, by an account whose only command shows it.

Only what it says of layer 2 and of the switch's own addresses is kept: the configuration holds
passwords and keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sitiv_infra.collectors.base import Collector, Session
from sitiv_infra.collectors.ssh import answer
from sitiv_infra.errors import InvalidInput, NotObserved
from sitiv_infra.estate import Switch
from sitiv_infra.facts import SwitchFacts
from sitiv_infra.switches import read_text

COMMANDS: Mapping[str, str] = MappingProxyType({
    "ios": "show running-config",
    "eos": "show running-config",
    "openvswitch": "ovs-vsctl --timeout=5 --format=json list Port",
})  # fmt: skip


def collect(switch: Switch, session: Session) -> SwitchFacts:
    """Read one switch; NotObserved says why it can't be."""
    output = answer(switch, session, COMMANDS[switch.platform], "the switch")
    try:
        return read_text(output.decode(), switch.platform)
    except (InvalidInput, UnicodeDecodeError):
        raise NotObserved(f"{switch.where}: the answer is not its configuration") from None


COLLECTOR = Collector("switch", "ports, VLANs and addresses of the running configuration", collect)
