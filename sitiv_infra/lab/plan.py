"""What the lab shows of an estate: everything as declared, until somebody spoils it on purpose."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network

from sitiv_infra.estate import Backup, Bucket, Estate, Exposure, Firewall, Flow
from sitiv_infra.lab.vcsim import as_declared as clusters_as_declared
from sitiv_infra.lab.vcsim_model import Cluster

HOUR = timedelta(hours=1)
NOT_PUBLIC = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.168.0.0/16", "224.0.0.0/3",
)  # fmt: skip
RULES = """
table inet filter {{
  chain forward {{
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
{rules}
  }}
}}
"""


@dataclass
class BucketPlan:
    """How a bucket is made; ``lock`` is mode and days."""

    versioning: bool = True
    lock: tuple[str, int] | None = None
    encrypted: bool = True
    public: bool = False


@dataclass
class Copy:
    """One restore point to make: of which host, how long ago."""

    host: str
    age: timedelta


@dataclass
class PublicPort:
    """A port on a public address; ``valid`` is its certificate's time to its end, None for no TLS.

    ``age`` is the time since its certificate's start. A port without trust shows a certificate of
    an authority that nobody knows.
    """

    host: str
    address: str
    port: int
    valid: timedelta | None = timedelta(days=90)
    age: timedelta = timedelta(days=1)
    trusted: bool = True


@dataclass
class Plan:
    """Everything that the lab starts for an estate.

    ``down`` names sources that don't answer; ``unreplicated`` backups that stay on one store.
    """

    clusters: dict[str, list[Cluster]] = field(default_factory=dict)
    buckets: dict[str, dict[str, BucketPlan]] = field(default_factory=dict)
    copies: dict[str, list[Copy]] = field(default_factory=dict)
    ports: list[PublicPort] = field(default_factory=list)
    rules: dict[str, list[str]] = field(default_factory=dict)
    directories: dict[str, list[str]] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    unreplicated: set[str] = field(default_factory=set)


def as_declared(estate: Estate) -> Plan:
    """Plan servers that keep every promise of an estate."""
    return Plan(
        clusters={name: clusters_as_declared(estate, name) for name in estate.vcenters},
        buckets={
            store: {b.name: _bucket(b) for b in estate.buckets.values() if store in b.stores}
            for store in estate.object_stores
        },
        copies={b.name: _copies(b) for b in estate.backups.values()},
        ports=[_port(e) for e in estate.exposures.values() if e.protocol == "tcp"],
        rules={f.name: list(_rules(estate, f)) for f in estate.firewalls.values()},
        directories={name: [] for name in estate.directories},
    )


def rule_base(rules: Iterable[str]) -> str:
    """Give the text of a firewall's rule base."""
    return RULES.format(rules="\n".join(f"    {rule}" for rule in rules))


def _bucket(bucket: Bucket) -> BucketPlan:
    lock = bucket.lock
    days = (lock.mode.value.upper(), lock.retention.days) if lock else None
    return BucketPlan(versioning=bucket.versioning, lock=days)


def _copies(backup: Backup) -> list[Copy]:
    hosts = backup.machines or backup.services[:1]
    return [Copy(host, age) for host in hosts for age in (24 * HOUR, HOUR / 4)]


def _port(exposure: Exposure) -> PublicPort:
    valid = timedelta(days=90) if exposure.tls else None
    return PublicPort(exposure.host, str(exposure.address), exposure.port, valid)


def _rules(estate: Estate, firewall: Firewall) -> Iterable[str]:
    for flow in estate.flows.values():
        for family in ("ip", "ip6"):
            ends = [
                _match(estate, firewall, zone, family, word)
                for zone, word in ((flow.source, "saddr"), (flow.destination, "daddr"))
            ]
            if all(ends):
                yield from _accepts(flow, " ".join(ends), family)


def _match(estate: Estate, firewall: Firewall, zone: str, family: str, word: str) -> str:
    """Give the match of a zone's addresses on a firewall's site, or nothing where it has none."""
    kind = IPv4Network if family == "ip" else IPv6Network
    subnets = [
        str(net)
        for vlan in estate.vlans.values()
        if vlan.zone == zone and firewall.site in vlan.sites
        for net in vlan.subnets
        if isinstance(net, kind)
    ]
    if subnets:
        return f"{family} {word} {{ {', '.join(subnets)} }}"
    if estate.zones[zone].internet:
        public = f"!= {{ {', '.join(NOT_PUBLIC)} }}" if family == "ip" else "2000::/3"
        return f"{family} {word} {public}"
    return ""


def _accepts(flow: Flow, ends: str, family: str) -> Iterable[str]:
    for protocol in ("tcp", "udp"):
        ports = [s.partition("/")[2] for s in flow.services if s.startswith(protocol)]
        if ports:
            match = f"{protocol} dport {{ {', '.join(ports)} }}"
            yield f'{ends} {match} ct state new accept comment "{flow.name}"'
    if "icmp" in flow.services:
        match = "meta l4proto icmp" if family == "ip" else "meta l4proto ipv6-icmp"
        yield f'{ends} {match} ct state new accept comment "{flow.name}"'
