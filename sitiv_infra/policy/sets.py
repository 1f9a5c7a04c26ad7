"""Values, ranges, prefixes and sets of nftables, read as boxes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sitiv_infra.policy import addresses
from sitiv_infra.policy.hardware import number_of
from sitiv_infra.policy.operands import Column, Columns
from sitiv_infra.policy.space import (
    PORTS,
    Box,
    Dimension,
    Interval,
    Intervals,
    box,
    gathered,
    union,
)

# What an element may have beside its value: none of it decides whether a packet is in the set.
PLAIN = frozenset({"val", "comment", "counter", "timeout", "expires", "last"})

MAC_BITS = 48


class Sets:
    """Named sets and maps, and the reading of values against fields."""

    def __init__(self, objects: Iterable[tuple[str, dict[str, object]]], version: int) -> None:
        self.version = version
        self._elements: dict[tuple[str, str, str], object] = {
            _key(body, body.get("name")): body.get("elem", [])
            for kind, body in objects
            if kind in {"set", "map"}
        }

    def _listed(self, given: object, rule: Mapping[str, object]) -> list[object] | None:
        """Give the elements of a named or an anonymous set; None where it is not there."""
        if isinstance(given, str) and given.startswith("@"):
            given = self._elements.get(_key(rule, given[1:]))
        elif isinstance(given, dict) and "set" in given:
            given = given["set"]
        return given if isinstance(given, list) else None

    def entries(
        self, data: object, rule: Mapping[str, object]
    ) -> list[tuple[object, object]] | None:
        """Give the (key, verdict) pairs of a verdict map, or None where it is not understood."""
        listed = self._listed(data, rule)
        if listed is None or not all(isinstance(e, list) and len(e) == 2 for e in listed):
            return None
        return [(entry[0], entry[1]) for entry in listed if isinstance(entry, list)]

    def rows(
        self, columns: Columns, operator: str, right: object, rule: Mapping[str, object]
    ) -> tuple[Box, ...] | None:
        """Give the packets that a match's right side names, or None where it is not understood."""
        if not columns.possible:
            return ()
        if operator not in {"==", "!="}:
            return _compared(columns, operator, right)
        named = isinstance(right, str) and right.startswith("@")
        if named or (isinstance(right, dict) and "set" in right):
            return self._together(columns, self._listed(right, rule))
        return self._together(columns, [right])

    def _together(self, columns: Columns, listed: list[object] | None) -> tuple[Box, ...] | None:
        """Give the packets of some elements; None where one is not understood."""
        if listed is None:
            return None
        if len(columns.fields) > 1:
            rows = [self._row(columns, _value(element)) for element in listed]
            found = [row for row in rows if row is not None]
            return None if len(found) < len(rows) else tuple(gathered(found))
        (column,) = columns.fields
        spans = [_interval(column, _value(element), self.version) for element in listed]
        known = [span for span in spans if span is not None]
        if len(known) < len(spans):
            return None
        return (box({column.dimension: union(known)}),) if known else ()

    def _row(self, columns: Columns, element: object) -> Box | None:
        body = element.get("concat") if isinstance(element, dict) else None
        values = body if isinstance(body, list) else [element]
        if len(values) != len(columns.fields):
            return None
        sides: dict[Dimension, Intervals] = {}
        for column, value in zip(columns.fields, values, strict=True):
            interval = _interval(column, _value(value), self.version)
            if interval is None:
                return None
            sides[column.dimension] = (interval,)
        return box(sides)


def _key(body: Mapping[str, object], name: object) -> tuple[str, str, str]:
    return str(body.get("family")), str(body.get("table")), str(name)


def _value(element: object) -> object:
    """Give what an element is; None where more is said of it than is known to change nothing."""
    inner = element.get("elem") if isinstance(element, dict) else None
    if not isinstance(inner, dict):
        return element
    return inner.get("val") if inner.keys() <= PLAIN else None


def _compared(columns: Columns, operator: str, right: object) -> tuple[Box, ...] | None:
    if len(columns.fields) > 1 or not isinstance(right, int):
        return None
    bounds = {"<": (0, right - 1), "<=": (0, right), ">": (right + 1, 65535), ">=": (right, 65535)}
    low, high = bounds.get(operator, (0, -1))
    if operator not in bounds or columns.fields[0].address:
        return None
    return (box({columns.fields[0].dimension: ((low, high),)}),) if low <= high else ()


def _interval(column: Column, value: object, version: int) -> Interval | None:
    """Read a number, a word, an address, a range or a prefix as an interval."""
    try:
        if isinstance(value, dict) and "range" in value:
            low, high = (_number(column, end, version) for end in value["range"])
            return low, high
        if isinstance(value, dict) and "prefix" in value and (column.address or column.hardware):
            low = _number(column, value["prefix"]["addr"], version)
            bits = MAC_BITS if column.hardware else addresses.VERSION_BITS[version]
            rest = (1 << bits - int(value["prefix"]["len"])) - 1
            return None if low & rest else (low, low | rest)
        number = _number(column, value, version)
    except (ValueError, KeyError, TypeError):
        return None
    return number, number


def _number(column: Column, value: object, version: int) -> int:
    """Read one value of a field; ValueError where it is not one."""
    if column.address:
        return addresses.number_of(version, str(value))
    if column.hardware:
        return number_of(str(value))
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("not a number or a word")  # noqa: TRY004 - it came from a file
    number = column.words[value] if isinstance(value, str) and value in column.words else int(value)
    if not PORTS[0][0] <= number <= PORTS[0][1]:
        raise ValueError("too large")
    return number
