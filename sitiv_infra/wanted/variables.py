"""The variables of Ansible's hosts, as plain data: nothing here is written by hand elsewhere."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from urllib.parse import urlsplit

from sitiv_infra.estate import Estate, Exposure, Machine, ObjectStore
from sitiv_infra.wanted.addressing import full_name, gateways, hosts, legs, nearest
from sitiv_infra.wanted.filtering import host_accepts, translations
from sitiv_infra.wanted.hypervisors import vcenter
from sitiv_infra.wanted.nftables import forward_sets
from sitiv_infra.wanted.routing import routing, site_routes
from sitiv_infra.wanted.switching import CARRIER, trunk

VRRP_IDS = 10  # the first of virtual addresses; the firewalls' own are below

Values = dict[str, object]


def shared(estate: Estate) -> Values:
    """Give the variables that hold for every host."""
    return {
        "sitiv_estate": estate.fingerprint,
        "sitiv_operator": estate.operator.title,
        "sitiv_domain": estate.operator.domain or "",
        "sitiv_timezone": estate.operator.timezone,
        "sitiv_clock_skew_seconds": estate.operator.thresholds.clock_skew.total_seconds(),
        "sitiv_member_domains": {m.name: m.domain for m in estate.members.values()},
        "sitiv_site_roles": {s.name: str(s.role) for s in estate.sites.values()},
        "sitiv_names": {name: list(found) for name, found in hosts(estate).items()},
    }


def variables(estate: Estate, machine: Machine, today: date) -> Values:
    """Give the variables of one host; what a role does not need for it is left out."""
    known = {"ansible_host": machine.primary_address, "sitiv_os": machine.os}
    values: Values = {
        **{name: value for name, value in known.items() if value is not None},
        "sitiv_name": full_name(estate, machine.name),
        "sitiv_member": machine.member,
        "sitiv_site": machine.site,
        "sitiv_role": machine.role,
        "sitiv_services": list(machine.services),
        "sitiv_drives": list(machine.drives),
        "sitiv_zones": list(dict.fromkeys(leg.vlan.zone for leg in legs(estate, machine))),
        "sitiv_interfaces": _interfaces(estate, machine),
        "sitiv_gateways": list(gateways(estate, machine)),
        "sitiv_routes": [_plain(route) for route in site_routes(estate, machine)],
        "sitiv_accepts": [_plain(a) for a in host_accepts(estate, machine, today)],
        "sitiv_virtual_addresses": _virtual_addresses(estate, machine),
    }
    for role in ("resolver", "log-server", "bastion"):
        values[f"sitiv_{role.replace('-', '_')}s"] = [
            {"name": full_name(estate, m.name), "address": m.primary_address, "site": m.site}
            for m in nearest(estate, machine, role)
        ]
    if machine.role == "switch":
        values["sitiv_switch"] = _switch(estate, machine)
    values |= _vcenter(estate, machine)
    return values | _firewall(estate, machine, today) | _serving(estate, machine)


def _plain(thing: object) -> Values:
    """Give a dataclass as Ansible's own kinds of data."""
    data: Values = _lists(asdict(thing))  # type: ignore[assignment,call-overload]  # always a dataclass
    return data


def _lists(value: object) -> object:
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_lists(item) for item in value]
    return value


def _interfaces(estate: Estate, machine: Machine) -> list[Values]:
    return [
        {
            "device": leg.device,
            "vlan": leg.vlan.name,
            "vid": leg.vlan.vid,
            "zone": leg.vlan.zone,
            "addresses": [str(address) for address in leg.addresses],
        }
        for leg in legs(estate, machine)
    ]


def _switch(estate: Estate, machine: Machine) -> Values:
    """Give the VLANs of a switch's site, and those that a link to each other switch carries."""
    here = {v.name: v.vid for v in estate.vlans.values() if machine.site in v.sites}
    others = [name for name in (*estate.sites, CARRIER) if name != machine.site]
    return {"vlans": here, "links": {to: list(trunk(estate, machine.site, to)) for to in others}}


def _virtual_addresses(estate: Estate, machine: Machine) -> list[Values]:
    """Give the virtual addresses that a machine may hold; a higher priority is preferred."""
    found: list[Values] = []
    for number, virtual in enumerate(estate.virtual_addresses.values()):
        if machine.name in virtual.machines:
            vlan = estate.vlans[virtual.vlan]
            lengths = {net.version: net.prefixlen for net in vlan.subnets}
            rank = virtual.machines.index(machine.name)
            found.append(
                {
                    "name": virtual.name,
                    "device": vlan.device,
                    "router_id": VRRP_IDS + number,
                    "priority": 200 - 10 * rank,
                    "addresses": [f"{a}/{lengths[a.version]}" for a in virtual.addresses],
                }
            )
    return found


def _firewall(estate: Estate, machine: Machine, today: date) -> Values:
    if machine.name not in estate.firewalls:
        return {}
    site = estate.firewalls[machine.name].site
    part, sets = routing(estate, machine), forward_sets(estate, site, today)
    return {
        "sitiv_forward_sets": [one.text for one in sets],
        "sitiv_forward_rules": [one.rule for one in sets],
        "sitiv_translations": [_plain(t) for t in translations(estate, site, today)],
        "sitiv_routing": _plain(part) if part else None,
    }


def _vcenter(estate: Estate, machine: Machine) -> Values:
    found = vcenter(estate, machine)
    return {"sitiv_vcenter": _plain(found)} if found else {}


def _serving(estate: Estate, machine: Machine) -> Values:
    values: Values = {}
    if machine.role == "reverse-proxy":
        found = {(e.host, e.port): e for e in estate.exposures.values()}
        values["sitiv_publications"] = [
            _publication(estate, machine, exposure)
            for exposure in found.values()
            if exposure.protocol == "tcp"
        ]
    if machine.role in {"object-storage", "application", "backup-server"}:
        stores = sorted(estate.object_stores.values(), key=lambda s: s.site != machine.site)
        values["sitiv_object_stores"] = [_object_store(estate, store) for store in stores]
    if machine.role == "backup-server":
        values["sitiv_backups"] = [
            {
                "name": b.name,
                "machines": list(b.machines),
                "bucket": b.repository.bucket,
                "prefix": b.repository.prefix,
                "store": b.repository.store,
                "credential": b.credential,
                "rpo_seconds": estate.rpo_of(b).total_seconds(),
                "retention_days": b.retention.days,
            }
            for b in estate.backups.values()
            if estate.object_stores[b.repository.store].site != machine.site
        ]
    return values


def _publication(estate: Estate, machine: Machine, exposure: Exposure) -> Values:
    """Give a published name and the machines behind it, those of the proxy's site first."""
    behind = sorted(estate.machines_of(exposure.service), key=lambda m: m.site != machine.site)
    return {
        "host": exposure.host,
        "port": exposure.port,
        "tls": exposure.tls,
        "service": exposure.service,
        "servers": [
            {"name": m.name, "address": m.primary_address, "port": exposure.backend, "site": m.site}
            for m in behind
            if m.primary_address
        ],
    }


def _object_store(estate: Estate, store: ObjectStore) -> Values:
    place = urlsplit(store.endpoint)
    nodes = [
        m for m in estate.machines.values() if m.role == "object-storage" and m.site == store.site
    ]
    return {
        "name": store.name,
        "site": store.site,
        "endpoint": store.endpoint,
        "host": place.hostname,
        "port": place.port or 443,
        "account": store.account,
        "credential": store.credential,
        "nodes": [{"name": full_name(estate, m.name), "address": m.primary_address} for m in nodes],
        "buckets": [
            {
                "name": bucket.name,
                "versioning": bucket.versioning,
                "lock": {"mode": str(bucket.lock.mode), "days": bucket.lock.retention.days}
                if bucket.lock
                else None,
            }
            for bucket in estate.buckets.values()
            if store.name in bucket.stores
        ],
    }
