# GNU General Public License v3.0-or-later
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run in check mode would change, as JSON lines; a thin shell over the library."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible import context
from ansible.errors import AnsibleError
from ansible.plugins.callback import CallbackBase
from ansible.release import __version__ as ansible_version

if TYPE_CHECKING:
    from ansible.executor.stats import AggregateStats
    from ansible.executor.task_result import CallbackTaskResult
    from ansible.inventory.host import Host
    from ansible.playbook import Playbook
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task

DOCUMENTATION = r"""
name: drift
type: notification
short_description: What a run in check mode would change, as JSON lines
version_added: 0.1.0
author: sitiv_infra contributors
description:
  - Writes one file a playbook, C(site.jsonl) for C(site.yml), with a line for each task that would
    change its host, and one for each that failed, did not reach its host or can't be foretold.
  - The first line says what was run, the last one that the run came to its end. A run that was
    killed leaves a file without its last line; the file of the run before is gone by then.
  - Nothing of a task with C(no_log) is written but that it would change something. The content of
    a file is shown only where the task's own C(mode) lets everybody read it, and what looks like a
    secret is hidden even there.
  - C(sitiv audit --drift FOLDER) reads it.
requirements:
  - The Python package sitiv-infra, in the Python that runs Ansible
  - to be enabled, as in C(ANSIBLE_CALLBACKS_ENABLED=sitiv.infra.drift)
options:
  folder:
    description: Folder of the files; made where it is missing.
    type: path
    required: true
    env: [{name: SITIV_DRIFT}]
    ini: [{section: sitiv_drift, key: folder}]
"""

try:
    from sitiv_infra.foretold import FORMAT, Discretion, Writer, label_of, may_be_shown
except ImportError as error:
    MISSING: ImportError | None = error
else:
    MISSING = None

# Actions that change nothing on their host, whatever they say.
HARMLESS = frozenset(
    {
        "assert", "debug", "fail", "find", "gather_facts", "getent", "include_vars", "meta",
        "package_facts", "pause", "ping", "service_facts", "set_fact", "setup", "slurp", "stat",
        "wait_for", "wait_for_connection",
    }
)  # fmt: skip
FILES = "sitiv.infra.files"  # it shows no content itself that not everybody may read
WOULD_RUN = "Command would have run"
REFUSED = "does not support check mode"


class CallbackModule(CallbackBase):
    """Writes down what a run in check mode would change."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "sitiv.infra.drift"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, **given: Any) -> None:  # noqa: ANN401 - Ansible's own
        super().__init__(**given)
        self.run: _Run | None = None

    def v2_playbook_on_start(self, playbook: Playbook) -> None:
        """Begin a file; where none can be begun, the old one must not stand for this run."""
        folder = Path(self.get_option("folder"))
        name = Path(playbook._file_name).name  # noqa: SLF001 - Ansible has no other way
        try:
            if MISSING is not None:
                folder.joinpath(name).with_suffix(".jsonl").unlink(missing_ok=True)
                self._give_up(f"install sitiv-infra in the Python that runs Ansible: {MISSING}")
            else:
                self.run = _Run(folder, name, [play.get_name() for play in playbook.get_plays()])
        except OSError as error:
            self._give_up(f"nothing can be written: {error}")

    def _give_up(self, why: str) -> None:
        """Write no more: a file without its end is known to be incomplete."""
        self._display.warning(f"sitiv.infra.drift: {why}")
        self.disabled = True

    def v2_playbook_on_play_start(self, play: Play) -> None:
        """Note who a play is for."""
        self._told(lambda run: run.play(play))

    def v2_runner_on_start(self, host: Host, task: Task) -> None:  # noqa: ARG002 - Ansible's own
        """Note that a play reached a host."""
        self._told(lambda run: run.met(host.name))

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        """Note a task that would change its host; a loop tells of its items one by one."""
        if result.is_changed() and not _is_loop(result):
            self._told(lambda run: run.change(result))

    def v2_runner_item_on_ok(self, result: CallbackTaskResult) -> None:
        """Note an item of a loop."""
        if result.is_changed():
            self._told(lambda run: run.change(result))

    def v2_runner_on_skipped(self, result: CallbackTaskResult) -> None:
        """Note a task that is left out in check mode."""
        if not _is_loop(result):
            self._told(lambda run: run.skipped(result))

    def v2_runner_item_on_skipped(self, result: CallbackTaskResult) -> None:
        """Note an item that is left out in check mode."""
        self._told(lambda run: run.skipped(result))

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:  # noqa: FBT001, FBT002 - Ansible's own
        """Note a task that failed."""
        if not ignore_errors:
            self._told(lambda run: run.trouble("failed", result))

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        """Note a host that was not reached."""
        self._told(lambda run: run.trouble("unreachable", result))

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        """End the file."""
        self._told(lambda run: run.end(stats))

    def _told(self, what: Any) -> None:  # noqa: ANN401 - a lambda
        if self.run is not None:
            try:
                what(self.run)
            except OSError as error:
                self.run = None
                self._give_up(f"nothing more can be written: {error}")


class _Run:
    """One playbook's run."""

    def __init__(self, folder: Path, playbook: str, plays: list[str]) -> None:
        self._here = f"{Path.cwd()}/"
        self.discretion = Discretion()
        self.estate: str | None = None
        self.plays: dict[str, str] = {}
        self.now = ""
        self.waiting: dict[str, set[str]] = {}  # hosts that a play has not reached, by its uuid
        self.limited: set[str] = set()  # plays that too many failures end
        self.broken: dict[str, set[str]] = {}  # hosts whose failure ended a play for all
        self.secrets: set[str] = set()
        given = context.CLIARGS
        self.file = Writer(folder, playbook)
        self.file.write(
            "begin",
            format=FORMAT,
            at=datetime.now(UTC).isoformat(),
            playbook=playbook,
            ansible=ansible_version,
            check=bool(given.get("check")),
            diff=bool(given.get("diff")),
            limit=given.get("subset"),
            tags=sorted(set(given.get("tags") or ()) - {"all"}),
            skip_tags=sorted(given.get("skip_tags") or ()),
            start_at=given.get("start_at_task"),
            plays=plays,
        )

    def play(self, play: Play) -> None:
        """Begin a play, or the next batch of one."""
        self.now = play._uuid  # noqa: SLF001 - the name may stand twice
        if self.now in self.plays:
            return
        self.plays[self.now] = play.get_name()
        if play.max_fail_percentage is not None:
            self.limited.add(self.now)
        known = play.get_variable_manager().get_vars(play=play)
        hosts = list(known.get("ansible_play_hosts_all", ()))
        self.waiting[self.now] = set(hosts)
        self._learn(known, hosts)
        self.file.write("play", play=play.get_name(), hosts=hosts)

    def _learn(self, known: Mapping[str, Any], hosts: list[str]) -> None:
        """Learn which estate this is, and the secrets that must not be written."""
        every = known.get("groups", {}).get("all", ())
        for name in [*hosts[:1], *every[:1]]:
            try:
                variables = known["hostvars"][name]
                self.estate = self.estate or str(variables.get("sitiv_estate") or "") or None
                secrets = variables.get("sitiv_secrets") or {}
            except (AnsibleError, KeyError):  # a file of secrets that is not there, no hosts yet
                continue
            if isinstance(secrets, Mapping):
                self.secrets |= {str(value) for value in secrets.values()}
        self.discretion = Discretion(self.secrets)

    def met(self, host: str) -> None:
        """Note that the play of now reached a host."""
        self.waiting.get(self.now, set()).discard(host)

    def change(self, result: CallbackTaskResult) -> None:
        """Write a task that would change its host, once for each file that it tells of."""
        action = str(result.task.action)
        if action.rpartition(".")[2] in HARMLESS:
            return
        diff = None if _is_secret(result) else result.result.get("diff")
        each = action == FILES and diff
        may_show = bool(each) or may_be_shown(action, result.task.args)
        for one in diff if each else [diff]:
            lines = self.discretion.difference(one, may_show=may_show) if one else ()
            task = self._task(result)
            item = self.discretion.text(one["after_header"]) if each else task["item"]
            self.file.write("change", **{**task, "item": item}, diff=lines)

    def skipped(self, result: CallbackTaskResult) -> None:
        """Write a task that check mode leaves out: a command that would run, or what is not known.

        A task that says of itself that it never changes anything is no matter.
        """
        said = str(result.result.get("msg") or result.result.get("skip_reason") or "")
        condition = str(result.result.get("false_condition") or "")
        would_run = said.startswith(WOULD_RUN)
        if not (would_run or REFUSED in said or "ansible_check_mode" in condition):
            return
        rules = result.task.changed_when
        action = str(result.task.action).rpartition(".")[2]
        if rules == [False] or action in HARMLESS:
            return
        if would_run and rules in ([], [True]):
            self.change(result)
        else:
            self.trouble("unforeseen", result)

    def trouble(self, kind: str, result: CallbackTaskResult) -> None:
        """Write a task that did not tell."""
        said = "" if _is_secret(result) else str(result.result.get("msg") or "")
        task = self._task(result)
        if kind != "unforeseen":  # whoever delegated it gets no further
            task["host"] = result.host.name
            ends = result.task.any_errors_fatal or result.task.run_once
            if ends or self.now in self.limited:
                self.broken.setdefault(self.now, set()).add(result.host.name)
        self.file.write("trouble", kind=kind, **task, said=self.discretion.text(said))

    def _task(self, result: CallbackTaskResult) -> dict[str, Any]:
        task, told = result.task, result.result
        item = None
        if "ansible_loop_var" in told and not _is_secret(result):
            item = label_of(told.get("_ansible_item_label"))
        role = task._role.get_name() if task._role else None  # noqa: SLF001 - the name is not split
        return {
            "host": str(task.delegate_to or result.host.name),
            "play": self.plays.get(self.now, ""),
            "role": role,
            "task": self.discretion.text(str(task.name or task.action)),
            "action": str(task.action),
            "place": str(task.get_path() or "").removeprefix(self._here),
            "item": None if item is None else self.discretion.text(item),
        }

    def end(self, stats: AggregateStats) -> None:
        """Write the last line."""
        ended = {host: stats.summarize(host) for host in sorted(stats.processed)}
        lost = {host for host, count in ended.items() if count["failures"] or count["unreachable"]}
        unmet = {
            host: self.plays[play] for play, hosts in self.waiting.items() for host in sorted(hosts)
        }
        self.file.end(
            at=datetime.now(UTC).isoformat(),
            estate=self.estate,
            plays=list(self.plays.values()),
            broken=[self.plays[play] for play, hosts in self.broken.items() if hosts & lost],
            unmet=unmet,
            hosts=ended,
        )


def _is_loop(result: CallbackTaskResult) -> bool:
    return bool(result.task.loop is not None or result.task.loop_with)


def _is_secret(result: CallbackTaskResult) -> bool:
    """Whether a task asked for silence; one whose wish is a template that is not filled in has."""
    return bool(result.task.no_log) or "censored" in result.result
