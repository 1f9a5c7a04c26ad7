"""Control frameworks: ids and titles only, in dated YAML files beside this module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml


@dataclass(frozen=True, slots=True)
class Framework:
    """One catalogue: points by their number, titles in the language of the source.

    ``complete`` is set where every point is listed, not only those that checks bear on.
    """

    id: str
    title: str
    source: str
    points: Mapping[str, str]
    complete: bool


@cache
def frameworks() -> Mapping[str, Framework]:
    """Give every catalogue by id."""
    found = {}
    for file in sorted(resources.files(__package__).iterdir(), key=lambda f: f.name):
        if file.name.endswith(".yml"):
            data = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
            points = {str(number): title for number, title in data["points"].items()}
            name = file.name.removesuffix(".yml")
            found[name] = Framework(
                name, data["title"], data["source"], points, complete=data["complete"]
            )
    return found


def title_of(point: str) -> str | None:
    """Give the title of ``framework:number``, or None for a point of no catalogue."""
    framework, _, number = point.partition(":")
    catalogue = frameworks().get(framework)
    return catalogue.points.get(number) if catalogue else None
