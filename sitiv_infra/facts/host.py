"""What a Debian machine says of itself."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from sitiv_infra.facts.base import Fact, Facts, Unread


class SshdSetting(Fact):
    """An option that holds only where ``match`` does: ``User backup``."""

    match: str
    option: str
    value: str


class Sshd(Fact):
    """What the SSH server's configuration says; ``options`` as ``sshd -T`` prints them.

    conditional -- options that stand below a ``Match``, which ``sshd -T`` leaves out.
    """

    options: dict[str, tuple[str, ...]]
    conditional: tuple[SshdSetting, ...] = ()


class ClockSource(Fact):
    """A server of time; ``state`` as chrony has it, ``reached`` of its last eight answers."""

    name: str
    state: Literal["selected", "combined", "excluded", "unusable", "falseticker", "variable"]
    reached: int


class Clock(Fact):
    """What chrony says; ``offset`` in seconds of the clock from the true time as chrony knows it.

    synchronised -- whether chrony follows a server now.
    """

    synchronised: bool
    offset: float
    stratum: int
    sources: tuple[ClockSource, ...]


class Mount(Fact):
    """A file system of a device or of the network.

    read_only -- at this place. frozen -- the file system itself, at all its places: as the kernel
    leaves it after errors.
    """

    target: str
    source: str
    kind: str
    read_only: bool
    frozen: bool


class Update(Fact):
    """A newer version of an installed package."""

    package: str
    version: str


class Updates(Fact):
    """What the host's own lists of packages offer.

    listed_at -- date of the newest list of a security archive, None where it has none.
    """

    listed_at: datetime | None
    security: tuple[Update, ...]
    others: int


class Socket(Fact):
    """A port that something listens on."""

    protocol: Literal["tcp", "udp"]
    address: str
    port: int
    program: str | None = None


class HostFacts(Facts):
    """One machine.

    ahead -- seconds that its clock was certainly ahead of the observer's; negative behind, 0 where
    the two can't be told apart. packages -- versions by name. failed_units -- of systemd.
    """

    family: ClassVar[str] = "host"

    system: str
    kernel: str
    booted_at: datetime
    ahead: float
    ruleset: tuple[dict[str, object], ...] | Unread
    sshd: Sshd | Unread
    clock: Clock | Unread
    mounts: tuple[Mount, ...] | Unread
    packages: dict[str, str] | Unread
    updates: Updates | Unread
    failed_units: tuple[str, ...] | Unread
    sockets: tuple[Socket, ...] | Unread
