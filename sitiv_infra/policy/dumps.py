"""Rule bases as devices print them, without an estate: what ``sitiv policy`` works on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sitiv_infra.errors import InvalidInput
from sitiv_infra.policy import fortios, hits, iptables, nftables, sns
from sitiv_infra.policy.elements import unfolded
from sitiv_infra.policy.flatten import flattened
from sitiv_infra.policy.iptables_options import whole
from sitiv_infra.policy.lists import RuleList
from sitiv_infra.policy.objects import WITH_DEVICES
from sitiv_infra.policy.rules import RuleBase
from sitiv_infra.policy.space import EVERYTHING, Box

NFT_HOOKS = ("ingress", "prerouting", "input", "forward", "output", "postrouting", "egress")


@dataclass(frozen=True)
class Dump:
    """A rule base: how many rules it has, and a first-match list for each chain and family.

    ``texts`` are the rules by their number, as the dump writes them; ``hits`` the packets that the
    device has counted, of the rules that have a counter. ``forward`` names the lists that forwarded
    packets of one address family go through, one after the other; several where devices in one are.
    """

    count: int
    lists: Mapping[str, RuleList]
    texts: Mapping[int, str]
    hits: Mapping[int, int] = field(default_factory=dict)
    forward: tuple[tuple[str, ...], ...] = ()


def read(file: Path, form: str) -> Dump:
    """Read a dump in one of the known ``FORMS``; InvalidInput with what is wrong in it."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file}: not text in UTF-8 (byte {error.start})") from None
    try:
        return FORMS[form](text)
    except InvalidInput as error:
        raise InvalidInput(f"{file}: {error}") from None


def _iptables(text: str) -> Dump:
    rules = iptables.read(text)
    dump = _dump({rules.version: (rules, whole(rules.version))})
    return replace(dump, hits=hits.of_iptables(text))


def _nft(text: str) -> Dump:
    try:
        ruleset = json.loads(text)["nftables"]
        entries = unfolded(entry for entry in ruleset if isinstance(entry, dict))
    except (ValueError, KeyError, TypeError):
        raise InvalidInput("not what 'nft -j list ruleset' prints") from None
    found = {
        version: (nftables.read(entries, version, NFT_HOOKS), whole(version)[: len(EVERYTHING)])
        for version in (4, 6)
    }
    dump = _dump(found, sum("rule" in entry for entry in entries))
    return replace(dump, hits=hits.of_nftables(entries))


def _with_devices(reader: Callable[[str], dict[int, RuleBase]]) -> Callable[[str], Dump]:
    """Read by a reader whose boxes have the devices, but no state of the connection."""

    def read_one(text: str) -> Dump:
        found = reader(text)
        dump = _dump({v: (rules, whole(v)[:WITH_DEVICES]) for v, rules in found.items()})
        return replace(dump, forward=tuple((name,) for name in dump.lists))

    return read_one


def _dump(found: Mapping[int, tuple[RuleBase, Box]], count: int | None = None) -> Dump:
    lists: dict[str, RuleList] = {}
    texts: dict[int, str] = {}
    for version, (rules, everything) in found.items():
        for base in rules.bases:
            lists[f"{base.chain} IPv{version}"] = flattened(rules, base, everything)
        for chain in rules.chains.values():
            texts |= {rule.number: rule.name for rule in chain if rule.number}
    forward = (
        tuple(f"{base.chain} IPv{version}" for base in rules.bases if base.hook == "forward")
        for version, (rules, _) in found.items()
    )
    counted = len(texts) if count is None else count
    return Dump(counted, lists, texts, forward=tuple(filter(None, forward)))


FORMS: Mapping[str, Callable[[str], Dump]] = {
    "nft-json": _nft,
    "iptables-save": _iptables,
    "fortios": _with_devices(fortios.read),
    "sns": _with_devices(sns.read),
}
