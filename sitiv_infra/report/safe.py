"""Untrusted text made harmless to look at: evidence is written by systems that may be hostile."""

from __future__ import annotations

import json
import unicodedata

LONGEST = 600  # characters of one value that a person is shown; the data formats keep all

# Cc steer a terminal, Cf hide or turn text around (bidi), Zl and Zp end lines, Cs can't be encoded.
DELETE = "\x7f"
_STEERING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class _Table(dict[int, str]):
    """Says of each character how it is shown; fills itself, since Unicode is large."""

    def __missing__(self, code: int) -> str:
        sign = chr(code)
        if unicodedata.category(sign) not in _STEERING:
            self[code] = sign
        elif sign == DELETE:  # the one control character that JSON leaves as it is
            self[code] = "\\u007f"
        else:
            self[code] = json.dumps(sign)[1:-1]
        return self[code]


_TABLE = _Table()


def visible(text: str) -> str:
    """Write control, bidi and line-breaking characters out, so that they show and do nothing.

    They are written as JSON escapes: inside a JSON text this changes no value.
    """
    return text if text.isprintable() else text.translate(_TABLE)


def cut(text: str, most: int = LONGEST) -> str:
    """Make a text visible, and end it after ``most`` characters with how many more there are."""
    if len(text) <= most:
        return visible(text)
    return f"{visible(text[:most])}… (+{len(text) - most})"
