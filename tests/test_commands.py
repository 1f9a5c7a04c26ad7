"""Commands are loaded when they are called; until then a table stands for them."""

import inspect
import subprocess
import sys

import pytest

from sitiv_infra import cli
from sitiv_infra.cli import policy
from sitiv_infra.cli.commands import Later, loaded

SLOW = {"boto3", "jinja2", "minio", "numpy", "pyVmomi", "rich", "sitiv_infra.estate", "yaml"}


def modules_of(*arguments: str) -> set[str]:
    code = (
        f"import sys; from sitiv_infra.cli import run; run({[*arguments]!r}); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("later", [*cli.COMMANDS, *policy.COMMANDS], ids=lambda one: one.place)
def test_the_table_says_what_the_command_says(later: Later) -> None:
    said = " ".join(inspect.cleandoc(loaded(later.place).help).replace("\b", "").split())
    assert said.startswith(later.help)
    assert later.help.endswith(".")


def test_help_waits_for_nothing_that_is_slow() -> None:
    assert not SLOW & modules_of("--help")
    assert not SLOW & modules_of("policy", "--help")


def test_a_command_on_the_declaration_loads_no_collector() -> None:
    loaded_by_it = modules_of("policy", "diff", "--help")
    assert not {"boto3", "minio", "pyVmomi", "jinja2", "sitiv_infra.collectors"} & loaded_by_it


def test_arrays_are_loaded_by_the_commands_that_need_them() -> None:
    assert "numpy" in modules_of("policy", "compare", "--help")
    for command in ("campaign", "answers"):
        assert "numpy" not in modules_of("policy", command, "--help"), command


def test_a_command_on_dumps_does_not_wait_for_the_declaration() -> None:
    assert not {"sitiv_infra.estate", "sitiv_infra.facts"} & modules_of(
        "policy", "analyse", "--help"
    )
