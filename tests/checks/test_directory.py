from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from sitiv_infra.checking import Verdict
from sitiv_infra.collectors.directory import COLLECTOR
from sitiv_infra.facts import DirectoryFacts, Unread
from sitiv_infra.facts.directory import Accounts, Privileged, PrivilegedAccount
from sitiv_infra.lab.samba import FAULTS, PRINTER, SCANNER
from sitiv_infra.testing import NOW, judged
from tests.servers.samba import Domain, declared

SUBJECT, SOURCE = "corbas/directory/corbas", "directory/corbas"
LOST = Unread(unread="the attribute 'x' is not visible to the account")
CHECKS = (
    "directory.functional-level",
    "directory.guest-enabled",
    "directory.krbtgt-age",
    "directory.machine-account-quota",
    "directory.password-never-expires-privileged",
    "directory.password-not-required",
    "directory.preauth-not-required",
    "directory.privileged-not-protected",
)
WHO = {
    "directory.password-never-expires-privileged": ["Administrator"],
    "directory.password-not-required": [SCANNER],
    "directory.preauth-not-required": [PRINTER],
    "directory.privileged-not-protected": ["Administrator"],
}


def account(name: str, **changed: object) -> PrivilegedAccount:
    said = {"kind": "user", "password_never_expires": False, "protected": True, **changed}
    return PrivilegedAccount.model_validate({"name": name, **said})


def accounts(**changed: object) -> Accounts:
    said = {"enabled": 9, "hidden": 0, "password_not_required": (), "preauth_not_required": ()}
    return Accounts.model_validate({**said, **changed})


def facts(**changed: object) -> DirectoryFacts:
    good: dict[str, object] = {
        "server": "dc1.corbas.test",
        "server_time": NOW,
        "domain_level": 7,
        "forest_level": 10,
        "machine_account_quota": 0,
        "krbtgt_password_set": NOW - timedelta(days=30),
        "guest_enabled": False,
        "accounts": accounts(),
        "privileged": Privileged(accounts=(account("adm"),), unseen=()),
    }
    return DirectoryFacts.model_validate({**good, **changed})


def verdict(check: str, seen: DirectoryFacts) -> Verdict:
    return judged(check, declared("dc1.corbas.test"), {SOURCE: seen})[SUBJECT]


def members(*listed: PrivilegedAccount, unseen: tuple[str, ...] = ()) -> DirectoryFacts:
    return facts(privileged=Privileged(accounts=listed, unseen=unseen))


@pytest.mark.parametrize("check", CHECKS)
def test_a_good_domain_passes(check: str) -> None:
    assert verdict(check, facts()).status == "pass"


@pytest.mark.parametrize("check", CHECKS)
def test_a_domain_that_was_not_read_is_unknown(check: str) -> None:
    estate = declared("dc1.corbas.test")
    found = judged(check, estate, {}, gaps={SOURCE: "can't be reached: Connection refused"})
    assert {v.status.value for v in found.values()} == {"unknown"}
    assert found[SUBJECT].evidence["cause"] == "can't be reached: Connection refused"


@pytest.mark.parametrize("check", CHECKS)
def test_a_fact_that_was_not_read_is_unknown(check: str) -> None:
    lost = facts(
        domain_level=LOST,
        machine_account_quota=LOST,
        krbtgt_password_set=LOST,
        guest_enabled=LOST,
        accounts=LOST,
        privileged=LOST,
    )
    found = verdict(check, lost)
    assert found.status == "unknown"
    assert found.evidence["cause"] == LOST.unread


@pytest.mark.parametrize(("days", "status"), [(364, "pass"), (365, "pass"), (366, "fail")])
def test_krbtgt_age_is_the_operators_promise(days: int, status: str) -> None:
    seen = facts(krbtgt_password_set=NOW - timedelta(days=days))
    assert verdict("directory.krbtgt-age", seen).status == status


@pytest.mark.parametrize(("minutes", "status"), [(4, "pass"), (6, "unknown")])
def test_a_krbtgt_password_of_the_future_is_no_pass(minutes: int, status: str) -> None:
    seen = facts(krbtgt_password_set=NOW + timedelta(minutes=minutes))
    assert verdict("directory.krbtgt-age", seen).status == status


def test_krbtgt_age_is_counted_by_the_servers_clock() -> None:
    late = NOW + timedelta(days=3)
    seen = facts(server_time=late, krbtgt_password_set=late - timedelta(days=366))
    assert verdict("directory.krbtgt-age", seen).evidence["age"] == 366 * 86400


def test_privileged_accounts_are_listed() -> None:
    seen = members(account("a", password_never_expires=True), account("b"), unseen=("hidden",))
    found = verdict("directory.password-never-expires-privileged", seen)
    assert found.status == "fail"
    assert found.evidence["accounts"] == ["a"]


def test_members_that_nobody_could_look_at_are_no_pass() -> None:
    seen = members(account("a"), unseen=("S-1-5-21-1-2-3-1105",))
    for check in (
        "directory.password-never-expires-privileged",
        "directory.privileged-not-protected",
    ):
        found = verdict(check, seen)
        assert found.status == "unknown"
        assert found.evidence["members"] == ["S-1-5-21-1-2-3-1105"]


@pytest.mark.parametrize(
    "check",
    ["directory.password-never-expires-privileged", "directory.privileged-not-protected"],
)
def test_a_domain_without_privileged_accounts_is_no_pass(check: str) -> None:
    assert verdict(check, members()).status == "unknown"


@pytest.mark.parametrize(
    "check", ["directory.password-not-required", "directory.preauth-not-required"]
)
def test_a_domain_without_accounts_is_no_pass(check: str) -> None:
    assert verdict(check, facts(accounts=accounts(enabled=0))).status == "unknown"


def test_a_machine_need_not_be_in_protected_users() -> None:
    seen = members(account("adm"), account("srv$", kind="computer", protected=False))
    assert verdict("directory.privileged-not-protected", seen).status == "pass"
    seen = members(account("adm", protected=False))
    assert verdict("directory.privileged-not-protected", seen).evidence["accounts"] == ["adm"]


@pytest.mark.parametrize(
    ("check", "flag"),
    [
        ("directory.password-not-required", "password_not_required"),
        ("directory.preauth-not-required", "preauth_not_required"),
    ],
)
def test_hidden_flags_are_no_pass(check: str, flag: str) -> None:
    assert verdict(check, facts(accounts=accounts(hidden=3))).status == "unknown"
    seen = facts(accounts=accounts(hidden=3, **{flag: ("scan",)}))
    assert verdict(check, seen).status == "fail"


@pytest.mark.parametrize("quota", [1, 10])
def test_quota(quota: int) -> None:
    found = verdict("directory.machine-account-quota", facts(machine_account_quota=quota))
    assert (found.status, found.evidence["quota"]) == ("fail", quota)


def test_a_quota_that_means_nothing_is_no_pass() -> None:
    seen = facts(machine_account_quota=-1)
    assert verdict("directory.machine-account-quota", seen).status == "unknown"


def test_functional_level_of_domain_and_forest() -> None:
    check = "directory.functional-level"
    found = verdict(check, facts(forest_level=6))
    assert found.status == "fail"
    assert (found.evidence["domain"], found.evidence["forest"]) == ("2016", "2012 R2")
    assert verdict(check, facts(domain_level=LOST, forest_level=4)).status == "fail"


def test_guest() -> None:
    assert verdict("directory.guest-enabled", facts(guest_enabled=True)).status == "fail"


def statuses(domain: Domain) -> dict[str, Verdict]:
    seen = COLLECTOR(domain.source, domain.session)
    estate, found = domain.estate, {}
    for check in CHECKS:
        found[check] = judged(check, estate, {SOURCE: seen}, now=datetime.now(NOW.tzinfo))[SUBJECT]
    return found


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_a_real_domain_is_seen_and_heals(domain: Domain, fault: str) -> None:
    check = f"directory.{fault}"
    domain.dc.apply(fault)
    try:
        found = statuses(domain)
    finally:
        domain.dc.heal(fault)
    assert [name for name, v in found.items() if v.status == "fail"] == [check]
    assert found[check].evidence.get("accounts") == WHO.get(check)
    assert {v.status.value for v in statuses(domain).values()} == {"pass"}
