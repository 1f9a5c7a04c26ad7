"""A command of the lab that was killed, at any moment: the next one works, and leaves nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sitiv_infra.estate import Estate
from sitiv_infra.lab import wiring
from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.place import Place
from sitiv_infra.lab.switch import Switch
from sitiv_infra.lab.twin import Twin, down
from tests.twin.looking import LAB, ONLY, all_up, leftovers, ping, quiet, states


@contextmanager
def running_up(place: Place) -> Iterator[subprocess.Popen[str]]:
    """Run ``sitiv lab up`` in a process of its own."""
    command = [str(Path(sys.executable).with_name("sitiv")), "lab", "up", "--name", place.name]
    with subprocess.Popen(
        [*command, "--from", str(LAB), "--only", ",".join(ONLY)],
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def killed(place: Place, step: str, longest: float, *, group: bool) -> str:
    """Kill ``up`` some time after a step of it, alone or with its children; say when."""
    with running_up(place) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if step in line:
                break
        moment = random.uniform(0, longest)
        time.sleep(moment)
        if process.poll() is not None:
            return f"{moment} s after '{step}': it was done"
        (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
        process.wait()
    return f"{moment} s after '{step}'"


def test_a_killed_repair_is_repaired(standing: Twin) -> None:
    machines = standing.estate.machines
    with standing.place.alone():
        standing.power_off([machines["fw-a2"], machines["store-a1"], machines["sw-c1"]])
        Switch(standing.place, "c").cut()
    before = standing.place.group("bastion-a1").pids()
    when = killed(standing.place, "switches", 3, group=False)
    standing.up()
    assert set(states(standing).values()) == {"up"}, when
    assert standing.place.group("bastion-a1").inits()[0] in before, "who stood was left alone"
    assert ping(standing.place, "sw-c1", "10.90.0.11"), when


def test_an_up_that_was_killed_at_its_beginning_is_repaired(standing: Twin) -> None:
    down(standing.place, quiet)
    when = killed(standing.place, "switches", 1.5, group=True)
    standing.up()
    all_up(standing)
    assert ping(standing.place, "sw-c1", "10.90.0.11"), when


def test_what_a_killed_up_has_half_made_is_made(place: Place, small_estate: Estate) -> None:
    """The file of a namespace that was not mounted yet, half of a switch's configuration."""
    down(place, quiet)
    switch = Switch(place, "c")
    Path("/run/netns", switch.namespace.name).touch()
    switch.folder.mkdir(parents=True)
    (switch.folder / "conf.db.new").write_bytes(b"OVSDB JSON 4")
    switch.start()
    assert switch.ask("list-br") == "br0"
    # A link that was laid and not brought up yet; connect() finds it and mends it.
    near, far = Namespace(place.namespace("switch-a")), Namespace(place.namespace("switch-b"))
    link = wiring.links(small_estate)[0]
    near.start()
    far.start()
    near.connect(link.device("a"), far, link.device("b"))
    for space, site in ((near, "a"), (far, "b")):
        space.run("ip", "link", "set", link.device(site), "down")
    wiring.connect(small_estate, place)
    assert link.device("a") in wiring.devices(near, "up")
    assert link.device("b") in wiring.devices(far, "up")
    down(place, quiet)
    assert leftovers(place) == []


def test_of_a_killed_up_nothing_is_left(standing: Twin) -> None:
    down(standing.place, quiet)
    assert leftovers(standing.place) == []
    when = killed(standing.place, "hosts", 6, group=False)
    assert leftovers(standing.place) != []
    down(standing.place, quiet)
    assert leftovers(standing.place) == [], when


def test_what_is_half_taken_down_is_taken_down(place: Place) -> None:
    """What remains of a lab whose namespaces went with a reboot, or with a killed ``down``."""
    folder = Path("/etc/netns", place.namespace("station"))
    folder.mkdir(parents=True, exist_ok=True)
    Path("/run/netns", place.namespace("half")).touch()
    Namespace(place.namespace("switch-a")).start()
    drive = place.host_folder("store-a1") / "sdb.img"
    drive.parent.mkdir(parents=True)
    drive.write_bytes(bytes(4096))
    subprocess.run(["losetup", "--find", str(drive)], check=True)
    assert len(leftovers(place)) == 5
    down(place, quiet)
    assert leftovers(place) == []
