"""Flows of some sites: which firewalls and hosts are told of them, and who carries packets."""

from __future__ import annotations

from datetime import date

import pytest

from sitiv_infra.cli import run
from sitiv_infra.estate import Estate, Flow
from sitiv_infra.lab.scale import chosen
from sitiv_infra.testing import OPERATOR, estate_of
from sitiv_infra.wanted import fortios, forward_sets, sns, variables
from sitiv_infra.wanted.filtering import bound, held, host_accepts, together
from sitiv_infra.wanted.ways import Wavering, leaders, wavering, ways
from tests.wanted.worlds import SMALL, small, with_sites

TODAY = date(2026, 11, 1)


def test_what_says_no_site_is_written_as_ever() -> None:
    plain = Flow(
        name="f", source="a", destination="b", services=("icmp",), owner_team="t", reason="r"
    )
    assert "sites" not in plain.model_dump_json()
    assert '"sites":["a"]' in plain.model_copy(update={"sites": ("a",)}).model_dump_json()
    again = Estate.model_validate_json(with_sites(public=("b",)).model_dump_json())
    assert again.flows["public"].sites == ("b",)
    assert again.fingerprint != small().fingerprint


def test_a_firewall_is_told_what_its_site_holds() -> None:
    estate = with_sites(public=("b",), store=("a",))
    assert [flow.name for flow in bound(estate, TODAY)] == ["public", "store"]
    assert together(estate, TODAY) == [("a",), ("b",)]
    assert together(small(), TODAY) == [("a", "b")]
    assert together(estate_of(), TODAY) == [("",)]
    for site, there, gone in (("a", "store", "public"), ("b", "public", "store")):
        assert {flow.name for flow in held(estate, site, TODAY)} == {there, "trial", "names"}
        rendered = (
            "".join(one.text for one in forward_sets(estate, site, TODAY)),
            "\n".join(fortios.fortios_rules(estate, site, TODAY)),
            "\n".join(sns.sns_commands(estate, site, TODAY)),
            str(variables(estate, estate.machines[f"fw-{site}1"], TODAY)["sitiv_forward_sets"]),
        )
        for text in rendered:
            assert f'"{there}"' in text
            assert f'"{gone}"' not in text


def test_a_host_is_told_what_may_reach_it() -> None:
    """A host of a stretched VLAN is reached by either site's firewalls: whoever leads."""
    estate = with_sites(public=("b",), names=("b",), store=("a",))

    def flows(machine: str) -> set[str]:
        accepts = host_accepts(estate, estate.machines[machine], TODAY)
        return {a.flow for a in accepts if not a.flow.startswith("zone ")}

    assert flows("web-a1") == set()
    assert flows("web-b1") == {"public"}
    assert flows("data-a1") == {"store", "trial"}
    assert flows("dc-corbas") == {"names"}


def test_who_leads_a_vlan_and_who_carries_a_packet() -> None:
    estate = small()
    vlan = estate.vlans
    assert leaders(estate, vlan["web-b"]) == ("b",)
    assert leaders(estate, vlan["data-a"]) == ("a",), "no firewall stands on its other site"
    for either in (vlan["corbas"], vlan["outside"], vlan["transit"], None):
        assert leaders(estate, either) == ("a", "b")
    both = frozenset("ab")
    one = {"a": frozenset("a"), "b": frozenset("b")}
    assert ways(estate, vlan["web-b"], vlan["data-a"]) == {"a": both, "b": both}
    assert ways(estate, vlan["web-b"], vlan["corbas"]) == {"a": both, "b": one["b"]}
    assert ways(estate, vlan["corbas"], vlan["givors"]) == one
    assert ways(estate, vlan["web-b"], vlan["corbas-b"]) == {"a": one["b"], "b": one["b"]}
    assert ways(estate_of(), None, None) == {}


@pytest.mark.parametrize(
    ("name", "sites", "found"),
    [
        ("store", ("a",), []),
        ("store", (), []),
        (
            "names",
            ("a",),
            [Wavering("data-a", "corbas", ("a",)), Wavering("data-a", "givors", ("a",))],
        ),
        ("names", ("a", "b"), []),
        (
            "public",
            ("b",),
            [Wavering("outside", "web-b", ("b",)), Wavering("internet", "web-b", ("b",))],
        ),
    ],
)
def test_ways_that_hang_on_who_leads(
    name: str, sites: tuple[str, ...], found: list[Wavering]
) -> None:
    estate = with_sites(**{name: sites})
    assert list(wavering(estate, estate.flows[name])) == found


def test_a_lab_without_a_site_knows_no_flow_of_it() -> None:
    estate = with_sites(public=("b",), store=("a", "b"))
    flows = chosen(estate, ["fw-a*", "web-*"]).flows
    assert "public" not in flows
    assert flows["store"].sites == ("a",)
    assert flows["names"].sites == ()
    assert chosen(estate, ["*"]).flows == estate.flows


def test_the_command_asks_for_whom(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path_factory.mktemp("estate")
    (folder / "0.yml").write_text(OPERATOR, encoding="utf-8")
    public = "source: internet, destination: web,"
    text = SMALL.replace(public, f"{public} sites: [b],")
    (folder / "1.yml").write_text(text, encoding="utf-8")

    def told(*words: str) -> tuple[int, str, str]:
        code = run(["policy", "render", "--to", "sns", *words, "--estate", str(folder)])
        out = capsys.readouterr()
        return code, out.out, out.err

    code, _, err = told()
    assert (code, "say --site, one of a, b" in err) == (3, True)
    code, _, err = told("--site", "c")
    assert (code, "'c' is not among the declared sites with firewalls" in err) == (3, True)
    assert ['"public"' in told("--site", site)[1] for site in "ab"] == [False, True]
