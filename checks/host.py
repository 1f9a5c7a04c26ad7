"""What each Debian machine is: its own firewall, SSH server, clock, mounts, packages and units."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from sitiv_infra import Estate, SeenFacts, Unread, Verdicts, check, fail, ok, unknown
from sitiv_infra.checking import Outcome
from sitiv_infra.estate import Machine
from sitiv_infra.facts import HostFacts
from sitiv_infra.facts.host import Mount, Sshd
from sitiv_infra.policy.hosts import Deviation, closed, filtered, opened

UNREAD = "not read: {cause}"
FORWARDS = (
    "bastion"  # the role whose hosts pass connections on, which R27 allows where it is needed
)
# Option of sshd, the values that ANSSI's guide lets it have, and the recommendation's number.
HARDENED: tuple[tuple[str, frozenset[str], str], ...] = (
    ("pubkeyauthentication", frozenset({"yes"}), "R17"),
    ("passwordauthentication", frozenset({"no"}), "R17"),
    ("kbdinteractiveauthentication", frozenset({"no"}), "R17"),
    ("hostbasedauthentication", frozenset({"no"}), "R17"),
    ("permitemptypasswords", frozenset({"no"}), "R17"),
    ("permitrootlogin", frozenset({"no"}), "R21"),
    ("permituserenvironment", frozenset({"no"}), "R23"),
    ("allowtcpforwarding", frozenset({"no"}), "R27"),
    ("permittunnel", frozenset({"no"}), "R27"),
    ("gatewayports", frozenset({"no"}), "R27"),
    ("x11forwarding", frozenset({"no"}), "R28"),
)
LISTS = {
    "ciphers": re.compile(r"aes(128|192|256)-(ctr|gcm@openssh\.com)"),
    "macs": re.compile(r"hmac-sha(1|2-256|2-512)(-etm@openssh\.com)?"),
}
WHO = ("allowusers", "allowgroups")
LOCAL = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs"})


def read_machines(estate: Estate, facts: SeenFacts) -> Iterator[tuple[Machine, HostFacts]]:
    """Give each machine that is read over SSH, with what it said."""
    machines = [estate.machines[name] for name in estate.read_hosts]
    yield from facts.each(machines, HostFacts)


def unread_machines(estate: Estate) -> Verdicts:
    """Say of the other managed Debian machines that nobody reads them."""
    for machine in estate.machines.values():
        is_ours = machine.connection == "ssh" and (machine.os or "").startswith("debian")
        if estate.hosts and is_ours and machine.name not in estate.read_hosts:
            yield unknown(machine, "no entry of 'hosts' takes this machine in")


@check(
    "host.firewall-as-declared",
    severity="high",
    needs=["host"],
    proves=["hygiene:17", "hygiene:19", "recyf:7.B.1", "recyf:7.B.3"],
)
def firewall_as_declared(estate: Estate, facts: SeenFacts) -> Verdicts:
    """A host's own firewall accepts the declared flows towards it, and nothing else.

    Risk: Whoever holds one machine reaches consoles, databases and agents of its neighbours, which
    no firewall between zones sees.

    Fix: Load the declared rules again (playbooks/hosts.yml), or declare the flow with its reason.
    """
    for machine, seen in read_machines(estate, facts):
        rules = seen.ruleset
        if isinstance(rules, Unread):
            yield unknown(machine, UNREAD, cause=rules.unread)
        elif not filtered(rules):
            yield fail(machine, "no rule looks at what comes to this host")
        elif (found := opened(estate, machine, rules, facts.today)) is not None:
            what = "accepts what no flow declares: {services:list}, such as {witness}"
            yield _deviates(machine, found, what)
        elif (found := closed(estate, machine, rules, facts.today)) is not None:
            what = "refuses what flows declare: {services:list}, such as {witness}"
            yield _deviates(machine, found, what)
        else:
            yield ok(machine, "accepts the declared flows, and nothing else")
    yield from unread_machines(estate)


def _deviates(machine: Machine, found: Deviation, what: str) -> Outcome:
    if not found.witness:
        message = "can't be decided by the rules: {causes:list}"
        return unknown(machine, message, causes=found.doubts)
    return fail(machine, what, services=found.services, witness=found.witness)


@check(
    "host.ssh-hardened",
    severity="high",
    needs=["host"],
    proves=[
        "openssh:R15", "openssh:R17", "openssh:R21", "openssh:R22", "openssh:R23", "openssh:R27",
        "openssh:R28", "hygiene:8", "hygiene:21", "recyf:8.1", "recyf:10.A.2", "recyf:18.3",
    ],
)  # fmt: skip
def ssh_hardened(estate: Estate, facts: SeenFacts) -> Verdicts:
    """The SSH server is set as ANSSI's guide on OpenSSH recommends.

    Risk: A password that is guessed, a shared account, or a tunnel through a host gives an intruder
    the machine, and leaves nobody to ask.

    Fix: Run playbooks/hosts.yml, and take away what adds to its configuration by hand.
    """
    for machine, seen in read_machines(estate, facts):
        if isinstance(seen.sshd, Unread):
            yield unknown(machine, UNREAD, cause=seen.sshd.unread)
            continue
        found = [*_soft(machine, seen.sshd)]
        if found:
            yield fail(machine, "not as recommended: {settings:list}", settings=found)
        else:
            yield ok(machine, "every option is as recommended")
    yield from unread_machines(estate)


def _soft(machine: Machine, sshd: Sshd) -> Iterator[str]:
    """Yield the settings that are not as recommended, those below a Match too."""
    places: list[tuple[str, Mapping[str, tuple[str, ...]]]] = [("", sshd.options)]
    places += [(f" (Match {c.match})", {c.option: (c.value,)}) for c in sshd.conditional]
    for where, options in places:
        for option, wanted, number in HARDENED:
            value = " ".join(options.get(option, ())) or ("-" if not where else "")
            is_bastion = machine.role == FORWARDS and option == "allowtcpforwarding"
            if value and value not in wanted and not (is_bastion and value in {"local", "yes"}):
                yield f"{option} {value}{where} ({number})"
        for option, known in LISTS.items():
            listed = ",".join(options.get(option, ())).split(",")
            weak = [name for name in listed if name and known.fullmatch(name) is None]
            if weak or (not where and listed == [""]):
                yield f"{option} {','.join(weak) or '-'}{where} (R15)"
    if not any(sshd.options.get(option) for option in WHO):
        yield f"{WHO[0]} -, {WHO[1]} - (R22)"


@check("host.clock", severity="medium", needs=["host"], proves=["hygiene:36"])
def clock(estate: Estate, facts: SeenFacts) -> Verdicts:
    """The clock follows a server, and is right within the promised limit.

    Risk: Logs of several machines no longer tell what came first, tickets and certificates are
    refused, and restore points get wrong dates.

    Fix: Read chronyc sources on the host; open the way to its time servers, or mend them.
    """
    most = estate.operator.thresholds.clock_skew
    for machine, seen in read_machines(estate, facts):
        state = seen.clock
        if abs(seen.ahead) > most.total_seconds():
            what = (
                "differs by {apart:duration} from the clock of the audit, promised {most:duration}"
            )
            yield fail(machine, what, apart=abs(seen.ahead), most=most)
        elif isinstance(state, Unread):
            yield unknown(machine, UNREAD, cause=state.unread)
        elif abs(state.offset) > most.total_seconds():
            what = "wrong by {apart:duration} to its servers, promised {most:duration}"
            yield fail(machine, what, apart=abs(state.offset), most=most)
        elif not state.sources:
            yield fail(machine, "no time server is set")
        elif not any(source.reached for source in state.sources):
            names = [source.name for source in state.sources]
            yield fail(machine, "no time server answers: {servers:list}", servers=names)
        elif not state.synchronised:
            yield fail(machine, "follows no time server, though some answer")
        else:
            names = [s.name for s in state.sources if s.state == "selected"]
            yield ok(machine, "follows {servers:list}", servers=names)
    yield from unread_machines(estate)


@check("host.mounts", severity="high", needs=["host"], proves=["hygiene:37", "recyf:18.3"])
def mounts(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Declared drives are mounted, and no file system has turned read-only.

    Risk: A service writes beside the drive that it was given, or no longer writes at all; the copy
    that was counted on does not exist.

    Fix: Read the kernel's log for the drive's errors; replace the drive, or mount it again.
    """
    for machine, seen in read_machines(estate, facts):
        if isinstance(seen.mounts, Unread):
            yield unknown(machine, UNREAD, cause=seen.mounts.unread)
            continue
        held = [(m, any(_is_on(m, drive) for drive in machine.drives)) for m in seen.mounts]
        missing = [d for d in machine.drives if not any(_is_on(m, d) for m in seen.mounts)]
        frozen = [
            m.target
            for m, is_drive in held
            if (m.frozen and m.kind in LOCAL) or (m.read_only and is_drive)
        ]
        if missing:
            yield fail(machine, "not mounted: {drives:list}", drives=missing)
        elif frozen:
            yield fail(machine, "read-only: {places:list}", places=frozen)
        else:
            what = "{count} file systems are mounted, none of them turned read-only"
            yield ok(machine, what, count=len(held))
    yield from unread_machines(estate)


def _is_on(mount: Mount, drive: str) -> bool:
    """Whether a file system lies on a drive, or on a partition of it."""
    return re.fullmatch(rf"{re.escape(drive)}p?\d*", mount.source) is not None


@check("host.packages", severity="high", needs=["host"], proves=["hygiene:34", "hygiene:35"])
def packages(estate: Estate, facts: SeenFacts) -> Verdicts:
    """No security update waits to be installed.

    Risk: An intruder uses what Debian has mended and announced.

    Fix: Install the updates (apt full-upgrade), release packages that are held, and restart what
    uses them; where the list is old, let the host reach its archive.
    """
    most = estate.operator.thresholds.update_list
    for machine, seen in read_machines(estate, facts):
        state = seen.updates
        if isinstance(state, Unread):
            yield unknown(machine, UNREAD, cause=state.unread)
        elif state.security:
            names = [f"{update.package} {update.version}" for update in state.security]
            yield fail(machine, "security updates wait: {packages:list}", packages=names)
        elif state.listed_at is None:
            yield unknown(machine, "it has no list of security updates")
        elif (age := facts.age(state.listed_at)) > most:
            what = "its list of security updates is {age:duration} old, promised {most:duration}"
            yield unknown(machine, what, age=age, most=most)
        else:
            what = "no security update waits, by the list of {at:instant}"
            yield ok(machine, what, at=state.listed_at)
    yield from unread_machines(estate)


@check("host.units", severity="medium", needs=["host"], proves=["hygiene:36", "recyf:18.4"])
def units(estate: Estate, facts: SeenFacts) -> Verdicts:
    """No service of the system has failed.

    Risk: A service that failed at night, such as the one that sends logs or takes copies, is missed
    on the day when it is needed.

    Fix: Read systemctl status and the journal of the unit; mend its cause and start it again.
    """
    for machine, seen in read_machines(estate, facts):
        if isinstance(seen.failed_units, Unread):
            yield unknown(machine, UNREAD, cause=seen.failed_units.unread)
        elif seen.failed_units:
            yield fail(machine, "failed: {units:list}", units=seen.failed_units)
        else:
            yield ok(machine, "no unit has failed")
    yield from unread_machines(estate)
