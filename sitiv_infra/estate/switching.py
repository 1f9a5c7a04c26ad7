"""Switches, and what hangs on their ports."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from sitiv_infra.estate.base import Host, Name, Part, Port, Source

PortName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9/._-]{0,63}$")]
Vid = Annotated[int, Field(ge=2, le=4094)]


class Link(Part):
    """What hangs on a port: a port of another switch, a machine, or the hosts of a cluster.

    ``vlans`` are needed there besides those of the machine or cluster; alone they stand for what is
    not declared, such as desks or a carrier's router.
    """

    switch: Name | None = None
    port: PortName | None = None
    machine: Name | None = None
    cluster: Name | None = None
    vlans: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _one(self) -> Link:
        ends = [end for end in (self.switch, self.machine, self.cluster) if end is not None]
        if len(ends) > 1 or not (ends or self.vlans):
            raise ValueError("a port leads to one switch, machine or cluster, or to some VLANs")
        if (self.switch is None) != (self.port is None):
            raise ValueError("a link to a switch names 'switch' and 'port'")
        return self


class Switch(Source):
    """A switch, read by SSH with an account whose only command shows its configuration.

    ``native`` is the id that its trunks give to frames without a tag, ``parking`` that of ports
    that nothing hangs on; neither is a declared VLAN. ``vlan`` is where the switch itself is
    managed. A link between two switches is declared at one of its ends, or alike at both.
    """

    kind: ClassVar[str] = "switch"
    family: ClassVar[str] = "switch"
    site: Name
    platform: Literal["ios", "eos", "openvswitch"]
    host: Host
    port: Port = 22
    vlan: Name | None = None
    native: Vid | None = None
    parking: Vid | None = None
    links: dict[PortName, Link] = {}

    @property
    def where(self) -> str:
        """Address that is read."""
        return f"ssh://{self.host}:{self.port}"
