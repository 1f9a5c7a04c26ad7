"""The network's roles without hosts: how a majority is counted, and the VLANs of a real switch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitiv_infra.lab.place import Place
from sitiv_infra.lab.switch import Port, Switch
from sitiv_infra.lab.twin import down
from tests.servers.need import need
from tests.twin.looking import quiet

ROOT = Path(__file__).parents[2]
MAJORITY = ROOT / "playbooks/roles/firewall/files/majority"


@pytest.mark.parametrize(
    ("wanted", "sites", "answers", "holds"),
    [
        (1, ["1.1", "2.1,2.2"], "1.1", True),
        (1, ["1.1", "2.1,2.2"], "2.2", True),
        (1, ["1.1", "2.1,2.2"], "", False),
        (2, ["1.1", "2.1,2.2"], "2.1 2.2", False),
        (2, ["1.1", "2.1,2.2", "3.1"], "1.1 3.1", True),
        (0, [], "", True),
    ],
)
def test_a_majority_is_counted_in_sites(
    tmp_path: Path, wanted: int, sites: list[str], answers: str, *, holds: bool
) -> None:
    ping = tmp_path / "ping"
    ping.write_text(
        '#!/bin/sh\nfor a; do :; done\ncase " $ANSWERS " in *" $a "*) ;; *) exit 1;; esac\n'
    )
    ping.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "ANSWERS": answers}
    command = ["sh", str(MAJORITY), str(wanted), *sites]
    assert (subprocess.run(command, env=environment, check=False).returncode == 0) is holds


@pytest.fixture
def switch() -> Iterator[Switch]:
    need("ovs-vswitchd", "ovsdb-server", "ovs-vsctl", root=True)
    place = Place("switching")
    down(place, quiet)
    found = Switch(place, "a")
    found.start()
    yield found
    down(place, quiet)


def _applied(switch: Switch) -> tuple[int, str]:
    """Apply the role to the switch; give how many tasks changed something, and what was said."""
    program = Path(sys.executable).with_name("ansible-playbook")
    more = json.dumps({"ansible_connection": "local", "ansible_become": False})
    command = [str(program), "-i", "inventory/lab", "playbooks/network.yml", "-e", more]
    done = subprocess.run(
        [*command, "--limit", "sw-a1"],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "SITIV_LAB": "nowhere"}
        | {"OVS_RUNDIR": str(switch.folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return int(done.stdout.rpartition("changed=")[2].split()[0]), done.stdout


def test_ports_carry_what_is_declared(switch: Switch) -> None:
    ids = {"sitiv-machine": "store-a1", "sitiv-vlan": "a-storage"}
    switch.ensure(
        [
            Port("wrong", ("wrong",), tag=999, ids=ids),
            Port("open", ("open",), ids=ids),
            Port("right", ("right",), tag=140, ids=ids),
            Port("wide", ("wide",), ids={"sitiv-link": "c"}),
            Port("narrow", ("narrow",), trunks=(900,), ids={"sitiv-link": "b"}),
            Port("out", ("out",), trunks=(100,), ids={"sitiv-link": "carrier"}),
        ]
    )
    assert _applied(switch)[0] == 1
    assert [switch.ask("get", "port", name, "tag") for name in ("wrong", "open", "right")] == [
        "140"
    ] * 3
    trunks = [switch.ask("get", "port", name, "trunks") for name in ("wide", "narrow", "out")]
    assert trunks == ["[900]", "[100, 301, 302, 900]", "[100]"]
    assert _applied(switch)[0] == 0


def test_a_port_of_an_unknown_vlan_is_refused(switch: Switch) -> None:
    switch.ensure([Port("odd", ("odd",), ids={"sitiv-machine": "x", "sitiv-vlan": "b-storage"})])
    with pytest.raises(AssertionError, match=r"odd \(b-storage\)"):
        _applied(switch)
    assert switch.ask("get", "port", "odd", "tag") == "[]"


def test_a_silent_switch_is_refused(switch: Switch) -> None:
    switch.cut()
    with pytest.raises(AssertionError, match="does not answer"):
        _applied(switch)
