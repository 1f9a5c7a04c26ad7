"""Who is in which VLAN, by frames: each leg of each machine calls, and all others listen.

It goes by the very ports that machines hang on. A device is named after the VLAN that it is
declared in, so nothing else has to be known.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.place import Place
from sitiv_infra.lab.wiring import devices

EXPERIMENTAL = 0x88B5  # an EtherType for local use (IEEE 802)
BROADCAST = b"\xff" * 6
PREFIX = "vlan"
SHORTEST = 60  # bytes of a frame
TRIES, PAUSE = 3, 0.3
CALM = 0.5  # seconds in which a frame that should not come would have come
PACE = 0.002  # seconds between frames: a switch in userspace loses what comes in one burst

Leg = tuple[str, str]  # namespace and device
Heard = Mapping[Leg, Mapping[Leg, int]]


def misplaced(place: Place) -> list[str]:
    """Let every leg of a lab call, and tell what is wrong; see judged."""
    with listening(place) as ears:
        return judged(called(ears), place.namespace(""))


def vlan(leg: Leg) -> int:
    """Give the VLAN that a leg is declared in."""
    return int(leg[1].removeprefix(PREFIX))


def judged(heard: Heard, prefix: str) -> list[str]:
    """Tell of legs in another VLAN than theirs, of VLANs that are joined, and of those in parts.

    A leg is in another VLAN where legs of that one hear it, and most of its own do not. ``prefix``
    is what the names of namespaces begin with.
    """
    strays = {leg for leg in heard if _strangers(leg, heard) and _astray(leg, heard)}
    told = [
        f"{leg[0].removeprefix(prefix)}: its leg in VLAN {vlan(leg)} is in VLAN "
        + ", ".join(map(str, sorted({vlan(other) for other in _strangers(leg, heard)})))
        for leg in heard
        if leg in strays
    ]
    rest = [leg for leg in heard if leg not in strays]
    joined = {
        (min(vlan(leg), vlan(other)), max(vlan(leg), vlan(other)))
        for leg in rest
        for other in _strangers(leg, heard) - strays
    }
    told += [f"VLANs {one} and {other} are joined" for one, other in sorted(joined)]
    for number in sorted({vlan(leg) for leg in rest}):
        parts = _parts([leg for leg in rest if vlan(leg) == number], heard)
        if len(parts) > 1:
            names = (", ".join(leg[0].removeprefix(prefix) for leg in part) for part in parts)
            told.append(
                f"VLAN {number} is in parts that do not hear each other: {' | '.join(names)}"
            )
    return told


def _strangers(leg: Leg, heard: Heard) -> set[Leg]:
    """Give the legs of other VLANs that hear one."""
    return {other for other in heard[leg] if vlan(other) != vlan(leg)}


def _astray(leg: Leg, heard: Heard) -> bool:
    """Tell whether fewer than half of a leg's own VLAN hears it."""
    own = [other for other in heard if other != leg and vlan(other) == vlan(leg)]
    return 2 * sum(other in heard[leg] for other in own) < len(own)


def _parts(legs: list[Leg], heard: Heard) -> list[list[Leg]]:
    """Put legs together that hear each other, both ways."""
    parts: list[list[Leg]] = []
    for leg in legs:
        near = [part for part in parts if any(leg in heard[o] and o in heard[leg] for o in part)]
        parts = [part for part in parts if part not in near]
        parts.append([*(one for part in near for one in part), leg])
    return parts


@contextmanager
def listening(place: Place) -> Iterator[dict[Leg, socket.socket]]:
    """Listen for frames on every leg of every machine, and of what stands beside them."""
    with ExitStack() as stack:
        found: dict[Leg, socket.socket] = {}
        for name in place.namespaces():
            space = Namespace(name)
            for device in sorted(devices(space)):
                if device.startswith(PREFIX):
                    with space.inside():
                        ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, EXPERIMENTAL)
                        stack.enter_context(ear)
                        ear.bind((device, EXPERIMENTAL))
                    found[name, device] = ear
        yield found


def called(ears: Mapping[Leg, socket.socket], senders: Iterable[Leg] = ()) -> Heard:
    """Broadcast from some legs, by default from every one; then once more.

    Gives, by sender, how often that last frame was heard at each leg.
    """
    chosen = tuple(senders) or tuple(ears)
    for _ in range(TRIES):  # so that the switches know all of them
        _call(ears, {os.urandom(8): leg for leg in chosen}, PAUSE)
    return _call(ears, {os.urandom(8): leg for leg in chosen}, CALM)


def _call(
    ears: Mapping[Leg, socket.socket], tokens: Mapping[bytes, Leg], seconds: float
) -> dict[Leg, dict[Leg, int]]:
    kind = EXPERIMENTAL.to_bytes(2, "big")
    found: dict[Leg, dict[Leg, int]] = {leg: {} for leg in tokens.values()}
    for token, leg in tokens.items():
        own = ears[leg].getsockname()[4]
        ears[leg].send((BROADCAST + own + kind + token).ljust(SHORTEST, b"\0"))
        time.sleep(PACE)
    for leg, token in _caught(ears, seconds):
        if token in tokens:
            here = found[tokens[token]]
            here[leg] = here.get(leg, 0) + 1
    return found


def _caught(ears: Mapping[Leg, socket.socket], seconds: float) -> Iterator[tuple[Leg, bytes]]:
    """Yield what is heard until nothing was for some time: where, and its token."""
    legs = {ear: leg for leg, ear in ears.items()}
    while ready := select.select(list(legs), [], [], seconds)[0]:
        for ear in ready:
            yield legs[ear], ear.recv(2048)[14:22]
