"""A mistake of a declaration, and its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sitiv_infra.documents import Location


class Complaint(NamedTuple):
    """A mistake, and where in the declaration it stands: (collection, name, field, ...).

    ``missing`` is the (collection, name) that isn't declared, where that is the mistake.
    """

    location: Location
    what: str
    missing: tuple[str, str] | None = None
