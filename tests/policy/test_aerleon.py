"""What Aerleon writes: nothing unsound is given to it, and what can be read back is proved."""

from __future__ import annotations

import re
import sys
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from sitiv_infra.cli import run
from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Estate, load
from sitiv_infra.policy import aerleon
from sitiv_infra.policy.aerleon import Term, policy, refuse, rendered
from sitiv_infra.policy.lists import NO_RULE
from sitiv_infra.policy.readback import prove
from sitiv_infra.wanted.filtering import filled
from tests.servers.need import need
from tests.wanted.worlds import estates, small

INVENTORY = Path(__file__).parents[2] / "inventory"
BEFORE, AFTER = date(2026, 11, 1), date(2026, 11, 21)
PROVED = {"iptables": 4, "ip6tables": 6}
NETWORKS = {"a": ("10.1.0.0/24",), "b": ("10.2.0.0/24",), "none": (), "six": ("fd00::/64",),
            "both": ("10.1.0.0/24", "fd00::/64")}  # fmt: skip
PORTS = {"tcp_443": ("443",), "udp_53": ("53",), "tcp_": ()}
WEB: Term = {"name": "t1", "comment": "web", "source-address": "a", "destination-address": "b",
             "protocol": "tcp", "destination-port": "tcp_443", "action": "accept"}  # fmt: skip
PING = {key: value for key, value in WEB.items() if key != "destination-port"} | {
    "protocol": "icmp"
}


@pytest.fixture(autouse=True, scope="module")
def _extra() -> None:
    need(modules=["aerleon"])


@pytest.mark.parametrize("kind", PROVED)
@pytest.mark.parametrize("folder", ["estate", "lab/estate"])
def test_what_is_read_back_is_proved(folder: str, kind: str) -> None:
    estate = load(INVENTORY / folder)
    text = rendered(estate, "a", BEFORE, kind, unproven=False)
    assert ":FORWARD DROP" in text
    assert "equal to what is declared" in text


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(estate=estates())
def test_and_in_any_estate(estate: Estate) -> None:
    versions = {forward.version for forward in filled(estate, "a", BEFORE)}
    for kind, version in PROVED.items():
        if version in versions:
            assert rendered(estate, "a", BEFORE, kind, unproven=False)
        else:
            with pytest.raises(InvalidInput, match="nothing is declared"):
                rendered(estate, "a", BEFORE, kind, unproven=False)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (" -s 10.1.10.0/24 -d 10.1.20.0/24", " -d 10.1.20.0/24"),
        (" -d 10.1.20.0/24", ""),
        (" -p icmp", " -p all"),
        ("--dports 8000:8010,9000", "--dports 8000:9000"),
        ("-A F_t3 -s 10.0.0.0/8 -j RETURN\n", ""),
        ("-p udp", "-p tcp"),
        ("-d 10.1.20.0/24", "-i eth0 -d 10.1.20.0/24"),
        ("-A F_last -p all -j DROP", "-A F_last -p all -j ACCEPT"),
    ],
)
def test_and_a_condition_that_was_left_out_is_found(
    monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    text = rendered(small(), "a", BEFORE, "iptables", unproven=False)
    assert before in text
    monkeypatch.setattr(aerleon, "_generated", lambda *_: text.replace(before, after))
    with pytest.raises(InvalidInput, match="is not proved to be what is declared"):
        rendered(small(), "a", BEFORE, "iptables", unproven=False)


@pytest.mark.parametrize(
    ("kind", "before", "after", "packet"),
    [
        ("iptables", "--dports 8000:8010,9000", "--dports 8000:8011,9000", "tcp "),
        ("iptables", "-s 10.1.10.0/24 -d 10.1.20.0/24 ", "-d 10.1.20.0/24 ", "tcp "),
        ("ip6tables", "--state INVALID,UNTRACKED", "--state INVALID", "an untracked packet, icmp "),
        ("ip6tables", "--state INVALID,UNTRACKED", "--state UNTRACKED", "an invalid packet, icmp "),
    ],
)
def test_the_line_that_lets_something_pass_is_named(
    kind: str, before: str, after: str, packet: str
) -> None:
    """Aerleon asks for no state in rules of ICMPv6: what stands before them does."""
    estate = small() if kind == "iptables" else load(INVENTORY / "estate")
    text = rendered(estate, "a", BEFORE, kind, unproven=False).replace(before, after, 1)
    with pytest.raises(InvalidInput, match=r"\(line \d+\)") as caught:
        prove(text, "iptables-save", estate, "a", BEFORE, (4 if kind == "iptables" else 6,))
    found = re.search(r"by (\S+) (\d+) \(line (\d+)\), such as (.*)", str(caught.value))
    assert found is not None
    chain, number, line, witness = found.groups()
    lines = text.splitlines()
    assert after in lines[int(line) - 1] or "ipv6-icmp" in lines[int(line) - 1]
    here = [n for n, said in enumerate(lines, 1) if said.startswith(f"-A {chain} ")]
    assert here[int(number) - 1] == int(line)
    assert witness.startswith(packet)


def test_a_flow_that_no_line_lets_pass_is_named() -> None:
    text = rendered(small(), "a", BEFORE, "iptables", unproven=False)
    changed = text.replace("--dports 8000:8010,9000", "--dports 8000:8009,9000")
    with pytest.raises(InvalidInput, match=r", wanted by store, dropped by F_last 1 \(line \d+\)"):
        prove(changed, "iptables-save", small(), "a", BEFORE, (4,))
    bare = changed.replace("-A F_last -p all -j DROP\n", "")
    with pytest.raises(InvalidInput, match=f", wanted by store, dropped by {NO_RULE}"):
        prove(bare, "iptables-save", small(), "a", BEFORE, (4,))


@pytest.mark.parametrize(
    ("term", "why"),
    [
        (WEB | {"expiration": "2020-01-01"}, "expiration may not be rendered"),
        (WEB | {"option": "established"}, "option may not be rendered"),
        (WEB | {"action": "reject"}, "it does not accept"),
        (WEB | {"source-address": "none"}, "one end has no address"),
        (WEB | {"destination-address": "unheard"}, "one end has no address"),
        (WEB | {"source-address": "six"}, "of both families"),
        (WEB | {"source-address": "both"}, "of both families"),
        (PING | {"protocol": "icmpv6"}, "icmpv6 is of the other address family"),
        (PING | {"source-address": "six", "destination-address": "six"}, "icmp is of the other"),
        (PING | {"destination-port": "tcp_443"}, "ports are of tcp or of udp alone"),
        (WEB | {"protocol": "tcp udp"}, "tcp udp is not one protocol"),
        (WEB | {"protocol": "udp"}, "or of another protocol"),
        (WEB | {"destination-port": "tcp_"}, "its ports are none"),
        (PING | {"protocol": "tcp"}, "ports are of tcp or of udp alone"),
    ],
)
def test_terms_that_could_lose_a_condition_are_refused(term: Term, why: str) -> None:
    refuse([WEB, PING], NETWORKS, PORTS)
    with pytest.raises(InvalidInput, match=rf"'web' is not given to Aerleon: .*{why}"):
        refuse([WEB, term], NETWORKS, PORTS)


def test_what_has_ended_is_in_no_term() -> None:
    for today, there in ((BEFORE, True), (AFTER, False)):
        terms, _, _ = policy(small(), "a", today, (4, 6))
        assert ("trial" in {term["comment"] for term in terms}) == there


def test_what_aerleon_warns_of_is_an_error() -> None:
    term = WEB | {"expiration": "2020-01-01"}
    with pytest.raises(InvalidInput, match=r"Aerleon warns: .*t1.*expired"):
        aerleon._generated("ciscoasa", [WEB, {**term, "name": "t1"}], NETWORKS, PORTS)
    with pytest.raises(InvalidInput, match="Aerleon refuses: "):
        aerleon._generated("iptables", [WEB | {"name": "t" * 60}], NETWORKS, PORTS)


def test_a_flow_that_vanished_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aerleon, "_generated", lambda *_: "access-list sitiv remark t10")
    with pytest.raises(InvalidInput, match=r"Aerleon left the flow '.*' out for ciscoasa"):
        rendered(small(), "a", BEFORE, "ciscoasa", unproven=True)


@pytest.mark.parametrize("kind", ["ciscoasa", "srx"])
def test_what_cannot_be_read_back_is_refused_or_said(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["policy", "render", "--to", kind, "--estate", str(INVENTORY / "lab/estate")]
    assert run(words) == 3
    assert "add --unproven" in capsys.readouterr().err
    assert run([*words, "--unproven"]) == 0
    out = capsys.readouterr()
    assert "UNPROVEN" in out.out
    assert f"{kind}: UNPROVEN" in out.err
    assert ("of IPv6 are not in it" in out.err) == (kind == "ciscoasa")


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aerleon", None)
    with pytest.raises(InvalidInput, match=r"pip install 'sitiv-infra\[aerleon\]'"):
        rendered(small(), "a", BEFORE, "iptables", unproven=False)
