"""What the lab shows of an estate: everything as declared, until somebody spoils it on purpose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sitiv_infra.estate import Backup, Bucket, Estate, Exposure
from sitiv_infra.lab.vcsim import as_declared as clusters_as_declared
from sitiv_infra.lab.vcsim_model import Cluster
from sitiv_infra.wanted import forward_sets
from sitiv_infra.wanted.nftables import FlowSet

HOUR = timedelta(hours=1)
RULES = """
table inet filter {{
{sets}
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

    ``by_hand`` are rules of firewalls that nothing declares; ``down`` names sources that don't
    answer; ``unreplicated`` backups that stay on one store.
    """

    clusters: dict[str, list[Cluster]] = field(default_factory=dict)
    buckets: dict[str, dict[str, BucketPlan]] = field(default_factory=dict)
    copies: dict[str, list[Copy]] = field(default_factory=dict)
    ports: list[PublicPort] = field(default_factory=list)
    sets: dict[str, list[FlowSet]] = field(default_factory=dict)
    by_hand: dict[str, list[str]] = field(default_factory=dict)
    directories: dict[str, list[str]] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    unreplicated: set[str] = field(default_factory=set)


def as_declared(estate: Estate) -> Plan:
    """Plan servers that keep every promise of an estate."""
    today = datetime.now(UTC).date()
    return Plan(
        clusters={name: clusters_as_declared(estate, name) for name in estate.vcenters},
        buckets={
            store: {b.name: _bucket(b) for b in estate.buckets.values() if store in b.stores}
            for store in estate.object_stores
        },
        copies={b.name: _copies(b) for b in estate.backups.values()},
        ports=[_port(e) for e in estate.exposures.values() if e.protocol == "tcp"],
        sets={n: forward_sets(estate, f.site, today) for n, f in estate.firewalls.items()},
        directories={name: [] for name in estate.directories},
    )


def rule_base(sets: Sequence[FlowSet], more: Iterable[str] = ()) -> str:
    """Give the text of a firewall's rule base: what sets let pass, and more rules behind them."""
    rules = (*(one.rule for one in sets), *more)
    return RULES.format(
        sets="\n".join(one.text for one in sets), rules="\n".join(f"    {rule}" for rule in rules)
    )


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
