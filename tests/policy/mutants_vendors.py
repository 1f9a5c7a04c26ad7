"""Texts for FortiOS and SNS with one thing changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_network

from tests.policy.mutants import Dice, bits, shifted, wider

Change = Callable[[str, Dice], str]


def _one(pattern: str, change: Callable[[re.Match[str], Dice], str]) -> Change:
    """Change one of the places where a pattern is found; nothing where it is nowhere."""

    def changed(text: str, dice: Dice) -> str:
        places = list(re.finditer(pattern, text, re.MULTILINE))
        if not places:
            return text
        place = dice.choice(places)
        return f"{text[: place.start()]}{change(place, dice)}{text[place.end() :]}"

    return changed


def _either(*changes: Change) -> Change:
    return lambda text, dice: dice.choice(changes)(text, dice)


def _to(words: str) -> Callable[[re.Match[str], Dice], str]:
    return lambda found, _: found.expand(words)


def _subnet(more: int) -> Change:
    def four(found: re.Match[str], _: Dice) -> str:
        net = bits(str(ip_network(f"{found[1]}/{found[2]}")), more)
        told = ip_network(net) if net else None
        return f"set subnet {told.network_address} {told.netmask}" if told else found[0]

    def six(found: re.Match[str], _: Dice) -> str:
        return f"set ip6 {bits(found[1], more) or found[1]}"

    return _either(_one(r"set subnet (\S+) (\S+)", four), _one(r"set ip6 (\S+)", six))


def _ports(change: Callable[[int, int], str]) -> Callable[[re.Match[str], Dice], str]:
    return lambda found, _: found[1] + change(int(found[2]), int(found[3] or found[2]))


def _fewer(mark: str) -> Callable[[re.Match[str], Dice], str]:
    def fewer(found: re.Match[str], dice: Dice) -> str:
        names = found[2].split(mark)
        names.pop(dice.randrange(len(names)))
        return found[1] + mark.join(names)

    return fewer


def _other(pattern: str) -> Change:
    """Put the name that stands at another place of a pattern here."""

    def changed(text: str, dice: Dice) -> str:
        names = sorted({found[2] for found in re.finditer(pattern, text, re.MULTILINE)})
        take = _one(pattern, lambda found, dice: found[1] + dice.choice(names))
        return take(text, dice) if names else text

    return changed


def _without_all(pattern: str) -> Change:
    return lambda text, _: re.sub(pattern, "", text, flags=re.MULTILINE)


POLICY = r"^    edit \d+\n(?:        .*\n)+?    next\n"
BY_HAND = """    edit 9999
        set srcaddr "all"
        set dstaddr "all"
        set srcaddr6 "all"
        set dstaddr6 "all"
        set srcintf "any"
        set dstintf "any"
        set service "ip/any"
        set schedule "always"
        set action accept
    next
"""
PORTS = r"(set (?:tcp|udp)-portrange )(\d+)(?:-(\d+))?"
FORTIOS: Mapping[str, Change] = {
    "mask-widened": _subnet(-1),
    "mask-narrowed": _subnet(1),
    "port-dropped": _either(
        _one(r'(set service )("\S+"(?: "\S+")+)$', _fewer(" ")),
        _one(r'(set service )"(?:tcp|udp)/\S+"$', _to(r'\1"ip/any"')),
    ),
    "port-shifted": _one(PORTS, _ports(shifted)),
    "range-widened": _one(PORTS, _ports(wider)),
    "network-swapped": _either(
        *(
            _other(rf"(set (?:src|dst)addr{suffix} )(\"zone [^\"]+\")$")
            for suffix in ("", "6")
        )
    ),
    "ends-swapped": _one(
        r'set srcaddr(6?) (".*")\n        set dstaddr6? (".*")$',
        _to(r"set srcaddr\1 \3\n        set dstaddr\1 \2"),
    ),
    "protocol-changed": _either(
        _one(r"set tcp-portrange", _to("set udp-portrange")),
        _one(r"set udp-portrange", _to("set tcp-portrange")),
        _one(r"set protocol ICMP$", _to("set protocol ICMP6")),
    ),
    "rule-removed": _one(POLICY, _to("")),
    "everything-by-a-rule": _one(POLICY, lambda found, _: BY_HAND + found[0]),
    "verdict-drop": _one(r"set action accept", _to("set action deny")),
    "policy-accept": _one(r"set action deny", _to("set action accept")),
    "set-emptied": _one(r"^        set member .*\n", _to("")),
    "family-left-out": _either(
        _without_all(r'^        set (?:src|dst)addr6 "zone.*\n'),
        _without_all(r'^        set (?:src|dst)addr "zone.*\n'),
    ),
}  # fmt: skip

INSERT = r"^CONFIG FILTER RULE INSERT .*\n"
TARGETS = r"((?:src|dst)target=)(zone_\S+)"


def _length(more: int) -> Change:
    def changed(found: re.Match[str], _: Dice) -> str:
        net = bits(f"{found[2]}/{found[4]}", more)
        if net is None:
            return found[0]
        address, length = net.split("/")
        return f"{found[1]}{address}{found[3]}{length}"

    return _one(r"(ip(?:v6)?=)(\S+)( prefixlen(?:v6)?=)(\d+)", changed)


def _numbered(change: Change) -> Change:
    """Number the rules anew after a change, as the appliance would."""

    def changed(text: str, dice: Dice) -> str:
        count = iter(range(1, 10_000))
        return re.sub(r"position=\d+", lambda _: f"position={next(count)}", change(text, dice))

    return changed


def _service(change: Callable[[int, int], str]) -> Change:
    def changed(found: re.Match[str], _: Dice) -> str:
        low, __, high = change(int(found[1]), int(found[2] or found[1])).partition("-")
        return f" port={low}{f' toport={high}' if high else ''} proto"

    return _one(r" port=(\d+)(?: toport=(\d+))? proto", changed)


def _group_emptied(text: str, dice: Dice) -> str:
    names = sorted(set(re.findall(r"ADDTO group=(\S+)", text)))
    gone = dice.choice(names)
    return re.sub(rf"^CONFIG OBJECT GROUP ADDTO group={gone} .*\n", "", text, flags=re.MULTILINE)


def _family_lost(text: str, dice: Dice) -> str:
    """Leave out the rules between groups of one family: the names of IPv6 networks have two ``_``
    or more behind the first."""
    six = set(re.findall(r"ADDTO group=(\S+) node=net_\S*_", text))
    version = dice.choice((4, 6))

    def kept(found: re.Match[str]) -> str:
        group = re.search(r"srctarget=(\S+)", found[0])
        lost = group is not None and group[1] != "any" and (group[1] in six) == (version == 6)
        return "" if lost else found[0]

    return re.sub(INSERT, kept, text, flags=re.MULTILINE)


SNS: Mapping[str, Change] = {
    "mask-widened": _length(-1),
    "mask-narrowed": _length(1),
    "port-dropped": _either(
        _one(r"(dstport=)([\w-]+(?:,[\w-]+)+)", _fewer(",")), _one(r" dstport=[\w-]+(?= )", _to(""))
    ),
    "port-shifted": _service(shifted),
    "range-widened": _service(wider),
    "network-swapped": _other(TARGETS),
    "ends-swapped": _one(
        r"srctarget=(zone\S+) dsttarget=(zone\S+)", _to(r"srctarget=\2 dsttarget=\1")
    ),
    "protocol-changed": _either(
        _one(r"proto=tcp", _to("proto=udp")), _one(r"proto=udp", _to("proto=tcp"))
    ),
    "rule-removed": _numbered(_one(INSERT, _to(""))),
    "everything-by-a-rule": _numbered(
        _one(
            INSERT,
            lambda found, _: (
                "CONFIG FILTER RULE INSERT index=5 type=filter global=0 state=on position=1"
                f" action=pass srctarget=any dsttarget=any\n{found[0]}"
            ),
        )
    ),
    "verdict-drop": _one(r"action=pass", _to("action=block")),
    "policy-accept": _one(r"action=block", _to("action=pass")),
    "set-emptied": _group_emptied,
    "family-left-out": _numbered(_family_lost),
}
