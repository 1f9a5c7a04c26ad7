"""The declared flows for firewalls that Aerleon renders for, which is an extra of this package.

Aerleon leaves conditions out rather than refuse what a platform does not know, so that a rule may
let more pass than it says (measured with 1.18). So nothing reaches it that is not of one family and
one protocol, with addresses at both ends; what it warns of is an error; and what can be read back
is proved to be the declaration. Platforms that keep no state, that judge by application, or where
Aerleon was seen to fail open are not offered.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from ipaddress import ip_network
from logging.handlers import QueueHandler
from queue import SimpleQueue
from typing import Any, NamedTuple

from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Estate
from sitiv_infra.policy.readback import prove
from sitiv_infra.wanted.filtering import filled

Term = Mapping[str, str]
Tokens = Mapping[str, tuple[str, ...]]
KEYS = {
    "name", "comment", "source-address", "destination-address", "protocol", "destination-port",
    "action",
}  # fmt: skip
FAMILY = {"icmp": 4, "icmpv6": 6}
SAID = ("UNPROVEN: nothing here could read this back", "read back, and equal to what is declared")
LAST: Term = {"name": "last", "action": "deny"}
# Aerleon asks for no state where a rule is of ICMPv6: without this, such packets would pass.
NO_CONNECTION = "-A FORWARD -m state --state INVALID,UNTRACKED -j DROP"
ANSWERS: Term = {"name": "answers", "option": "established", "action": "accept"}


class Platform(NamedTuple):
    """What Aerleon calls a platform, of which families, and in which form we can read it back."""

    target: str
    options: str
    versions: tuple[int, ...]
    form: str | None = None
    first: tuple[Term, ...] = ()


PLATFORMS: Mapping[str, Platform] = {
    "iptables": Platform("speedway", "FORWARD DROP inet", (4,), "iptables-save", (ANSWERS,)),
    "ip6tables": Platform("speedway", "FORWARD DROP inet6", (6,), "iptables-save", (ANSWERS,)),
    "ciscoasa": Platform("ciscoasa", "sitiv inet", (4,)),
    "srx": Platform("srx", "from-zone all to-zone all mixed", (4, 6)),
}


def rendered(estate: Estate, site: str, today: date, kind: str, *, unproven: bool) -> str:
    """Give the text for a site's firewall of a platform.

    Raises InvalidInput where Aerleon is not installed, could not be trusted with a flow, or wrote
    something else than is declared; and, unless ``unproven``, where we cannot read it back.
    """
    platform = PLATFORMS[kind]
    if platform.form is None and not unproven:
        raise InvalidInput(
            f"what Aerleon writes for {kind} cannot be read back here, so nothing proves that it is"
            " what is declared: add --unproven to have it all the same"
        )
    terms, networks, ports = policy(estate, site, today, platform.versions)
    if not terms:
        raise InvalidInput(f"nothing is declared that {kind} could be told")
    refuse(terms, networks, ports)
    text = _generated(kind, [*platform.first, *terms, LAST], networks, ports)
    for term in terms:
        if not re.search(rf"{term['name']}(?!\d)", text):
            raise InvalidInput(f"Aerleon left the flow '{term['comment']}' out for {kind}")
    if platform.form is not None:
        prove(text, platform.form, estate, site, today, platform.versions)
    return text


def cautions(estate: Estate, site: str, today: date, kind: str) -> list[str]:
    """Give what whoever loads the text must know: what was not proved, and what is not in it."""
    platform = PLATFORMS[kind]
    left = [f for f in filled(estate, site, today) if f.version not in platform.versions]
    said = [] if platform.form else [SAID[False]]
    lacking = ", ".join(f"IPv{version}" for version in sorted({f.version for f in left}))
    return said + [f"{len(left)} declared of {lacking} are not in it"] * bool(left)


def policy(
    estate: Estate, site: str, today: date, versions: Iterable[int]
) -> tuple[list[Term], Tokens, Tokens]:
    """Give terms, and the networks and ports that they name; what has ended is in none."""
    terms: list[Term] = []
    networks: dict[str, tuple[str, ...]] = {}
    services: dict[str, tuple[str, ...]] = {}
    for forward in (f for f in filled(estate, site, today) if f.version in versions):
        ends = {"source-address": forward.source, "destination-address": forward.destination}
        named = {k: f"{end.name.replace(' ', '_')}_{forward.version}" for k, end in ends.items()}
        networks |= {named[k]: tuple(map(str, end.networks)) for k, end in ends.items()}
        for protocol, ports in forward.services or (("", ()),):
            term = {"name": f"t{len(terms) + 1}", "comment": forward.comment, **named}
            term["action"] = "accept"
            if protocol:
                term["protocol"] = protocol.replace("ipv6-icmp", "icmpv6")
            if ports:
                term["destination-port"] = f"{protocol}_{'_'.join(ports)}"
                services[term["destination-port"]] = ports
            terms.append(term)
    return terms, networks, services


def refuse(terms: Iterable[Term], networks: Tokens, ports: Tokens) -> None:
    """Raise InvalidInput for a term of which Aerleon might leave a condition out, or the whole.

    ``expiration`` is among what is not known: a term that has expired is left out silently.
    """
    for term in terms:
        for why in _wrong(term, networks, ports):
            raise InvalidInput(f"the flow '{term.get('comment')}' is not given to Aerleon: {why}")


def _wrong(term: Term, networks: Tokens, ports: Tokens) -> Iterator[str]:
    ends = [networks.get(term.get(f"{end}-address", ""), ()) for end in ("source", "destination")]
    families = {ip_network(net).version for nets in ends for net in nets}
    protocol, token = term.get("protocol", ""), term.get("destination-port", "")
    if unknown := sorted(term.keys() - KEYS):
        yield f"{unknown[0]} may not be rendered"
    if term.get("action") != "accept":
        yield "it does not accept"
    if not all(ends):
        yield "one end has no address, which some platforms take for every address"
    if len(families) > 1:
        yield "its addresses are of both families, so that those of one may be left out"
    if protocol not in {"", "tcp", "udp", *FAMILY}:
        yield f"{protocol} is not one protocol that is known"
    if protocol in FAMILY and families != {FAMILY[protocol]}:
        yield f"{protocol} is of the other address family, and may be left out"
    if bool(token) != (protocol in {"tcp", "udp"}):
        yield "ports are of tcp or of udp alone, and these have some"
    if token and (token.partition("_")[0] != protocol or not ports.get(token)):
        yield "its ports are none, or of another protocol, which would be opened as well"


def _generated(kind: str, terms: list[Term], networks: Tokens, ports: Tokens) -> str:
    try:
        from aerleon import aclgen, api  # noqa: PLC0415 - an extra
        from aerleon.lib import naming  # noqa: PLC0415
    except ImportError:
        raise InvalidInput("Aerleon is missing: pip install 'sitiv-infra[aerleon]'") from None
    platform, names = PLATFORMS[kind], naming.Naming()
    networked = {
        n: {"values": [{"address": net} for net in found]} for n, found in networks.items()
    }
    served = {
        n: [{"port": p, "protocol": n.partition("_")[0]} for p in found]
        for n, found in ports.items()
    }
    names.ParseDefinitionsObject({"networks": networked, "services": served}, "")
    header = {"targets": {platform.target: platform.options}, "comment": SAID[bool(platform.form)]}
    filters = [{"header": header, "terms": [dict(term) for term in terms]}]
    policies: Any = [{"filename": "sitiv", "filters": filters}]
    heard: SimpleQueue[logging.LogRecord] = SimpleQueue()
    listener = QueueHandler(heard)
    listener.setLevel(logging.WARNING)
    logging.getLogger("absl").addHandler(listener)
    try:
        (text,) = (api.Generate(policies, names) or {}).values()
    except (aclgen.ACLGeneratorError, aclgen.ACLParserError) as error:
        raise InvalidInput(f"Aerleon refuses: {error}") from None
    finally:
        logging.getLogger("absl").removeHandler(listener)
    if not heard.empty():
        raise InvalidInput(f"Aerleon warns: {heard.get().getMessage()}")
    # As iptables-save begins a chain.
    said = re.sub(r"(?m)^-N (\S+)$", r":\1 - [0:0]", str(text))
    return re.sub(r"(?m)^(:FORWARD DROP .*)$", rf"\1\n{NO_CONNECTION}", said)
