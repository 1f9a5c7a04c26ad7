"""A small real lab, brought up once for the tests of this folder and taken down after them."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitiv_infra.estate import Estate, load
from sitiv_infra.lab.place import ROOT, Place
from sitiv_infra.lab.scale import chosen
from sitiv_infra.lab.twin import Twin, down
from tests.servers.need import need
from tests.twin.looking import ONLY, quiet


@pytest.fixture(scope="session")
def small_estate() -> Estate:
    """Give the lab's estate with every site, a firewall on both sides and a drive."""
    folder = Path(__file__).parents[2] / "inventory" / "lab" / "estate"
    return chosen(load(folder), ONLY)


@pytest.fixture(scope="package")
def place() -> Iterator[Place]:
    """Give the lab's place; nothing of an earlier run is there, and a run beside this one waits."""
    need(
        "ip", "systemd-nspawn", "ovs-vswitchd", "ovsdb-server", "ovs-vsctl", "debootstrap",
        "losetup", "ethtool", "ssh", "ssh-keygen", "nc", "ping", "minio", "mc", root=True,
    )  # fmt: skip
    found = Place("tests")
    ROOT.mkdir(parents=True, exist_ok=True)
    with (ROOT / "tests.session").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        down(found, quiet)
        yield found
        down(found, quiet)


@pytest.fixture
def standing(place: Place, small_estate: Estate) -> Twin:
    """Give the lab, all of it up; what a test before has broken is mended."""
    twin = Twin(place, small_estate, quiet)
    if any(seen.state != "up" for seen in twin.status()):
        twin.up()
    return twin
