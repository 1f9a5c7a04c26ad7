"""Hosts as the baseline leaves them: who gets in, names, time, logs, and rules without lock-out."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cycle.conftest import Cycle, until

APP, BASTION, LOGS = "guichet-a1", "bastion-a1", "log-a1"
LIE = {  # rules that say that they let the bastions in, and do not
    "host_firewall_accepts": [
        {"flow": "x", "family": "ip", "sources": ["10.99.0.0/24"], "protocol": "", "ports": []}
    ],
    "host_firewall_administered_from": ["10.99.0.0/24"],
    "host_firewall_confirm_seconds": 5,
}
FORGED = """
import socket, ssl
told = b"<13>1 - core-a1 forged - - - stolen 7"
context = ssl.create_default_context(cafile="/etc/ssl/sitiv/ca.pem")
context.load_cert_chain("/etc/ssl/sitiv/host.pem", "/etc/ssl/sitiv/host.pem.key")
link = socket.create_connection(("log-a1.lab.test", 6514))
with context.wrap_socket(link, server_hostname="log-a1.lab.test") as sender:
    sender.sendall(b"%d %s" % (len(told), told))
"""


def ssh(cycle: Cycle, *words: str) -> subprocess.CompletedProcess[str]:
    """Log in as an administrator does, through the bastion."""
    config = cycle.place.folder / "ssh" / "config"
    return subprocess.run(
        ["ssh", "-F", str(config), "-o", "BatchMode=yes", "-o", "ControlPath=none", *words],
        capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def rules(cycle: Cycle) -> str:
    return cycle.inside(APP, "nft --stateless list ruleset")


def received(cycle: Cycle, tag: str) -> list[str]:
    """Give what the log servers have together: what was on its way to one, the other has."""
    script = f"grep -rhoE '{tag} [0-9]+$' /var/log/remote/{APP} || true"
    found = [cycle.inside(server, script).splitlines() for server in (LOGS, "log-b1")]
    return sorted({line for lines in found for line in lines})


@contextmanager
def unheard(cycle: Cycle) -> Iterator[None]:
    """Stop the log server for a while."""
    cycle.inside(LOGS, "systemctl stop syslog.socket rsyslog")
    try:
        yield
    finally:
        cycle.inside(LOGS, "systemctl start rsyslog")


@pytest.mark.parametrize("account", ["root", "nobody", "dominique"])
def test_people_log_in_by_name_with_a_key_and_nobody_else_does(
    converged: Cycle, account: str
) -> None:
    done = ssh(converged, "-l", "camille", APP, "id -un; sudo -n id -un")
    assert done.stdout.split() == ["camille", "root"], done.stderr
    assert "Permission denied (publickey)" in ssh(converged, "-l", account, APP, "true").stderr


def test_connections_pass_on_through_the_bastion_alone(converged: Cycle) -> None:
    machines = converged.twin.estate.machines
    address = {name: machines[name].primary_address for name in (APP, LOGS)}
    way = ssh(converged, "-W", f"{address[APP]}:22", BASTION)
    assert way.stdout.startswith("SSH-2.0-")
    for target, host in ((f"{address[LOGS]}:6514", BASTION), (f"{address[LOGS]}:22", APP)):
        done = ssh(converged, "-W", target, host)
        assert (done.returncode, done.stdout) == (255, "")
        assert re.search("administratively prohibited|refused by peer", done.stderr)


def test_names_are_answered_both_ways_and_unknown_ones_at_once(converged: Cycle) -> None:
    assert converged.inside(APP, f"getent ahostsv4 {LOGS} | head -1").split() == [
        "10.10.80.12", "STREAM", f"{LOGS}.lab.test",
    ]  # fmt: skip
    found = converged.inside(APP, "getent hosts fd00:10:80::12")
    assert found.split()[1] == f"{LOGS}.lab.test"
    assert converged.inside(APP, "getent hosts nobody.lab.test || echo none") == "none\n"


def test_time_comes_from_the_resolvers(converged: Cycle) -> None:
    """From either: they agree on one, and a host may hear the other one better for a while."""
    from_one = re.compile(r"^Reference ID .*\(core-[ab]1\.lab\.test\)$", re.MULTILINE)
    until(lambda: from_one.search(converged.inside(APP, "chronyc tracking || true")) is not None)
    assert converged.inside(APP, "ss -Hlnu 'sport = :123'") == "", "it serves nobody itself"


def test_no_log_is_lost_while_a_server_is_away(converged: Cycle) -> None:
    with unheard(converged):
        converged.inside(APP, "for n in $(seq 100 299); do logger -t away $n; done")
        converged.inside(APP, "systemctl restart rsyslog; logger -t away 300")
    wanted = [f"away {n}" for n in range(100, 301)]
    until(lambda: received(converged, "away") == wanted)


def test_a_log_is_filed_by_who_sent_it_whatever_it_says(converged: Cycle) -> None:
    assert converged.inside(APP, f"python3 -c '{FORGED}'") == ""
    until(lambda: received(converged, "stolen") == ["stolen 7"])


def test_what_no_flow_declares_is_refused_by_the_host_itself(converged: Cycle) -> None:
    refused = f"timeout 2 bash -c '</dev/tcp/{LOGS}/22' 2>/dev/null || echo $?"
    assert converged.inside(APP, refused) == "124\n", "no flow leads there"
    assert converged.inside(APP, refused.replace("22", "6514")) == ""


def test_rules_without_a_way_in_are_refused(converged: Cycle) -> None:
    before = rules(converged)
    more = json.dumps({"host_firewall_accepts": []})
    said = converged.play("hosts.yml", "--limit", APP, "-e", more)
    assert said.code == 2
    assert "would be refused, and this host lost: declare a flow" in said.text
    assert rules(converged) == before


def test_rules_that_lock_out_all_the_same_are_undone_by_the_host(converged: Cycle) -> None:
    before = rules(converged)
    said = converged.play("hosts.yml", "--limit", APP, "-e", json.dumps(LIE))
    assert "Nobody got in by the new rules for 5 seconds" in said.text
    assert said.hosts("failed") == {APP: 1}
    until(lambda: rules(converged) == before)


def test_an_open_connection_outlives_new_rules(converged: Cycle) -> None:
    config = converged.place.folder / "ssh" / "config"
    words = ["ssh", "-F", str(config), "-o", "BatchMode=yes", APP, "cat"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as link:
        assert link.stdin is not None
        assert link.stdout is not None
        for said in ("before\n", "after\n"):
            link.stdin.write(said)
            link.stdin.flush()
            assert link.stdout.readline() == said
            converged.inside(APP, "nft -f /etc/nftables.conf; systemctl reload ssh")
        link.stdin.close()
