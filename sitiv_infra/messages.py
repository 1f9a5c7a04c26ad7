"""Messages kept as a template and its values, so that any report can be told in any language.

Templates are English and are the key of the gettext catalogue. A field may say what it holds:
``{age:duration}`` seconds, ``{at:instant}`` an ISO 8601 instant, ``{names:list}`` a list,
``{size:bytes}`` a number of bytes.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.lists import format_list
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

LANGUAGES = ("fr", "en")
DEFAULT_LANGUAGE = "fr"
MOST_LISTED = 8

MINUTE, HOUR, DAY = 60, 3600, 86_400


def plain(value: object) -> object:
    """Turn a value of a message into JSON: instants to ISO 8601 UTC, durations to seconds."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, set | frozenset):
        return sorted(plain(v) for v in value)  # type: ignore[type-var]
    return str(value)


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Give the translations of a language by English template; English has none."""
    if language == "en":
        return {}
    file = resources.files("sitiv_infra") / "locale" / f"{language}.po"
    with file.open("rb") as stream:
        messages = read_po(stream, locale=language)
    return {str(m.id): str(m.string) for m in messages if m.id and m.string and not m.fuzzy}


class Language(string.Formatter):
    """Says things in one language: templates, dates, durations, numbers."""

    def __init__(self, code: str = DEFAULT_LANGUAGE, timezone: str = "Europe/Paris") -> None:
        self.code = code
        self.locale = Locale.parse(code)
        self.zone = ZoneInfo(timezone)
        self._catalogue = catalogue(code)

    def text(self, template: str, /, **values: object) -> str:
        """Translate a template and fill it in."""
        translated = self._catalogue.get(template, template)
        return self.vformat(translated, (), values) if values else translated

    def message(self, template: str, values: Mapping[str, object]) -> str:
        """Translate a verdict's message; a value that is missing shows its field's name."""
        return self.vformat(self._catalogue.get(template, template), (), values)

    def get_value(self, key: int | str, args: object, kwargs: Mapping[str, object]) -> object:
        """Give a field's value, or its name where it has none."""
        return kwargs.get(str(key), f"{{{key}}}")

    def format_field(self, value: object, format_spec: str) -> str:
        """Show one value in the way its field asks for."""
        if format_spec == "duration" and isinstance(value, int | float):
            return self.duration(value)
        if format_spec == "instant" and isinstance(value, str):
            return self.instant(datetime.fromisoformat(value))
        if format_spec == "date" and isinstance(value, str):
            return self.date(date.fromisoformat(value[:10]))
        if format_spec == "bytes" and isinstance(value, int | float):
            return self.size(value)
        if isinstance(value, list):
            return self.list(value)
        if isinstance(value, float):
            return str(format_decimal(value, locale=self.locale))
        return str(value)

    def duration(self, seconds: float) -> str:
        """Show seconds in the two units that a person would use."""
        past, left = ("-" if seconds < 0 else ""), abs(int(seconds))
        days, hours, minutes = left // DAY, left % DAY // HOUR, left % HOUR // MINUTE
        day, hour, minute = ("j", "h", "min") if self.code == "fr" else ("d", "h", "min")
        if days >= 14:
            return f"{past}{days} {day}"
        if days:
            return f"{past}{days} {day}" + (f" {hours} {hour}" if hours else "")
        if hours:
            return f"{past}{hours} {hour}" + (f" {minutes} {minute}" if minutes else "")
        return f"{past}{minutes} {minute}" if minutes else f"{past}{left} s"

    def instant(self, value: datetime) -> str:
        """Show an instant in the operator's time zone."""
        local = value.astimezone(self.zone)
        pattern = "dd/MM/yyyy HH:mm" if self.code == "fr" else "yyyy-MM-dd HH:mm"
        return str(format_datetime(local, pattern, tzinfo=self.zone, locale=self.locale))

    def date(self, value: date) -> str:
        """Show a day."""
        pattern = "dd/MM/yyyy" if self.code == "fr" else "yyyy-MM-dd"
        return str(format_date(value, pattern, locale=self.locale))

    def size(self, value: float) -> str:
        """Show bytes in binary units."""
        unit = "o" if self.code == "fr" else "B"
        for prefix in ("", "Ki", "Mi", "Gi", "Ti"):
            if abs(value) < 1024 or prefix == "Ti":
                break
            value /= 1024
        number = format_decimal(round(value, 1), locale=self.locale)
        return f"{number} {prefix}{unit}"

    def list(self, values: list[object]) -> str:
        """Show a list; a long one is cut, with how many more there are."""
        shown = [str(v) for v in values[:MOST_LISTED]]
        more = len(values) - len(shown)
        if more > 0:
            shown.append(self.text("{count} more", count=more))
        return str(format_list(shown, locale=self.locale)) if shown else "–"
