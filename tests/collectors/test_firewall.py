from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitiv_infra.collectors.base import Session
from sitiv_infra.collectors.firewall import COLLECTOR
from sitiv_infra.errors import NotObserved
from sitiv_infra.estate import Estate
from sitiv_infra.facts import FirewallFacts
from sitiv_infra.facts.firewall import Hit
from sitiv_infra.lab.sshd import SshServer, make_key
from sitiv_infra.secrets import Secrets
from sitiv_infra.testing import estate_of

RULES = """
table inet filter {
  set web {
    type ipv4_addr
    elements = { 10.2.0.5 }
  }
  chain forward {
    type filter hook forward priority 0; policy drop;
    ip daddr @web tcp dport 443 counter accept comment "citizens' portal"
  }
}
"""


def estate_for(server: SshServer, timeout: str = "1min") -> Estate:
    return estate_of(
        f"firewalls:\n  fw: {{site: a, host: {server.address}, port: {server.port},"
        f" account: {server.account}, credential: fw-key, observed_from: admin,"
        f" timeout: {timeout}}}\n"
    )


def read(
    server: SshServer,
    *,
    key: str | None = None,
    known_hosts: Path | None = None,
    timeout: str = "1min",
    seconds: float | None = None,
) -> FirewallFacts:
    estate = estate_for(server, timeout)
    secrets = Secrets(environment={"SITIV_SECRET_FW_KEY": key or str(server.key)})
    session = Session(estate, secrets, 5, known_hosts=known_hosts or server.known_hosts)
    firewall = estate.firewalls["fw"]
    if seconds is not None:
        firewall = firewall.model_copy(update={"timeout": firewall.timeout * (seconds / 60)})
    if server.namespace is None:
        facts = COLLECTOR(firewall, session)
    else:
        with server.namespace.inside():
            facts = COLLECTOR(firewall, session)
    assert isinstance(facts, FirewallFacts)
    return facts


def refusal(server: SshServer, **given: str | Path | float) -> str:
    with pytest.raises(NotObserved) as caught:
        read(server, **given)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.fixture
def odd_host(
    rules_host: SshServer, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[SshServer]:
    """A server beside the good one that answers with another command."""
    folder, namespace = tmp_path / "odd", rules_host.namespace
    with SshServer(folder, "192.0.2.1", 2223, command=request.param, namespace=namespace) as server:
        yield server


def test_reads_the_live_rules(rules_host: SshServer) -> None:
    assert rules_host.namespace is not None
    rules_host.namespace.filter(RULES)
    facts = read(rules_host)
    assert (facts.engine, facts.version is not None) == ("nftables", True)
    kinds = [next(iter(item)) for item in facts.ruleset]
    assert sorted(kinds) == ["chain", "rule", "set", "table"]
    text = facts.model_dump_json()
    assert "citizens' portal" in text
    assert "packets" not in text
    assert facts.hits == {1: Hit(count=0)}
    assert facts == read(rules_host), "two nights of the same rules are equal"
    assert FirewallFacts.model_validate_json(text) == facts


def test_an_emptied_rule_base_is_an_observation(rules_host: SshServer) -> None:
    assert rules_host.namespace is not None
    rules_host.namespace.filter("")
    assert read(rules_host).ruleset == ()


def test_the_forced_command_is_all_that_the_account_can_do(rules_host: SshServer) -> None:
    assert rules_host.namespace is not None
    said = rules_host.namespace.run(
        "ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "IdentityAgent=none",
        "-o", f"UserKnownHostsFile={rules_host.known_hosts}", "-i", str(rules_host.key),
        "-p", str(rules_host.port), f"{rules_host.account}@{rules_host.address}", "cat /etc/passwd",
    )  # fmt: skip
    assert '"nftables"' in said
    assert "root:" not in said


def test_unknown_host_key(rules_host: SshServer, tmp_path: Path) -> None:
    nobody = tmp_path / "empty known hosts"  # a blank in the path, too
    nobody.touch()
    assert "host key is not known" in refusal(rules_host, known_hosts=nobody)


def test_changed_host_key(rules_host: SshServer, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other")
    hosts = tmp_path / "known_hosts"
    hosts.write_text(f"[{rules_host.address}]:{rules_host.port} {other}\n")
    assert "host key has changed" in refusal(rules_host, known_hosts=hosts)


def test_a_key_that_is_not_allowed(rules_host: SshServer, tmp_path: Path) -> None:
    make_key(tmp_path / "stranger")
    assert "permission denied" in refusal(rules_host, key=str(tmp_path / "stranger"))


def test_a_key_that_others_can_read(rules_host: SshServer, tmp_path: Path) -> None:
    key = tmp_path / "open"
    key.write_bytes(rules_host.key.read_bytes())
    key.chmod(0o644)
    assert "chmod 600" in refusal(rules_host, key=str(key))


def test_the_key_itself_is_refused_and_not_repeated(rules_host: SshServer) -> None:
    key = rules_host.key.read_text()
    cause = refusal(rules_host, key=key)
    assert "path of a private key file" in cause
    assert key.splitlines()[1] not in cause


def test_a_key_file_that_is_not_there(rules_host: SshServer, tmp_path: Path) -> None:
    assert "not there" in refusal(rules_host, key=str(tmp_path / "gone"))


def test_nothing_of_the_environment_s_secrets_reaches_ssh(
    rules_host: SshServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spy = tmp_path / "ssh"
    spy.write_text(f'#!/bin/sh\nenv > {tmp_path}/seen; echo "$@" >> {tmp_path}/seen; exit 1\n')
    spy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SITIV_SECRET_OTHER", "correct-horse")
    refusal(rules_host)
    seen = (tmp_path / "seen").read_text()
    assert "correct-horse" not in seen
    assert "PRIVATE KEY" not in seen


def test_stopped_server(rules_host: SshServer, tmp_path: Path) -> None:
    server = SshServer(tmp_path / "short", "192.0.2.1", 2224, namespace=rules_host.namespace)
    with server:
        read(server)
    assert "connection refused" in refusal(server)


@pytest.mark.parametrize("odd_host", ["echo garbage"], indirect=True)
def test_garbage(odd_host: SshServer) -> None:
    assert "not nft's JSON" in refusal(odd_host)


@pytest.mark.parametrize("odd_host", ["echo '{}'", "echo '[1]'", "true"], indirect=True)
def test_json_of_something_else(odd_host: SshServer) -> None:
    assert "not nft's JSON" in refusal(odd_host)


@pytest.mark.parametrize("odd_host", ["nft -j list ruleset | head -c 30"], indirect=True)
def test_an_answer_cut_short(odd_host: SshServer) -> None:
    assert "not nft's JSON" in refusal(odd_host)


@pytest.mark.parametrize("odd_host", ["nft -j list table inet none"], indirect=True)
def test_nft_s_own_error(odd_host: SshServer) -> None:
    assert "nft failed: Error: No such file or directory" in refusal(odd_host)


@pytest.mark.parametrize("odd_host", ["sleep 60"], indirect=True)
def test_a_server_that_never_ends_is_given_up(odd_host: SshServer) -> None:
    begun = time.monotonic()
    assert "no whole answer within 2 s" in refusal(odd_host, seconds=2)
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize("odd_host", ["yes"], indirect=True)
def test_a_flood_is_cut(odd_host: SshServer) -> None:
    assert "MiB of answer" in refusal(odd_host)
