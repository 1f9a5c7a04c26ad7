"""Zones and matrix as Tufin's SecureTrack imports and exports them, both ways.

Two CSV files: the zone list with its four sections, and the zone matrix of a unified security
policy. Source: Tufin's Knowledge Center, "Preparing a CSV" (ST2/USP/PreparingCSV) and "Managing
Zone Subnets" (Suite/3409). No SecureTrack could be asked; columns are found by their names.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_network
from pathlib import Path

from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Access, Cell, Estate, Severity
from sitiv_infra.policy.services import service

INTERNET, UNASSIGNED = "Internet", "Unassociated Networks"  # its own two zones
PROPERTIES, HIERARCHY = "#Zone Properties", "#Zone Hierarchy"
SUBNETS, GROUPS = "#Zone Subnets", "#Zone Security Groups"
SECTIONS = {
    PROPERTIES: ("zone name", "description"),
    HIERARCHY: ("parent", "child"),
    SUBNETS: ("zone name", "subnet", "description"),
    GROUPS: ("zone name", "security group name", "description"),
}
COLUMNS = ("from zone", "to zone", "severity", "access type", "services", "rule properties")
WORDS = {
    Access.ALLOW_ALL: "allow all", Access.BLOCK_ALL: "block all",
    Access.ALLOW_ONLY: "allow only", Access.BLOCK_ONLY: "block only",
}  # fmt: skip
FLAGS = {
    "EXPLICIT_SOURCE": "explicit_source", "EXPLICIT_DESTINATION": "explicit_destination",
    "EXPLICIT_SERVICE": "explicit_service", "HAS_COMMENT": "commented", "IS_LOGGED": "logged",
}  # fmt: skip
COUNTS = {
    "LAST_HIT_WITHIN": ("DAYS", "hit_within_days"), "SOURCE_MAX_IP": ("COUNT", "most_sources"),
    "DESTINATION_MAX_IP": ("COUNT", "most_destinations"),
    "SERVICE_MAX_SERVICES": ("COUNT", "most_services"),
}  # fmt: skip
COUNTED = re.compile(r"([A-Z_]+)\s*\{\s*([A-Z]+)\s*:\s*(\d+)\s*\}")
ECHO = "icmp 8"  # what begins a connection of ICMP


def zones_csv(estate: Estate) -> str:
    """Write the zone list; sections follow each other, an empty line between them."""
    told = {name: _zone(estate, name) for name in estate.zones}
    rows: dict[str, list[tuple[str, ...]]] = {section: [] for section in SECTIONS}
    for name, zone in estate.zones.items():
        rows[PROPERTIES].append((told[name], zone.title))
        if not zone.rest:  # it knows itself what is in those
            rows[SUBNETS] += [(told[name], str(net), "") for net in estate.networks_of(name)]
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for section, titles in SECTIONS.items():
        writer.writerow([section])
        writer.writerows([titles, *rows[section]])
        out.write("\n")
    return out.getvalue()


def matrix_csv(estate: Estate) -> str:
    """Write every ordered pair of zones: those without a cell take nothing."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in estate.zones:
        for other in (name for name in estate.zones if name != one or (one, one) in estate.matrix):
            cell = estate.matrix.get((one, other))
            access = cell.access if cell else Access.BLOCK_ALL
            severity = cell.severity if cell else Severity.HIGH
            writer.writerow([
                _zone(estate, one), _zone(estate, other), _severity(severity), WORDS[access],
                "; ".join(map(_service, cell.services if cell else ())),
                "; ".join(_properties(cell)) if cell else "",
            ])  # fmt: skip
    return out.getvalue()


def _zone(estate: Estate, name: str) -> str:
    zone = estate.zones[name]
    return INTERNET if zone.internet else UNASSIGNED if zone.unassigned else name


def _severity(severity: Severity) -> str:
    return str(Severity.LOW if severity is Severity.INFO else severity)  # it has four


def _service(text: str) -> str:
    return ECHO if text == "icmp" else text.replace("/", " ")


def _properties(cell: Cell) -> Iterator[str]:
    values = cell.properties.model_dump()
    yield from (word for word, field in FLAGS.items() if values[field])
    for word, (unit, field) in COUNTS.items():
        if values[field] is not None:
            yield f"{word} {{{unit}:{values[field]}}}"


def read_zones(text: str) -> dict[str, dict[str, object]]:
    """Read a zone list as the declaration's ``zones``; a zone holds those below it.

    Raises InvalidInput with the line that is wrong, or that can't be declared here.
    """
    found: dict[str, dict[str, object]] = {}
    networks: dict[str, list[str]] = {}
    above: dict[str, str] = {}
    for line, section, row in _sectioned(text):
        name = _name(row[0], line)
        if section == PROPERTIES:
            told = {"title": row[1] or row[0]} if len(row) > 1 else {"title": row[0]}
            rest = {INTERNET: "internet", UNASSIGNED: "unassigned"}.get(row[0])
            if name in found:
                raise InvalidInput(f"line {line}: '{row[0]}' would be '{name}', as another zone")
            found[name] = told | ({rest: True} if rest else {})
        elif section == SUBNETS:
            networks.setdefault(name, []).append(_network(row, line))
        elif section == HIERARCHY:
            above[_name(row[1], line)] = name
        else:
            raise InvalidInput(f"line {line}: security groups have no addresses here; name subnets")
    held: dict[str, list[str]] = {}
    for name, nets in networks.items():
        top = name
        for _ in above:
            top = above.get(top, top)
        if top not in found:
            raise InvalidInput(f"zone '{top}' has subnets, and stands under no {PROPERTIES}")
        held.setdefault(top, []).extend(nets)
    return {
        name: told | ({"networks": held[name]} if name in held else {})
        for name, told in found.items()
        if name not in above
    }


def _sectioned(text: str) -> Iterator[tuple[int, str, list[str]]]:
    section, titles = "", True
    for line, row in _rows(text):
        if row[0].startswith("#"):
            section, titles = row[0], True
            if section not in SECTIONS:
                raise InvalidInput(f"line {line}: no section of a zone list: {section}")
        elif not section:
            raise InvalidInput(f"line {line}: a zone list begins with {PROPERTIES}")
        elif titles:
            titles = False
        else:
            yield line, section, row


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that say something, each with its line; whatever system ended the lines."""
    reader = csv.reader(io.StringIO(re.sub(r"\r\n?", "\n", text)))
    try:
        for row in reader:
            if any(map(str.strip, row)):
                yield reader.line_num, [value.strip() for value in row]
    except csv.Error as error:
        raise InvalidInput(f"line {reader.line_num}: {error}") from None


def read_matrix(text: str) -> dict[str, dict[str, object]]:
    """Read a zone matrix as the declaration's ``cells``, one a row.

    Raises InvalidInput with the line that is wrong, or that can't be declared here.
    """
    rows = _rows(text)
    _, titles = next(rows, (1, []))
    columns = [title.lower() for title in titles]
    for column in COLUMNS[:4]:
        if column not in columns:
            raise InvalidInput(f"line 1: the column '{column}' is missing")
    found: dict[str, dict[str, object]] = {}
    for line, row in rows:
        values = dict.fromkeys(COLUMNS, "") | dict(zip(columns, row, strict=False))
        one, other = (_name(values[end], line) for end in COLUMNS[:2])
        name = f"{one}-to-{other}"
        if name in found:
            raise InvalidInput(f"line {line}: from '{one}' to '{other}' once more")
        found[name] = {"sources": [one], "destinations": [other], **_cell(values, line)}
    return found


def _cell(values: Mapping[str, str], line: int) -> dict[str, object]:
    access = next((a for a, word in WORDS.items() if word == values["access type"].lower()), None)
    if access is None:
        raise InvalidInput(f"line {line}: no access type: '{values['access type']}'")
    if values.get("flows"):
        raise InvalidInput(f"line {line}: flows of single hosts are not read; declare them")
    services = list(_services(values["services"], line))
    if access is Access.ALLOW_ONLY and services == ["any"]:
        access, services = Access.ALLOW_ALL, []
    if "any" in services:
        raise InvalidInput(f"line {line}: '{values['services']}' with '{WORDS[access]}'")
    severity = values["severity"].lower()
    if severity not in list(Severity):
        raise InvalidInput(f"line {line}: no severity: '{values['severity']}'")
    told: dict[str, object] = {"access": str(access), "severity": severity}
    if access in {Access.ALLOW_ONLY, Access.BLOCK_ONLY}:
        told["services"] = services
    properties = dict(_read_properties(values["rule properties"], line))
    return told | ({"properties": properties} if properties else {})


def _services(text: str, line: int) -> Iterator[str]:
    for item in filter(None, map(str.strip, text.split(";"))):
        said = "icmp" if item == ECHO else re.sub(r"\s+", "/", item.lower())
        if said != "any":
            try:
                service(said)
            except InvalidInput:
                what = "write it as 'tcp 443', 'udp 5060-5061' or 'icmp 8'"
                raise InvalidInput(f"line {line}: service '{item}': {what}") from None
        yield said


def _read_properties(text: str, line: int) -> Iterator[tuple[str, bool | int]]:
    for item in filter(None, map(str.strip, re.split(r"[;,]", text))):
        counted = COUNTED.fullmatch(item)
        if item in FLAGS:
            yield FLAGS[item], True
        elif counted and COUNTS.get(counted[1], ("",))[0] == counted[2]:
            yield COUNTS[counted[1]][1], int(counted[3])
        else:
            raise InvalidInput(f"line {line}: no rule property: '{item}'")


def _name(text: str, line: int) -> str:
    """Make a name of the declaration of a zone's."""
    if text == UNASSIGNED:
        return "unassigned"
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    found = re.sub(r"[^a-z0-9.]+", "-", plain).strip("-.")[:63].rstrip("-.")
    if not found:
        raise InvalidInput(f"line {line}: '{text}' is no name of a zone")
    return found


def _network(row: list[str], line: int) -> str:
    try:
        return str(ip_network(row[1]))
    except (ValueError, IndexError) as error:
        raise InvalidInput(f"line {line}: {error}") from None


def read_file(
    file: Path, read: Callable[[str], dict[str, dict[str, object]]]
) -> dict[str, dict[str, object]]:
    """Read a file by one of the two readers; InvalidInput says what is wrong with it."""
    try:
        return read(file.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file}: not text in UTF-8 (byte {error.start})") from None
    except InvalidInput as error:
        raise InvalidInput(f"{file}: {error}") from None
