"""JSON Schemas by which an editor completes and checks the files that an operator writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, TypeAdapter

from sitiv_infra.estate.base import Name
from sitiv_infra.estate.model import Estate

DIALECT = "https://json-schema.org/draft/2020-12/schema"
NO_LISTS: Mapping[str, type[BaseModel]] = MappingProxyType({})
Schema = dict[str, Any]


def schemas(folder: Path, lists: Mapping[str, type[BaseModel]] = NO_LISTS) -> list[Path]:
    """Write ``estate.json`` into a folder, and ``NAME.json`` for each file that is a list.

    lists -- model of an item by the name of its file, such as ``{"waivers": Waiver}``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = {"estate": estate_schema()}
    made |= {name: list_schema(name, model) for name, model in lists.items()}
    written = []
    for name, schema in made.items():
        path = folder / f"{name}.json"
        text = json.dumps(schema, ensure_ascii=False, indent=1)
        path.write_text(text + "\n", encoding="utf-8")
        written.append(path)
    return written


def estate_schema() -> Schema:
    """Describe one file of an estate: any of the kinds, each thing keyed by its name."""
    schema = Estate.model_json_schema()
    # An estate is spread over files: none has to hold the operator.
    schema.pop("required", None)
    for model in schema["$defs"].values():
        _without_name(model)
    for kind in schema["properties"].values():
        kind.pop("default", None)
        if kind.get("type") == "object":
            # A section may be empty, as one whose things are all commented out.
            kind |= {"type": ["object", "null"], "propertyNames": TypeAdapter(Name).json_schema()}
    return {"$schema": DIALECT, **schema, "title": "Estate file"}


def list_schema(name: str, model: type[BaseModel]) -> Schema:
    """Describe a file that is a list of one model."""
    schema = TypeAdapter(list[model]).json_schema()  # type: ignore[valid-type]  # made at run time
    return {"$schema": DIALECT, **schema, "title": name.capitalize()}


def _without_name(model: Schema) -> None:
    """Take out ``name``: a thing's name is its key."""
    if "name" in model.get("properties", {}):
        del model["properties"]["name"]
        model["required"] = [key for key in model.get("required", []) if key != "name"]
