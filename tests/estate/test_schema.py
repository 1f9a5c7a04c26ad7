"""What an editor would say of the files, by the schemas that are written for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from sitiv_infra.estate.schema import DIALECT, schemas
from sitiv_infra.waivers import Waiver

INVENTORY = Path(__file__).parents[2] / "inventory"
FILES = sorted((INVENTORY / "estate").glob("*.yml"))
LAB_FILES = sorted((INVENTORY / "lab" / "estate").glob("*.yml"))


class EditorLoader(yaml.SafeLoader):
    """YAML as an editor's language server reads it: days stay text."""


EditorLoader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def as_edited(text: str) -> Any:
    return yaml.load(text, Loader=EditorLoader)


@pytest.fixture(scope="module")
def validators(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Draft202012Validator]:
    files = schemas(tmp_path_factory.mktemp("schemas") / "new", {"waivers": Waiver})
    made = {file.name: json.loads(file.read_text("utf-8")) for file in files}
    for schema in made.values():
        assert schema["$schema"] == DIALECT
        Draft202012Validator.check_schema(schema)
    return {name: Draft202012Validator(schema) for name, schema in made.items()}


def complaints(validator: Draft202012Validator, text: str) -> list[str]:
    return [error.message for error in validator.iter_errors(as_edited(text))]


@pytest.mark.parametrize("path", FILES + LAB_FILES, ids=lambda p: f"{p.parents[1].name}/{p.name}")
def test_example_files_are_valid_and_name_their_schema(
    path: Path, validators: dict[str, Draft202012Validator]
) -> None:
    text = path.read_text("utf-8")
    assert complaints(validators["estate.json"], text) == []
    up = "../" * (2 if path in FILES else 3)
    assert text.startswith(f"# yaml-language-server: $schema={up}.schemas/estate.json\n")


def test_waivers_are_valid(validators: dict[str, Draft202012Validator]) -> None:
    text = (INVENTORY / "waivers.yml").read_text("utf-8")
    assert complaints(validators["waivers.json"], text) == []
    assert text.startswith("# yaml-language-server: $schema=../.schemas/waivers.json\n")
    assert complaints(validators["waivers.json"], text.replace("  until:", "  untill:", 1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("machine: {}", "'machine' was unexpected"),
        ("zones: {z: {titel: Z}}", "'titel' was unexpected"),
        ("zones: {z: {internet: true}}", "'title' is a required property"),
        ("zones: {z: {name: z, title: Z}}", "'name' was unexpected"),
        ("zones: {Z_1: {title: Z}}", "does not match"),
        ("vlans: {v: {vid: 5000, zone: z, sites: [a]}}", "5000 is greater than the maximum"),
        ("vlans: {v: {vid: 5, zone: z, sites: a}}", "'a' is not of type 'array'"),
        ("sites: {a: {title: A, role: spare}}", "'spare' is not one of"),
        ("services: {s: {rpo: 4 weeks}}", "'4 weeks' does not match"),
        ("operator: {title: T}", "'timezone' is a required property"),
    ],
)
def test_a_mistake_is_refused(
    text: str, expected: str, validators: dict[str, Draft202012Validator]
) -> None:
    assert any(expected in message for message in complaints(validators["estate.json"], text))


def test_a_file_may_hold_any_part_and_a_section_may_be_empty(
    validators: dict[str, Draft202012Validator],
) -> None:
    for text in ("{}", "zones:", "zones: {z: {title: Z}}"):
        assert complaints(validators["estate.json"], text) == []
