"""``sitiv policy render``: the declared flows for other firewalls than those of the playbooks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated

import typer

from sitiv_infra.cli import options as o
from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Estate, load
from sitiv_infra.estate.references import unknown
from sitiv_infra.policy import aerleon, readback
from sitiv_infra.wanted.addressing import firewall_sites
from sitiv_infra.wanted.filtering import together
from sitiv_infra.wanted.fortios import fortios_rules
from sitiv_infra.wanted.sns import sns_commands


class Kind(StrEnum):
    """A kind of firewall that rules can be written for."""

    FORTIOS = "fortios"
    SNS = "sns"
    IPTABLES = "iptables"
    IP6TABLES = "ip6tables"
    CISCOASA = "ciscoasa"
    SRX = "srx"


RENDER: Mapping[Kind, Callable[[Estate, str, date], Iterable[str]]] = {
    Kind.FORTIOS: fortios_rules,
    Kind.SNS: sns_commands,
}


def render(
    kind: Annotated[Kind, typer.Option("--to", help="For which kind of firewall.")],
    estate: o.EstateFolder = o.ESTATE,
    site: Annotated[
        str, typer.Option("--site", help="Whose firewalls, where not all hold the same flows.")
    ] = "",
    unproven: Annotated[
        bool, typer.Option("--unproven", help="Also what cannot be read back here.")
    ] = False,
) -> int:
    """Print the flows that an estate declares, as rules for a firewall of another kind.

    Nothing is sent to a firewall. What has been loaded is told from this by 'compare'. Those of
    iptables, ip6tables, Cisco ASA and Juniper SRX are written by Aerleon (the extra 'aerleon').
    What can be read back is printed only where it is just what is declared; what cannot, of ASA and
    SRX, is refused without --unproven.

    Examples:
      sitiv policy render --to fortios > rules.txt
      sitiv policy render --to sns --site b > rules-b.txt
      sitiv policy render --to srx --unproven > rules.txt
    """
    given, today = load(estate), datetime.now(UTC).date()
    place = _site(given, site, today)
    if kind in RENDER:
        text = "\n".join(RENDER[kind](given, place, today))
        readback.prove(text, kind, given, place, today, (4, 6))
        print(text)
        return 0
    print(aerleon.rendered(given, place, today, kind, unproven=unproven))
    for said in aerleon.cautions(given, place, today, kind):
        print(f"{kind}: {said}", file=sys.stderr)
    return 0


def _site(estate: Estate, said: str, today: date) -> str:
    """Give the site whose firewalls are meant; it has to be said where their flows differ."""
    sites = [site.name for site in firewall_sites(estate)]
    if said and said not in sites:
        raise InvalidInput(f"--site {said}: {unknown(said, sites, 'sites with firewalls')}")
    groups = together(estate, today)
    if not said and len(groups) > 1:
        told = ", ".join(site for group in groups for site in group)
        raise InvalidInput(f"not all firewalls hold the same flows: say --site, one of {told}")
    return said or groups[0][0]
