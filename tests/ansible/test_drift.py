"""What a run in check mode would change is written down: real runs of ansible-playbook."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from sitiv_infra.collectors.base import Session
from sitiv_infra.collectors.drift import COLLECTOR
from sitiv_infra.errors import NotObserved
from sitiv_infra.estate import Estate, load
from sitiv_infra.facts import DriftFacts
from sitiv_infra.lab.process import free_port
from sitiv_infra.secrets import Secrets
from sitiv_infra.testing import NOW, OPERATOR, judged

Line = dict[str, Any]
ESTATE = """
vlans: {web: {vid: 10, zone: admin, sites: [a], subnets: [127.0.0.0/24]}}
machines:
  web-a1: {site: a, role: web, os: debian-12, interfaces: [{vlan: web, addresses: [127.0.0.1]}]}
  web-a2: {site: a, role: web, os: debian-12, interfaces: [{vlan: web, addresses: [127.0.0.2]}]}
drifts: {site: {playbook: site.yml, observed_from: admin, max_age: 25h}}
"""
FILES = """
- name: Everything
  hosts: {hosts}
  gather_facts: false
  tasks:
    - name: Public file
      ansible.builtin.copy:
        content: "MaxAuthTries 4\\nPort 22\\nnote opensesame\\n"
        dest: "{folder}/public"
        mode: "0644"
    - name: Private file
      ansible.builtin.copy:
        content: "wanted-private\\n"
        dest: "{folder}/private"
        mode: "0600"
    - name: Silent file
      ansible.builtin.copy:
        content: "wanted-silent\\n"
        dest: "{folder}/silent"
        mode: "0644"
      no_log: true
    - name: Folders
      ansible.builtin.file:
        path: "{folder}/{{{{ item.name }}}}"
        state: directory
        mode: "0755"
      loop:
        - {{name: one, word: in-an-item}}
        - {{name: two, word: in-an-item}}
    - name: Silent folders
      ansible.builtin.file:
        path: "{folder}/{{{{ item }}}}"
        state: directory
        mode: "0755"
      loop: [in-a-silent-item]
      no_log: true
"""


@dataclass
class Place:
    """A folder with an inventory and a playbook that are run as the night runs them."""

    folder: Path
    repository: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def drift(self) -> Path:
        return self.folder / "drift"

    @property
    def host(self) -> Path:
        """Give the folder that stands for a host's files."""
        return self.folder / "host"

    def write(self, text: str) -> None:
        (self.folder / "site.yml").write_text(text)

    def command(self, *arguments: object) -> list[str]:
        program = Path(sys.executable).with_name("ansible-playbook")
        more = ["-e", f"ansible_python_interpreter={sys.executable}", "-e", "ansible_become=false"]
        return [str(program), "site.yml", *more, *map(str, arguments)]

    def variables(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_")}
        return kept | {
            "ANSIBLE_CONFIG": str(self.repository / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.folder / "home"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_CALLBACKS_ENABLED": "sitiv.infra.drift",
            "SITIV_DRIFT": str(self.drift),
            "LC_ALL": "C.UTF-8",
            **self.environment,
        }

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), cwd=self.folder, env=self.variables(), capture_output=True,
            text=True, stdin=subprocess.DEVNULL, timeout=120, check=False,
        )  # fmt: skip

    def check(self, *arguments: object) -> list[Line]:
        """Run in check mode, and give the lines that this left."""
        done = self.run("--check", "--diff", *arguments)
        assert "drift" not in done.stderr, done.stderr
        return self.lines()

    def lines(self) -> list[Line]:
        text = (self.drift / "site.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def estate(self) -> Estate:
        return load(self.folder / "inventory" / "estate")

    def facts(self) -> DriftFacts:
        estate = self.estate()
        facts = COLLECTOR(estate.drifts["site"], Session(estate, Secrets(), 5, drift=self.drift))
        assert isinstance(facts, DriftFacts)
        return facts

    def refusal(self) -> str:
        with pytest.raises(NotObserved) as caught:
            self.facts()
        return str(caught.value)


@pytest.fixture
def place(tmp_path: Path, repository: Path) -> Place:
    inventory = tmp_path / "inventory"
    (inventory / "estate").mkdir(parents=True)
    (inventory / "estate.yml").write_text("plugin: sitiv.infra.estate\nsource: estate\n")
    (inventory / "estate" / "all.yml").write_text(OPERATOR + ESTATE)
    (tmp_path / "host").mkdir()
    return Place(tmp_path, repository)


def of(record: str, lines: list[Line]) -> list[Line]:
    return [line for line in lines if line["record"] == record]


def plant(place: Place) -> None:
    """Make the folder what the playbook wants, but for what a hand changed."""
    (place.host / "public").write_text("MaxAuthTries 40\nPort 22\nnote opensesame\n")
    (place.host / "private").write_text("found-private\n")
    (place.host / "silent").write_text("found-silent\n")
    for name in ("public", "private", "silent"):
        (place.host / name).chmod(0o600 if name == "private" else 0o644)
    (place.host / "one").mkdir(mode=0o755)


def test_drift_is_written_down_without_secrets(place: Place) -> None:
    plant(place)
    place.write(FILES.format(hosts="localhost", folder=place.host))
    secrets = '{"sitiv_secrets": {"word": "opensesame"}}'
    lines = place.check("-i", "localhost,", "-c", "local", "-e", secrets)
    assert [line["record"] for line in lines[:2]] == ["begin", "play"]
    assert lines[0]["check"] is True
    assert lines[-1]["lines"] == len(lines)
    changes = of("change", lines)
    assert [(c["task"], c["item"], c["diff"]) for c in changes] == [
        ("Public file", None, ["-MaxAuthTries 40", "+MaxAuthTries 4"]),
        ("Private file", None, ["(content not shown)"]),
        ("Silent file", None, []),
        ("Folders", "two", ["state: absent -> directory"]),
        ("Silent folders", None, []),
    ]
    assert {c["host"] for c in changes} == {"localhost"}
    assert changes[0]["place"] == "site.yml:6"
    assert changes[0]["action"] == "ansible.builtin.copy"
    text = (place.drift / "site.jsonl").read_text()
    for secret in ("private\\n", "-private", "-silent", "in-an-item", "in-a-silent", "opensesame"):
        assert secret not in text, secret


def test_a_known_secret_is_hidden_in_a_public_file(place: Place) -> None:
    (place.host / "public").write_text("other\n")
    place.write(FILES.format(hosts="localhost", folder=place.host))
    secrets = '{"sitiv_secrets": {"word": "opensesame"}}'
    lines = place.check("-i", "localhost,", "-c", "local", "-e", secrets)
    assert "+note ***" in of("change", lines)[0]["diff"]
    assert "opensesame" not in (place.drift / "site.jsonl").read_text()


COMMANDS = """
- name: Commands
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Would run
      ansible.builtin.command: "true"
    - name: Never changes
      ansible.builtin.command: "true"
      changed_when: false
    - name: Perhaps
      ansible.builtin.command: "true"
      register: told
      changed_when: told.stdout != ''
    - name: Left out on purpose
      ansible.builtin.file: {path: /nowhere, state: absent}
      when: not ansible_check_mode
    - name: Only waits
      ansible.builtin.wait_for: {port: 1}
      when: not ansible_check_mode
    - name: Not this time
      ansible.builtin.file: {path: /nowhere, state: absent}
      when: false
    - name: Only says so
      ansible.builtin.debug:
      changed_when: true
      notify: Reload
    - name: Mended
      block:
        - name: Fails first
          ansible.builtin.fail: {msg: "token=abcdef"}
      rescue:
        - name: Helps
          ansible.builtin.debug:
    - name: Fails
      ansible.builtin.fail: {msg: "token=abcdef is wrong"}
  handlers:
    - name: Reload
      ansible.builtin.command: "true"
- name: Elsewhere
  hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.ping:
"""


def test_what_check_mode_can_t_foretell_is_said(place: Place) -> None:
    place.write(COMMANDS)
    lines = place.check("-i", "localhost,", "-c", "local")
    assert [c["task"] for c in of("change", lines)] == ["Would run"]
    found = [(t["kind"], t["task"]) for t in of("trouble", lines)]
    assert found == [
        ("unforeseen", "Perhaps"),
        ("unforeseen", "Left out on purpose"),
        ("failed", "Fails first"),
        ("failed", "Fails"),
    ]
    assert "abcdef" not in (place.drift / "site.jsonl").read_text()
    assert lines[0]["plays"] == ["Commands", "Elsewhere"]
    assert lines[-1]["plays"] == ["Commands"], "the only host had failed: Ansible stopped there"


BOTH = """
- name: One that is changed
  hosts: web-a1
  connection: local
  gather_facts: false
  tasks:
    - name: Public file
      ansible.builtin.copy:
        content: "MaxAuthTries 4\\n"
        dest: "{folder}/public"
        mode: "0644"
- name: One that is away
  hosts: web-a2
  gather_facts: false
  ignore_unreachable: {ignore}
  tasks:
    - name: Reach it
      ansible.builtin.ping:
- name: One that acts for another
  hosts: web-a1
  connection: local
  gather_facts: false
  tasks:
    - name: Elsewhere
      ansible.builtin.copy: {{content: x, dest: "{folder}/delegated", mode: "0600"}}
      delegate_to: bench
"""


@pytest.fixture
def both(place: Place) -> Place:
    (place.host / "public").write_text("MaxAuthTries 40\n")
    place.write(BOTH.format(folder=place.host, ignore="true"))
    return place


def away() -> list[str]:
    port = f"ansible_port={free_port()}"
    return ["-i", "inventory", "-e", port, "-e", "ansible_ssh_retries=0"]


def test_a_hand_made_change_is_named_by_the_audit(both: Place) -> None:
    lines = both.check(*away())
    facts = both.facts()
    assert facts.hosts == ("web-a1", "web-a2")
    assert [c.host for c in facts.changes] == ["web-a1", "bench"]
    assert lines[-1]["estate"] == both.estate().fingerprint
    found = judged("drift.none", both.estate(), {"drift/site": facts}, now=facts.ended)
    item = found["sitiv/machine/web-a1@site"]
    assert item.status == "fail"
    assert item.evidence["task"] == "Public file"
    assert item.evidence["place"] == "site.yml:7"
    assert item.evidence["difference"] == "-MaxAuthTries 40 ⏎ +MaxAuthTries 4"
    assert found["sitiv/drift/site/bench"].status == "fail", "nobody declared it"
    recent = judged("drift.recent", both.estate(), {"drift/site": facts}, now=facts.ended)
    assert {v.status for v in recent.values()} == {"pass"}, "it was to be left out when away"


def test_a_host_that_is_away_is_not_known(both: Place) -> None:
    both.write(BOTH.format(folder=both.host, ignore="false"))
    both.check(*away())
    facts = both.facts()
    assert [(t.kind, t.host) for t in facts.troubles] == [("unreachable", "web-a2")]
    assert facts.skipped_plays == ("One that acts for another",)
    found = judged("drift.none", both.estate(), {"drift/site": facts}, now=facts.ended)
    statuses = {path.rpartition("/")[2]: v.status.value for path, v in found.items()}
    assert statuses == {"web-a1@site": "fail", "web-a2@site": "unknown"}
    recent = judged("drift.recent", both.estate(), {"drift/site": facts}, now=facts.ended)
    assert {v.status for v in recent.values()} == {"fail"}


FATAL = """
- name: Together
  hosts: web-a1,web-a2
  connection: local
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - name: Fails on one
      ansible.builtin.assert: {that: inventory_hostname != 'web-a1'}
    - name: Comes after
      ansible.builtin.ping:
"""


ONCE = FATAL.replace("any_errors_fatal: true", "max_fail_percentage: 10")


@pytest.mark.parametrize("text", [FATAL, ONCE], ids=["any error", "too many errors"])
def test_hosts_of_a_play_that_broke_off_are_not_known(place: Place, text: str) -> None:
    place.write(text)
    place.check("-i", "inventory")
    facts = place.facts()
    found = judged("drift.none", place.estate(), {"drift/site": facts}, now=facts.ended)
    assert {v.status for v in found.values()} == {"unknown"}


SERIAL = FATAL.replace("any_errors_fatal: true", "serial: 1")


def test_hosts_of_a_batch_that_never_came_are_not_known(place: Place) -> None:
    place.write(SERIAL)
    place.check("-i", "inventory")
    facts = place.facts()
    assert facts.unmet == {"web-a2": "Together"}


def test_a_run_that_is_killed_leaves_what_is_known_to_be_incomplete(place: Place) -> None:
    quick = FATAL.replace("!= 'web-a1'", "!= ''")
    place.write(quick)
    place.check("-i", "inventory")
    assert place.facts().troubles == ()
    place.write(quick + "    - {name: Waits, ansible.builtin.wait_for: {timeout: 600}}\n")
    command = place.command("--check", "-i", "inventory")
    process = subprocess.Popen(
        command, cwd=place.folder, env=place.variables(), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        end = time.monotonic() + 60
        while of("end", place.lines()) and time.monotonic() < end:
            time.sleep(0.1)
        assert "has not come to its end" in place.refusal(), "while it goes on"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert "has not come to its end" in place.refusal(), "and when it was killed"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "without --check"),
        (("--check", "--limit", "web-a1"), "--limit"),
        (("--check", "--tags", "never"), "--tags"),
        (("--check", "--skip-tags", "x"), "--skip-tags"),
        (("--check", "--start-at-task", "Comes after"), "--start-at"),
    ],
)
def test_a_run_that_is_not_one_of_everything_is_refused(
    place: Place, arguments: tuple[str, ...], said: str
) -> None:
    place.write(FATAL.replace("!= 'web-a1'", "!= ''"))
    place.run("-i", "inventory", *arguments)
    assert said in place.refusal()


def test_a_run_of_another_declaration_is_refused(place: Place) -> None:
    place.write(FATAL.replace("!= 'web-a1'", "!= ''"))
    place.check("-i", "inventory")
    assert judged("drift.recent", place.estate(), {"drift/site": place.facts()}, now=NOW)
    more = place.folder / "inventory" / "estate" / "more.yml"
    more.write_text("machines: {web-a3: {site: a, role: web}}")
    assert "declared otherwise" in place.refusal()
    place.check("-i", "web-a1,web-a2,")
    assert "nothing says of which estate" in place.refusal()


def test_it_is_off_unless_it_is_asked_for(place: Place) -> None:
    place.write(FATAL)
    place.environment = {"ANSIBLE_CALLBACKS_ENABLED": ""}
    place.run("--check", "-i", "inventory")
    assert not place.drift.exists()


def test_a_folder_that_can_t_be_written_stops_nothing(place: Place) -> None:
    place.write(FATAL.replace("!= 'web-a1'", "!= ''"))
    place.drift.write_text("a file, no folder")
    done = place.run("--check", "-i", "inventory")
    assert done.returncode == 0
    assert "nothing can be written" in done.stderr


@pytest.fixture
def short() -> Iterator[Path]:
    """Give a folder with a short name: a long one looks like a secret."""
    with TemporaryDirectory(prefix="", dir=Path("/var/tmp")) as folder:
        yield Path(folder)


def test_files_that_one_task_writes_are_told_one_by_one(place: Place, short: Path) -> None:
    place.write(f"""
- name: Everything
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Several
      sitiv.infra.files:
        files:
          - {{path: {short}/public, content: "MaxAuthTries 4\\n"}}
          - {{path: {short}/private, content: "wanted-private\\n", mode: "0600"}}
""")
    short.joinpath("public").write_text("MaxAuthTries 40\n")
    short.joinpath("public").chmod(0o644)
    lines = place.check("-i", "localhost,", "-c", "local")
    assert [(c["task"], c["item"], c["diff"]) for c in of("change", lines)] == [
        ("Several", f"{short}/public", ["-MaxAuthTries 40", "+MaxAuthTries 4"]),
        ("Several", f"{short}/private", ["(content not shown)"]),
    ]
    assert "wanted-private" not in str(lines)
