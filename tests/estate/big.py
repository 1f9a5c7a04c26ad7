"""A generated estate of any size, as YAML: what loading is timed on, here and in ``bench/``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

MEMBERS = 10
SERVICES = 100
PER_VLAN = 40

HEAD = """\
operator:
  title: Large operator
  timezone: Europe/Paris
  delays: {critical: 2d, high: 15d, medium: 60d, low: 180d}
  thresholds: {certificate_remaining: 30d, krbtgt_age: 365d}
sites:
  a: {title: First site}
  b: {title: Second site}
zones:
  admin: {title: Administration}
  application: {title: Applications}
vcenters:
  vcenter-a: {site: a, host: vcenter-a.big.test, account: svc-audit, observed_from: admin}
  vcenter-b: {site: b, host: vcenter-b.big.test, account: svc-audit, observed_from: admin}
clusters:
  vsan-a: {site: a, vcenter: vcenter-a}
  vsan-b: {site: b, vcenter: vcenter-b}
"""


def _members() -> Iterator[str]:
    yield "members:"
    for n in range(MEMBERS):
        yield f"  city-{n}: {{title: City {n}, domain: city-{n}.test}}"


def _services() -> Iterator[str]:
    users = ", ".join(f"city-{n}" for n in range(MEMBERS))
    yield "services:"
    for n in range(SERVICES):
        yield f"  service-{n}:"
        yield f"    title: Service {n}\n    domain: Test\n    criticality: high"
        yield "    rpo: 4h\n    rto: 8h\n    zone: application\n    sites: [a, b]"
        yield f"    members: [{users}]"


def _vlans(machines: int) -> Iterator[str]:
    yield "vlans:"
    for n in range(-(-machines // PER_VLAN)):
        site = "ab"[n % 2]
        yield f"  {site}-{n}:"
        yield f"    vid: {n + 2}\n    zone: application\n    sites: [{site}]"
        yield f"    subnets: [10.{n // 256}.{n % 256}.0/24, 'fd00:{n:x}::/64']"


def _machines(machines: int) -> Iterator[str]:
    yield "machines:"
    for n in range(machines):
        vlan, host = divmod(n, PER_VLAN)
        site = "ab"[vlan % 2]
        yield f"  machine-{n}:"
        yield f"    site: {site}\n    role: application\n    os: debian-12"
        yield f"    cluster: vsan-{site}"
        yield f"    member: city-{n % MEMBERS}"
        yield f"    services: [service-{n % SERVICES}]"
        yield f"    interfaces:\n      - vlan: {site}-{vlan}"
        v4, v6 = f"10.{vlan // 256}.{vlan % 256}.{host + 10}", f"fd00:{vlan:x}::{host + 10}"
        yield f"        addresses: [{v4}, '{v6}']"


def write_big_estate(folder: Path, machines: int = 2000) -> Path:
    """Write an estate of so many machines, each with an interface, a VLAN and a service."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = {
        "operator": [HEAD],
        "members": _members(),
        "services": _services(),
        "vlans": _vlans(machines),
        "machines": _machines(machines),
    }
    for name, lines in parts.items():
        text = "\n".join(lines) + "\n"
        (folder / f"{name}.yml").write_text(text, encoding="utf-8")
    return folder
