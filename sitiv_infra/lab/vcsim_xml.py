"""Managed objects as the XML that ``vcsim -load`` reads."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape


def managed(kind: str, id_: str, **properties: str) -> str:
    """Write a managed object with its properties."""
    sets = "".join(f"<propSet><name>{n}</name>{v}</propSet>" for n, v in properties.items())
    spaces = (
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        ' xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
    )
    return f'<ObjectContent {spaces}><obj type="{kind}">{id_}</obj>{sets}</ObjectContent>'


def string(value: str) -> str:
    """Write a text."""
    return data("xsd:string", escape(value))


def data(kind: str, inner: str) -> str:
    """Write a data object, or a list of them."""
    return f'<val xsi:type="{kind}">{inner}</val>'


def reference(kind: str, id_: str) -> str:
    """Write what leads to another managed object."""
    return f'<val type="{kind}" xsi:type="ManagedObjectReference">{id_}</val>'


def references(kind: str, ids: Iterable[str]) -> str:
    """Write what leads to several of a kind."""
    tag = "ManagedObjectReference"
    inner = "".join(f'<{tag} type="{kind}">{id_}</{tag}>' for id_ in ids)
    return data("ArrayOfManagedObjectReference", inner)
