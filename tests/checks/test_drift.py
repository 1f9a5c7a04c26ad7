from __future__ import annotations

from datetime import timedelta

import pytest

from sitiv_infra.checking import Verdict
from sitiv_infra.facts import DriftFacts
from sitiv_infra.facts.drift import Change, Trouble
from sitiv_infra.testing import NOW, estate_of, judged

ESTATE = estate_of("""
machines:
  web: {site: a, role: web, os: debian-12}
  db: {site: b, role: db, os: debian-12, member: corbas}
  esx: {site: a, role: hypervisor, connection: none}
drifts: {site: {playbook: site.yml, observed_from: admin, max_age: 25h}}
""")
WEB, DB = "sitiv/machine/web@site", "corbas/machine/db@site"
HOUR = timedelta(hours=1)
TASK = {
    "play": "All", "role": "baseline", "task": "Write", "action": "copy",
    "place": "roles/baseline/tasks/main.yml:3",
}  # fmt: skip


def change(host: str, **more: object) -> Change:
    return Change.model_validate({"host": host, **TASK, **more})


def trouble(host: str, kind: str, said: str = "") -> Trouble:
    return Trouble.model_validate({"host": host, "kind": kind, "said": said, **TASK})


def run(**more: object) -> DriftFacts:
    data: dict[str, object] = {
        "playbook": "site.yml", "started": NOW - HOUR, "ended": NOW - HOUR / 2,
        "ansible": "2.19.14", "hosts": ("web", "db"),
    }  # fmt: skip
    return DriftFacts.model_validate(data | more)


def verdicts(check: str, facts: DriftFacts | None) -> dict[str, Verdict]:
    seen = {"drift/site": facts} if facts else {}
    gaps = {} if facts else {"drift/site": "it was run for real, without --check"}
    return judged(check, ESTATE, seen, gaps=gaps)


def statuses(check: str, facts: DriftFacts | None) -> dict[str, str]:
    return {path: verdict.status.value for path, verdict in verdicts(check, facts).items()}


def test_a_quiet_night() -> None:
    assert statuses("drift.none", run()) == {WEB: "pass", DB: "pass"}
    assert statuses("drift.recent", run()) == {"sitiv/drift/site": "pass"}


def test_a_change_names_machine_task_file_and_lines() -> None:
    changes = (
        change("web", task="Reload", diff=()),
        change("web", item="/etc/ssh/x.conf", diff=("-Port 2222", "+Port 22")),
    )
    found = verdicts("drift.none", run(changes=changes))
    assert found[DB].status == "pass"
    assert found[WEB].status == "fail"
    assert found[WEB].sites == ("a",)
    assert found[WEB].evidence == {
        "count": 2,
        "task": "baseline : Write [/etc/ssh/x.conf]",
        "place": "roles/baseline/tasks/main.yml:3",
        "places": ["roles/baseline/tasks/main.yml:3"],
        "difference": "-Port 2222 ⏎ +Port 22",
    }


def test_a_change_without_lines_is_a_change() -> None:
    found = verdicts("drift.none", run(changes=(change("db", role=None),)))
    assert found[DB].status == "fail"
    assert found[DB].evidence["task"] == "Write"
    assert "difference" not in found[DB].evidence


@pytest.mark.parametrize("kind", ["failed", "unreachable", "unforeseen"])
def test_what_did_not_tell_is_not_known(kind: str) -> None:
    facts = run(troubles=(trouble("web", kind, "why"),))
    assert statuses("drift.none", facts) == {WEB: "unknown", DB: "pass"}
    wanted = "pass" if kind == "unforeseen" else "fail"
    assert statuses("drift.recent", facts) == {"sitiv/drift/site": wanted}


def test_a_known_change_outweighs_what_is_not_known() -> None:
    facts = run(changes=(change("web"),), troubles=(trouble("web", "failed"),))
    assert statuses("drift.none", facts)[WEB] == "fail"


def test_a_play_that_did_not_go_through_a_host() -> None:
    facts = run(unmet={"db": "Storage"})
    assert statuses("drift.none", facts) == {WEB: "pass", DB: "unknown"}
    assert statuses("drift.recent", facts) == {"sitiv/drift/site": "fail"}


def test_plays_that_never_began_could_have_been_for_all() -> None:
    facts = run(skipped_plays=("Storage",), changes=(change("web"),))
    assert statuses("drift.none", facts) == {WEB: "fail", DB: "unknown"}
    assert statuses("drift.recent", facts) == {"sitiv/drift/site": "fail"}


@pytest.mark.parametrize(
    ("hours", "none", "recent"),
    [(25, "pass", "pass"), (26, "unknown", "fail"), (-1, "pass", "unknown")],
)
def test_an_old_run_proves_nothing(hours: int, none: str, recent: str) -> None:
    facts = run(started=NOW - hours * HOUR)
    assert statuses("drift.none", facts) == {WEB: none, DB: none}
    assert statuses("drift.recent", facts) == {"sitiv/drift/site": recent}


def test_a_machine_that_no_play_is_for_is_not_known() -> None:
    facts = run(hosts=("web",))
    assert statuses("drift.none", facts) == {WEB: "pass", "corbas/machine/db": "unknown"}


def test_a_run_for_nobody_is_no_good_news() -> None:
    assert statuses("drift.recent", run(hosts=())) == {"sitiv/drift/site": "fail"}
    assert set(statuses("drift.none", run(hosts=())).values()) == {"unknown"}


def test_who_is_not_declared_is_named_too() -> None:
    found = statuses("drift.none", run(changes=(change("localhost"), change("esx"))))
    assert found["sitiv/drift/site/localhost"] == "fail"
    assert found["sitiv/drift/site/esx"] == "fail"


@pytest.mark.parametrize("check", ["drift.none", "drift.recent"])
def test_without_a_run_nothing_is_known(check: str) -> None:
    found = verdicts(check, None)
    assert {v.status.value for v in found.values()} == {"unknown"}
    assert {v.evidence["cause"] for v in found.values()} == {"it was run for real, without --check"}


def test_without_a_promise_there_is_nothing_to_judge() -> None:
    found = judged("drift.none", estate_of("machines: {web: {site: a, role: web}}"), {})
    assert {v.status.value for v in found.values()} == {"not-applicable"}
