"""What an Active Directory says of its accounts and of its domain."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from sitiv_infra.facts.base import Fact, Facts, Unread


class Accounts(Fact):
    """The enabled user accounts: how many, and the names of those that stand out.

    hidden -- user accounts whose flags the reading account is not allowed to see.
    """

    enabled: int
    hidden: int
    password_not_required: tuple[str, ...]
    preauth_not_required: tuple[str, ...]


class PrivilegedAccount(Fact):
    """An enabled member of a privileged group, through however many groups."""

    name: str
    kind: Literal["user", "computer"]
    password_never_expires: bool
    protected: bool


class Privileged(Fact):
    """The privileged accounts.

    unseen -- members that were not found as accounts here, or whose flags are hidden: those of
    another domain, and those that the reading account is not allowed to see.
    """

    accounts: tuple[PrivilegedAccount, ...]
    unseen: tuple[str, ...]


class DirectoryFacts(Facts):
    """One domain; ``server_time`` is the domain controller's own clock.

    Functional levels are numbers as in msDS-Behavior-Version: 7 is Windows Server 2016.
    """

    family: ClassVar[str] = "directory"

    server: str
    server_time: datetime
    domain_level: int | Unread
    forest_level: int | Unread
    machine_account_quota: int | Unread
    krbtgt_password_set: datetime | Unread
    guest_enabled: bool | Unread
    accounts: Accounts | Unread
    privileged: Privileged | Unread
