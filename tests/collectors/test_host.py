"""A machine read by the role's own program, over a real SSH server that forces it."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sitiv_infra.collectors import host_values as values
from sitiv_infra.collectors.base import Session
from sitiv_infra.collectors.host import COLLECTOR
from sitiv_infra.errors import NotObserved
from sitiv_infra.estate import ReadHost
from sitiv_infra.facts import HostFacts, Unread
from sitiv_infra.lab import sshd
from sitiv_infra.lab.sshd import SshServer
from sitiv_infra.secrets import Secrets
from sitiv_infra.testing import estate_of

PROGRAM = Path(__file__).parents[2] / "playbooks" / "roles" / "baseline" / "files" / "sitiv-facts"
ESTATE = estate_of("machines: {web: {site: a, role: web}}")
RULES = "table inet host { chain input { type filter hook input priority 0; }; }"


def host_of(server: SshServer, name: str | None = None, seconds: float = 60) -> ReadHost:
    return ReadHost(
        name="web", site="a", host=name or server.address, port=server.port,
        account=server.account, credential="ssh-audit", observed_from="admin",
        timeout=timedelta(seconds=seconds),
    )  # fmt: skip


def read(
    server: SshServer, *, name: str | None = None, ssh_config: Path | None = None
) -> HostFacts:
    secrets = Secrets(environment={"SITIV_SECRET_SSH_AUDIT": str(server.key)})
    session = Session(ESTATE, secrets, 5, known_hosts=server.known_hosts, ssh_config=ssh_config)
    assert server.namespace is not None
    with server.namespace.inside():
        facts = COLLECTOR(host_of(server, name), session)
    assert isinstance(facts, HostFacts)
    return facts


def refusal(server: SshServer, **given: Any) -> str:
    with pytest.raises(NotObserved) as caught:
        read(server, **given)
    return str(caught.value)


@pytest.fixture(scope="module")
def machine(rules_host: SshServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    """A server beside that of the firewall, whose one command tells what this machine is."""
    folder, space = tmp_path_factory.mktemp("machine"), rules_host.namespace
    with SshServer(folder, "192.0.2.1", 2225, command=str(PROGRAM), namespace=space) as server:
        yield server


def ask(server: SshServer, *words: str) -> subprocess.CompletedProcess[str]:
    assert server.namespace is not None
    command = [
        "ip", "netns", "exec", server.namespace.name, "ssh", "-F", "none", "-o", "BatchMode=yes",
        "-o", "IdentityAgent=none", "-o", f"UserKnownHostsFile={server.known_hosts}",
        "-i", str(server.key), "-p", str(server.port), f"{server.account}@{server.address}",
    ]  # fmt: skip
    return subprocess.run(
        [*command, *words], capture_output=True, text=True, timeout=120, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture(scope="module")
def recorded(machine: SshServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give one whole answer of the machine: it takes seconds, most of them of apt."""
    answer = tmp_path_factory.mktemp("recorded") / "answer.json"
    answer.write_text(ask(machine, "sitiv-facts").stdout)
    return answer


@pytest.fixture(scope="module")
def repeating(
    machine: SshServer, recorded: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SshServer]:
    """A server that gives the recorded answer, for those who ask about the way to it."""
    folder, space = tmp_path_factory.mktemp("repeating"), machine.namespace
    with SshServer(folder, "192.0.2.1", 2231, command=f"cat {recorded}", namespace=space) as one:
        yield one


def test_a_machine_tells_what_it_is(machine: SshServer) -> None:
    assert machine.namespace is not None
    machine.namespace.filter(RULES)
    facts = read(machine)
    assert facts.system.startswith("debian-")
    assert facts.booted_at < datetime.now(UTC)
    assert facts.ahead == 0.0
    assert not isinstance(facts.ruleset, Unread)
    assert [next(iter(item)) for item in facts.ruleset] == ["table", "chain"]
    assert not isinstance(facts.sshd, Unread)
    assert facts.sshd.options["permitrootlogin"]
    assert not isinstance(facts.packages, Unread)
    assert "openssh-server" in facts.packages
    assert not isinstance(facts.mounts, Unread)
    assert "/" in {mount.target for mount in facts.mounts}
    assert not isinstance(facts.sockets, Unread)
    assert (2225, "sshd") in {(socket.port, socket.program) for socket in facts.sockets}
    assert not isinstance(facts.updates, Unread)
    assert HostFacts.model_validate_json(facts.model_dump_json()) == facts


def test_whatever_is_asked_for_two_answers_are_known(machine: SshServer, recorded: Path) -> None:
    assert json.loads(ask(machine).stdout)["format"] == 1
    assert json.loads(recorded.read_text())["format"] == 1
    assert "nftables" in json.loads(ask(machine, "nft -j list ruleset").stdout)
    for wish in ("cat /etc/passwd", "sitiv-facts; id", "nft flush ruleset", "$(id)", "sh"):
        told = ask(machine, wish)
        assert told.returncode == 126
        assert told.stdout == ""
    assert machine.namespace is not None
    assert "chain input" in machine.namespace.run("nft", "list", "ruleset")


def test_it_reads_and_changes_nothing(machine: SshServer) -> None:
    """No cache of apt is written, and no lock is taken."""
    cache = Path("/var/cache/apt")
    before = {path: path.stat().st_mtime_ns for path in cache.glob("*.bin")}
    read(machine)
    assert {path: path.stat().st_mtime_ns for path in cache.glob("*.bin")} == before


def test_the_way_may_stand_in_a_configuration(repeating: SshServer, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(f"Host web.test\n  HostName {repeating.address}\n")
    assert read(repeating, name="web.test", ssh_config=config).kernel
    assert "can't be resolved" in refusal(repeating, name="web.test")


@pytest.fixture
def jump(
    rules_host: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SshServer]:
    """A bastion: its key passes connections on, and its own command is as any other's."""
    text = sshd.CONFIGURATION.replace("AllowTcpForwarding no", "AllowTcpForwarding local")
    monkeypatch.setattr(sshd, "CONFIGURATION", text)
    folder, space = tmp_path / "jump", rules_host.namespace
    with SshServer(folder, "192.0.2.1", 2226, command="false", namespace=space) as server:
        public = server.key.with_suffix(".pub").read_text()
        (folder / "authorized").write_text(f'restrict,port-forwarding,command="false" {public}')
        yield server


def jumping(jump: SshServer, folder: Path, key: Path | None = None) -> Path:
    config = folder / "config"
    config.write_text(
        f"Host bastion\n  HostName {jump.address}\n  Port {jump.port}\n  User {jump.account}\n"
        f"  IdentityFile {key or jump.key}\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {jump.known_hosts}\n  StrictHostKeyChecking yes\n"
        "  BatchMode yes\nHost 192.0.2.1\n  ProxyJump bastion\n"
    )
    return config


def test_through_a_jump_host(repeating: SshServer, jump: SshServer, tmp_path: Path) -> None:
    assert read(repeating, ssh_config=jumping(jump, tmp_path)).kernel


def test_a_jump_host_that_refuses_is_named(
    machine: SshServer, jump: SshServer, tmp_path: Path
) -> None:
    config = jumping(jump, tmp_path, machine.key)
    said = refusal(machine, ssh_config=config)
    assert "the jump host before it was not passed: it refused the account or the key" in said
    jump.allow(jump.key.with_suffix(".pub").read_text())  # it passes nothing on any more
    said = refusal(machine, ssh_config=jumping(jump, tmp_path))
    assert "the jump host lets nothing through to it" in said


def test_nothing_listens_behind_the_jump_host(
    machine: SshServer, jump: SshServer, tmp_path: Path
) -> None:
    closed = SshServer(tmp_path / "none", "192.0.2.1", 2227, namespace=machine.namespace)
    closed.key, closed.known_hosts = machine.key, machine.known_hosts
    said = refusal(closed, ssh_config=jumping(jump, tmp_path))
    assert said == "ssh://192.0.2.1:2227: it can't be reached: connection refused"


@pytest.mark.parametrize("command", ["echo {}", "echo []", "echo 2", "true"])
def test_another_program_s_answer_is_refused(
    rules_host: SshServer, tmp_path: Path, command: str
) -> None:
    space = rules_host.namespace
    with SshServer(tmp_path, "192.0.2.1", 2228, command=command, namespace=space) as odd:
        assert "not that of sitiv-facts" in refusal(odd)


def test_a_program_that_is_not_there_is_told(rules_host: SshServer, tmp_path: Path) -> None:
    space = rules_host.namespace
    with SshServer(tmp_path, "192.0.2.1", 2229, command="/nowhere", namespace=space) as odd:
        assert "sitiv-facts failed: " in refusal(odd)


# What programs print, and what is made of it.


def test_the_system_is_named_as_the_estate_does() -> None:
    assert values.system('NAME="Debian"\nID=debian\nVERSION_ID="12"\n') == "debian-12"
    assert values.system("") == "?-?"


def test_a_clock_is_ahead_when_it_can_t_be_otherwise() -> None:
    asked = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
    answered = asked + timedelta(seconds=4)
    for second, apart in ((-10, -10.0), (0, 0.0), (2, 0.0), (4, 0.0), (14, 10.0)):
        assert values.ahead(asked + timedelta(seconds=second), asked, answered) == apart


CONDITIONAL = """Match User backup,"eve"  # a comment
  PasswordAuthentication yes
  # nothing
  X11Forwarding=yes
Match Address 10.0.0.0/8
  ForceCommand "/bin/true"
"""


def test_options_below_a_match() -> None:
    effective = "port 22\nport 2222\npermitrootlogin no\nallowgroups a\nciphers x,y\n"
    found = values.sshd(effective, {"/etc/ssh/sshd_config": CONDITIONAL})
    assert found.options["port"] == ("22", "2222")
    assert [(c.match, c.option, c.value) for c in found.conditional] == [
        ('User backup,"eve', "passwordauthentication", "yes"),
        ('User backup,"eve', "x11forwarding", "yes"),
        ("Address 10.0.0.0/8", "forcecommand", "/bin/true"),
    ]
    with pytest.raises(ValueError, match="whole"):
        values.sshd("port 22\n", {})


TRACKING = (
    "0A0A500B,10.10.80.11,11,1795334402.6,-0.000012,0.000003,0.00004,-1.5,0.0,0.1,0.0003,"
    "0.0001,64.2,{0}\n"
)
SOURCES = "^,*,10.10.80.11,10,6,377,22,0.00001,0.00002,0.0001\n^,?,10.20.80.11,0,6,0,-,0,0,0\n"


def test_chrony() -> None:
    sources = values.clock_sources(SOURCES)
    assert [(s.name, s.state, s.reached) for s in sources] == [
        ("10.10.80.11", "selected", 8),
        ("10.20.80.11", "unusable", 0),
    ]
    clock = values.clock(TRACKING.format("Normal"), sources)
    assert (clock.synchronised, clock.offset, clock.stratum) == (True, -0.000012, 11)
    assert not values.clock(TRACKING.format("Not synchronised"), sources).synchronised


APT = """Reading package lists...
Inst libssl3 [3.0.14-1] (3.0.15-1~deb12u1 Debian-Security:12/stable-security [amd64]) []
Inst bash [5.2.15-2+b8] (5.2.15-2+b13 Debian:12.15/stable [amd64])
Inst both [1-1] (1-2 Debian:12.15/stable, Debian-Security:12/stable-security [amd64])
Inst linux-image-6.1.0-40-amd64 (6.1.153-1 Debian-Security:12/stable-security [amd64])
Conf libssl3 (3.0.15-1~deb12u1 Debian-Security:12/stable-security [amd64])
"""
LISTS = [
    {"Label": "Debian", "Suite": "stable", "Date": "Sat, 21 Nov 2026 01:00:00 UTC"},
    {"Label": "Debian-Security", "Date": "Fri, 20 Nov 2026 00:12:41 UTC"},
    {"Codename": "bookworm-security", "Date": "Thu, 19 Nov 2026 00:00:00 +0000"},
]  # fmt: skip


def test_updates() -> None:
    found = values.updates(APT, LISTS)
    assert [u.package for u in found.security] == ["libssl3", "both"]
    assert found.others == 1
    assert found.listed_at == datetime(2026, 11, 20, 0, 12, 41, tzinfo=UTC)
    assert values.updates("", LISTS[:1]).listed_at is None


SS = """tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=1,fd=3),("sshd",pid=2,fd=3))
tcp LISTEN 0 128 [::]:22 [::]:* users:(("sshd",pid=1,fd=4))
udp UNCONN 0 0 127.0.0.1%lo:323 0.0.0.0:*
udp UNCONN 0 0 127.0.0.1%lo:323 0.0.0.0:*
"""


def test_sockets() -> None:
    found = [(s.protocol, s.address, s.port, s.program) for s in values.sockets(SS)]
    assert found == [
        ("tcp", "0.0.0.0", 22, "sshd"),
        ("tcp", "::", 22, "sshd"),
        ("udp", "127.0.0.1%lo", 323, None),
    ]


def test_failed_units() -> None:
    listed = "rsyslog.service loaded failed failed System Logging\nx.mount not-found failed\n"
    assert values.units(listed) == ("rsyslog.service", "x.mount")
    assert values.units("") == ()


def told(machine: SshServer, recorded: Path, tmp_path: Path, **programs: object) -> HostFacts:
    """Read a machine that prints a recorded answer, with some programs' answers put in place."""
    data = json.loads(recorded.read_text())
    data["programs"] |= copy.deepcopy(programs)
    answer = tmp_path / "answer.json"
    answer.write_text(json.dumps(data))
    folder, space = tmp_path / "told", machine.namespace
    with SshServer(folder, "192.0.2.1", 2230, command=f"cat {answer}", namespace=space) as server:
        return read(server)


def test_what_one_program_can_t_tell_is_unread_and_the_rest_is_kept(
    machine: SshServer, recorded: Path, tmp_path: Path
) -> None:
    facts = told(
        machine, recorded, tmp_path,
        nft={"error": "can't be run: No such file or directory"},
        sshd={"code": 255, "out": "", "err": "Missing privilege separation directory\nmore"},
        tracking={"code": 1, "out": "506 Cannot talk to daemon\n", "err": ""},
        sources={"code": 0, "out": SOURCES, "err": ""},
        mounts={"code": 0, "out": "{cut", "err": ""},
        packages={"code": 0, "out": "", "err": ""},
        updates={"code": 100, "out": "", "err": ""},
        units={"code": 0, "out": "", "err": ""},
        sockets={"code": 0, "out": "garbage\n", "err": ""},
    )  # fmt: skip
    causes = {name: value.unread for name, value in facts if isinstance(value, Unread)}
    assert causes == {
        "ruleset": "nft: can't be run: No such file or directory",
        "sshd": "sshd -T failed: Missing privilege separation directory",
        "clock": "chronyc failed: 506 Cannot talk to daemon",
        "mounts": "findmnt printed what is not understood",
        "packages": "dpkg-query printed what is not understood",
        "updates": "apt-get failed: exit code 100",
        "sockets": "ss printed what is not understood",
    }
    assert facts.failed_units == ()
