"""What an Active Directory says of its accounts."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from sitiv_infra.facts.base import Fact, Facts, Unread


class Account(Fact):
    """A user account; ``password_set`` is None where it was never set."""

    name: str
    enabled: bool
    password_never_expires: bool
    password_not_required: bool
    preauth_not_required: bool
    privileged: bool
    password_set: datetime | None


class DirectoryFacts(Facts):
    """One domain; ``server_time`` is the domain controller's own clock."""

    family: ClassVar[str] = "directory"

    server: str
    server_time: datetime
    krbtgt_password_set: datetime | Unread
    accounts: tuple[Account, ...] | Unread
