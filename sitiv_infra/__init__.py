"""Infrastructure as code and security posture for a public digital-services operator.

What a check needs is exported here; everything else is imported from its module. The names are
loaded when they are asked for: a command that judges nothing need not wait for them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sitiv_infra.checking import Found, Placed, SeenFacts, Verdicts, check, fail, ok, unknown
    from sitiv_infra.estate import Estate
    from sitiv_infra.facts import Unread

__all__ = [
    "Estate",
    "Found",
    "Placed",
    "SeenFacts",
    "Unread",
    "Verdicts",
    "check",
    "fail",
    "ok",
    "unknown",
]
ELSEWHERE = {"Estate": "estate", "Unread": "facts"}  # the others are those of ``checking``


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{ELSEWHERE.get(name, 'checking')}")
    found: object = getattr(module, name)
    return found
