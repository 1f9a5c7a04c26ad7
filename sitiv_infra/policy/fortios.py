"""Reads firewall policies of FortiOS as ``show`` or ``show full-configuration`` prints them.

What a policy matches is read as in Fortinet's CLI reference and administration guide (7.x); no
device could be tried. Judged is the first packet of a connection, as it arrives: what antivirus or
intrusion prevention make of a connection that was accepted is not. Policies are numbered by their
place in the file, from 1; each VDOM is a list of its own, with an implicit deny at its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sitiv_infra.errors import InvalidInput
from sitiv_infra.policy import fortios_objects
from sitiv_infra.policy.fortios_blocks import Entry
from sitiv_infra.policy.fortios_blocks import read as read_blocks
from sitiv_infra.policy.fortios_options import NEUTRAL, doubted, meaning
from sitiv_infra.policy.fortios_virtual import Part, apart, arriving, virtuals
from sitiv_infra.policy.iptables_options import DEVICES, device
from sitiv_infra.policy.objects import (
    Use,
    at,
    called,
    disjoint,
    everywhere,
    merged,
    objects,
    placed,
    side,
)
from sitiv_infra.policy.rules import Action, Base, Objects, Rule, RuleBase, Test, Verdict
from sitiv_infra.policy.space import (
    EVERYTHING,
    Box,
    Dimension,
    Intervals,
    Point,
    holds,
    split,
    union,
)

ENDS = {4: ("srcaddr", "dstaddr"), 6: ("srcaddr6", "dstaddr6")}
# Options that name addresses, and those that take their place when they are enabled.
BY_SERVICE = {
    "srcaddr": "internet-service-src", "dstaddr": "internet-service",
    "srcaddr6": "internet-service6-src", "dstaddr6": "internet-service6",
}  # fmt: skip
ACTIONS = {"accept": Action.ACCEPT, "deny": Action.DROP}
# Tables that decide what is forwarded, too, in modes that are not read.
OTHERS = ("firewall security-policy", "firewall consolidated policy")
MAIN = "firewall policy"
ONLY_6 = "firewall policy6"  # before FortiOS 6.4


def read(text: str) -> dict[int, RuleBase]:
    """Read a configuration; boxes have the devices' dimensions after the ordinary ones.

    Raises InvalidInput with the line that is none of a configuration, or is not read.
    """
    vdoms = _vdoms(read_blocks(text))
    policies = _numbered(vdoms)
    chains: dict[int, dict[str, tuple[Rule, ...]]] = {4: {}, 6: {}}
    for name, vdom in vdoms.items():
        for version, found in chains.items():
            reader = _Reader(vdom, version)
            found[name] = tuple(rule for one in policies[name] for rule in reader.rules(one))
    bases = [name for name, held in policies.items() if held]
    if not bases:
        raise InvalidInput(f"no policies: expected 'config {MAIN}' of FortiOS's 'show'")
    return {
        version: RuleBase(version, found, tuple(_base(name, version) for name in bases))
        for version, found in chains.items()
    }


def _base(name: str, version: int) -> Base:
    return Base(name, "forward", frozenset({version}), Verdict.DROP)


def _vdoms(top: Entry) -> Mapping[str, Entry]:
    """Give the VDOMs by name; a configuration without any is that of ``root``."""
    found = dict(top.block("vdom"))
    if MAIN in top.blocks or ONLY_6 in top.blocks or not found:
        if found:
            raise InvalidInput("policies both in VDOMs and outside of them")
        found = {"root": top}
    for vdom in found.values():
        _refuse(vdom)
    return found


def _refuse(vdom: Entry) -> None:
    for table in OTHERS:
        for entry in vdom.block(table).values():
            raise InvalidInput(f"line {entry.line}: 'config {table}' is not read")
    if vdom.setting("system settings").get("ngfw-mode") == ["policy-based"]:
        raise InvalidInput("'ngfw-mode policy-based' is not read: its policies do not filter")


@dataclass(frozen=True)
class Policy:
    """One policy: its number in the file, its id, and whether all its addresses are IPv6's."""

    number: int
    id: str
    entry: Entry
    only_6: bool

    @property
    def text(self) -> str:
        """The policy in one line, without what says nothing of packets."""
        told = (
            f"{option} {' '.join(given)}"
            for option, given in self.entry.values.items()
            if option not in NEUTRAL
        )
        return f'policy {self.id} "{self.entry.one("name")}": {", ".join(told)}'

    @property
    def place(self) -> str:
        """The policy as the appliance calls it, with its comment where it has no name."""
        return called(f"policy {self.id}", self.label, self.entry.line)

    @property
    def label(self) -> str:
        """Its name, or its comment."""
        return self.entry.one("name") or self.entry.one("comments")

    def uses(self, option: str, negated: str) -> Sequence[str]:
        """Give the names under an option; none where it says what must not be."""
        return () if self.entry.one(negated) == "enable" else self.entry.values.get(option, ())


def _numbered(vdoms: Mapping[str, Entry]) -> Mapping[str, list[Policy]]:
    """Give the policies of each VDOM, numbered by the lines that they stand on."""
    found = [
        (name, Policy(0, id_, entry, table == ONLY_6))
        for name, vdom in vdoms.items()
        for table in (MAIN, ONLY_6)
        for id_, entry in vdom.block(table).items()
    ]
    found.sort(key=lambda one: one[1].entry.line)
    held: dict[str, list[Policy]] = {name: [] for name in vdoms}
    for number, (name, policy) in enumerate(found, 1):
        held[name].append(replace(policy, number=number))
    return held


class _Reader:
    """Reads the policies of a VDOM for one address family."""

    def __init__(self, vdom: Entry, version: int) -> None:
        self.vdom = vdom
        self.version = version
        self.addresses = fortios_objects.addresses(vdom, version)
        self.services = fortios_objects.services(vdom)
        self.virtuals = virtuals(vdom, version)
        self.taken = list(self.virtuals.leaves.values())
        self.central = vdom.setting("system settings").get("central-nat") == ["enable"]

    def rules(self, policy: Policy) -> Iterator[Rule]:
        """Yield a policy as one rule for what it surely matches, and one for what it may."""
        entry = policy.entry
        action = ACTIONS.get(entry.one("action", "deny"), Action.NONE)
        parts, doubts = (
            self._parts(policy) if entry.one("status", "enable") == "enable" else ([], [])
        )
        if action is Action.NONE:
            doubts.append(f"action {entry.one('action')}")
        for doubt in dict.fromkeys(["", *(part.doubt for part in parts)]):
            boxes = tuple(disjoint(b for part in parts if part.doubt == doubt for b in part.boxes))
            said = tuple(f"#{policy.number}: {what}" for what in (*doubts, doubt) if what)
            if boxes or not doubt:
                hangs = meaning(entry, self.vdom) if said else ""
                yield Rule(
                    policy.text, (Test(boxes),), action, "", said, policy.number, hangs,
                    policy.place, policy.label, self._objects(policy),
                )  # fmt: skip

    def _objects(self, policy: Policy) -> Objects:
        ends = ENDS[4 if policy.only_6 else self.version]
        sides = zip(ends, (Dimension.SOURCE, Dimension.DESTINATION), strict=True)
        return objects(
            *(Use(self.addresses, policy.uses(o, f"{o}-negate"), at(side)) for o, side in sides),
            Use(self.services, policy.uses("service", "service-negate"), _served),
        )

    def _parts(self, policy: Policy) -> tuple[list[Part], list[str]]:
        """Give what a policy matches, and what in it is not understood."""
        entry = policy.entry
        doubts = list(doubted(entry, self.vdom))
        ends = ENDS[4 if policy.only_6 else self.version]
        if (policy.only_6 and self.version == 4) or not _concerned(entry, ends, doubts):
            return [], []
        services = self._services(entry, doubts)
        devices = [_devices(entry, option, doubts) for option in ("srcintf", "dstintf")]
        source = self._side(entry, ends[0], entry.values.get(ends[0]), doubts)
        to = entry.values.get(ends[1])
        named = [name for name in to or () if name in self.virtuals]
        plain = None if to is None else [name for name in to if name not in named]
        parts: list[Part] = []
        if named and _negated(entry, ends[1]) is not False:
            doubts.append(f"{ends[1]}-negate of virtual addresses")
            plain = None
        if plain != []:
            boxes = placed(services, source, self._side(entry, ends[1], plain, doubts), *devices)
            parts += apart(boxes, self.taken, entry.one("match-vip"), central=self.central)
        found, unknown = self.virtuals.find(named)
        parts += [arriving(one, services, source, devices) for one in found]
        return parts, [*doubts, *unknown]

    def _side(
        self, entry: Entry, option: str, names: Sequence[str] | None, doubts: list[str]
    ) -> Intervals:
        negated = _negated(entry, option)
        if negated is None:
            doubts.append(f"{option[:-1]}-negate: for IPv6, too?")
        if names is None or negated is None:
            return everywhere(self.version)
        found = side(self.addresses, names, self.version, negated=negated)
        doubts += found.doubts
        return found.spans

    def _services(self, entry: Entry, doubts: list[str]) -> Sequence[Box]:
        """Give what the services of a policy stand for; everything where that is unclear."""
        if "service" not in entry.values:
            if not any(entry.one(option) == "enable" for option in BY_SERVICE.values()):
                doubts.append("no service")
            return (EVERYTHING,)
        found, unclear = self.services.find(entry.values["service"])
        doubts += unclear
        if unclear:
            return (EVERYTHING,)
        boxes = merged(box for boxes in found for box in boxes)
        negated = entry.one("service-negate", "disable") == "enable"
        return split(EVERYTHING, boxes)[1] if negated else boxes


def _served(boxes: Sequence[Box], packet: Point) -> bool:
    return any(holds(one, packet) for one in boxes)


def _concerned(entry: Entry, ends: tuple[str, str], doubts: list[str]) -> bool:
    """Whether a policy is for the family of these options; with half of them, who knows."""
    given = {
        option
        for option, service in BY_SERVICE.items()
        if option in entry.values or entry.one(service) == "enable"
    }
    missing = [end for end in ends if end not in given]
    if len(missing) == len(ends) and given:
        return False
    doubts += [f"no {end}" for end in missing]
    return True


def _negated(entry: Entry, option: str) -> bool | None:
    """Whether an option names what addresses must not be; None where that is not known.

    ``srcaddr6-negate`` came with FortiOS 7.2; before, it was ``srcaddr-negate`` that counted.
    """
    own, older = f"{option}-negate", f"{option.removesuffix('6')}-negate"
    if own not in entry.values and entry.one(older) == "enable":
        return None
    return entry.one(own) == "enable"


def _devices(entry: Entry, option: str, doubts: list[str]) -> Intervals:
    names = entry.values.get(option)
    if names is None:
        doubts.append(f"no {option}")
        return DEVICES
    try:
        return DEVICES if "any" in names else union(span for n in names for span in device(n))
    except ValueError as error:
        doubts.append(f"{option}: {error}")
        return DEVICES
