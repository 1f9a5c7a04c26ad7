"""Infrastructure as code and security posture for a public digital-services operator.

What a check needs is exported here; everything else is imported from its module.
"""

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
