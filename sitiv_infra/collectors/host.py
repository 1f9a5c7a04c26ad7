"""Reads a Debian machine over SSH, by an account whose only command prints what the machine is.

That command is ``sitiv-facts`` of the role ``baseline``: it hands on what programs print, and here
that is read. What one program could not tell is Unread, and the rest is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from sitiv_infra.collectors import host_values as values
from sitiv_infra.collectors.base import Collector, Session
from sitiv_infra.collectors.firewall import rule_base
from sitiv_infra.collectors.ssh import answer
from sitiv_infra.errors import NotObserved
from sitiv_infra.estate import ReadHost
from sitiv_infra.facts import HostFacts, Unread
from sitiv_infra.facts.host import Clock

COMMAND = "sitiv-facts"
FORMAT = 1
T = TypeVar("T")
# What reading may raise of what a host printed, be it cut short or made up; pydantic's is a
# ValueError.
ODD = (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError, OverflowError)


def collect(host: ReadHost, session: Session) -> HostFacts:
    """Read one machine; NotObserved says why it can't be."""
    asked = datetime.now(UTC)
    output = answer(host, session, COMMAND, "sitiv-facts")
    try:
        told = _Told(dict(json.loads(output)))
        return told.facts(asked, datetime.now(UTC))
    except ODD:
        raise NotObserved(f"{host.where}: the answer is not that of sitiv-facts") from None


class _Told:
    """What one machine printed."""

    def __init__(self, data: dict[str, Any]) -> None:
        if data["format"] != FORMAT:
            raise ValueError("of another format")
        self.data = data
        self.programs: dict[str, dict[str, Any]] = data["programs"]

    def facts(self, asked: datetime, answered: datetime) -> HostFacts:
        """Put everything together; what is wrong with the whole is raised."""
        data = self.data
        now = datetime.fromtimestamp(float(data["now"]), UTC)
        return HostFacts(
            system=values.system(data["system"]),
            kernel=data["kernel"],
            booted_at=values.booted_at(data["stat"]),
            ahead=values.ahead(now, asked, answered),
            ruleset=self.read("nft", lambda out: rule_base(out)[1]),
            sshd=self.read("sshd", lambda out: values.sshd(out, data["conditional"])),
            clock=self.clock(),
            mounts=self.read("mounts", values.mounts),
            packages=self.read("packages", values.packages),
            updates=self.read("updates", lambda out: values.updates(out, data["lists"])),
            failed_units=self.read("units", values.units),
            sockets=self.read("sockets", values.sockets),
        )

    def clock(self) -> Clock | Unread:
        """Read both of chrony's answers."""
        sources = self.read("sources", values.clock_sources)
        if isinstance(sources, Unread):
            return sources
        return self.read("tracking", lambda out: values.clock(out, sources))

    def read(self, program: str, reader: Callable[[str], T]) -> T | Unread:
        """Read what a program printed, or say why that can't be."""
        told = self.programs[program]
        name = values.PROGRAMS[program]
        if "error" in told:
            return Unread(unread=f"{name}: {_short(told['error'])}")
        if told["code"]:
            lines = f"{told['err']}\n{told['out']}".strip().splitlines()
            shown = _short((lines or [f"exit code {told['code']}"])[0])
            return Unread(unread=f"{name} failed: {shown}")
        try:
            return reader(told["out"])
        except ODD:
            return Unread(unread=f"{name} printed what is not understood")


def _short(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in str(text))[:200]


COLLECTOR = Collector(
    "host", "rules, SSH server, clock, mounts, packages, units and ports of a machine", collect
)
