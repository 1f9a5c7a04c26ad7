"""Any dump against a matrix of zones, beside a reading of the dump packet by packet."""

from __future__ import annotations

import json
import re
from datetime import date
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitiv_infra.cli import run
from sitiv_infra.estate import Access, Cell, Zone, load
from sitiv_infra.policy.dumps import Dump
from sitiv_infra.policy.lists import Line, RuleList
from sitiv_infra.policy.rules import Verdict
from sitiv_infra.policy.space import EVERYTHING, MACS, Box, union
from sitiv_infra.policy.violations import Matrix, matrix_of, violations
from sitiv_infra.wanted.fortios import fortios_rules
from sitiv_infra.wanted.sns import sns_commands
from tests.policy.linear import first
from tests.policy.test_tufin import MATRIX, ZONES

pytestmark = pytest.mark.usefixtures("engine")

TODAY = date(2026, 11, 1)
PORT_444 = re.compile(r"set tcp-portrange 444$| port=444 ")
HEAD = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n"
SPACES = {4: {"a": ((0, 1), (6, 6)), "b": ((2, 3),), "c": ((4, 5),)}}
NEAR: Box = (((0, 255),), ((0, 2**32 - 1),), ((0, 2**32 - 1),), *EVERYTHING[3:])
ADDRESSES, PORTS, PROTOCOLS = range(8), (80, 443), (1, 6, 17)


def listed(*rules: str) -> str:
    return HEAD + "".join(f"-A FORWARD {rule}\n" for rule in rules) + "COMMIT\n"


def spans(least: int, most: int) -> st.SearchStrategy[tuple[tuple[int, int], ...]]:
    ends = st.tuples(st.integers(least, most), st.integers(least, most))
    one = ends.map(lambda pair: (min(pair), max(pair)))
    return st.lists(one, min_size=1, max_size=2).map(union)


boxes = st.tuples(
    st.sampled_from([((6, 6),), ((17, 17),), ((0, 255),), ((1, 1),)]),
    spans(0, 7), spans(0, 7), st.just(EVERYTHING[3]),
    st.sampled_from([((80, 80),), ((443, 443),), ((0, 65535),)]), st.just(MACS),
)  # fmt: skip
verdicts = st.sampled_from(list(Verdict))
rules = st.lists(st.tuples(boxes, verdicts), max_size=6)
services = st.sampled_from([("tcp/443",), ("tcp/80-500", "udp/80"), ("icmp",)])
accesses = st.one_of(
    st.tuples(st.sampled_from([Access.ALLOW_ALL, Access.BLOCK_ALL]), st.just(())),
    st.tuples(st.sampled_from([Access.ALLOW_ONLY, Access.BLOCK_ONLY]), services),
)
cells = st.dictionaries(st.sampled_from(list(product("abc", repeat=2))), accesses, max_size=6)


@st.composite
def lists(draw: st.DrawFn) -> RuleList:
    lines = [Line(n, "", verdict, (box,)) for n, (box, verdict) in enumerate(draw(rules), 1)]
    return RuleList(tuple(lines), draw(verdicts), NEAR)


def taken(access: Access, listed: tuple[str, ...], protocol: int, port: int) -> bool:
    names = {1: "icmp", 6: "tcp", 17: "udp"}
    known = {names[protocol], f"{names[protocol]}/{port}", f"{names[protocol]}/80-500"}
    named = any(text in known for text in listed)
    return {
        Access.ALLOW_ALL: True,
        Access.BLOCK_ALL: False,
        Access.ALLOW_ONLY: named,
        Access.BLOCK_ONLY: not named,
    }[access]


@settings(deadline=None, max_examples=60)
@given(st.lists(lists(), min_size=1, max_size=2), cells)
def test_violations_are_the_packets_that_pass_and_no_cell_takes(
    chains: list[RuleList], given_cells: dict[tuple[str, str], tuple[Access, tuple[str, ...]]]
) -> None:
    named = {f"chain {n} IPv4": rules for n, rules in enumerate(chains)}
    dump = Dump(0, named, {}, forward=(tuple(named),))
    declared = {
        pair: Cell(name="c", sources=pair[:1], destinations=pair[1:], access=access, services=held)
        for pair, (access, held) in given_cells.items()
    }
    found = list(violations(dump, Matrix(SPACES, declared)))
    boxes: dict[tuple[str, str], list[Box]] = {}
    for one in found:
        boxes.setdefault((one.source, one.destination), []).append(one.box)
    for source, destination, protocol, port in product(ADDRESSES, ADDRESSES, PROTOCOLS, PORTS):
        packet = (protocol, source, destination, *((8, 0) if protocol == 1 else (50_000, port)), 0)
        passes = all(first(c.lines, packet, c.policy) is Verdict.ACCEPT for c in chains)
        for one, other in product(SPACES[4], repeat=2):
            access, held = given_cells.get((one, other), (Access.BLOCK_ALL, ()))
            inside = within(SPACES[4][one], source) and within(SPACES[4][other], destination)
            judged = inside and (one != other or (one, one) in given_cells)
            bad = judged and passes and not taken(access, held, protocol, port)
            hit = sum(all(map(within, box, packet)) for box in boxes.get((one, other), ()))
            assert hit == bad, (one, other, packet)


def within(spans: tuple[tuple[int, int], ...], value: int) -> bool:
    return any(low <= value <= high for low, high in spans)


def test_the_internet_is_what_no_other_zone_has() -> None:
    zones = {
        "net": Zone(name="net", title="Net", internet=True),
        "rest": Zone(name="rest", title="Rest", unassigned=True),
        "lan": Zone(name="lan", title="LAN", networks=("10.0.0.0/8", "8.8.8.0/24")),
    }
    spaces = matrix_of(zones, {name: zone.networks for name, zone in zones.items()}, ()).spaces[4]
    public, private = 8 << 24, 10 << 24
    assert within(spaces["net"], public)
    assert not within(spaces["net"], public + (8 << 16) + (8 << 8))
    assert within(spaces["lan"], private)
    assert not within(spaces["rest"], private)
    assert within(spaces["rest"], (192 << 24) + (168 << 16))
    sizes = [sum(high - low + 1 for low, high in held) for held in spaces.values()]
    assert sum(sizes) == 2**32


def told(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = run(["policy", "verify", *map(str, words)])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_a_dump_is_judged_by_the_matrix_of_securetrack(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"zones.csv": ZONES, "matrix.csv": MATRIX}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    dump = tmp_path / "dump.txt"
    by = ("--zones", tmp_path / "zones.csv", "--matrix", tmp_path / "matrix.csv")
    words = (dump, "--from", "iptables-save", *by, "--format", "json")
    good = ("-s 10.1.0.0/24 -d 10.2.0.0/24 -j ACCEPT", "-d 10.1.0.0/24 -p tcp --dport 443 -j DROP",
            "-m limit --limit 3/min -j LOG")  # fmt: skip
    dump.write_text(listed(*good), encoding="utf-8")
    assert told(capsys, *words)[:2] == (0, '{\n  "violations": []\n}\n')
    bad = "-s 10.2.0.0/16 -d 10.1.0.0/25 -p tcp -m tcp --dport 22 -j ACCEPT"
    dump.write_text(listed(*good, bad), encoding="utf-8")
    code, out, _ = told(capsys, *words)
    (one,) = json.loads(out)["violations"]
    assert (code, one["from"], one["to"], one["rule"]) == (1, "donnees", "serveurs-web", 4)
    assert one["packets"] == "10.2.0.0/24 > 10.1.0.0/25 tcp/22"
    assert (one["severity"], one["fate"]) == ("high", "passes")
    assert one["text"] == "FORWARD 4 (line 8)"
    unsure = bad.replace("-j", "-m geoip --cc FR -j")
    dump.write_text(listed(*good, unsure), encoding="utf-8")
    code, out, _ = told(capsys, *words)
    assert code == 2
    assert [item["fate"] for item in json.loads(out)["violations"]] == ["undecided"]
    code, _, err = told(capsys, dump, "--from", "iptables-save", *by[:2])
    assert (code, "go together" in err) == (3, True)


def test_and_by_the_declared_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dump = tmp_path / "dump.txt"
    estate = Path(__file__).parents[2] / "inventory" / "estate"
    dump.write_text(listed("-p tcp -m tcp --dport 22 -j ACCEPT"), encoding="utf-8")
    code, out, _ = told(capsys, dump, "--from", "iptables-save", "--estate", estate)
    assert code == 1
    assert "pairs of zones" in out.splitlines()[-1]


@pytest.mark.parametrize("form", ["fortios", "sns"])
def test_the_rule_and_its_objects_are_named_with_their_lines(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(__file__).parents[2] / "inventory" / "lab" / "estate"
    rendered = (fortios_rules if form == "fortios" else sns_commands)(load(folder), "a", TODAY)
    text = "\n".join(rendered).replace("set tcp-portrange 443\n", "set tcp-portrange 444\n")
    changed = text.replace(" port=443 ", " port=444 ")
    (line,) = (n for n, said in enumerate(changed.splitlines(), 1) if PORT_444.search(said))
    dump = tmp_path / "dump.txt"
    dump.write_text(changed, encoding="utf-8")
    words = (dump, "--from", form, "--estate", folder, "--format", "json")
    code, out, _ = told(capsys, *words)
    found = [one for one in json.loads(out)["violations"] if "tcp/444" in one["packets"]]
    assert code == 1
    assert found
    for one in found:
        name = re.match(r'(?:policy|rule) \d+ "[^"]+" \(line (\d+)\) with ', one["text"])
        assert name is not None
        told_line = line - 2 if form == "fortios" else line
        assert f"443 (line {told_line})" in one["text"]
        said = changed.splitlines()[int(name[1]) - 1]
        assert said.startswith(("    edit ", "CONFIG FILTER RULE INSERT"))
