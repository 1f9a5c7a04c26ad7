"""Sending packets, and following each by its number until it came out or stayed."""

from __future__ import annotations

import secrets
import select
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.packets.plan import Probe
from sitiv_infra.lab.packets.stand import Stand
from sitiv_infra.lab.packets.wire import number_of

EVERY_PROTOCOL = 0x0003  # ETH_P_ALL of if_ether.h
SOL_PACKET, PACKET_IGNORE_OUTGOING = 263, 23  # of linux/if_packet.h
IPV6_HDRINCL, SO_RCVBUFFORCE = 36, 33  # of linux/in6.h and asm-generic/socket.h
OURS, LEAVING = 0, 4  # PACKET_HOST, PACKET_OUTGOING
BUFFER = 16 << 20  # bytes of a socket, for what is not read yet
LONGEST = 128  # bytes that are read of a packet; ours are shorter
FIRST_PORT = 20_000  # of sources; each round has another, so that each packet begins a connection
# At most so many are under way to a firewall: a switch in userspace loses what comes in one burst.
WINDOW = 192
STALLED = 0.1  # seconds without any sighting, after which those under way are held for lost
CALM = 0.3  # seconds of silence that end a round
ROUNDS = 3  # what was lost on the way is sent again


@dataclass(slots=True)
class Trace:
    """Where a packet was seen: firewalls that it entered and left, and VLANs that it came out in.

    ``entered`` and ``left`` name the firewall and its device.
    """

    entered: list[tuple[str, str]] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)
    arrived: list[str] = field(default_factory=list)

    @property
    def stayed(self) -> bool:
        """Tell whether a firewall took it in and did not let it out."""
        return not self.arrived and len(self.entered) > len(self.left)

    @property
    def lost(self) -> bool:
        """Tell whether it vanished between what was looked at."""
        return not self.arrived and not self.stayed


@dataclass(frozen=True)
class Account:
    """What became of every packet, in the order of the plan; ``again`` were sent more than once."""

    traces: tuple[Trace, ...]
    again: int
    seconds: float

    @property
    def delivered(self) -> int:
        """Count the packets that came out somewhere."""
        return sum(bool(trace.arrived) for trace in self.traces)

    @property
    def dropped(self) -> int:
        """Count the packets that a firewall kept."""
        return sum(trace.stayed for trace in self.traces)

    @property
    def lost(self) -> int:
        """Count the packets of which neither is known."""
        return len(self.traces) - self.delivered - self.dropped


Told = Callable[[str], None]


def walked(stand: Stand, probes: Sequence[Probe], tell: Told) -> Account:
    """Send every packet, those that get lost again, and account for each."""
    began = time.monotonic()
    with _sockets(stand) as (doors, ears):
        walk = _Walk(probes, doors, ears)
        todo, again = list(range(len(probes))), 0
        for number in range(ROUNDS):
            tell(f"{len(todo)} packets" + (" again" if number else ""))
            again += len(todo) if number else 0
            walk.round(todo, FIRST_PORT + secrets.randbelow(40_000))
            todo = [one for one in todo if walk.traces[one].lost]
            if not todo:
                break
    return Account(tuple(walk.traces), again, time.monotonic() - began)


Doors = Mapping[tuple[str, int], socket.socket]
Ears = Mapping[int, tuple[socket.socket, str, bool]]


@contextmanager
def _sockets(stand: Stand) -> Iterator[tuple[Doors, Ears]]:
    """Open what packets are sent by, by VLAN and family; and what they are seen by."""
    doors: dict[tuple[str, int], socket.socket] = {}
    ears: dict[int, tuple[socket.socket, str, bool]] = {}
    with ExitStack() as stack:
        for name, space in stand.ends.items():
            with space.inside():
                for version, family in ((4, socket.AF_INET), (6, socket.AF_INET6)):
                    door = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
                    doors[name, version] = stack.enter_context(door)
                doors[name, 6].setsockopt(socket.IPPROTO_IPV6, IPV6_HDRINCL, 1)
        for places, inner in ((stand.ends, False), (stand.firewalls, True)):
            for name, space in places.items():
                ear = stack.enter_context(_ear(space, both_ways=inner))
                ears[ear.fileno()] = ear, name, inner
        yield doors, ears


def _ear(space: Namespace, *, both_ways: bool) -> socket.socket:
    with space.inside():
        ear = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(EVERY_PROTOCOL))
    ear.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
    ear.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, int(not both_ways))
    ear.setblocking(False)
    return ear


class _Walk:
    """One plan on its way."""

    def __init__(self, probes: Sequence[Probe], doors: Doors, ears: Ears) -> None:
        self.traces = [Trace() for _ in probes]
        self._probes, self._doors, self._ears = probes, doors, ears
        self._token = secrets.randbits(32)
        self._under_way: set[int] = set()
        self._poll = select.epoll()
        for number in ears:
            self._poll.register(number, select.EPOLLIN)

    def round(self, todo: Sequence[int], source_port: int) -> None:
        """Send some packets, and look until nothing more is seen."""
        self._under_way.clear()
        for number in todo:
            self.traces[number] = Trace()
            self._send(number, source_port)
            while len(self._under_way) >= WINDOW:
                if not self._look(STALLED):
                    self._under_way.clear()
        while self._look(CALM):
            pass

    def _send(self, number: int, source_port: int) -> None:
        probe = self._probes[number]
        packet = probe.packet
        data = packet.written(self._token, number, source_port)
        with suppress(OSError):  # no way to its gateway: it is lost, and told so
            self._doors[probe.source, packet.version].sendto(data, (str(packet.destination), 0))
            self._under_way.add(number)

    def _look(self, seconds: float) -> bool:
        """Take what was seen; False when nothing of ours was, for some time."""
        end, seen = time.monotonic() + seconds, False
        while not seen and (left := end - time.monotonic()) > 0:
            for number, _ in self._poll.poll(left):
                ear, name, inner = self._ears[number]
                with suppress(BlockingIOError):
                    while True:
                        data, where = ear.recvfrom(LONGEST)
                        seen |= self._seen(data, where, name, inner=inner)
        return seen

    def _seen(self, data: bytes, where: tuple[str, int, int], name: str, *, inner: bool) -> bool:
        number = number_of(data, self._token)
        if number is None or number >= len(self.traces):
            return False
        trace, kind = self.traces[number], where[2]
        if inner and kind == LEAVING:
            trace.left.append((name, where[0]))
        elif inner and kind == OURS:
            trace.entered.append((name, where[0]))
            self._under_way.discard(number)
        elif kind == OURS:
            trace.arrived.append(name)
        return True
