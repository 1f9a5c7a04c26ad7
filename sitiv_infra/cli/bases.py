"""``sitiv policy analyse``, ``compare``, ``what-if`` and ``explain``: rule bases as printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated

import typer

from sitiv_infra.cli.tables import show as show_table
from sitiv_infra.errors import InvalidInput
from sitiv_infra.policy.cleanup import CleanUp, Finding, clean_up, told
from sitiv_infra.policy.compare import Comparison, compare
from sitiv_infra.policy.dumps import Dump, read
from sitiv_infra.policy.explain import Question, explained
from sitiv_infra.policy.lists import Deciders, RuleList
from sitiv_infra.policy.services import packets
from sitiv_infra.policy.space import Dimension
from sitiv_infra.policy.what_if import WhatIf

DIFFERENT, UNDECIDED = 1, 2
UNUSED = "no hit since its counter was last set to zero: know that date first"


class Form(StrEnum):
    """How a rule base is written."""

    NFT_JSON = "nft-json"
    IPTABLES_SAVE = "iptables-save"
    FORTIOS = "fortios"
    SNS = "sns"


class Output(StrEnum):
    """How an answer is written."""

    TEXT = "text"
    JSON = "json"


File = Annotated[Path, typer.Argument(help="The dump, as the device prints it.")]
From = Annotated[Form, typer.Option("--from", help="How the dump is written.")]
Format = Annotated[Output, typer.Option("--format", help="For a person, or as JSON.")]


def analyse(file: File, form: From, output: Format = Output.TEXT) -> int:
    """Say which rules of a dump no packet reaches, and which change nothing; exit code 0.

    Rules are numbered by their place in the file, from 1. Each finding names the rules that make it
    so and one packet. What was not understood is told, and blocks nothing.

    Examples:
      sitiv policy analyse dump.txt --from iptables-save
      nft -j list ruleset | sitiv policy analyse /dev/stdin --from nft-json --format json
    """
    dump = read(file, form)
    found = clean_up(dump, lambda text: print(text, file=sys.stderr))
    if output is Output.JSON:
        print(json.dumps(_document(found), indent=2))
    else:
        _print(found, dump)
    return 0


def _document(found: CleanUp) -> dict[str, object]:
    def listed(items: tuple[Finding, ...]) -> list[dict[str, object]]:
        return [
            {"rule": one.rule, "blockers": list(one.blockers), "witness": one.witness}
            for one in items
        ]

    return {
        "rules": found.rules,
        "shadowed": listed(found.shadowed),
        "redundant": listed(found.redundant),
        "correlated": listed(found.correlated),
        "inoperative": list(found.inoperative),
        "undecided": [{"rule": n, "doubts": list(d)} for n, d in found.undecided.items()],
        "inconclusive": list(found.inconclusive),
        "over-wide": list(found.over_wide),
        "unused": list(found.unused),
    }


def _print(found: CleanUp, dump: Dump) -> None:
    rows = [
        (kind, str(one.rule), ", ".join(map(str, one.blockers)), one.witness, dump.texts[one.rule])
        for kind, items in (("shadowed", found.shadowed), ("redundant", found.redundant))
        for one in items
    ]
    rows += [("inoperative", str(n), "", "", dump.texts[n]) for n in found.inoperative]
    rows += [
        ("undecided", str(n), "", "; ".join(d), dump.texts[n]) for n, d in found.undecided.items()
    ]
    rows += [("inconclusive", str(n), "", "", dump.texts[n]) for n in found.inconclusive]
    rows += [("over-wide", str(n), "", "", dump.texts[n]) for n in found.over_wide]
    rows += [("unused", str(n), "", UNUSED, dump.texts[n]) for n in found.unused]
    if rows:
        show_table(["what", "rule", "by", "such as, or why", "text"], rows, whole=3)
    print(
        f"{found.rules} rules: {len(found.shadowed)} shadowed, {len(found.redundant)} redundant,"
        f" {len(found.correlated)} correlated, {len(found.inoperative)} inoperative,"
        f" {len(found.undecided)} undecided, {len(found.inconclusive)} inconclusive,"
        f" {len(found.over_wide)} over-wide, {len(found.unused)} unused"
    )


def compare_command(old: File, new: File, form: From, output: Format = Output.TEXT) -> int:
    """Say where two dumps treat packets otherwise; exit code 1 if they do, 2 if that is not known.

    Example:
      sitiv policy compare before.txt after.txt --from iptables-save
    """
    one, other = read(old, form), read(new, form)
    if one.lists.keys() != other.lists.keys():
        lone = ", ".join(sorted(one.lists.keys() ^ other.lists.keys()))
        raise InvalidInput(f"only one of them has: {lone}")
    lists = {name: (rules, other.lists[name]) for name, rules in one.lists.items()}
    return _tell({name: compare(*both) for name, both in lists.items()}, lists, output)


def what_if(
    file: File,
    form: From,
    without: Annotated[list[int], typer.Option("--without", help="A rule's number; repeatable.")],
    output: Format = Output.TEXT,
) -> int:
    """Say what changes when rules of a dump go, together; exit codes as for compare.

    Examples:
      sitiv policy what-if dump.txt --from iptables-save --without 17
      sitiv policy what-if dump.json --from nft-json --without 17 --without 23
    """
    dump = read(file, form)
    for number in without:
        if number not in dump.texts:
            raise InvalidInput(f"--without {number}: no such rule; there are {dump.count}")
        if any(
            rules.lines[place].verdict is None
            for rules in dump.lists.values()
            for place in rules.places(number)
        ):
            raise InvalidInput(
                f"--without {number}: it does not accept or drop, so rules behind it would match"
                " otherwise; take it out of a copy of the dump, and compare"
            )
    found = {
        name: WhatIf(rules).changed([place for one in without for place in rules.places(one)])
        for name, rules in dump.lists.items()
    }
    return _tell(found, {name: (rules, rules) for name, rules in dump.lists.items()}, output)


def _tell(
    found: dict[str, Comparison], lists: dict[str, tuple[RuleList, RuleList]], output: Output
) -> int:
    told = [item for name, one in found.items() for item in _partings(name, one, *lists[name])]
    if output is Output.JSON:
        print(json.dumps({"equal": _equal(found), "differences": told}, indent=2))
    elif told:
        titles = ["chain", "packet", "#", "fate", "rule before", "#", "fate", "rule after"]
        show_table(titles, [[str(value) for value in item.values()] for item in told])
    if output is not Output.JSON:
        print({True: "equal", False: "different", None: "not decided"}[_equal(found)])
    return {True: 0, False: DIFFERENT, None: UNDECIDED}[_equal(found)]


def _equal(found: dict[str, Comparison]) -> bool | None:
    answers = {one.equal for one in found.values()}
    return False if False in answers else None if None in answers else True


def _partings(
    name: str, found: Comparison, old: RuleList, new: RuleList
) -> Iterator[dict[str, object]]:
    before, after = Deciders(old), Deciders(new)
    for one in found.partings:
        yield {
            "list": name,
            "witness": told(int(name[-1]), one.witness),
            "old_rule": one.old[0], "old": one.old[1] or "undecided",
            "old_text": before.called(one.old[0], one.witness),
            "new_rule": one.new[0], "new": one.new[1] or "undecided",
            "new_text": after.called(one.new[0], one.witness),
        }  # fmt: skip


def explain(
    file: File,
    source: Annotated[str, typer.Argument(help="Address or network that asks.")],
    destination: Annotated[str, typer.Argument(help="Address or network that is asked.")],
    service: Annotated[
        str, typer.Argument(help="tcp/443, udp/5060-5061, icmp; all without it.")
    ] = "",
    form: From = Form.NFT_JSON,
) -> int:
    """Say for each chain whether new connections pass, and which rules decide it.

    Example:
      sitiv policy explain dump.txt 10.1.0.7 10.2.0.0/24 tcp/443 --from iptables-save
    """
    dump = read(file, form)
    asked = _question(source, destination, service)
    rows = [
        (name, answer.verdict or "undecided", str(answer.rule or "policy"),
         told(asked.source.version, answer.witness), dump.texts.get(answer.rule, ""))
        for name, answers in explained(dump, asked).items()
        for answer in answers
    ]  # fmt: skip
    show_table(["chain", "fate", "rule", "such as", "text"], rows, whole=3)
    return 0


def _question(source: str, destination: str, service: str) -> Question:
    ends = _network(source), _network(destination)
    if ends[0].version != ends[1].version:
        raise InvalidInput(f"{source} and {destination} are of different address families")
    if not service:
        return Question(*ends)
    asked = packets(service, ends[0].version)
    (protocol, _), *_ = asked[Dimension.PROTOCOL]
    return Question(*ends, protocol, asked[Dimension.DESTINATION_PORT])


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError as error:
        raise InvalidInput(str(error)) from None
