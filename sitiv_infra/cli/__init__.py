"""The ``sitiv`` command: parse, call, print."""

from __future__ import annotations

import gc
import os
import sys
import threading
from importlib.resources import files
from io import TextIOWrapper
from types import TracebackType
from typing import cast

import typer

from sitiv_infra.cli.commands import Later, group, register
from sitiv_infra.errors import InvalidInput, SitivError

COMMANDS = (
    Later(
        "audit",
        "audit:audit",
        "Observe the estate (or take a snapshot), judge it, record the run, and tell.",
    ),
    Later(
        "observe",
        "audit:observe_command",
        "Read every source into a snapshot; parts that are there already are not read again.",
    ),
    Later("report", "audit:report", "Tell a recorded run again, as it was judged that night."),
    Later("diff", "evidence:diff", "Say what differs between two runs."),
    Later(
        "verify",
        "evidence:verify",
        "Prove runs: hashes, chain, signature, and the same verdicts when judged again.",
    ),
    Later(
        "checks",
        "evidence:checks_command",
        "List the checks: id, severity, what they need and prove.",
    ),
    Later("estate", "estate:app", "What is declared: validate it, show it."),
    Later("history", "evidence:history", "The index of the runs."),
    Later(
        "lab", "lab:app", "Two datacenters on one machine, built from the declared estate (root)."
    ),
    Later(
        "matrix",
        "matrix:app",
        "The matrix of zones: handed to Tufin's SecureTrack, or taken from it.",
    ),
    Later(
        "policy",
        "policy:app",
        "Rule bases of firewalls: what is too much in them, where two part, what passes.",
    ),
    Later(
        "switches", "switches:app", "Configurations of switches: what is unsafe in them at layer 2."
    ),
)
app = group(
    """Declare an estate, observe it, judge the difference, remember, report.

    Examples:
      sitiv estate validate
      sitiv audit --write audit.html
    """,
    *COMMANDS,
)

INVALID = 3
SELDOM = 100_000  # new objects between two looks for cycles: rule bases have many, but no cycles
NOT_OBSERVED = 2
INTERRUPTED = 130
# Typer exports one kind of usage error; the others share its base.
USAGE_ERROR = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[1])
# What a path on the command line can be wrong by, as the system says it.
WRONG_PATH = (
    FileExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError,
)  # fmt: skip


@register(app, "collections-path")
def collections_path() -> int:
    """Print the folder that holds the Ansible collection.

    Example:
      export ANSIBLE_COLLECTIONS_PATH=$(sitiv collections-path)
    """
    print(files("sitiv_infra"))
    return 0


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and give its exit code; errors are one line on stderr each."""
    try:
        code = app(arguments, standalone_mode=False)
    except USAGE_ERROR as error:
        told = error.format_message().replace("Value error, ", "")
        if told.startswith("Usage:"):  # a group without its command: what it has is no error
            print(told, file=sys.stderr)
        else:
            _complain(f"{told}\nsee: sitiv --help")
        return INVALID
    except InvalidInput as error:
        # With places, the lines stand bare: that is the form that editors jump to.
        for problem in error.problems:
            print(problem, file=sys.stderr)
        if not error.problems:
            _complain(str(error))
        return INVALID
    except SitivError as error:
        _complain(str(error))
        return INVALID
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _complain(f"{place}{error.strerror or error}")
        return INVALID if isinstance(error, WRONG_PATH) else NOT_OBSERVED
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    if code == INTERRUPTED:  # Typer may have caught it, and gives the code
        _complain("stopped; the parts that were read are kept, and the next run goes on with them")
    return code if isinstance(code, int) else 0


def _complain(text: str) -> None:
    for line in text.splitlines():
        print(f"sitiv: {line}", file=sys.stderr)


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say that this is a bug; Python's own exit code, 1, would say that an audit was made."""
    sys.__excepthook__(kind, error, trace)
    _complain("that is a bug: please report the lines above; nothing can be said of the estate")
    sys.stderr.flush()
    os._exit(NOT_OBSERVED)


def main() -> None:
    """Entry point of the ``sitiv`` command."""
    sys.excepthook = _crashed
    gc.set_threshold(SELDOM)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a sign shows the rest
    code = run()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        os._exit(code)  # nobody reads on, and Python would complain of it at its end
    if threading.active_count() > 1:
        # A source that never answers still holds its thread; it was given up, so do not wait.
        os._exit(code)
    sys.exit(code)
