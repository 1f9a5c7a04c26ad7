"""Reading an Active Directory as an ordinary account: accounts, privileges, domain policy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Literal

from sitiv_infra.collectors.ad_values import domain_of, filetime, first_name, generalized, sid
from sitiv_infra.collectors.base import Collector, Session
from sitiv_infra.collectors.ldaps import (
    Attributes,
    Place,
    Reader,
    Refused,
    library,
    reading,
    trust,
)
from sitiv_infra.errors import NotObserved
from sitiv_infra.estate import Directory
from sitiv_infra.facts import DirectoryFacts, Unread
from sitiv_infra.facts.directory import Accounts, Privileged, PrivilegedAccount

# userAccountControl, [MS-ADTS] 2.2.16.
DISABLED, NOT_REQUIRED, NORMAL, TRUST = 0x2, 0x20, 0x200, 0x800
DONT_EXPIRE, NO_PREAUTH = 0x10000, 0x400000

ADMINISTRATORS = "S-1-5-32-544"
# Well-known SIDs, [MS-DTYP] 2.4.2.4: account, server, print and backup operators, replicator.
BUILTIN = (ADMINISTRATORS, *(f"S-1-5-32-{rid}" for rid in (548, 549, 550, 551, 552)))
# Domain, schema and enterprise admins, key admins, enterprise key admins. Not 516: its members
# are the domain controllers themselves.
DOMAIN_RIDS = (512, 518, 519, 526, 527)
GUEST, KRBTGT, PROTECTED_USERS = 501, 502, 525

LEVELS = ("domainFunctionality", "forestFunctionality")
QUOTA = "ms-DS-MachineAccountQuota"
OF_ACCOUNTS = ["sAMAccountName", "userAccountControl", "primaryGroupID"]


@dataclass(frozen=True, slots=True)
class Entry:
    """An account while it is being read; ``flags`` is None where they are hidden."""

    name: str
    flags: int | None
    primary_group: str

    @property
    def enabled(self) -> bool:
        """Whether it may log on; False where its flags are hidden."""
        return self.flags is not None and not self.flags & DISABLED

    @property
    def kind(self) -> Literal["user", "computer"]:
        """A person's or a service's account, or a machine's or a managed one's."""
        return "user" if self.has(NORMAL) else "computer"

    def has(self, flag: int) -> bool:
        """Whether a flag is set."""
        return bool((self.flags or 0) & flag)


@dataclass
class Members:
    """Who is in some groups: groups by SID, and other members by distinguished name."""

    groups: set[str] = field(default_factory=set)
    others: set[str] = field(default_factory=set)


def closure(
    start: Iterable[str], members: Callable[[str], Iterable[str]], groups: Mapping[str, str]
) -> Members:
    """Follow nested groups, loops included.

    start -- SIDs of groups. members -- gives the distinguished names in a group. groups -- SIDs
    by distinguished name, in lower case.
    """
    found = Members()
    waiting = list(start)
    while waiting:
        group = waiting.pop()
        if group in found.groups:
            continue
        found.groups.add(group)
        for name in members(group):
            nested = groups.get(name.lower())
            if nested is not None:
                waiting.append(nested)
            else:
                found.others.add(name)
    return found


def collect(source: Directory, session: Session) -> DirectoryFacts:
    """Read one domain from the first of its servers that lets itself be read.

    Raises NotObserved with the cause, server by server. A refused account is not tried elsewhere.
    """
    library()
    if not source.account:
        raise NotObserved("no account is declared for this source")
    password, tls = session.secret(source.credential), trust(session)
    deadline = monotonic() + source.timeout.total_seconds()
    causes: dict[str, str] = {}
    for host in source.servers:
        place = Place(host, source.port, tls, session.timeout, deadline)
        try:
            with reading(place, source.account, password) as reader:
                return observed(reader, source, host)
        except Refused:
            raise
        except NotObserved as error:
            causes[host] = str(error)
    if len(set(causes.values())) == 1:
        raise NotObserved(next(iter(causes.values())))
    said = "; ".join(f"{host}: {cause}" for host, cause in causes.items())
    raise NotObserved(f"none of the servers could be read: {said}")


def observed(reader: Reader, source: Directory, host: str) -> DirectoryFacts:
    """Read the domain that a server holds; NotObserved where it is not the declared one."""
    root = reader.one("", ["currentTime", "defaultNamingContext", *LEVELS])
    try:
        base = root["defaultnamingcontext"][0].decode()
        now = generalized(root["currenttime"][0])
    except (KeyError, ValueError):
        raise NotObserved("this server is not an Active Directory") from None
    if domain_of(base) != source.domain.lower():
        raise NotObserved(f"this server holds the domain {domain_of(base)}, not {source.domain}")
    head = reader.one(base, ["objectSid", QUOTA])
    domain = sid(_first(head, "objectSid") or b"")
    if domain is None:
        raise NotObserved("the account is not allowed to read the head of the domain")
    entries = _entries(reader, base, domain)
    return DirectoryFacts(
        server=host,
        server_time=now,
        domain_level=_number(root, LEVELS[0]),
        forest_level=_number(root, LEVELS[1]),
        machine_account_quota=_number(head, QUOTA),
        krbtgt_password_set=_krbtgt(reader, domain),
        guest_enabled=_guest(reader, domain),
        accounts=_accounts(entries.values()),
        privileged=_privileged(reader, base, domain, entries),
    )


def _first(found: Attributes, name: str) -> bytes | None:
    values = found.get(name.lower())
    return values[0] if values else None


def _hidden(name: str) -> Unread:
    return Unread(unread=f"the attribute '{name}' is not visible to the account")


def _number(found: Attributes, name: str) -> int | Unread:
    value = _first(found, name)
    return int(value) if value is not None else _hidden(name)


def _krbtgt(reader: Reader, domain: str) -> datetime | Unread:
    value = _first(reader.one(f"<SID={domain}-{KRBTGT}>", ["pwdLastSet"]), "pwdLastSet")
    if value is None:
        return _hidden("pwdLastSet")
    moment = filetime(value)
    return moment or Unread(unread="the directory gives no date for the password of krbtgt")


def _guest(reader: Reader, domain: str) -> bool | Unread:
    found = reader.one(f"<SID={domain}-{GUEST}>", ["userAccountControl"])
    flags = _number(found, "userAccountControl")
    return flags if isinstance(flags, Unread) else not flags & DISABLED


def _entries(reader: Reader, base: str, domain: str) -> dict[str, Entry]:
    """Read every account, by distinguished name in lower case; those of trusts are left out."""
    found: dict[str, Entry] = {}
    for dn, values in reader.every(base, "(objectClass=user)", OF_ACCOUNTS):
        flags = _first(values, "userAccountControl")
        group = _first(values, "primaryGroupID")
        entry = Entry(
            name=(_first(values, "sAMAccountName") or first_name(dn).encode()).decode(),
            flags=int(flags) if flags is not None else None,
            primary_group=f"{domain}-{int(group)}" if group is not None else "",
        )
        if not entry.has(TRUST):
            found[dn.lower()] = entry
    return found


def _accounts(entries: Iterable[Entry]) -> Accounts | Unread:
    """Sum the enabled user accounts up."""
    listed = list(entries)
    users = [e for e in listed if e.enabled and e.kind == "user"]
    if not users:  # the reading account is one itself
        return _hidden("userAccountControl")
    return Accounts(
        enabled=len(users),
        hidden=sum(e.flags is None for e in listed),
        password_not_required=_names(users, NOT_REQUIRED),
        preauth_not_required=_names(users, NO_PREAUTH),
    )


def _names(entries: Iterable[Entry], flag: int) -> tuple[str, ...]:
    return tuple(sorted(e.name for e in entries if e.has(flag)))


def _privileged(
    reader: Reader, base: str, domain: str, entries: Mapping[str, Entry]
) -> Privileged | Unread:
    """Find the members of privileged groups by the groups' SIDs: names change with the language."""
    groups = {
        dn.lower(): found
        for dn, values in reader.every(base, "(objectClass=group)", ["objectSid"])
        if (found := sid(_first(values, "objectSid") or b"")) is not None
    }

    def members(group: str) -> Iterable[str]:
        return reader.values(f"<SID={group}>", "member")

    if not any(True for _ in members(ADMINISTRATORS)):  # the built-in one can't be taken out of it
        return _hidden("member")
    if any(not e.primary_group for e in entries.values()):
        return _hidden("primaryGroupID")
    inside = closure([*BUILTIN, *(f"{domain}-{rid}" for rid in DOMAIN_RIDS)], members, groups)
    guarded = closure([f"{domain}-{PROTECTED_USERS}"], members, groups)
    protected = _within(guarded, entries)
    privileged = _within(inside, entries)
    known = {dn for dn in privileged if entries[dn].flags is not None}
    missing = {name for name in inside.others if name.lower() not in known}
    return Privileged(
        accounts=tuple(
            PrivilegedAccount(
                name=entries[dn].name,
                kind=entries[dn].kind,
                password_never_expires=entries[dn].has(DONT_EXPIRE),
                protected=dn in protected,
            )
            for dn in sorted(known)
            if entries[dn].enabled
        ),
        unseen=tuple(sorted(map(first_name, missing))),
    )


def _within(members: Members, entries: Mapping[str, Entry]) -> set[str]:
    """Give the accounts that are members, or whose primary group is one of the groups."""
    direct = {name.lower() for name in members.others} & entries.keys()
    return direct | {dn for dn, e in entries.items() if e.primary_group in members.groups}


COLLECTOR = Collector(
    "directory",
    "accounts, their flags and password dates, group membership, domain policy",
    collect,
)
