"""Short texts of the drawing of the network, made to fit."""

from __future__ import annotations

from collections.abc import Iterable

from sitiv_infra import vlan_ids
from sitiv_infra.estate import Vlan
from sitiv_infra.messages import Language
from sitiv_infra.report.safe import cut
from sitiv_infra.report.topology import Place

LETTER = 6.7  # width of a letter, a little more than the mean


def fit(text: str, width: float, letter: float = LETTER) -> str:
    """Make a text visible, and end it where it no longer fits."""
    most = max(3, int(width / letter))
    shown = cut(text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def written(vlans: Iterable[Vlan]) -> str:
    """Write the ids of VLANs: ``VLAN 301-308``; nothing where there are none."""
    ids = [vlan.vid for vlan in vlans]
    return f"VLAN {vlan_ids.written(ids)}" if ids else ""


def under(language: Language, place: Place) -> str:
    """Tell what stands below a zone's name: its VLANs, and the members that have some of them."""
    parts = [written(place.vlans)]
    if place.members:
        parts.append(language.text("members: {count}", count=len(place.members)))
    return " · ".join(parts)
