"""Faults of a real lab, and that healing mends what was broken and leaves the rest alone."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitiv_infra.cli import run
from sitiv_infra.errors import InvalidInput
from sitiv_infra.lab import faults
from sitiv_infra.lab.group import until
from sitiv_infra.lab.host import Host
from sitiv_infra.lab.netns import FOLDER, Namespace
from sitiv_infra.lab.packets.frames import called, listening
from sitiv_infra.lab.process import LabError
from sitiv_infra.lab.switch import Switch
from sitiv_infra.lab.twin import Twin
from sitiv_infra.report.continuity import EVENTS, Event
from tests.twin.looking import ping, states

SECONDS = 30.0


@pytest.fixture
def whole(standing: Twin) -> Iterator[Twin]:
    """Give the lab, and heal it after a test that failed in the middle of its fault."""
    yield standing
    if faults.active(standing.place):
        faults.heal(standing)


def first_processes(lab: Twin) -> dict[str, list[int]]:
    return {name: lab.place.group(name).inits() for name in lab.estate.machines}


def reached(lab: Twin, machine: str, address: str) -> None:
    until(SECONDS, lambda: ping(lab.place, machine, address), f"{machine} does not reach {address}")


def test_hosts_lose_their_power_and_keep_their_files(whole: Twin) -> None:
    firewall, store = (whole.host(whole.estate.machines[name]) for name in ("fw-a2", "store-a1"))
    inside(firewall, "echo kept >/srv/note; echo 192.0.2.1 kept >>/etc/hosts; sync")
    inside(store, "printf kept | dd of=/dev/sdb conv=fsync")
    before = first_processes(whole)
    faults.make(whole, "host", "fw-a2")
    assert states(whole) == {**dict.fromkeys(whole.estate.machines, "up"), "fw-a2": "down"}
    assert not (FOLDER / whole.place.namespace("fw-a2")).exists()
    assert whole.place.group("fw-a2").pids() == []
    assert not ping(whole.place, "bastion-a1", "10.10.60.12")
    with pytest.raises(LabError, match="fw-a2 is down"):
        firewall.command(["true"])
    faults.make(whole, "host", "store-a1")
    broken = [("host", "fw-a2"), ("host", "store-a1")]
    assert [(e.kind, e.target) for e in faults.active(whole.place)] == broken
    assert [(e.kind, e.target) for e in faults.heal(whole)] == broken
    assert set(states(whole).values()) == {"up"}
    after = first_processes(whole)
    assert {name for name in before if before[name] != after[name]} == {"fw-a2", "store-a1"}
    assert inside(firewall, "cat /srv/note; tail -1 /etc/hosts") == "kept\n192.0.2.1 kept\n"
    assert inside(store, "head -c4 /dev/sdb") == "kept", "a drive outlives the power"
    reached(whole, "bastion-a1", "10.10.60.12")
    assert faults.active(whole.place) == []


def inside(host: Host, script: str) -> str:
    words = host.command(["sh", "-c", script])
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def across(lab: Twin) -> bool:
    """Tell whether frames of the transit VLAN get from the first site to the second, and back."""
    with listening(lab.place) as ears:
        one, other = ((lab.place.namespace(name), "vlan900") for name in ("fw-a1", "fw-b1"))
        found = called(ears, (one, other))
        assert all(n == 1 for heard in found.values() for n in heard.values()), "no loop"
        return other in found[one] and one in found[other]


def test_two_links_carry_what_one_does_and_none_does_not(whole: Twin) -> None:
    until(SECONDS, lambda: across(whole), "the sites do not reach each other")
    faults.make(whole, "link", "1")
    until(SECONDS, lambda: across(whole), "one link is not enough")
    faults.make(whole, "link", "2")
    until(SECONDS, lambda: not across(whole), "who carries that?")
    reached(whole, "sw-c1", "10.90.0.11")  # the arbiter still has its link to the first site
    healed = faults.heal(whole)
    assert [e.target for e in healed] == ["1", "2"]
    until(SECONDS, lambda: across(whole), "the links are not healed")
    assert faults.heal(whole) == []


def test_a_site_without_power_comes_back(whole: Twin) -> None:
    before = first_processes(whole)
    here = {name for name, m in whole.estate.machines.items() if m.site == "a"}
    assert len(here) == 5
    faults.make(whole, "site", "a")
    assert {name for name, state in states(whole).items() if state == "down"} == here
    assert not Switch(whole.place, "a").running()
    assert not [n for n in whole.place.namespaces() if n.endswith(("-switch-a", *here))]
    # The arbiter's switch hangs on both sites, and uses one link at a time.
    reached(whole, "sw-c1", "10.90.0.21")
    assert [(e.kind, e.target) for e in faults.heal(whole)] == [("site", "a")]
    assert set(states(whole).values()) == {"up"}
    after = first_processes(whole)
    assert {name for name in before if before[name] != after[name]} == here
    reached(whole, "sw-c1", "10.90.0.11")
    until(SECONDS, lambda: across(whole), "the sites do not reach each other again")
    assert ping(whole.place, "station", "10.10.60.20")


def test_a_slow_link_is_slow_until_it_is_healed(whole: Twin, tmp_path: Path) -> None:
    """And both events are written, with both clocks."""
    journal = tmp_path / "journal.jsonl"
    file = whole.place.folder / EVENTS
    space = Switch(whole.place, "a").namespace
    began = time.monotonic()
    faults.make(whole, "slow-link", "", journal)
    for device in ("to.b.1", "to.b.2"):
        assert "tbf" in space.run("tc", "qdisc", "show", "dev", device)
    faults.heal(whole, journal)
    for device in ("to.b.1", "to.b.2"):
        assert "tbf" not in space.run("tc", "qdisc", "show", "dev", device)
    told = [Event.model_validate_json(line) for line in journal.read_text().splitlines()]
    assert [(e.what, e.kind) for e in told] == [("fault", "slow-link"), ("heal", "slow-link")]
    assert began <= told[0].monotonic <= told[1].monotonic <= time.monotonic()
    assert file.read_text().splitlines()[-2:] == journal.read_text().splitlines()


@pytest.mark.parametrize(
    ("kind", "target", "message"),
    [
        ("flood", "", "'flood' is no fault; there are: site, link, host, disk"),
        ("site", "z", "no site 'z'; there are: a, b, c"),
        ("host", "nobody", "no machine 'nobody' in this lab; there are: sw-a1, "),
        ("link", "3", "no link '3' between the sites; there are: 1, 2"),
        ("disk", "fw-a1", "'fw-a1' has no drive of its own"),
        ("dns", "a", "no machine with the role 'resolver' on site 'a'"),
        ("clock", "z", "no machine with the role 'resolver' on site 'z'"),
    ],
)
def test_faults_that_can_not_be_are_refused(
    standing: Twin, kind: str, target: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InvalidInput, match=message):
        faults.make(standing, kind, target)
    assert run(["lab", "fault", kind, target, "--name", standing.place.name]) == 3
    assert message in capsys.readouterr().err
    assert faults.active(standing.place) == [], "nothing was done"


def test_a_drive_that_is_not_mounted_can_not_fail(standing: Twin) -> None:
    with pytest.raises(LabError, match="store-a1"):
        faults.make(standing, "disk", "store-a1")
    assert faults.active(standing.place) == []


def test_what_an_administrator_broke_by_hand_is_healed(whole: Twin) -> None:
    """Healing looks at what there is, not at its notes."""
    Switch(whole.place, "a").namespace.run("ip", "link", "set", "to.b.1", "down")
    Namespace(whole.place.namespace("sw-c1")).stop()
    assert states(whole)["sw-c1"] == "down"
    assert faults.heal(whole) == []
    assert set(states(whole).values()) == {"up"}
    until(SECONDS, lambda: across(whole), "the link is not healed")
    reached(whole, "sw-c1", "10.90.0.11")
