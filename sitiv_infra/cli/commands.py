"""How commands are shown: each help text ends with examples that keep their lines."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import typer

Function = TypeVar("Function", bound=Callable[..., Any])
KEEP_LINES = "\b\n"  # in a help text: the paragraph after it is not filled again


def group(text: str) -> typer.Typer:
    """Make a group of commands; its help is ``text``."""
    return typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        help=_kept(inspect.cleandoc(text)),
    )


def register(app: typer.Typer, name: str | None = None) -> Callable[[Function], Function]:
    """Make a function a command; its help is its docstring."""

    def make(function: Function) -> Function:
        return app.command(name, help=_kept(inspect.getdoc(function) or ""))(function)

    return make


def _kept(text: str) -> str:
    return text.replace("\n\nExample", f"\n\n{KEEP_LINES}Example")
