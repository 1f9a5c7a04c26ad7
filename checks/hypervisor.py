"""Hypervisors: hosts and clusters as promised, machines where they were declared."""

from __future__ import annotations

from collections.abc import Iterator

from sitiv_infra import Estate, Found, SeenFacts, Unread, Verdicts, check, fail, ok, unknown
from sitiv_infra.checking import label
from sitiv_infra.estate import Cluster, Declared, Machine
from sitiv_infra.facts import HypervisorFacts
from sitiv_infra.facts.hypervisor import HostState, VirtualMachine
from sitiv_infra.messages import noop

HARDENING = ["hygiene:14", "recyf:18.3"]
INVENTORY = ["hygiene:4", "recyf:1.1", "recyf:5.A.1"]
# Nobody tells an account that there is something which it may not see.
NONE = noop("the vCenter shows none at all; the account may not see them")
LOST = Unread(unread="the vCenter has lost the host, and tells what it remembers")
SILENT = Unread(unread="the vCenter lists no service that runs, not even its own agent")


@check("hypervisor.host-lockdown", severity="high", needs=["hypervisor"], proves=HARDENING)
def host_lockdown(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Every hypervisor host is in lockdown mode.

    Risk: Whoever holds a local account of a host works around vCenter, its roles and its journal.

    Fix: Turn on normal or strict lockdown in the host's security profile, and keep one exception
    account, under seal, for the day when vCenter is lost.
    """
    for subject, host in _hosts(estate, facts):
        if isinstance(host.lockdown, Unread):
            yield unknown(subject, "lockdown mode not read: {cause}", cause=host.lockdown.unread)
        elif host.lockdown == "disabled":
            yield fail(subject, "lockdown mode is off")
        else:
            yield ok(subject, "lockdown mode is {mode}", mode=host.lockdown)
    yield from _blind(estate, facts)


@check("hypervisor.host-shell", severity="medium", needs=["hypervisor"], proves=HARDENING)
def host_shell(estate: Estate, facts: SeenFacts) -> Verdicts:
    """SSH and the shell are stopped on every hypervisor host.

    Risk: An open shell on a host is how ransomware encrypts all of its machines at once.

    Fix: Stop the services SSH (TSM-SSH) and ESXi Shell (TSM), and set them to start by hand.
    """
    for subject, host in _hosts(estate, facts):
        if isinstance(host.running, Unread):
            yield unknown(subject, "services not read: {cause}", cause=host.running.unread)
        elif shells := [key for key in ("TSM", "TSM-SSH") if key in host.running]:
            yield fail(subject, "these services run: {services}", services=shells)
        else:
            yield ok(subject, "neither SSH nor the shell runs")
    yield from _blind(estate, facts)


@check(
    "hypervisor.host-time",
    severity="medium",
    needs=["hypervisor"],
    proves=["hygiene:36", "recyf:18.3"],
)
def host_time(estate: Estate, facts: SeenFacts) -> Verdicts:
    """A time service, NTP or PTP, runs on every hypervisor host.

    Risk: Journals whose clocks disagree can't be put in order after an attack, and Kerberos and
    vSAN fail when clocks drift apart.

    Fix: Declare the site's time servers on the host, start ntpd, and let it start with the host.
    This check does not tell whether the clock is right.
    """
    for subject, host in _hosts(estate, facts):
        if isinstance(host.running, Unread):
            yield unknown(subject, "services not read: {cause}", cause=host.running.unread)
        elif {"ntpd", "ptpd"}.isdisjoint(host.running):
            yield fail(subject, "no time service runs")
        else:
            yield ok(subject, "its time service runs")
    yield from _blind(estate, facts)


@check("hypervisor.host-missing", severity="high", needs=["hypervisor"], proves=INVENTORY)
def host_missing(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Every declared host stands in its cluster and is connected.

    Risk: The cluster is smaller than declared: it may not carry its machines when one more host,
    or the other site, is lost.

    Fix: Mend or reconnect the host; if it was taken away, remove it from the estate.
    """
    for (subject, cluster), host in _declared_hosts(estate, facts):
        if host is None:
            yield fail(subject, "its vCenter does not have this host")
        elif isinstance(host, Unread):
            yield unknown(subject, "could not be looked for: {cause}", cause=host.unread)
        elif isinstance(host.cluster, Unread) or isinstance(host.connection, Unread):
            yield unknown(subject, "its cluster or its connection could not be read")
        elif not _same(host.cluster or "", cluster.name):
            yield fail(subject, "stands in '{cluster}'", cluster=host.cluster or "-")
        elif host.connection != "connected":
            yield fail(subject, "not connected to its vCenter ({state})", state=host.connection)
        else:
            yield ok(subject, "connected, in its cluster")


@check("hypervisor.vsan-enabled", severity="high", needs=["hypervisor"], proves=["hygiene:14"])
def vsan_enabled(estate: Estate, facts: SeenFacts) -> Verdicts:
    """The vSAN service is on wherever the estate relies on it.

    Risk: Disks of machines lie on storage that does not survive the loss of a host.

    Fix: Find out who turned vSAN off and where the disks went, then turn it on again. This check
    does not tell whether vSAN is healthy.
    """
    declared = [c for c in estate.clusters.values() if c.vsan]
    for cluster, seen in facts.each(declared, HypervisorFacts):
        state = next((c for c in seen.clusters if _same(c.name, cluster.name)), None)
        if not seen.clusters:
            yield unknown(cluster, "could not be looked for: {cause}", cause=NONE)
        elif state is None:
            yield fail(cluster, "its vCenter has no cluster of this name")
        elif isinstance(state.vsan, Unread):
            yield unknown(cluster, "vSAN not read: {cause}", cause=state.vsan.unread)
        elif state.vsan:
            yield ok(cluster, "vSAN is on")
        else:
            yield fail(cluster, "vSAN is off")


@check("hypervisor.machine-site", severity="high", needs=["hypervisor"], proves=["hygiene:4"])
def machine_site(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Every virtual machine runs on the cluster, and so the site, that it was declared on.

    Risk: The plan for the loss of a site counts on a machine that would be lost with it.

    Fix: Move the machine back and mend the placement rule that let it go; or declare its new place.
    """
    for machine, places in _places(estate, facts):
        home = _home(estate.clusters[machine.cluster or ""])
        running = [p for p in places if p[1].powered_on is not False]
        at = [_at(place) for place in running or places]
        if any(isinstance(place[1].cluster, Unread) for place in running or places):
            yield unknown(machine, "the host that it runs on could not be read")
        elif not running and facts.missing(HypervisorFacts):
            yield unknown(
                machine,
                "not seen running, not read: {sources}",
                sources=facts.missing(HypervisorFacts),
            )
        elif at and (all(p == home for p in at) if running else home in at):
            yield ok(machine, "stands on {place}", place=home)
        elif at:
            away = sorted(set(at) - {home})
            yield fail(machine, "declared on {home}, stands on {places}", home=home, places=away)


@check("hypervisor.machine-missing", severity="high", needs=["hypervisor"], proves=INVENTORY)
def machine_missing(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Every declared virtual machine exists.

    Risk: A service, or its spare copy on the other site, is believed to be there and is not.

    Fix: Create or restore the machine, or remove it from the estate. If it is there, the account
    can't see it: give it the role Read-only at the vCenter's root, with propagation.
    """
    for machine, places in _places(estate, facts):
        home = estate.source_for(machine, HypervisorFacts.family) or ""
        seen = facts.of(home, HypervisorFacts)
        if places:
            yield ok(machine, "stands on {places}", places=sorted({_at(p) for p in places}))
        elif facts.missing(HypervisorFacts):
            yield unknown(
                machine,
                "not found, and not read: {sources}",
                sources=facts.missing(HypervisorFacts),
            )
        elif seen is None or not seen.machines:
            yield unknown(machine, "could not be looked for: {cause}", cause=NONE)
        else:
            yield fail(machine, "no vCenter has this machine")


@check("hypervisor.undeclared-machine", severity="medium", needs=["hypervisor"], proves=INVENTORY)
def undeclared_machine(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Every running virtual machine is declared.

    Risk: Nobody backs up, patches or watches a machine that nobody knows of.

    Fix: Find its owner, then declare it in the estate, or stop it.
    """
    declared = {name.casefold() for name in estate.machines}
    for vcenter, seen in facts.each(estate.vcenters.values(), HypervisorFacts):
        strangers = [m for m in seen.machines if m.name.casefold() not in declared]
        strangers = [m for m in strangers if m.powered_on is not False and m.agent is not True]
        labels = {label(m.name): m for m in sorted(strangers, key=_certain)}
        for name, machine in labels.items():
            subject = Found(vcenter, name)
            if isinstance(machine.powered_on, Unread) or isinstance(machine.agent, Unread):
                yield unknown(subject, "not declared, and whether it runs could not be read")
            else:
                yield fail(subject, "runs on {host} and is not declared", host=_text(machine.host))
        if not seen.machines:
            yield unknown(vcenter, "could not be looked for: {cause}", cause=NONE)
        elif not labels:
            what = "machines looked at: {count}; every running one is declared"
            yield ok(vcenter, what, count=len(seen.machines))


def _hosts(estate: Estate, facts: SeenFacts) -> Iterator[tuple[Found, HostState]]:
    """Give every host that was seen, below its cluster, or its vCenter where it has none."""
    told = set()
    for (subject, _), host in _declared_hosts(estate, facts):
        if isinstance(host, HostState):
            told.add((estate.source_for(subject.parent, HypervisorFacts.family), host.name))
            yield subject, _live(host)
    clusters: dict[str, Declared] = {_home(c): c for c in estate.clusters.values()}
    for vcenter in estate.vcenters.values():
        seen = facts.of(vcenter.source, HypervisorFacts)
        for host in seen.hosts if seen else ():
            if (vcenter.source, host.name) not in told:
                parent = clusters.get(_at((vcenter.name, host)), vcenter)
                yield Found(parent, label(host.name)), _live(host)


def _live(host: HostState) -> HostState:
    """Give a host without what proves nothing: a vCenter keeps telling of one that it has lost."""
    if host.connection != "connected":
        lost = host.connection if isinstance(host.connection, Unread) else LOST
        return host.model_copy(update={"lockdown": lost, "running": lost})
    return host if host.running else host.model_copy(update={"running": SILENT})


def _blind(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Say of each vCenter that shows no host that none could be judged."""
    for vcenter in estate.vcenters.values():
        seen = facts.of(vcenter.source, HypervisorFacts)
        if seen is not None and not seen.hosts:
            yield unknown(vcenter, "could not be looked for: {cause}", cause=NONE)


def _declared_hosts(
    estate: Estate, facts: SeenFacts
) -> Iterator[tuple[tuple[Found, Cluster], HostState | Unread | None]]:
    """Give every declared host whose vCenter was observed, and what that says of it."""
    clusters = {Found(c, h): c for c in estate.clusters.values() for h in c.hosts}
    for subject, seen in facts.each(clusters, HypervisorFacts):
        host = next((h for h in seen.hosts if _same(h.name, subject.label)), None)
        yield (subject, clusters[subject]), host if seen.hosts else Unread(unread=NONE)


Place = tuple[str, VirtualMachine]


def _places(estate: Estate, facts: SeenFacts) -> Iterator[tuple[Machine, list[Place]]]:
    """Give every declared virtual machine, and each machine of its name in any vCenter."""
    seen: dict[str, list[Place]] = {}
    for vcenter in estate.vcenters.values():
        found = facts.of(vcenter.source, HypervisorFacts)
        for machine in found.machines if found else ():
            seen.setdefault(machine.name.casefold(), []).append((vcenter.name, machine))
    for declared in estate.machines.values():
        if declared.cluster is not None:
            yield declared, seen.get(declared.name.casefold(), [])


def _home(cluster: Cluster) -> str:
    return f"{cluster.vcenter}/{cluster.name}".casefold()


def _at(place: tuple[str, VirtualMachine | HostState]) -> str:
    vcenter, thing = place
    return f"{vcenter}/{_text(thing.cluster)}".casefold()


def _text(name: str | Unread | None) -> str:
    return name if isinstance(name, str) else "-"


def _certain(machine: VirtualMachine) -> bool:
    """Sort what is known to run last: of machines of one name, it is the one that counts."""
    return not isinstance(machine.powered_on, Unread) and not isinstance(machine.agent, Unread)


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()
