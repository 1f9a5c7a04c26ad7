from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network

import pytest

from sitiv_infra.checking import Verdict
from sitiv_infra.facts import HostFacts, Unread
from sitiv_infra.testing import NOW, estate_of, judged

ESTATE = estate_of("""
vlans: {net: {vid: 10, zone: admin, sites: [a], subnets: [10.1.0.0/24, 'fd00:1::/64']}}
machines:
  web:
    site: a
    role: web
    os: debian-12
    drives: [/dev/sdb]
    interfaces: [{vlan: net, addresses: [10.1.0.5]}]
  vcenter: {site: a, role: vcenter, os: photon-5}
hosts: {all: {account: svc-audit, credential: ssh-audit, observed_from: admin}}
""")
WEB = "sitiv/machine/web"
CHECKS = [
    "host.clock", "host.firewall-as-declared", "host.mounts", "host.packages", "host.ssh-hardened",
    "host.units",
]  # fmt: skip
LOST = Unread(unread="chronyc failed: 506 Cannot talk to daemon")
SSHD = {
    "pubkeyauthentication": ["yes"], "passwordauthentication": ["no"],
    "kbdinteractiveauthentication": ["no"], "hostbasedauthentication": ["no"],
    "permitemptypasswords": ["no"], "permitrootlogin": ["no"], "permituserenvironment": ["no"],
    "allowtcpforwarding": ["no"], "permittunnel": ["no"], "gatewayports": ["no"],
    "x11forwarding": ["no"], "allowgroups": ["sitiv-ssh"],
    "ciphers": ["aes256-gcm@openssh.com,aes128-ctr"],
    "macs": ["hmac-sha2-512-etm@openssh.com,hmac-sha1"],
}  # fmt: skip
SELECTED = {"name": "10.1.0.1", "state": "selected", "reached": 8}
CLOCK = {"synchronised": True, "offset": 0.002, "stratum": 3, "sources": [SELECTED]}
ROOT = {"target": "/", "source": "/dev/vda1", "kind": "ext4", "read_only": False, "frozen": False}
DATA = {"target": "/srv", "source": "/dev/sdb", "kind": "xfs", "read_only": False, "frozen": False}
UPDATES = {"listed_at": NOW - timedelta(days=2), "security": [], "others": 3}
UPDATE = {"package": "openssl", "version": "3.0.15"}


def accept(source: str) -> dict[str, object]:
    net = ip_network(source)
    left = {"payload": {"protocol": "ip" if net.version == 4 else "ip6", "field": "saddr"}}
    right = {"prefix": {"addr": str(net.network_address), "len": net.prefixlen}}
    return {"match": {"op": "==", "left": left, "right": right}}


def rules(*sources: str, policy: str = "drop") -> list[dict[str, object]]:
    place = {"family": "inet", "table": "host"}
    chain = {
        **place, "name": "input", "type": "filter", "hook": "input", "prio": 0, "policy": policy,
    }  # fmt: skip
    listed: list[dict[str, object]] = [{"chain": chain}]
    for number, source in enumerate(sources):
        body = [accept(source), {"accept": None}]
        listed.append({"rule": {**place, "chain": "input", "handle": number, "expr": body}})
    return listed


def facts(**more: object) -> HostFacts:
    good: dict[str, object] = {
        "system": "debian-12", "kernel": "6.1.0", "booted_at": NOW - timedelta(days=9),
        "ahead": 0.0, "ruleset": rules("10.1.0.0/24", "fd00:1::/64"),
        "sshd": {"options": SSHD}, "clock": CLOCK, "mounts": [ROOT, DATA],
        "packages": {"bash": "5.2"}, "updates": UPDATES, "failed_units": [], "sockets": [],
    }  # fmt: skip
    return HostFacts.model_validate(good | more)


def verdict(check: str, seen: HostFacts) -> Verdict:
    found = judged(check, ESTATE, {"host/web": seen})
    assert list(found) == [WEB]
    return found[WEB]


@pytest.mark.parametrize("check", CHECKS)
def test_a_good_machine(check: str) -> None:
    assert verdict(check, facts()).status == "pass"


@pytest.mark.parametrize(
    ("check", "field"),
    [
        ("host.clock", "clock"),
        ("host.firewall-as-declared", "ruleset"),
        ("host.mounts", "mounts"),
        ("host.packages", "updates"),
        ("host.ssh-hardened", "sshd"),
        ("host.units", "failed_units"),
    ],
)
def test_what_was_not_read_is_not_known(check: str, field: str) -> None:
    found = verdict(check, facts(**{field: LOST}))
    assert (found.status.value, found.evidence["cause"]) == ("unknown", LOST.unread)


@pytest.mark.parametrize("check", CHECKS)
def test_a_machine_that_was_not_reached_is_not_known(check: str) -> None:
    found = judged(check, ESTATE, {}, gaps={"host/web": "permission denied"})
    assert {path: v.status.value for path, v in found.items()} == {WEB: "unknown"}


@pytest.mark.parametrize("check", CHECKS)
def test_a_machine_that_nobody_reads_is_not_known(check: str) -> None:
    narrow = estate_of(
        "machines: {web: {site: a, role: web, os: debian-12}}\n"
        "hosts: {b: {sites: [b], account: x, credential: y, observed_from: admin}}\n"
    )
    assert {path: v.status.value for path, v in judged(check, narrow, {}).items()} == {
        WEB: "unknown"
    }
    nobody = estate_of("machines: {web: {site: a, role: web, os: debian-12}}")
    assert {v.status.value for v in judged(check, nobody, {}).values()} == {"not-applicable"}


def test_rules_that_open_more() -> None:
    found = verdict("host.firewall-as-declared", facts(ruleset=rules("0.0.0.0/0", "fd00:1::/64")))
    assert found.status == "fail"
    assert found.evidence["services"] == ["tcp/all", "udp/all", "ip/all"]


def test_rules_that_close_what_is_declared() -> None:
    found = verdict("host.firewall-as-declared", facts(ruleset=rules("10.1.0.0/25")))
    assert found.status == "fail"
    assert found.message.startswith("refuses what flows declare")
    assert "10.1.0.129 > 10.1.0.5" in str(found.evidence["witness"])


def test_a_host_without_rules() -> None:
    found = verdict("host.firewall-as-declared", facts(ruleset=[]))
    assert found.status == "fail"
    assert found.message == "no rule looks at what comes to this host"


@pytest.mark.parametrize(
    ("option", "value", "shown"),
    [
        ("passwordauthentication", "yes", "passwordauthentication yes (R17)"),
        ("permitrootlogin", "without-password", "permitrootlogin without-password (R21)"),
        ("permituserenvironment", "LANG", "permituserenvironment LANG (R23)"),
        ("allowtcpforwarding", "local", "allowtcpforwarding local (R27)"),
        ("x11forwarding", "yes", "x11forwarding yes (R28)"),
        ("ciphers", "aes128-ctr,3des-cbc", "ciphers 3des-cbc (R15)"),
        ("ciphers", "chacha20-poly1305@openssh.com", "ciphers chacha20-poly1305@openssh.com (R15)"),
        ("macs", "hmac-md5,umac-64@openssh.com", "macs hmac-md5,umac-64@openssh.com (R15)"),
    ],
)
def test_an_option_that_is_not_as_recommended(option: str, value: str, shown: str) -> None:
    found = verdict("host.ssh-hardened", facts(sshd={"options": {**SSHD, option: [value]}}))
    assert (found.status.value, found.evidence["settings"]) == ("fail", [shown])


@pytest.mark.parametrize("option", sorted(SSHD))
def test_an_option_that_is_not_there_is_no_pass(option: str) -> None:
    without = {name: value for name, value in SSHD.items() if name != option}
    assert verdict("host.ssh-hardened", facts(sshd={"options": without})).status == "fail"


def test_what_a_match_loosens_counts() -> None:
    loose = {"match": "User eve", "option": "passwordauthentication", "value": "yes"}
    weak = {"match": "User eve", "option": "ciphers", "value": "aes128-cbc"}
    strict = {"match": "User x", "option": "forcecommand", "value": "true"}
    sshd = {"options": SSHD, "conditional": [loose, weak, strict]}
    found = verdict("host.ssh-hardened", facts(sshd=sshd))
    assert found.evidence["settings"] == [
        "passwordauthentication yes (Match User eve) (R17)",
        "ciphers aes128-cbc (Match User eve) (R15)",
    ]


def test_a_bastion_passes_connections_on() -> None:
    bastion = estate_of(
        "machines: {web: {site: a, role: bastion, os: debian-12,"
        " interfaces: [{vlan: net, addresses: [10.1.0.5]}]}}\n"
        "vlans: {net: {vid: 10, zone: admin, sites: [a], subnets: [10.1.0.0/24]}}\n"
        "hosts: {all: {account: svc-audit, credential: ssh-audit, observed_from: admin}}\n"
    )
    for value, status in (("local", "pass"), ("all", "fail")):
        seen = facts(sshd={"options": {**SSHD, "allowtcpforwarding": [value]}})
        assert judged("host.ssh-hardened", bastion, {"host/web": seen})[WEB].status == status


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        ({"clock": {**CLOCK, "offset": -301.0}}, "fail", "wrong by"),
        ({"clock": {**CLOCK, "sources": []}}, "fail", "no time server is set"),
        (
            {"clock": {**CLOCK, "sources": [{**SELECTED, "reached": 0}]}},
            "fail",
            "no time server answers",
        ),
        ({"clock": {**CLOCK, "synchronised": False}}, "fail", "follows no time server"),
        ({"ahead": 301.0}, "fail", "from the clock of the audit"),
        ({"ahead": -400.0, "clock": LOST}, "fail", "from the clock of the audit"),
        ({"ahead": -299.0}, "pass", "follows"),
    ],
)
def test_clock(more: dict[str, object], status: str, said: str) -> None:
    found = verdict("host.clock", facts(**more))
    assert found.status == status
    assert said in found.message


@pytest.mark.parametrize(
    ("mounts", "status"),
    [
        ([ROOT, {**DATA, "source": "/dev/sdb1"}], "pass"),
        ([ROOT], "fail"),
        ([ROOT, {**DATA, "source": "/dev/sdbc"}], "fail"),
        ([ROOT, {**DATA, "read_only": True}], "fail"),
        ([ROOT, {**DATA, "frozen": True}], "fail"),
        ([{**ROOT, "frozen": True}, DATA], "fail"),
        ([{**ROOT, "target": "/run/x", "read_only": True}, DATA], "pass"),
        ([ROOT, DATA, {**ROOT, "kind": "squashfs", "frozen": True}], "pass"),
    ],
)
def test_mounts(mounts: list[dict[str, object]], status: str) -> None:
    assert verdict("host.mounts", facts(mounts=mounts)).status == status


@pytest.mark.parametrize(
    ("updates", "status"),
    [
        ({**UPDATES, "security": [UPDATE]}, "fail"),
        ({**UPDATES, "security": [UPDATE], "listed_at": None}, "fail"),
        ({**UPDATES, "listed_at": None}, "unknown"),
        ({**UPDATES, "listed_at": NOW - timedelta(days=8)}, "unknown"),
        ({**UPDATES, "listed_at": NOW - timedelta(days=6)}, "pass"),
    ],
)
def test_packages(updates: dict[str, object], status: str) -> None:
    found = verdict("host.packages", facts(updates=updates))
    assert found.status == status
    if status == "fail":
        assert found.evidence["packages"] == ["openssl 3.0.15"]


def test_a_failed_unit_is_named() -> None:
    found = verdict("host.units", facts(failed_units=["rsyslog.service"]))
    assert (found.status.value, found.evidence["units"]) == ("fail", ["rsyslog.service"])
