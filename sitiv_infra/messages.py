"""Messages kept as a template and its values, so that any report can be told in any language.

Templates are English and are the key of the gettext catalogue. A field may say what it holds:
``{age:duration}`` seconds, ``{at:instant}`` an ISO 8601 instant, ``{names:list}`` a list,
``{size:bytes}`` a number of bytes. A field named ``cause``, or a list named ``causes``, ``passing``
or ``dropped``, holds English texts that are translated too, such as why something was not observed.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

from babel import Locale
from babel.lists import format_list
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

LANGUAGES = ("fr", "en")
DEFAULT_LANGUAGE = "fr"
MOST_LISTED = 8

MINUTE, HOUR, DAY = 60, 3600, 86_400
NOTHING = "\N{EN DASH}"
LONGEST_CAUSE = 500  # longer ones are somebody's output, which no template names
LITERAL = 8  # fewer letters outside the fields would let a template match any text
CAUSES = frozenset({"causes", "passing", "dropped"})
FIELD = re.compile(r"\{(\w+)[^{}]*\}")
NO_BREAK, NARROW_NO_BREAK = "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}"


def noop(template: str) -> str:
    """Mark a text for the catalogue where it is written; it is translated where it is shown."""
    return template


def plain(value: object) -> object:
    """Turn a value of a message into JSON: instants to ISO 8601 UTC, durations to seconds."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, set | frozenset):
        return sorted(plain(v) for v in value)  # type: ignore[type-var]
    return _plain_one(value)


def _plain_one(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return value.total_seconds() if isinstance(value, timedelta) else str(value)


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Give the translations of a language by English template; English has none."""
    if language == "en":
        return {}
    file = resources.files("sitiv_infra") / "locale" / f"{language}.po"
    with file.open("rb") as stream:
        messages = read_po(stream, locale=language)
    found = {str(m.id): str(m.string) for m in messages if m.id and m.string and not m.fuzzy}
    return {k: french(v) for k, v in found.items()} if language == "fr" else found


def french(text: str) -> str:
    """Set a text as the Imprimerie nationale does: no line begins with a sign of two parts.

    The colon and the guillemets take a full no-break space, the others a narrow one; an apostrophe
    between two letters is a curved one.
    """
    text = re.sub(r"(?<=[^\W\d_])'(?=[^\W\d_])", "\N{RIGHT SINGLE QUOTATION MARK}", text)
    text = re.sub(r" ([;!?])", NARROW_NO_BREAK + r"\1", text)
    return re.sub(r" ([:»])", NO_BREAK + r"\1", text).replace("« ", "«" + NO_BREAK)


class Language(string.Formatter):
    """Says things in one language: templates, dates, durations, numbers."""

    def __init__(self, code: str = DEFAULT_LANGUAGE, timezone: str = "Europe/Paris") -> None:
        self.code = code
        self.locale = Locale.parse(code)
        self.zone = ZoneInfo(timezone)
        self._catalogue = catalogue(code)
        self._causes: dict[str, str] = {}
        self._space = NO_BREAK if code == "fr" else " "

    def text(self, template: str, /, **values: object) -> str:
        """Translate a template and fill it in."""
        translated = self._catalogue.get(template, template)
        return self.vformat(translated, (), values) if values else translated

    def message(self, template: str, values: Mapping[str, object]) -> str:
        """Translate a verdict's message; a value that is missing shows its field's name."""
        return self.vformat(self._catalogue.get(template, template), (), values)

    def cause(self, text: str) -> str:
        """Translate a cause, which was written with its values already in it.

        The English templates are tried as patterns, the one with most words of its own first, then
        the part after a colon. A cause that nothing matches stays as it is.
        """
        known = self._causes.get(text)
        if known is None:
            known = self._causes[text] = self._catalogue.get(text) or self._matched(text)
        return known

    def _matched(self, text: str) -> str:
        if len(text) > LONGEST_CAUSE:
            return text
        for pattern, template in _patterns(self.code):
            match = pattern.fullmatch(text)
            if match is not None:
                values = {name: self.cause(value) for name, value in match.groupdict().items()}
                return self.vformat(template, (), values)
        where, colon, said = text.partition(": ")
        told = self.cause(said) if colon else said
        return text if told == said else f"{where}{NO_BREAK}: {told}"

    def get_value(
        self,
        key: int | str,
        args: object,  # noqa: ARG002 - the standard library's signature
        kwargs: Mapping[str, object],
    ) -> object:
        """Give a field's value as plain data, or the field's name where it has no value."""
        value = plain(kwargs.get(str(key), f"{{{key}}}"))
        if key in CAUSES and isinstance(value, list):
            return [self.cause(str(one)) for one in value]
        return self.cause(value) if key == "cause" and isinstance(value, str) else value

    def format_field(self, value: object, format_spec: str) -> str:
        """Show one value in the way its field asks for."""
        if isinstance(value, str) and format_spec in {"instant", "date"}:
            return self._moment(value, format_spec)
        if isinstance(value, int | float) and format_spec in {"duration", "bytes"}:
            return self.duration(value) if format_spec == "duration" else self.size(value)
        if isinstance(value, list):
            return self.list(value)
        if isinstance(value, float):
            return str(format_decimal(value, locale=self.locale))
        return str(value)

    def _moment(self, value: str, form: str) -> str:
        """Show an ISO 8601 text as instant or day; one that is not is shown as it came."""
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value
        if form == "instant":
            return self.instant(moment)
        return self.day(moment) if moment.tzinfo else self.date(moment.date())

    def duration(self, seconds: float) -> str:
        """Show seconds in the two units that a person would use."""
        past, left = ("-" if seconds < 0 else ""), abs(int(seconds))
        days, hours, minutes = left // DAY, left % DAY // HOUR, left % HOUR // MINUTE
        parts = [(days, "j" if self.code == "fr" else "d"), (hours, "h"), (minutes, "min")]
        if days >= 14:
            shown = parts[:1]
        elif days:
            shown = parts[:2]
        else:
            shown = parts[1:] if hours or minutes else [(left, "s")]
        told = [f"{n}{self._space}{unit}" for n, unit in shown if n or unit == "s"]
        return past + " ".join(told)

    def instant(self, value: datetime) -> str:
        """Show an instant in the operator's time zone."""
        pattern = "%d/%m/%Y %H:%M" if self.code == "fr" else "%Y-%m-%d %H:%M"
        return value.astimezone(self.zone).strftime(pattern)

    def date(self, value: date) -> str:
        """Show a day."""
        return value.strftime("%d/%m/%Y" if self.code == "fr" else "%Y-%m-%d")

    def day(self, value: datetime) -> str:
        """Show the day of an instant in the operator's time zone."""
        return self.date(value.astimezone(self.zone).date())

    def number(self, value: float) -> str:
        """Show a count with its thousands apart; for identifiers use ``str``."""
        return str(format_decimal(value, locale=self.locale)) if value >= 1000 else str(value)

    def size(self, value: float) -> str:
        """Show bytes in binary units."""
        unit = "o" if self.code == "fr" else "B"
        for prefix in ("", "Ki", "Mi", "Gi", "Ti"):
            if abs(value) < 1024 or prefix == "Ti":
                break
            value /= 1024
        number = format_decimal(round(value, 1), locale=self.locale)
        return f"{number}{self._space}{prefix}{unit}"

    def list(self, values: Sequence[object]) -> str:
        """Show a list; a long one is cut, with how many more there are."""
        shown = [str(v) for v in values[:MOST_LISTED]]
        more = len(values) - len(shown)
        if more > 0:
            shown.append(self.text("{count} more", count=more))
        return str(format_list(shown, locale=self.locale)) if shown else NOTHING


@cache
def _patterns(language: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Give every template with fields as a pattern, the most specific first."""
    found = []
    for template, translated in catalogue(language).items():
        literal = FIELD.split(template)[::2]
        names = FIELD.findall(template)
        if not names or len(set(names)) < len(names) or len("".join(literal)) < LITERAL:
            continue
        source = re.escape(literal[0]) + "".join(
            f"(?P<{name}>.*){re.escape(after)}"
            for name, after in zip(names, literal[1:], strict=True)
        )
        pattern = re.compile(source, re.DOTALL)
        found.append((len("".join(literal)), pattern, FIELD.sub(r"{\1}", translated)))
    found.sort(key=lambda item: -item[0])
    return tuple((pattern, translated) for _, pattern, translated in found)
