from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from enum import Enum

import pytest

from sitiv_infra.messages import LANGUAGES, Language, french, plain

NB, NARROW = "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}"
FR, EN = Language("fr"), Language("en")


@pytest.mark.parametrize(
    ("seconds", "en"),
    [
        (0, "0 s"), (59, "59 s"), (60, "1 min"), (3600, "1 h"), (3661, "1 h 1 min"),
        (90_000, "1 d 1 h"), (86_400, "1 d"), (14 * 86_400 + 3600, "14 d"), (-3600, "-1 h"),
        (86_460, "1 d"),
    ],
)  # fmt: skip
def test_duration(seconds: int, en: str) -> None:
    assert EN.duration(seconds) == en
    words = en.replace("d", "j").split(" ")
    joined = [f"{n}{NB}{unit}" for n, unit in zip(words[::2], words[1::2], strict=True)]
    assert FR.duration(seconds) == " ".join(joined)


def test_instants_are_those_of_the_time_zone() -> None:
    late = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
    assert FR.instant(late) == "21/11/2026 00:30"
    assert EN.instant(late) == "2026-11-21 00:30"
    assert FR.day(late) == "21/11/2026"
    assert EN.message("{x:date} {y:date}", {"x": late.isoformat(), "y": "2026-01-02"}) == (
        "2026-11-21 2026-01-02"
    )


def test_a_value_that_is_not_what_its_field_says_is_shown_as_it_is() -> None:
    told = EN.message("{a:instant} {b:date} {c:duration} {d:bytes} {e}", {
        "a": "soon", "b": "never", "c": "long", "d": None})  # fmt: skip
    assert told == "soon never long None {e}"


def test_numbers() -> None:
    assert FR.number(999) == "999"
    assert FR.number(12345) == f"12{NARROW}345"
    assert FR.size(1536) == f"1,5{NB}Kio"
    assert EN.size(0) == "0 B"
    assert FR.message("{port} {share}", {"port": 10443, "share": 0.5}) == "10443 0,5"


def test_long_lists_are_cut() -> None:
    assert FR.list(["a", "b"]) == "a et b"
    assert FR.list(list(range(11))) == "0, 1, 2, 3, 4, 5, 6, 7 et 3 de plus"
    assert EN.list([]) == "\N{EN DASH}"


def test_french_typography() -> None:
    told = french("l'état : « oui » ; non ! 'a' d'où ?")
    apostrophe = "\N{RIGHT SINGLE QUOTATION MARK}"
    assert told == (
        f"l{apostrophe}état{NB}: «{NB}oui{NB}»{NARROW}; non{NARROW}! 'a' d{apostrophe}où{NARROW}?"
    )


# Causes of the kernel itself: those of collectors are theirs to reword.
ASKED, NOT_ASKED = (
    "this source was not asked",
    "cette source n\N{RIGHT SINGLE QUOTATION MARK}a pas été interrogée",
)


@pytest.mark.parametrize(
    ("cause", "fr"),
    [
        (ASKED, NOT_ASKED),
        (f"ssh://10.0.0.1:22: {ASKED}", f"ssh://10.0.0.1:22{NB}: {NOT_ASKED}"),
        (
            "no answer after 60 s (the source's timeout)",
            "pas de réponse en 60 s (le délai de la source)",
        ),
        (
            "no secret 'x': set SITIV_SECRET_X, or that key in /f",
            f"pas de secret «{NB}x{NB}»{NB}: renseigner SITIV_SECRET_X, ou cette clé dans /f",
        ),
        ("OSError: nobody wrote this", "OSError: nobody wrote this"),
        ("x: " * 400, "x: " * 400),
    ],
)
def test_causes_are_translated_with_the_values_in_them(cause: str, fr: str) -> None:
    assert FR.cause(cause) == fr
    assert EN.cause(cause) == cause


def test_fields_named_cause_and_causes_are_translated() -> None:
    told = FR.message("{source} was not observed: {cause}", {"source": "a", "cause": ASKED})
    assert told.endswith(f"{NB}: {NOT_ASKED}")
    assert FR.message("{causes:list}", {"causes": [ASKED, "x"]}) == f"{NOT_ASKED} et x"


def test_a_template_in_a_value_is_not_filled_in() -> None:
    for language in LANGUAGES:
        told = Language(language).message("{a}", {"a": "{b} {a.__class__}", "b": "no"})
        assert told == "{b} {a.__class__}"


def test_plain_values() -> None:
    class Colour(Enum):
        RED = "red"

    values = {
        "at": datetime(2026, 1, 1, tzinfo=UTC), "day": date(2026, 1, 2), "age": timedelta(hours=1),
        "names": ("b", {"x", "a"}), "colour": Colour.RED, "other": 1j,
    }  # fmt: skip
    assert plain(values) == {
        "at": "2026-01-01T00:00:00+00:00", "day": "2026-01-02", "age": 3600.0,
        "names": ["b", ["a", "x"]], "colour": "red", "other": "1j",
    }  # fmt: skip
