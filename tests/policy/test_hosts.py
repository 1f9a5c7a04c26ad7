"""What a host's own rules accept against the declared flows: rules that nft itself has read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

import pytest

from sitiv_infra.collectors.firewall import rule_base
from sitiv_infra.estate import Estate
from sitiv_infra.lab.netns import Namespace
from sitiv_infra.policy.hosts import Deviation, closed, filtered, opened
from sitiv_infra.testing import estate_of
from tests.servers.need import need

TODAY = date(2026, 11, 21)
ESTATE = estate_of("""
zones: {web: {title: Web}, data: {title: Data}, internet: {title: Net, internet: true}}
vlans:
  web-a: {vid: 10, zone: web, sites: [a], subnets: [10.1.0.0/24, 'fd00:1::/64']}
  data-a: {vid: 20, zone: data, sites: [a], subnets: [10.2.0.0/24, 'fd00:2::/64']}
machines:
  db:
    {site: a, role: db, interfaces: [{vlan: data-a, addresses: [10.2.0.5, 'fd00:2::5']}]}
  front:
    {site: a, role: web, interfaces: [{vlan: web-a, addresses: [10.1.0.5, 'fd00:1::5']}]}
flows:
  sql:
    {source: web, destination: data, services: [tcp/5432-5433], owner_team: t, reason: r}
  old:
    {source: web, destination: data, services: [tcp/21], owner_team: t, reason: r,
     until: 2026-01-01}
  https:
    {source: internet, destination: web, services: [tcp/443], owner_team: t, reason: r}
""")
HEAD = """
table inet host {{
  chain input {{
    type filter hook input priority filter; policy {policy};
    ct state vmap {{ established : accept, related : accept, invalid : drop }}
    iif lo accept
    icmp type {{ echo-request, destination-unreachable }} accept
    meta l4proto ipv6-icmp accept
    ip protocol igmp accept
{rules}
    fib daddr type {{ broadcast, multicast }} drop
{late}
    limit rate 5/minute log prefix "refused: "
  }}
}}
"""
OWN = ["ip saddr 10.2.0.0/24 ct state new accept", "ip6 saddr fd00:2::/64 ct state new accept"]
SQL = [f"{net} tcp dport 5432-5433 accept" for net in ("ip saddr 10.1.0.0/24",
                                                       "ip6 saddr fd00:1::/64")]  # fmt: skip
GOOD = [*OWN, *SQL]
Ruleset = tuple[dict[str, object], ...]
Load = Callable[..., Ruleset]


@pytest.fixture(scope="module")
def load() -> Iterator[Load]:
    """Give the rules as nft lists them when it has loaded them."""
    need("ip", "nft", root=True)
    with Namespace("host-rules") as namespace:

        def loaded(
            rules: list[str], late: str = "", policy: str = "drop", more: str = ""
        ) -> Ruleset:
            text = HEAD.format(policy=policy, rules="\n".join(rules), late=late) + more
            namespace.filter(text)
            return rule_base(namespace.run("nft", "-j", "list", "ruleset"))[1]

        yield loaded


def judged(rules: Ruleset, name: str = "db", estate: Estate = ESTATE) -> list[Deviation | None]:
    machine = estate.machines[name]
    return [judge(estate, machine, rules, TODAY) for judge in (opened, closed)]


def test_as_declared(load: Load) -> None:
    rules = load(GOOD)
    assert filtered(rules)
    assert judged(rules) == [None, None]


@pytest.mark.parametrize(
    ("rule", "services", "witness"),
    [
        ("tcp dport 22 accept", ("tcp/22",), "port 22"),
        ("ip saddr 10.1.0.7 udp dport 161 accept", ("udp/161",), "udp 10.1.0.7 > 10.2.0.5"),
        ("ip saddr 10.1.0.0/24 tcp dport 21 accept", ("tcp/21",), "tcp 10.1.0.1 > 10.2.0.5"),
        ("ip6 saddr fe80::/10 tcp dport 22 accept", ("tcp/22",), "tcp fe80::"),
        ("meta l4proto gre accept", ("gre",), "gre"),
        ("iifname vlan20 tcp dport 8080 accept", ("tcp/8080",), "port 8080"),
        ("iifname != vlan20 tcp dport 8080 accept", ("tcp/8080",), "port 8080"),
        ('iifname "vl*" tcp dport 8080 accept', ("tcp/8080",), "port 8080"),
        ("fib daddr type local tcp dport 8080 accept", ("tcp/8080",), "port 8080"),
    ],
)
def test_what_nobody_declared_is_found(
    load: Load, rule: str, services: tuple[str, ...], witness: str
) -> None:
    for rules in (load([*GOOD, rule]), load(GOOD, late=rule)):
        found, _ = judged(rules)
        assert found is not None
        assert found.services == services
        assert witness in found.witness
        assert found.doubts == ()


def test_a_rule_for_a_device_that_is_not_declared_counts(load: Load) -> None:
    assert judged(load([*GOOD, "iifname lo tcp dport 25 accept"])) == [None, None]
    found, _ = judged(load([*GOOD, "iifname { lo, vlan99 } tcp dport 25 accept"]))
    assert found is not None
    assert found.services == ("tcp/25",)


def test_an_open_host(load: Load) -> None:
    found, missed = judged(load(GOOD, policy="accept"))
    assert found is not None
    assert "ip/all" in found.services
    assert missed is None


def test_what_is_declared_and_refused_is_found(load: Load) -> None:
    found, missed = judged(load([*OWN, SQL[0]]))
    assert found is None
    assert missed is not None
    assert missed.services == ("tcp/5432-5433",)
    assert missed.witness == "tcp fd00:1::1 > fd00:2::5 port 5432"


def test_a_rule_that_can_t_be_decided_is_a_doubt(load: Load) -> None:
    found, missed = judged(load([*GOOD, "meta skuid 0 tcp dport 25 accept"]))
    assert found is not None
    assert (found.witness, missed) == ("", None)
    assert "meta skuid" in found.doubts[0]


def test_everybody_may_come_where_the_internet_may(load: Load) -> None:
    zone = ["ip saddr 10.1.0.0/24 accept", "ip6 saddr fd00:1::/64 accept"]
    assert judged(load([*zone, "tcp dport 443 accept"]), "front") == [None, None]
    found, _ = judged(load([*zone, "tcp dport { 80, 443 } accept"]), "front")
    assert found is not None
    assert found.services == ("tcp/80",)


VRRP = "ip saddr 10.9.0.0/16 meta l4proto vrrp accept"


def test_vrrp_is_for_machines_that_share_an_address(load: Load) -> None:
    rules = load([*GOOD, VRRP])
    found, _ = judged(rules)
    assert found is not None
    assert found.services == ("ip/112",)
    shared = estate_of(
        "zones: {data: {title: Data}}\n"
        "vlans: {data-a: {vid: 20, zone: data, sites: [a], subnets: [10.2.0.0/24]}}\n"
        "machines: {db: {site: a, role: db,"
        " interfaces: [{vlan: data-a, addresses: [10.2.0.5]}]}}\n"
        "virtual_addresses:\n"
        "  v: {site: a, vlan: data-a, addresses: [10.2.0.9], machines: [db]}\n"
    )
    assert judged(load([OWN[0], VRRP]), estate=shared)[0] is None


def test_translation_before_does_not_blur_what_the_host_refuses(load: Load) -> None:
    more = (
        "table ip nat { chain pre { type nat hook prerouting priority dstnat;"
        " tcp dport 81 dnat to 10.2.0.9; }; }"
    )
    assert judged(load(GOOD, more=more)) == [None, None]


def test_no_chain_at_all(load: Load) -> None:
    assert not filtered(())
    one_family = "table ip6 x { chain y { type filter hook input priority 0; policy drop; }; }"
    rules = load(GOOD, more=one_family)
    assert filtered(rules)
    assert not filtered(tuple(r for r in rules if "inet" not in str(r)))
