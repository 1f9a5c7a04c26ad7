"""The example estate: what it must hold, and what any damage to it leads to."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from functools import cache
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Estate, load
from sitiv_infra.estate.organisation import Criticality
from sitiv_infra.positions import compose
from sitiv_infra.waivers import load as load_waivers
from sitiv_infra.wanted.routing import routing

INVENTORY = Path(__file__).parents[2] / "inventory"
FOLDER = INVENTORY / "estate"
TEXTS = {path.name: path.read_text("utf-8") for path in sorted(FOLDER.glob("*.yml"))}
FILES = list(TEXTS)


@pytest.fixture(scope="module")
def estate() -> Estate:
    return load(FOLDER)


def test_who_and_where(estate: Estate) -> None:
    cities = [m for m in estate.members.values() if m.inhabitants is not None]
    assert len(cities) == len(estate.directories) == 8
    assert 215_000 <= sum(m.inhabitants or 0 for m in cities) <= 225_000
    assert estate.members["pierre-benite"].leaves == date(2024, 12, 31)
    assert Counter(site.role for site in estate.sites.values()) == {"production": 2, "arbiter": 1}
    assert {d.member for d in estate.directories.values()} == {m.name for m in cities}


def test_services(estate: Estate) -> None:
    assert len(estate.services) == 48
    concerto = estate.services["concerto"]
    assert concerto.members == ("corbas", "pierre-benite", "saint-chamond", "vaulx-en-velin")
    zimbra = estate.services["zimbra"]
    assert "metropole-de-lyon" in zimbra.members
    assert "ville-de-lyon" not in zimbra.members
    doubtful = [s.name for s in estate.services.values() if s.note and "shifted" in s.note]
    assert len(doubtful) == 9
    venissieux = next(u for u in estate.uses if u.path == "venissieux/service/zimbra")
    assert venissieux.rpo == timedelta(hours=1)


def test_critical_services_have_machines_on_both_sites(estate: Estate) -> None:
    for service in estate.services.values():
        if service.criticality is Criticality.CRITICAL:
            sites = {machine.site for machine in estate.machines_of(service.name)}
            assert sites == {"a", "b"}, service.name


def test_every_host_of_a_source_is_a_machine(estate: Estate) -> None:
    hosts = [f.host for f in estate.firewalls.values()]
    hosts += [v.host for v in estate.vcenters.values()]
    hosts += [h for d in estate.directories.values() for h in d.servers]
    hosts += [
        s.endpoint.removeprefix("https://").partition(":")[0] for s in estate.object_stores.values()
    ]
    for host in hosts:
        name, _, domain = host.partition(".")
        assert domain == "sitiv.test"
        assert estate.machines[name].primary_address is not None


def test_a_public_name_has_one_address_a_version(estate: Estate) -> None:
    found: dict[tuple[str, int], object] = {}
    for exposure in estate.exposures.values():
        key = exposure.host, exposure.address.version
        assert found.setdefault(key, exposure.address) == exposure.address
        assert exposure.host.endswith(".test")


def test_addresses_are_for_documentation_or_private(estate: Estate) -> None:
    private = [ip_network(n) for n in ("10.0.0.0/8", "fd00::/8")]
    public = [ip_network(n) for n in ("198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")]
    for vlan in estate.vlans.values():
        allowed = public if estate.zones[vlan.zone].internet else private
        for net in vlan.subnets:
            assert any(net.version == p.version and net.subnet_of(p) for p in allowed)  # type: ignore[arg-type]  # versions are equal
    scanned = [net for vantage in estate.vantages.values() for net in vantage.networks]
    assert sum(net.num_addresses for net in scanned) <= 16
    for net in scanned:
        assert any(net.version == p.version and net.subnet_of(p) for p in public)  # type: ignore[arg-type]  # versions are equal


@pytest.mark.parametrize("folder", [FOLDER, INVENTORY / "lab" / "estate"])
def test_nothing_has_an_address_that_the_firewalls_hold(folder: Path) -> None:
    estate = load(folder)
    held = {
        address.partition("/")[0]
        for name in estate.firewalls
        for instance in getattr(routing(estate, estate.machines[name]), "instances", ())
        for address in (held.address for held in instance.addresses)
    }
    machines = [
        str(address)
        for machine in estate.machines.values()
        for leg in machine.interfaces
        for address in leg.addresses
    ]
    virtual = [str(a) for v in estate.virtual_addresses.values() for a in v.addresses]
    assert len(held) > 10
    assert not held & {*machines, *virtual}
    assert not set(machines) & set(virtual)
    public = {str(a) for v in estate.virtual_addresses.values() for a in v.publishes}
    assert {str(e.address) for e in estate.exposures.values()} <= public <= held


def test_copies_lie_on_the_other_site(estate: Estate) -> None:
    for backup in estate.backups.values():
        (kept,) = estate.sites_of(backup)
        assert {estate.machines[name].site for name in backup.machines} == {"ab".replace(kept, "")}


def test_flows_have_a_ticket(estate: Estate) -> None:
    assert 20 <= len(estate.flows) <= 40
    assert all(flow.ticket for flow in estate.flows.values())


def test_waivers_name_what_is_declared(estate: Estate) -> None:
    waivers = load_waivers(INVENTORY / "waivers.yml")
    things = {
        getattr(thing, "path", "")
        for kind in Estate.model_fields
        if kind != "operator"
        for thing in getattr(estate, kind).values()
    }
    assert len(waivers) == 4
    for waiver in waivers:
        assert waiver.subject.removesuffix("/*").partition("@")[0] in things, waiver.subject


def _loads(folder: Path) -> InvalidInput | None:
    """Load; whatever is written, an estate or InvalidInput comes of it."""
    try:
        load(folder)
    except InvalidInput as error:
        refused = error
    else:
        return None
    assert refused.problems
    assert all(p.line >= 1 and p.column >= 1 and "\n" not in str(p) for p in refused.problems)
    return refused


INDICATORS = st.text(alphabet="-?:,[]{}#&*!|>'\"%@` \n\tab1~<=.é\x00\ud7ff", max_size=60)
REPEATED = settings(
    max_examples=150,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@REPEATED
@given(text=st.one_of(st.text(max_size=200), INDICATORS))
def test_any_text_is_an_estate_or_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "0.yml").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert _loads(tmp_path) is not None


@REPEATED
@given(raw=st.binary(max_size=100), at=st.integers(0, 2000), file=st.sampled_from(FILES))
def test_any_damage_is_an_estate_or_refused(tmp_path: Path, raw: bytes, at: int, file: str) -> None:
    whole = TEXTS[file].encode()
    (tmp_path / "0.yml").write_bytes(whole[:at] + raw + whole[at + len(raw) :])
    _loads(tmp_path)


@cache
def _scalars(file: str) -> list[tuple[int, int, str]]:
    """Give line, column and text of every plain value of a file that stands whole on its line."""
    lines = TEXTS[file].splitlines()
    found = []
    for below in compose(TEXTS[file], file).entries.values():
        for entry in below.values():
            line, column = entry.at
            text = entry.value
            if isinstance(text, str) and lines[line - 1][column - 1 :].startswith(text):
                found.append((line, column, text))
    return found


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    for file, text in TEXTS.items():
        (folder / file).write_text(text, "utf-8")
    return folder


# A site, a zone or a VLAN that changes makes others wrong, too: these stand alone.
ALONE = [f for f in FILES if f not in ("operator.yml", "network.yml")]


@settings(max_examples=60, deadline=None, database=None)
@given(data=st.data(), junk=st.sampled_from(["nowhere", "12x", "[1]", "{k: v}", "''", "~"]))
def test_one_damaged_value_is_accepted_or_found_on_its_line(
    copy: Path, data: st.DataObject, junk: str
) -> None:
    file = data.draw(st.sampled_from(ALONE))
    line, column, text = data.draw(st.sampled_from(_scalars(file)))
    lines = TEXTS[file].split("\n")
    old = lines[line - 1]
    lines[line - 1] = old[: column - 1] + junk + old[column - 1 + len(text) :]
    try:
        (copy / file).write_text("\n".join(lines), "utf-8")
        error = _loads(copy)
    finally:
        (copy / file).write_text(TEXTS[file], "utf-8")
    if error is not None:
        places = [(Path(p.file).name, p.line) for p in error.problems]
        assert (file, line) in places, str(error)
