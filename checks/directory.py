"""Active Directory: points of ANSSI's list that an ordinary account can see.

A limit that is the point's own (a quota of 0, a functional level) stands here; those that the
operator promises come from the estate.
"""

from __future__ import annotations

from collections.abc import Iterator

from sitiv_infra import Estate, SeenFacts, Unread, Verdicts, check, fail, ok, unknown
from sitiv_infra.estate import Directory
from sitiv_infra.facts import DirectoryFacts

UNREAD = "could not be read: {cause}"
# msDS-Behavior-Version, [MS-ADTS] 6.1.4.2. Below 2016, ANSSI's point fails (at its level 4).
LEVELS = {0: "2000", 1: "2003", 2: "2003", 3: "2008", 4: "2008 R2", 5: "2012", 6: "2012 R2"}
LEVELS |= {7: "2016", 10: "2025"}
WANTED_LEVEL = 7


def seen_of(estate: Estate, facts: SeenFacts) -> Iterator[tuple[Directory, DirectoryFacts]]:
    """Every declared directory that was read."""
    return facts.each(estate.directories.values(), DirectoryFacts)


def level_name(level: int | Unread) -> str:
    """Name a functional level after its Windows Server; a question mark where it was not read."""
    return "?" if isinstance(level, Unread) else LEVELS.get(level, str(level))


def unseen_privileges(directory: Directory, seen: DirectoryFacts, count: int) -> Verdicts:
    """What keeps a good answer about so many privileged accounts from being sure."""
    if isinstance(seen.privileged, Unread):
        yield unknown(directory, UNREAD, cause=seen.privileged.unread)
    elif seen.privileged.unseen:
        yield unknown(
            directory,
            "privileged members that could not be looked at, of another domain or hidden: "
            "{members:list}",
            members=seen.privileged.unseen,
        )
    elif not count:
        yield unknown(directory, "no privileged account was seen, though a domain has some")


def unseen_accounts(directory: Directory, seen: DirectoryFacts) -> Verdicts:
    """What keeps a good answer about all accounts from being sure."""
    if isinstance(seen.accounts, Unread):
        yield unknown(directory, UNREAD, cause=seen.accounts.unread)
    elif seen.accounts.hidden:
        yield unknown(
            directory,
            "accounts whose flags are not visible to the reading account: {hidden}",
            hidden=seen.accounts.hidden,
        )
    elif not seen.accounts.enabled:
        yield unknown(directory, "no enabled account was seen, though the reading one is enabled")


@check(
    "directory.krbtgt-age",
    severity="high",
    needs=["directory"],
    proves=["ad:vuln_krbtgt", "hygiene:10", "hygiene:21", "recyf:11.B.6", "recyf:11.B.7"],
)
def krbtgt_age(estate: Estate, facts: SeenFacts) -> Verdicts:
    """The password of krbtgt is changed in time.

    Risk: Every Kerberos ticket of the domain is signed with the key made from this password. Who
    obtained it once, from a stolen backup or in a past intrusion, forges tickets for any account
    until it has been changed twice.

    Fix: Change the password of krbtgt twice, leaving between the two at least the lifetime of a
    ticket (10 hours by default) and the time for all domain controllers to replicate. Plan it
    every year.
    """
    limit = estate.operator.thresholds.krbtgt_age
    for directory, seen in seen_of(estate, facts):
        changed = seen.krbtgt_password_set
        if isinstance(changed, Unread):
            yield unknown(directory, UNREAD, cause=changed.unread)
            continue
        age = seen.server_time - changed  # both by clocks of domain controllers
        if age > limit:
            what = "the krbtgt password is {age:duration} old, promised at most {limit:duration}"
            yield fail(directory, what, age=age, limit=limit, changed=changed)
        elif -age > estate.operator.thresholds.clock_skew:
            what = "the krbtgt password is dated {changed:instant}, in the future"
            yield unknown(directory, what, changed=changed)
        else:
            yield ok(directory, "the krbtgt password is {age:duration} old", age=age, limit=limit)


@check(
    "directory.password-never-expires-privileged",
    severity="critical",
    needs=["directory"],
    proves=["ad:vuln_dont_expire_priv", "hygiene:10", "recyf:11.B.7"],
)
def password_never_expires_privileged(estate: Estate, facts: SeenFacts) -> Verdicts:
    """The passwords of privileged accounts expire.

    Risk: A password that gives power over the whole domain and never expires stays good for
    whoever guessed it, captured it or was told it, even years ago.

    Fix: Clear "Password never expires" on these accounts. Give services a group managed service
    account, whose password the domain changes by itself.
    """
    for directory, seen in seen_of(estate, facts):
        known = () if isinstance(seen.privileged, Unread) else seen.privileged.accounts
        names = [account.name for account in known if account.password_never_expires]
        if names:
            what = "privileged accounts whose password never expires: {accounts:list}"
            yield fail(directory, what, accounts=names)
        else:
            good = ok(directory, "privileged accounts looked at: {count}", count=len(known))
            yield next(unseen_privileges(directory, seen, len(known)), good)


@check(
    "directory.privileged-not-protected",
    severity="medium",
    needs=["directory"],
    proves=["ad:vuln_protected_users", "hygiene:29", "recyf:11.B.7"],
)
def privileged_not_protected(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Privileged user accounts are members of Protected Users.

    Risk: Outside of this group, the session of an administrator leaves password hashes and
    long-lived tickets on the machine, which an intruder there can take over.

    Fix: Add the accounts of administrators to Protected Users one by one, after having checked
    that no service and nothing that only speaks NTLM uses them. Where an emergency account stays
    out, accept that risk with a waiver.
    """
    for directory, seen in seen_of(estate, facts):
        known = () if isinstance(seen.privileged, Unread) else seen.privileged.accounts
        users = [account for account in known if account.kind == "user"]
        names = [account.name for account in users if not account.protected]
        if names:
            what = "privileged accounts outside of Protected Users: {accounts:list}"
            yield fail(directory, what, accounts=names)
        else:
            good = ok(directory, "privileged accounts looked at: {count}", count=len(users))
            yield next(unseen_privileges(directory, seen, len(users)), good)


@check(
    "directory.password-not-required",
    severity="high",
    needs=["directory"],
    proves=["hygiene:10", "hygiene:12", "recyf:10.B.2"],
)
def password_not_required(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Every enabled user account needs a password.

    Risk: An account with the flag PASSWD_NOTREQD may have an empty password, whatever the policy
    of the domain says: anybody logs on with its name alone.

    Fix: Set a password on these accounts, then clear the flag:
    Set-ADUser NAME -PasswordNotRequired $false.
    """
    for directory, seen in seen_of(estate, facts):
        known = None if isinstance(seen.accounts, Unread) else seen.accounts
        if known is not None and known.password_not_required:
            yield fail(
                directory,
                "enabled accounts that may have an empty password: {accounts:list}",
                accounts=known.password_not_required,
            )
        else:
            count = known.enabled if known is not None else 0
            good = ok(directory, "enabled accounts looked at: {count}", count=count)
            yield next(unseen_accounts(directory, seen), good)


@check(
    "directory.preauth-not-required",
    severity="high",
    needs=["directory"],
    proves=[
        "ad:vuln_kerberos_properties_preauth",
        "ad:vuln_kerberos_properties_preauth_priv",
        "hygiene:10",
        "hygiene:21",
        "recyf:11.B.7",
    ],
)
def preauth_not_required(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Every enabled user account needs Kerberos pre-authentication.

    Risk: Without it, anybody on the network is given data encrypted with the key of the account,
    and guesses its password offline for as long as it takes (AS-REP roasting).

    Fix: Clear "Do not require Kerberos preauthentication" on these accounts and change their
    passwords. Replace or isolate the rare old client that can't do it.
    """
    for directory, seen in seen_of(estate, facts):
        known = None if isinstance(seen.accounts, Unread) else seen.accounts
        if known is not None and known.preauth_not_required:
            yield fail(
                directory,
                "enabled accounts without Kerberos pre-authentication: {accounts:list}",
                accounts=known.preauth_not_required,
            )
        else:
            count = known.enabled if known is not None else 0
            good = ok(directory, "enabled accounts looked at: {count}", count=count)
            yield next(unseen_accounts(directory, seen), good)


@check(
    "directory.machine-account-quota",
    severity="medium",
    needs=["directory"],
    proves=["ad:vuln_user_accounts_machineaccountquota", "hygiene:9", "recyf:11.B.7"],
)
def machine_account_quota(estate: Estate, facts: SeenFacts) -> Verdicts:
    """No quota lets ordinary accounts join machines to the domain.

    Risk: Whoever holds any account of the domain makes machine accounts of their own, a first step
    of several known attacks (relaying, resource-based delegation).

    Fix: Set ms-DS-MachineAccountQuota to 0 on the head of the domain, and delegate joining to the
    team that deploys machines.
    """
    for directory, seen in seen_of(estate, facts):
        quota = seen.machine_account_quota
        if isinstance(quota, Unread):
            yield unknown(directory, UNREAD, cause=quota.unread)
        elif quota > 0:
            what = "any account may join machines to the domain, each up to {quota}"
            yield fail(directory, what, quota=quota)
        elif quota < 0:
            yield unknown(directory, "a quota of {quota} means nothing that is known", quota=quota)
        else:
            yield ok(directory, "the quota is 0")


@check(
    "directory.functional-level",
    severity="medium",
    needs=["directory"],
    proves=["ad:vuln_functional_level", "hygiene:35", "recyf:11.B.7"],
)
def functional_level(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Domain and forest are at the functional level of Windows Server 2016 or newer.

    Risk: A lower level keeps protections of administrators' accounts and of Kerberos switched off,
    and lets domain controllers in that their vendor no longer mends.

    Fix: Replace the domain controllers that are older than Windows Server 2016, then raise the
    level of the domain and that of the forest.
    """
    for directory, seen in seen_of(estate, facts):
        levels = (seen.domain_level, seen.forest_level)
        unread = [level.unread for level in levels if isinstance(level, Unread)]
        if any(level < WANTED_LEVEL for level in levels if not isinstance(level, Unread)):
            yield fail(
                directory,
                "functional level below Windows Server 2016: domain {domain}, forest {forest}",
                domain=level_name(seen.domain_level),
                forest=level_name(seen.forest_level),
            )
        elif unread:
            yield unknown(directory, UNREAD, cause=unread[0])
        else:
            yield ok(directory, "functional level of Windows Server 2016 or newer")


@check(
    "directory.guest-enabled",
    severity="high",
    needs=["directory"],
    proves=["ad:vuln_guest", "hygiene:8", "recyf:10.A.2"],
)
def guest_enabled(estate: Estate, facts: SeenFacts) -> Verdicts:
    """The Guest account is disabled.

    Risk: Anybody who reaches the network logs on without an account of their own, and what they
    do is nobody's.

    Fix: Disable the account whose SID ends in -501; its name depends on the language.
    """
    for directory, seen in seen_of(estate, facts):
        enabled = seen.guest_enabled
        if isinstance(enabled, Unread):
            yield unknown(directory, UNREAD, cause=enabled.unread)
        elif enabled:
            yield fail(directory, "the Guest account is enabled")
        else:
            yield ok(directory, "the Guest account is disabled")
