"""``sitiv switches``: configurations of switches as they print them, without an estate."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sitiv_infra.cli import options as o
from sitiv_infra.cli.commands import group, register
from sitiv_infra.cli.tables import show as show_table
from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import load
from sitiv_infra.estate.references import unknown
from sitiv_infra.switches import changes, findings, read, undecided

app = group("""Configurations of switches: what is unsafe in them at layer 2.

Examples:
  sitiv switches analyse sw-a1.txt --from ios
  sitiv switches change sw-a1.txt --switch sw-a1
""")
UNDECIDED = 2


class Platform(StrEnum):
    """How a configuration is written."""

    IOS = "ios"
    EOS = "eos"
    OPENVSWITCH = "openvswitch"


class Output(StrEnum):
    """How an answer is written."""

    TEXT = "text"
    JSON = "json"


File = Annotated[
    Path,
    typer.Argument(help="'show running-config', or 'ovs-vsctl --format=json list Port'."),
]
From = Annotated[Platform, typer.Option("--from", help="How the configuration is written.")]
Format = Annotated[Output, typer.Option("--format", help="For a person, or as JSON.")]


@register(app)
def analyse(file: File, platform: From, output: Format = Output.TEXT) -> int:
    """Say what is unsafe in a switch's configuration by itself; exit code 0.

    Lines are those of the file, from 1. A line that is not known and could change what a port
    carries is told as undecided.

    Examples:
      sitiv switches analyse sw-a1.txt --from ios
      ovs-vsctl --format=json list Port | sitiv switches analyse /dev/stdin --from openvswitch
    """
    switch = read(file, platform)
    found, doubts = list(findings(switch)), list(undecided(switch))
    if output is Output.JSON:
        rows = [
            {"rule": one.rule, "port": one.port, "line": one.line, "detail": one.detail}
            for one in (*found, *doubts)
        ]
        print(json.dumps({"ports": len(switch.ports), "findings": rows}, indent=2))
        return 0
    if found or doubts:
        told = [(one.rule, str(one.line or ""), one.port, one.detail) for one in (*found, *doubts)]
        show_table(["rule", "line", "port", "what"], told, whole=3)
    print(f"{len(switch.ports)} ports: {len(found)} findings, {len(doubts)} lines undecided")
    return 0


@register(app)
def change(
    file: File,
    name: Annotated[str, typer.Option("--switch", help="The declared switch that it is of.")],
    estate: o.EstateFolder = o.ESTATE,
) -> int:
    """Print the lines that bring a switch's ports to what the estate declares.

    Lists of trunks change by 'add' and 'remove' alone: after none of the lines is a trunk open, or
    cut off from what it is to keep. A port with lines that are not known is left as it is, and the
    exit code is 2. Ports of which nothing is declared are left alone.

    Example:
      sitiv switches change sw-a1.txt --switch sw-a1
    """
    declared = load(estate)
    if name not in declared.switches:
        raise InvalidInput(unknown(name, declared.switches, "switches"))
    switch = declared.switches[name]
    if switch.platform == "openvswitch":
        raise InvalidInput("the role 'switch' sets the ports of an Open vSwitch")
    script = changes(declared, switch, read(file, switch.platform))
    for line in script.lines:
        print(line)
    for port in script.undecided:
        print(f"sitiv: {port}: left as it is; see: sitiv switches analyse", file=sys.stderr)
    return UNDECIDED if script.undecided else 0
