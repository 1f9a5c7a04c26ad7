"""Switches with one thing changed: what a slip, or somebody at the console, makes of them.

What is declared is made up by chance: two or three switches in a row, machines, and a firewall.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

from sitiv_infra.estate import Estate
from sitiv_infra.facts import Facts
from sitiv_infra.switches import read_text
from sitiv_infra.testing import estate_of
from sitiv_infra.wanted.switch_lines import config
from sitiv_infra.wanted.trunks import WantedPort
from sitiv_infra.wanted.trunks import ports as wanted_ports

Dice = random.Random
PLATFORMS = {"ios": "GigabitEthernet0/{}", "eos": "Ethernet{}", "openvswitch": "p{}"}
START = {"ios": "no ip routing\nvtp mode off\n", "eos": "no ip routing\n"}
HEADINGS = ["name", "external_ids", "vlan_mode", "tag", "trunks"]
MODE, TAG, TRUNKS = 2, 3, 4
NONE = ["set", []]
REMOVE = " switchport trunk allowed vlan remove "


class Expected(NamedTuple):
    """A verdict that a change has to bring: of which check and subject, and what it has to name."""

    check: str
    subject: str
    names: str


def declaration(dice: Dice, platforms: tuple[str, ...]) -> dict[str, Any]:
    """Make up two or three switches in a row, machines on them, and a firewall."""
    vids = dice.sample(range(100, 900), dice.randint(3, 5))
    vlans = {
        f"v{vid}": {"vid": vid, "zone": f"z{n % 3}", "sites": ["a"], "subnets": [f"10.9.{n}.0/24"]}
        for n, vid in enumerate(vids)
    }
    machines: dict[str, Any] = {"fw": {"site": "a", "role": "firewall"}}
    places = [f"s{n}" for n in range(dice.randint(2, 3))]
    kinds = {name: dice.choice(platforms) for name in places}
    links: dict[str, dict[str, Any]] = {name: {} for name in places}

    def port(name: str, what: Mapping[str, object]) -> str:
        used = PLATFORMS[kinds[name]].format(len(links[name]) + 1)
        links[name][used] = what
        return used

    port(places[0], {"machine": "fw"})
    for one, other in pairwise(places):
        far = port(other, {"vlans": []})
        port(one, {"switch": other, "port": far})
        del links[other][far]
        links[other] = {far: {"switch": one, "port": list(links[one])[-1]}, **links[other]}
    for n, vlan in enumerate(vlans):
        leg = {"vlan": vlan, "addresses": [f"10.9.{n}.9"]}
        machines[f"m{n}"] = {"site": "a", "role": "host", "interfaces": [leg]}
        port(dice.choice(places), {"machine": f"m{n}"})
    switch: dict[str, object] = {"site": "a", "observed_from": "admin"}
    if "openvswitch" not in platforms:
        switch |= {"native": 999, "parking": 998}
    return {
        "zones": {f"z{n}": {"title": f"Z{n}"} for n in range(3)},
        "vlans": vlans,
        "firewalls": {"fw": {"site": "a", "host": "fw.test", "observed_from": "admin"}},
        "machines": machines,
        "switches": {
            name: {**switch, "platform": kinds[name], "host": f"{name}.test", "links": links[name]}
            for name in places
        },
    }


class Wired(NamedTuple):
    """An estate, how it was declared, and what its switches are told."""

    declared: dict[str, Any]
    estate: Estate
    texts: dict[str, str]

    @property
    def seen(self) -> dict[str, Facts]:
        return {
            f"switch/{name}": read_text(text, str(self.estate.switches[name].platform))
            for name, text in self.texts.items()
        }


@lru_cache
def wired(*platforms: str) -> tuple[Wired, ...]:
    """Make up estates whose switches are of these platforms."""
    found = []
    for number in range(8):
        declared = declaration(Dice(number), platforms)
        estate = estate_of(json.dumps(declared))
        texts = {name: _told(estate, name, p) for name, p in wanted_ports(estate).items()}
        found.append(Wired(declared, estate, texts))
    return tuple(found)


def _told(estate: Estate, name: str, ports: Iterable[WantedPort]) -> str:
    platform = str(estate.switches[name].platform)
    if platform == "openvswitch":
        rows = [
            [
                p.name,
                ["map", []],
                NONE,
                *((NONE, _set(p.allowed)) if p.access is None else (p.access, NONE)),
            ]
            for p in ports
        ]
        return json.dumps({"headings": HEADINGS, "data": rows})
    vids = ",".join(str(vlan.vid) for vlan in estate.vlans.values())
    head = f"hostname {name}\n{START[platform]}vlan {vids},998,999\n"
    return head + "\n".join(config(ports, platform)) + "\nend\n"


def _set(ids: Iterable[int]) -> list[object]:
    """Write a list of a trunk; an empty one would be every VLAN, and 4095 is none."""
    return ["set", sorted(ids) or [4095]]


Place = tuple[str, str, int, str]  # a switch, a port, its line, and the lines of the port
Made = tuple[Wired, list[Expected]]


def place(world: Wired, dice: Dice, words: str) -> Place:
    """Choose a port with words; a VLAN at least passes over it."""
    found = [
        (name, block[1], text[: block.start()].count("\n") + 1, block[0])
        for name, text in world.texts.items()
        for block in re.finditer(r"^interface (\S+)\n(?: .*\n)+", text, re.MULTILINE)
        if re.search(words, block[0])
    ]
    return dice.choice(found)


def replaced(world: Wired, where: Place, new: str, check: str, names: str = "") -> Made:
    name, port, line, block = where
    texts = {**world.texts, name: world.texts[name].replace(block, new, 1)}
    told = Expected(f"switching.{check}", f"sitiv/switch/{name}", f"{port} (line {line}){names}")
    return world._replace(texts=texts), [told]


def other_vid(world: Wired, dice: Dice, *not_these: int) -> int:
    vids = [v.vid for v in world.estate.vlans.values() if v.vid not in not_these]
    return dice.choice(vids)


def wrong_tag(world: Wired, dice: Dice) -> Made:
    where = place(world, dice, "access vlan")
    (old,) = map(int, re.findall(r"access vlan (\d+)", where[3]))
    new = other_vid(world, dice, old)
    block = where[3].replace(f"access vlan {old}", f"access vlan {new}")
    return replaced(world, where, block, "exact", f": +{new} -{old}")


def native_one(world: Wired, dice: Dice) -> Made:
    where = place(world, dice, r"allowed vlan \d")
    return replaced(
        world, where, where[3].replace("native vlan 999", "native vlan 1"), "native-vlan"
    )


def native_used(world: Wired, dice: Dice) -> Made:
    """Give frames without a tag a VLAN that the trunk carries."""
    where = place(world, dice, r"allowed vlan \d")
    vid = dice.choice(re.findall(r"\d+", re.findall(r"allowed vlan (.*)", where[3])[0]))
    block = where[3].replace("native vlan 999", f"native vlan {vid}")
    return replaced(world, where, block, "native-vlan")


def carries_all(world: Wired, dice: Dice) -> Made:
    where = place(world, dice, r"allowed vlan \d")
    list_ = dice.choice(["", " switchport trunk allowed vlan all\n"])
    block = re.sub(r" switchport trunk allowed vlan .*\n", list_, where[3])
    return replaced(world, where, block, "exact", ": +")


def vlan_lacks(world: Wired, dice: Dice) -> Made:
    where = place(world, dice, r"allowed vlan \d")
    (ids,) = re.findall(r"allowed vlan (.*)", where[3])
    vid = dice.choice(re.findall(r"\d+", ids))
    block = where[3].replace(f"allowed vlan {ids}\n", f"allowed vlan {ids}\n{REMOVE}{vid}\n")
    return replaced(world, where, block, "exact", f": -{vid}")


def vlan_too_many(world: Wired, dice: Dice) -> Made:
    where = place(world, dice, r"allowed vlan \d")
    vid = dice.randrange(2, 90)
    end = " switchport mode trunk\n"
    block = where[3].replace(end, f" switchport trunk allowed vlan add {vid}\n{end}")
    return replaced(world, where, block, "exact", f": +{vid}")


def vlan_not_made(world: Wired, dice: Dice) -> Made:
    """Take a VLAN away from a switch: none of its ports carries it."""
    where = place(world, dice, "access vlan")
    name, port, line, block = where
    (vid,) = re.findall(r"access vlan (\d+)", block)
    text = re.sub(rf"^(vlan .*)\b{vid},", r"\1", world.texts[name], flags=re.MULTILINE)
    told = Expected("switching.exact", f"sitiv/switch/{name}", f"{port} (line {line}): -{vid}")
    return world._replace(texts={**world.texts, name: text}), [told]


def dual_homed(world: Wired, dice: Dice) -> Made:
    """Give a machine a second leg, in another zone, in the declaration."""
    declared = json.loads(json.dumps(world.declared))
    name = dice.choice([name for name in declared["machines"] if name != "fw"])
    (leg,) = declared["machines"][name]["interfaces"]
    vlans = declared["vlans"]
    zone = vlans[leg["vlan"]]["zone"]
    more = dice.choice([vlan for vlan, said in vlans.items() if said["zone"] != zone])
    declared["machines"][name]["interfaces"].append({"vlan": more})
    told = Expected("switching.dual-homed", f"sitiv/machine/{name}", more)
    return world._replace(estate=estate_of(json.dumps(declared))), [told]


def _of_row(
    change: Callable[[Wired, Dice, list[Any]], str], *, access: bool
) -> Callable[[Wired, Dice], Made]:
    """Change the columns of one port of Open vSwitch; give what is to be said of it."""

    def changed(world: Wired, dice: Dice) -> Made:
        name = dice.choice([n for n, text in world.texts.items() if _rows(text, access=access)])
        table = json.loads(world.texts[name])
        line = dice.choice(_rows(world.texts[name], access=access))
        row = table["data"][line - 1]
        said = change(world, dice, row)
        texts = {**world.texts, name: json.dumps(table)}
        names = f"{row[0]} (line {line}):{said}"
        return world._replace(texts=texts), [
            Expected("switching.exact", f"sitiv/switch/{name}", names)
        ]

    return changed


def _rows(text: str, *, access: bool) -> list[int]:
    """Give the places of access ports, or of trunks with VLANs, from 1."""
    rows = enumerate(json.loads(text)["data"], 1)
    return [
        n
        for n, row in rows
        if (row[TAG] != NONE if access else row[TRUNKS] not in (NONE, _set([])))
    ]


def _row_tag(world: Wired, dice: Dice, row: list[Any]) -> str:
    old, row[TAG] = row[TAG], other_vid(world, dice, row[TAG])
    return f" +{row[TAG]} -{old}"


def _row_without_tag(_: Wired, __: Dice, row: list[Any]) -> str:
    row[TAG] = NONE
    return " +"


def _row_without_list(_: Wired, __: Dice, row: list[Any]) -> str:
    row[TRUNKS] = NONE
    return " +"


def _row_lacks(_: Wired, dice: Dice, row: list[Any]) -> str:
    gone = dice.choice(row[TRUNKS][1])
    row[TRUNKS] = _set([*(vid for vid in row[TRUNKS][1] if vid != gone), 4000])
    return f" +4000 -{gone}"


def _row_native(_: Wired, dice: Dice, row: list[Any]) -> str:
    row[MODE], row[TAG] = "native-untagged", dice.choice(row[TRUNKS][1])
    return ""


LINES, ROWS = ("eos", "ios"), ("openvswitch",)
WIRES: Mapping[str, tuple[tuple[str, ...], Callable[[Wired, Dice], Made]]] = {
    "wrong-tag": (LINES, wrong_tag),
    "native-1": (LINES, native_one),
    "native-used": (LINES, native_used),
    "carries-all": (LINES, carries_all),
    "vlan-lacks": (LINES, vlan_lacks),
    "vlan-too-many": (LINES, vlan_too_many),
    "vlan-not-made": (LINES, vlan_not_made),
    "dual-homed": (LINES, dual_homed),
    "row-wrong-tag": (ROWS, _of_row(_row_tag, access=True)),
    "row-without-tag": (ROWS, _of_row(_row_without_tag, access=True)),
    "row-carries-all": (ROWS, _of_row(_row_without_list, access=False)),
    "row-other-vlan": (ROWS, _of_row(_row_lacks, access=False)),
    "row-native": (ROWS, _of_row(_row_native, access=False)),
}
