"""The ``sitiv`` command: parse, call, print."""

from __future__ import annotations

import os
import sys
import threading
from importlib.resources import files
from io import TextIOWrapper
from types import TracebackType
from typing import cast

import typer

from sitiv_infra.cli import audit, estate, evidence, flows, lab, matrix, policy, prove, switches
from sitiv_infra.cli.commands import group, register
from sitiv_infra.errors import InvalidInput, SitivError

app = group("""Declare an estate, observe it, judge the difference, remember, report.

Examples:
  sitiv estate validate
  sitiv audit --write audit.html
""")
register(app)(audit.audit)
register(app, "observe")(audit.observe_command)
register(app)(audit.report)
register(app)(evidence.diff)
register(app)(evidence.verify)
register(app, "checks")(evidence.checks_command)
app.add_typer(estate.app, name="estate")
app.add_typer(evidence.history, name="history")
app.add_typer(lab.app, name="lab")
app.add_typer(matrix.app, name="matrix")
register(policy.app)(prove.prove)
register(policy.app)(flows.diff)
register(policy.app)(flows.campaign)
register(policy.app, "answers")(flows.answers_command)
app.add_typer(policy.app, name="policy")
app.add_typer(switches.app, name="switches")

INVALID = 3
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
