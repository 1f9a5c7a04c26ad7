"""How commands are shown and found: a group loads a command's module when the command is called.

Each help text ends with examples that keep their lines.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple, TypeVar

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

Function = TypeVar("Function", bound=Callable[..., Any])
KEEP_LINES = "\b\n"  # in a help text: the paragraph after it is not filled again


class Later(NamedTuple):
    """A command or a group of them: its name, where it is defined, and how its help begins.

    place -- ``module:name`` within this package: a function, or a Typer application.
    """

    name: str
    place: str
    help: str


class _Lazy(TyperGroup):
    """A group that knows its commands by name and help alone, until one is called."""

    places: Mapping[str, str] = {}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - Typer's own types
        """Find the command that is called, and load it."""
        name, command, rest = super().resolve_command(ctx, args)
        place = self.places.get(name or "")
        return name, loaded(place) if place else command, rest


def loaded(place: str) -> Any:  # noqa: ANN401 - Typer does not export the type of a command
    """Load the command or group that a ``Later`` names."""
    module, _, name = place.partition(":")
    found = getattr(import_module(f"{__package__}.{module}"), name)
    if isinstance(found, typer.Typer):
        return get_group(found)
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    register(alone)(found)
    return get_command(alone)


def group(text: str, *commands: Later) -> typer.Typer:
    """Make a group of commands, some of them loaded later; its help is ``text``."""
    places = {one.name: one.place for one in commands}
    app = typer.Typer(
        cls=type("Lazy", (_Lazy,), {"places": places}),
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        help=_kept(inspect.cleandoc(text)),
    )
    for one in commands:
        app.command(one.name, help=one.help)(_stand_in)
    return app


def _stand_in() -> None:
    """Stand for a command that is not loaded yet; never called."""


def register(app: typer.Typer, name: str | None = None) -> Callable[[Function], Function]:
    """Make a function a command; its help is its docstring."""

    def make(function: Function) -> Function:
        return app.command(name, help=_kept(inspect.getdoc(function) or ""))(function)

    return make


def _kept(text: str) -> str:
    return text.replace("\n\nExample", f"\n\n{KEEP_LINES}Example")
