"""Zones and matrix as SecureTrack's CSV files: what is handed on comes back."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sitiv_infra.cli import run
from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Access, Estate, load
from sitiv_infra.policy.tufin import matrix_csv, read_matrix, read_zones, zones_csv
from sitiv_infra.testing import estate_of

ROOT = Path(__file__).parents[2]
# As the Knowledge Center writes them, with names of our own.
ZONES = """"#Zone Properties"
"zone name","description"
"Internet","All public addresses that no other zone has"
"Serveurs web",""
"Données","Bases"
"Copies","Below the data"

"#Zone Hierarchy"
"parent","child"
"Données","Copies"

"#Zone Subnets"
"zone name","subnet","description"
"Serveurs web","10.1.0.0/24",
"Données","10.2.0.0/24","new"
"Copies","10.3.0.0/24",

"#Zone Security Groups"
"zone name","security group name","description"
"""
HEAD = "From zone,To zone,Severity,Access type,Services,Rule properties,Flows\n"
MATRIX = (
    HEAD
    + "Internet,Serveurs web,critical,allow only,tcp 80; tcp 443;udp 10000-10010; icmp 8,"
    + '"EXPLICIT_SERVICE; LAST_HIT_WITHIN {DAYS: 90}",\n'
    + "Serveurs web,Internet,low,block only,tcp 25,,\n"
    + "Internet,Donn\N{LATIN SMALL LETTER E WITH ACUTE}es,high,block all,,,\n"
    + "Serveurs web,Donn\N{LATIN SMALL LETTER E WITH ACUTE}es,medium,allow only,any,,\n"
)


def test_what_securetrack_hands_on_can_be_declared() -> None:
    zones, cells = read_zones(ZONES), read_matrix(MATRIX)
    assert {name: zone.get("networks") for name, zone in zones.items()} == {
        "internet": None,
        "serveurs-web": ["10.1.0.0/24"],
        "donnees": ["10.2.0.0/24", "10.3.0.0/24"],
    }
    estate = estate_of(yaml.safe_dump({"zones": zones, "cells": cells}))
    cell = estate.matrix["internet", "serveurs-web"]
    assert cell.services == ("tcp/80", "tcp/443", "udp/10000-10010", "icmp")
    assert cell.severity == "critical"
    assert cell.properties.explicit_service
    assert cell.properties.hit_within_days == 90
    assert estate.matrix["serveurs-web", "donnees"].access is Access.ALLOW_ALL
    assert estate.matrix["internet", "donnees"].access is Access.BLOCK_ALL


def meaning(estate: Estate) -> dict[tuple[str, str], tuple[object, ...]]:
    """Give what the matrix says of each pair, whatever cells it is made of."""
    blocked = (Access.BLOCK_ALL, frozenset[str](), None)
    found = {}
    for one in estate.zones:
        for other in estate.zones:
            cell = estate.matrix.get((one, other))
            if one != other or cell:
                said = cell and (cell.access, frozenset(cell.services), cell.properties)
                found[one, other] = said or blocked
    return {pair: blocked if said[0] is Access.BLOCK_ALL else said for pair, said in found.items()}


@pytest.mark.parametrize("folder", ["inventory/estate", "inventory/lab/estate"])
def test_what_is_handed_on_comes_back(folder: str) -> None:
    estate = load(ROOT / folder)
    zones, cells = read_zones(zones_csv(estate)), read_matrix(matrix_csv(estate))
    admin = zones.pop("admin")  # is declared by the base of these tests
    back = estate_of(yaml.safe_dump({"zones": zones, "cells": cells}))
    assert meaning(back) == meaning(estate)
    assert set(cast("list[str]", admin["networks"])) == set(map(str, estate.networks_of("admin")))
    for name in set(zones) - {"internet"}:
        assert set(back.zones[name].networks) == set(estate.networks_of(name))
    assert len(cells) == len(estate.zones) * (len(estate.zones) - 1)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a,b,high\n", "line 1: the column 'from zone' is missing"),
        (HEAD + "a,b,high,allow some,,,\n", "line 2: no access type: 'allow some'"),
        (HEAD + "a,b,urgent,block all,,,\n", "line 2: no severity: 'urgent'"),
        (HEAD + "a,b,low,allow only,HTTPS_ours,,\n", "line 2: service 'HTTPS_ours': write it"),
        (HEAD + "a,b,low,allow only,tcp 70000,,\n", "line 2: service 'tcp 70000': write it"),
        (HEAD + "a,b,low,block only,any,,\n", "line 2: 'any' with 'block only'"),
        (HEAD + "a,b,low,allow only,tcp 1,IS_LOVELY,\n", "line 2: no rule property: 'IS_LOVELY'"),
        (HEAD + "a,b,low,allow only,tcp 1,IS_LOGGED {COUNT:1},\n", "no rule property"),
        (HEAD + "a,b,low,allow only,tcp 1,,10.0.0.1>10.0.0.2\n", "line 2: flows of single hosts"),
        (HEAD + ",b,low,block all,,,\n", "line 2: '' is no name of a zone"),
        (HEAD + "a,b,low,block all,,,\nA,b,low,allow all,,,\n", "line 3: from 'a' to 'b' once"),
    ],
)
def test_a_matrix_that_can_not_be_declared_is_told(text: str, what: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_matrix(text)
    assert what in str(caught.value)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a,b\n", "line 1: a zone list begins with #Zone Properties"),
        ("#Zones\n", "line 1: no section of a zone list: #Zones"),
        (ZONES + '"Données","G-1",\n', "security groups have no addresses here"),
        (ZONES.replace("10.1.0.0/24", "10.1.0.1/24"), "line 14: 10.1.0.1/24 has host bits set"),
        (ZONES.replace('"Copies","Below', '"Serveurs-Web","Below'), "would be 'serveurs-web'"),
        (ZONES.replace('"Serveurs web",""\n', ""), "zone 'serveurs-web' has subnets, and stands"),
    ],
)
def test_a_zone_list_that_can_not_be_declared_is_told(text: str, what: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_zones(text)
    assert what in str(caught.value)


@given(st.text(max_size=200))
def test_garbage_is_read_or_refused(text: str) -> None:
    for read in (read_zones, read_matrix):
        with suppress(InvalidInput):
            assert isinstance(read(text), dict)


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["matrix", "export", str(tmp_path), "--estate", str(ROOT / "inventory/estate")]) == 0
    files = capsys.readouterr().out.split()
    assert run(["matrix", "import", *files]) == 0
    told = yaml.safe_load(capsys.readouterr().out)
    assert told["zones"]["internet"]["internet"] is True
    assert told["cells"]["users-to-backup"]["access"] == "block-all"
    (tmp_path / "matrix.csv").write_bytes(b"\xff\xfe")
    assert run(["matrix", "import", *files]) == 3
    assert "matrix.csv: not text in UTF-8 (byte 0)" in capsys.readouterr().err
