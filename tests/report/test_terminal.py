from __future__ import annotations

import io

import pytest
from rich.console import Console

from sitiv_infra.messages import LANGUAGES, Language
from sitiv_infra.report.audit import Audit
from sitiv_infra.report.formats import FORMATS
from sitiv_infra.report.terminal import show
from sitiv_infra.snapshot import Gap
from tests.report import factory

AUDITS = {"full": factory.full(), "empty": factory.audit(), "many": factory.many(300)}


def screen(audit: Audit, width: int, height: int = 40, *, colour: bool = False) -> str:
    stream = io.StringIO()
    console = Console(
        file=stream, width=width, height=height, force_terminal=colour, highlight=False,
        color_system="standard" if colour else None, legacy_windows=False,
    )  # fmt: skip
    show(audit, Language("fr"), console)
    return stream.getvalue()


@pytest.mark.parametrize("name", AUDITS)
@pytest.mark.parametrize("width", [80, 100, 140, 200])
def test_no_line_is_wider_than_the_screen(name: str, width: int) -> None:
    told = screen(AUDITS[name], width)
    assert max(len(line.rstrip()) for line in told.splitlines()) <= width
    assert "\x1b" not in told


def test_80_columns_show_every_domain_and_member_whole() -> None:
    told = screen(AUDITS["full"], 80)
    for word in ("Sauvegardes", "Annuaires", "Hyperviseurs", "Cloisonnement", "Stockage"):
        assert word in told
    for member in factory.MEMBERS:
        assert factory.TITLES.get(member, member.capitalize()) in told


def test_it_says_what_a_person_on_call_asks() -> None:
    told = " ".join(screen(AUDITS["full"], 160).replace("\N{NO-BREAK SPACE}", " ").split())
    for text in (
        "ENREGISTREMENT du 21/11/2026, sur", "Écarts ouverts : 24 (critique 5, élevée 6",
        "Depuis 2026-11-20T0200Z : nouveaux 5, réapparus 5, corrigés 2", "Non vérifiés : 2",
        "✕ C 1", "≈ risque accepté", "Non observé", "directory/givors", "en retard depuis le",
        "expiré (jusqu\N{RIGHT SINGLE QUOTATION MARK}au 01/10/2026)", "ne couvre rien",
    ):  # fmt: skip
        assert text in told, text


def test_failures_are_cut_to_the_screen_and_it_says_how_many_more() -> None:
    small, large = screen(AUDITS["many"], 80, 40), screen(AUDITS["many"], 80, 120)
    assert len(small.splitlines()) < 50
    assert 100 < len(large.splitlines()) <= 121
    assert "de plus" in small
    shown = small.count("✕ critique")
    assert f"… {300 - shown} de plus" in small


def test_many_gaps_leave_room_for_the_rest() -> None:
    gaps = [Gap(source=f"directory/d{n}", cause="this source was not asked", at=factory.NOW)
            for n in range(30)]  # fmt: skip
    told = screen(factory.audit(factory.finding(), gaps=tuple(gaps)), 80)
    assert told.count("cette source") == 8
    assert "… 22 de plus" in told


def test_colour_only_repeats_what_signs_and_words_say() -> None:
    colours = screen(AUDITS["full"], 100, colour=True)
    assert "\x1b[1;31m" in colours
    plain = screen(AUDITS["full"], 100)
    assert "✕ critique" in plain


def test_hostile_evidence_steers_nothing() -> None:
    hostile = [
        factory.finding(subject=f"corbas/bucket/{text}", message="{text}", evidence={"text": text})
        for text in (*factory.HOSTILE, "[bold red]markup[/]", "a\nb\tc", "\x9b31m")
    ]
    told = screen(factory.audit(*hostile), 200, 100)
    assert "\x1b" not in told
    assert "\x9b" not in told
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in told
    assert "[bold red]markup[/]" in told
    assert "a\\nb\\tc" in told


@pytest.mark.parametrize("language", LANGUAGES)
def test_plain_text_is_as_wide_as_the_terminal(
    language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    told = FORMATS["text"].encode(AUDITS["full"], Language(language)).decode()
    assert 80 < max(map(len, told.splitlines())) <= 90
    assert "\x1b" not in told
