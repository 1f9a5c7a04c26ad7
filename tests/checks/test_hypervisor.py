"""What the hypervisor checks say of good and bad days."""

from __future__ import annotations

import pytest

from sitiv_infra.checking import Status, Verdict
from sitiv_infra.estate import Estate
from sitiv_infra.facts import HypervisorFacts, Unread
from sitiv_infra.facts.hypervisor import ClusterState, HostState, VirtualMachine
from sitiv_infra.testing import estate_of, judged

A, B = "hypervisor/vc-a", "hypervisor/vc-b"
PASS, FAIL, UNKNOWN = Status.PASS, Status.FAIL, Status.UNKNOWN
HIDDEN = Unread(unread="'x' can't be read: NoPermission (needs System.Read)")
Seen = dict[str, HypervisorFacts]


@pytest.fixture(scope="module")
def estate() -> Estate:
    return estate_of("""
vcenters:
  vc-a: {site: a, host: vc-a.corbas.test, observed_from: admin}
  vc-b: {site: b, host: vc-b.corbas.test, observed_from: admin}
clusters:
  one: {site: a, vcenter: vc-a, hosts: [esx1.corbas.test]}
  two: {site: b, vcenter: vc-b, hosts: [esx2.corbas.test], vsan: false}
machines:
  web: {site: a, role: web, cluster: one}
  db: {site: b, role: db, cluster: two}
  tape: {site: a, role: tape}
""")


def host(name: str, cluster: str | Unread | None, **changed: object) -> HostState:
    good = HostState(
        name=name, cluster=cluster, version="8.0.3", connection="connected",
        lockdown="normal", running=("DCUI", "ntpd"),
    )  # fmt: skip
    return good.model_copy(update=changed)


def machine(name: str, cluster: str | Unread | None, **changed: object) -> VirtualMachine:
    good = VirtualMachine(name=name, host="h", cluster=cluster, powered_on=True, agent=False)
    return good.model_copy(update=changed)


def vcenter(
    hosts: list[HostState], machines: list[VirtualMachine], clusters: list[ClusterState]
) -> HypervisorFacts:
    return HypervisorFacts(
        version="8.0.3", clusters=tuple(clusters), hosts=tuple(hosts), machines=tuple(machines)
    )


ONE, TWO = ClusterState(name="One", vsan=True), ClusterState(name="two", vsan=False)
ESX1, ESX2 = host("ESX1.corbas.test", "One"), host("esx2.corbas.test", "two")
WEB, DB = machine("WEB", "One"), machine("db", "two")
GOOD: Seen = {A: vcenter([ESX1], [WEB], [ONE]), B: vcenter([ESX2], [DB], [TWO])}
CHECKS = (
    "hypervisor.host-lockdown",
    "hypervisor.host-shell",
    "hypervisor.host-time",
    "hypervisor.host-missing",
    "hypervisor.machine-site",
    "hypervisor.machine-missing",
    "hypervisor.undeclared-machine",
    "hypervisor.vsan-enabled",
)


def in_a(
    hosts: list[HostState] | None = None,
    machines: list[VirtualMachine] | None = None,
    clusters: list[ClusterState] | None = None,
) -> Seen:
    facts = vcenter(
        [ESX1] if hosts is None else hosts,
        [WEB] if machines is None else machines,
        [ONE] if clusters is None else clusters,
    )
    return {**GOOD, A: facts}


def say(check: str, estate: Estate, seen: Seen, **gaps: str) -> dict[str, Verdict]:
    names = {f"hypervisor/{name.replace('_', '-')}": cause for name, cause in gaps.items()}
    return judged(check, estate, seen, gaps=names)


def statuses(check: str, estate: Estate, seen: Seen, **gaps: str) -> dict[str, Status]:
    found = say(check, estate, seen, **gaps)
    return {subject.removeprefix("sitiv/"): verdict.status for subject, verdict in found.items()}


@pytest.mark.parametrize("check", CHECKS)
def test_a_good_day(check: str, estate: Estate) -> None:
    assert set(statuses(check, estate, GOOD).values()) == {PASS}


@pytest.mark.parametrize("check", CHECKS)
def test_nothing_observed_is_unknown(check: str, estate: Estate) -> None:
    found = statuses(check, estate, {}, vc_a="stopped", vc_b="stopped")
    assert found
    assert set(found.values()) == {UNKNOWN}


@pytest.mark.parametrize("check", CHECKS)
def test_no_vcenter_is_not_applicable(check: str) -> None:
    found = say(check, estate_of("machines: {tape: {site: a, role: tape}}"), {})
    assert {verdict.status for verdict in found.values()} == {Status.NOT_APPLICABLE}


HOST = "cluster/one/esx1.corbas.test"


@pytest.mark.parametrize(
    ("check", "changed", "status"),
    [
        ("hypervisor.host-lockdown", {"lockdown": "disabled"}, FAIL),
        ("hypervisor.host-lockdown", {"lockdown": "strict"}, PASS),
        ("hypervisor.host-lockdown", {"lockdown": HIDDEN}, UNKNOWN),
        ("hypervisor.host-shell", {"running": ("TSM-SSH",)}, FAIL),
        ("hypervisor.host-shell", {"running": ("TSM", "ntpd")}, FAIL),
        ("hypervisor.host-shell", {"running": HIDDEN}, UNKNOWN),
        ("hypervisor.host-time", {"running": ("DCUI",)}, FAIL),
        ("hypervisor.host-time", {"running": ("ptpd",)}, PASS),
        ("hypervisor.host-time", {"running": HIDDEN}, UNKNOWN),
        ("hypervisor.host-lockdown", {"connection": "notResponding"}, UNKNOWN),  # remembered
        ("hypervisor.host-lockdown", {"connection": HIDDEN}, UNKNOWN),
        ("hypervisor.host-shell", {"connection": "disconnected"}, UNKNOWN),
        ("hypervisor.host-shell", {"running": ()}, UNKNOWN),  # a host always runs some
        ("hypervisor.host-time", {"connection": "disconnected"}, UNKNOWN),
        ("hypervisor.host-time", {"running": ()}, UNKNOWN),
        ("hypervisor.host-missing", {"connection": "disconnected"}, FAIL),
        ("hypervisor.host-missing", {"connection": "notResponding"}, FAIL),
        ("hypervisor.host-missing", {"connection": HIDDEN}, UNKNOWN),
        ("hypervisor.host-missing", {"cluster": "three"}, FAIL),
        ("hypervisor.host-missing", {"cluster": None}, FAIL),
        ("hypervisor.host-missing", {"cluster": HIDDEN}, UNKNOWN),
    ],
)
def test_a_host(check: str, changed: dict[str, object], status: Status, estate: Estate) -> None:
    seen = in_a([ESX1.model_copy(update=changed)])
    assert statuses(check, estate, seen)[HOST] is status


def test_a_declared_host_that_is_gone(estate: Estate) -> None:
    other = in_a([host("esx8", "One")])
    assert statuses("hypervisor.host-missing", estate, other)[HOST] is FAIL
    assert HOST not in statuses("hypervisor.host-lockdown", estate, other)


@pytest.mark.parametrize(
    ("check", "subject"),
    [
        ("hypervisor.host-missing", HOST),
        ("hypervisor.host-lockdown", "vcenter/vc-a"),
        ("hypervisor.host-shell", "vcenter/vc-a"),
        ("hypervisor.host-time", "vcenter/vc-a"),
        ("hypervisor.vsan-enabled", "cluster/one"),
        ("hypervisor.machine-missing", "machine/web"),
        ("hypervisor.undeclared-machine", "vcenter/vc-a"),
    ],
)
def test_a_vcenter_that_shows_nothing_proves_nothing(
    check: str, subject: str, estate: Estate
) -> None:
    seen = {**GOOD, A: vcenter([], [], [])}
    assert statuses(check, estate, seen)[subject] is UNKNOWN


def test_hosts_that_nobody_declared_are_judged_too(estate: Estate) -> None:
    strangers = [host("esx8", "One", lockdown="disabled"), host("esx 9", None, lockdown="disabled")]
    found = statuses("hypervisor.host-lockdown", estate, in_a([ESX1, *strangers]))
    assert found["cluster/one/esx8"] is FAIL
    assert found["vcenter/vc-a/esx_9"] is FAIL
    assert found[HOST] is PASS


def test_vsan(estate: Estate) -> None:
    def one(clusters: list[ClusterState]) -> Status:
        found = statuses("hypervisor.vsan-enabled", estate, in_a(clusters=clusters))
        assert list(found) == ["cluster/one"]  # the other one is declared without vSAN
        return found["cluster/one"]

    assert one([ClusterState(name="one", vsan=False)]) is FAIL
    assert one([ClusterState(name="one", vsan=HIDDEN)]) is UNKNOWN
    assert one([ClusterState(name="three", vsan=True)]) is FAIL


WEB_SITE = "machine/web"


@pytest.mark.parametrize(
    ("here", "there", "status"),
    [
        ([machine("web", "three")], [], FAIL),
        ([machine("web", None)], [], FAIL),
        ([machine("web", HIDDEN)], [], UNKNOWN),
        ([], [machine("web", "two")], FAIL),
        ([WEB], [machine("web", "two")], FAIL),  # twice
        ([WEB], [machine("web", "two", powered_on=False)], PASS),  # a spare copy
        ([machine("web", "one", powered_on=False)], [], PASS),
        ([machine("web", "one", powered_on=False)], [machine("web", "two")], FAIL),
        ([], [machine("web", "two", powered_on=False)], FAIL),
    ],
)
def test_where_a_machine_runs(
    here: list[VirtualMachine], there: list[VirtualMachine], status: Status, estate: Estate
) -> None:
    seen = {A: vcenter([ESX1], here, [ONE]), B: vcenter([ESX2], [DB, *there], [TWO])}
    found = statuses("hypervisor.machine-site", estate, seen)
    assert found == {WEB_SITE: status, "machine/db": PASS}


def test_a_machine_on_another_cluster_is_named(estate: Estate) -> None:
    found = say("hypervisor.machine-site", estate, in_a(machines=[machine("web", "three")]))
    verdict = found["sitiv/machine/web"]
    assert verdict.evidence == {"home": "vc-a/one", "places": ["vc-a/three"]}
    assert verdict.sites == ("a",)


def test_a_machine_that_is_missing(estate: Estate) -> None:
    seen = in_a(machines=[machine("tape", "one")])
    assert statuses("hypervisor.machine-missing", estate, seen)[WEB_SITE] is FAIL
    assert WEB_SITE not in statuses("hypervisor.machine-site", estate, seen)
    assert "machine/tape" not in statuses(
        "hypervisor.machine-missing", estate, seen
    )  # not a virtual one


@pytest.mark.parametrize("check", ["hypervisor.machine-site", "hypervisor.machine-missing"])
def test_a_machine_not_found_while_a_vcenter_is_silent_is_unknown(
    check: str, estate: Estate
) -> None:
    seen = {A: vcenter([ESX1], [], [ONE])}
    found = say(check, estate, seen, vc_b="no answer in time")
    assert {v.status for v in found.values()} == {UNKNOWN}
    assert found["sitiv/machine/web"].evidence == {"sources": [B]}


def test_what_is_seen_counts_while_another_vcenter_is_silent(estate: Estate) -> None:
    seen = {A: vcenter([ESX1], [WEB, machine("db", "one")], [ONE])}
    found = statuses("hypervisor.machine-site", estate, seen, vc_b="no answer in time")
    assert found[WEB_SITE] is PASS
    assert found["machine/db"] is FAIL
    assert found["vcenter/vc-b"] is UNKNOWN


def test_a_stopped_machine_may_run_where_nobody_could_look(estate: Estate) -> None:
    seen = {A: vcenter([ESX1], [machine("web", "one", powered_on=False)], [ONE])}
    assert statuses("hypervisor.machine-site", estate, seen)[WEB_SITE] is UNKNOWN
    assert statuses("hypervisor.machine-missing", estate, seen)[WEB_SITE] is PASS


def test_undeclared_machines(estate: Estate) -> None:
    strangers = [
        machine("test  of Bob", None, host="esx1"),
        machine("old", "one", powered_on=False),
        machine("vCLS-1", "one", agent=True),
        machine("shy", "one", powered_on=HIDDEN),
        machine("twice", "one"),
        machine("twice", "two", powered_on=HIDDEN),
        machine("TAPE", "one"),
    ]
    found = statuses("hypervisor.undeclared-machine", estate, in_a(machines=[WEB, *strangers]))
    assert found == {
        "vcenter/vc-a/test_of_Bob": FAIL,
        "vcenter/vc-a/shy": UNKNOWN,
        "vcenter/vc-a/twice": FAIL,
        "vcenter/vc-b": PASS,
    }
