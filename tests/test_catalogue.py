from __future__ import annotations

from pathlib import Path

from sitiv_infra import catalogue

MODULE = """
NAMED = "a named message"
CAUSES = (("mark", "a cause from a table"),)
LATE: str = "an annotated message"

def rule(subject, x):
    yield ok(subject, "good {age:duration}", age=x)
    yield fail(subject, "bad" if x else NAMED)
    yield unknown(subject, LATE)
    yield fail(subject, message="by keyword")
    raise NotObserved(f"{x.where} refused '{x}': {reason(x) or 'no reason'}")

def other(subject):
    cause = f"no answer after {subject.timeout:.0f} s"
    raise NotObserved(why(subject))

def why(subject):
    return f"{subject} did not answer" if subject else "nobody answered"

def reason(x):
    return "a deep reason"

def irrelevant():
    print("not this")
    return Unread(unread="not visible")

TITLE = noop("marked")
language.text("said", x=1)
"""
TEMPLATE = """{{ t("plain") }} {{ t("with {x}", x=1) }} {{ other("not this") }}
{% if t("in a condition") %}{% endif %}"""


def test_texts_of_a_module() -> None:
    assert catalogue.of_module(MODULE) == {
        "a named message", "a cause from a table", "an annotated message", "good {age:duration}",
        "bad", "by keyword", "{where} refused '{x}': {value}", "a deep reason", "no reason",
        "no answer after {timeout} s", "{subject} did not answer", "nobody answered",
        "not visible", "marked", "said",
    }  # fmt: skip


def test_texts_of_a_template() -> None:
    assert set(catalogue.of_template(TEMPLATE)) == {"plain", "with {x}", "in a condition"}


def test_merging_adds_replaces_and_leaves_out_what_nothing_needs(tmp_path: Path) -> None:
    path, fragment = tmp_path / "fr.po", tmp_path / "more.po"
    path.write_text('msgid "Annex"\nmsgstr "Annexe"\n', encoding="utf-8")
    fragment.write_text(
        'msgid "Annex"\nmsgstr "Autre"\n\nmsgid "Method"\nmsgstr "Méthode"\n\n'
        'msgid "needed by nothing at all"\nmsgstr "rien"\n',
        encoding="utf-8",
    )
    assert catalogue.merge([fragment], path) == ["Annex"]
    merged = path.read_bytes()
    assert catalogue.translations(catalogue.read(path)) == {"Annex": "Autre", "Method": "Méthode"}
    catalogue.merge([], path)
    assert path.read_bytes() == merged


def test_fields_of_translations_are_those_of_the_texts() -> None:
    assert catalogue.misfielded() == []


def test_a_translation_with_other_fields_is_found() -> None:
    same = catalogue._fields("{a:duration} of {b}")
    assert same == catalogue._fields("{b} : {a:duration}")
    assert same != catalogue._fields("{a} {b}")
    assert catalogue._fields("{a") is None
