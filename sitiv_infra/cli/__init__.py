"""The ``sitiv`` command: parse, call, print."""

from __future__ import annotations

import os
import sys
import threading
from importlib.resources import files
from typing import cast

import typer

from sitiv_infra.cli import audit, estate, evidence
from sitiv_infra.errors import InvalidInput, SitivError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Declare an estate, observe it, judge the difference, remember, report.",
)
app.command()(audit.audit)
app.command("observe")(audit.observe_command)
app.command()(audit.report)
app.command()(evidence.diff)
app.command()(evidence.verify)
app.command("checks")(evidence.checks_command)
app.add_typer(estate.app, name="estate")
app.add_typer(evidence.history, name="history")

INVALID = 3
NOT_OBSERVED = 2
INTERRUPTED = 130
# Typer exports one kind of usage error; the others share its base.
USAGE_ERROR = cast("type[Exception]", typer.BadParameter.__mro__[1])


@app.command("collections-path")
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
        _complain(f"{error}\nsee: sitiv --help")
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
        return NOT_OBSERVED
    except (KeyboardInterrupt, typer.Abort):
        _complain("stopped; the parts that were read are kept, and the next run goes on with them")
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def _complain(text: str) -> None:
    for line in text.splitlines():
        print(f"sitiv: {line}", file=sys.stderr)


def main() -> None:
    """Entry point of the ``sitiv`` command."""
    code = run()
    sys.stdout.flush()
    sys.stderr.flush()
    if threading.active_count() > 1:
        # A source that never answers still holds its thread; it was given up, so do not wait.
        os._exit(code)
    sys.exit(code)
