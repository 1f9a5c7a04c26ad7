"""Backups: every service has one, recent enough, readable, on two sites, and kept from deletion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from sitiv_infra import Estate, Placed, SeenFacts, Unread, Verdicts, check, fail, ok, unknown
from sitiv_infra.estate import Backup, ObjectStore, Service
from sitiv_infra.facts import BackupFacts, ObjectStoreFacts
from sitiv_infra.facts.backup import RestorePoint

MIXED = "several backups share the repository, and nothing tells them apart"
SHARED = "shares its repository with {other}, and no machine tells the two apart"


def is_of(point: RestorePoint, machine: str) -> bool:
    """Whether a restore point is a machine's: restic notes its host name, short or full.

    A short host name is not matched to a longer declared name: two members may have the same.
    """
    host = point.host.lower().rstrip(".")
    return host == machine or host.startswith(f"{machine}.")


def own_points(backup: Backup, seen: BackupFacts) -> list[RestorePoint]:
    """Restore points that a backup promises: of its machines, or all where it names none."""
    if not backup.machines:
        return list(seen.points)
    return [p for p in seen.points if any(is_of(p, machine) for machine in backup.machines)]


def shared(estate: Estate, backup: Backup, machines: Iterable[str]) -> str | None:
    """Name another backup whose restore points may be taken for those of a backup's machines.

    One bucket and prefix is one repository, on whatever store. A point of a backup that promises
    all the same services is as good as an own one.
    """
    mine = set(machines)
    for other in estate.backups.values():
        is_same = place_of(other) == place_of(backup) and other.name != backup.name
        is_mixed = not mine or not mine.isdisjoint(other.machines)
        if is_same and is_mixed and not set(backup.services) <= set(other.services):
            return other.name
    return None


def place_of(backup: Backup) -> tuple[str, str]:
    """Bucket and prefix; a slash at either end of the prefix makes no other folder of it."""
    return backup.repository.bucket, backup.repository.prefix.strip("/")


@check(
    "backup.recent",
    severity="critical",
    needs=["backup"],
    proves=["hygiene:37", "recyf:13.1", "recyf:13.4"],
)
def recent(estate: Estate, facts: SeenFacts) -> Verdicts:
    """The newest restore point of a service is within its RPO.

    Risk: After a loss, the service comes back with older data than its users were promised.

    Fix: Read the log of the last backup run, mend its cause and start it again; correct the clock
    of a machine whose restore points lie in the future, and forget those points.
    """
    skew = estate.operator.thresholds.clock_skew
    for backup, seen in facts.each(estate.backups.values(), BackupFacts):
        rpo = estate.rpo_of(backup)
        newest = max((p.taken for p in own_points(backup, seen)), default=None)
        if newest is None:
            yield fail(backup, "no restore point, promised {rpo:duration}", rpo=rpo)
        elif (age := max(facts.age(newest), timedelta(0))) > rpo:
            what = "last restore point is {age:duration} old, promised {rpo:duration}"
            yield fail(backup, what, age=age, rpo=rpo, taken=newest)
        elif (other := shared(estate, backup, backup.machines)) is not None:
            yield unknown(backup, SHARED, other=other)
        elif newest > seen.read_at + skew:
            what = "wrong clock: a restore point is dated {taken:instant}, in the future"
            yield fail(backup, what, taken=newest)
        else:
            what = "last restore point is {age:duration} old, within {rpo:duration}"
            yield ok(backup, what, age=age, rpo=rpo, taken=newest)


@check("backup.coverage", severity="high", needs=[], proves=["hygiene:37", "recyf:13.1"])
def coverage(estate: Estate, facts: SeenFacts) -> Verdicts:  # noqa: ARG001 - judges the declaration alone
    """Every service that is in use has a declared backup.

    Risk: What nobody copies can't be restored, and nobody notices before the loss.

    Fix: Declare a backup of the service; where it holds no data of its own, accept the risk with
    that reason.
    """
    for service in estate.services.values():
        if not service.members and not estate.machines_of(service.name):
            continue
        names = sorted(b.name for b in estate.backups.values() if service.name in b.services)
        if names:
            yield ok(service, "backed up by {names:list}", names=names)
        else:
            yield fail(service, "no backup is declared")


def _machines(estate: Estate) -> Iterator[Placed]:
    for backup in estate.backups.values():
        for name in backup.machines:
            yield Placed(estate.machines[name], backup)


@check(
    "backup.machines-covered",
    severity="high",
    needs=["backup"],
    proves=["hygiene:37", "recyf:13.1"],
)
def machines_covered(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Every machine that a backup names has a restore point within the RPO.

    Risk: A repository looks alive because one machine still writes to it, while another has been
    left out for weeks.

    Fix: Start the backup on that machine and read why it stopped; the host name that restic notes
    must be the machine's declared name.
    """
    skew = estate.operator.thresholds.clock_skew
    for subject, seen in facts.each(_machines(estate), BackupFacts):
        machine, backup = subject.thing, estate.backups[subject.place.name]
        rpo = estate.rpo_of(backup)
        points = [p.taken for p in seen.points if is_of(p, machine.name)]
        newest = max((t for t in points if t <= seen.read_at + skew), default=None)
        if newest is None:
            yield fail(subject, "no restore point, promised {rpo:duration}", rpo=rpo)
        elif (age := max(facts.age(newest), timedelta(0))) > rpo:
            what = "last restore point is {age:duration} old, promised {rpo:duration}"
            yield fail(subject, what, age=age, rpo=rpo, taken=newest)
        elif (other := shared(estate, backup, [machine.name])) is not None:
            yield unknown(subject, SHARED, other=other)
        else:
            what = "last restore point is {age:duration} old, within {rpo:duration}"
            yield ok(subject, what, age=age, rpo=rpo, taken=newest)


@check("backup.readable", severity="high", needs=["backup"], proves=["hygiene:37", "recyf:13.1"])
def readable(estate: Estate, facts: SeenFacts) -> Verdicts:
    """The record of every restore point of a repository can be read.

    Risk: A damaged restore point is found out on the day it is needed.

    Fix: Run restic check, restore the damaged objects from the other site or from a former
    version, and look at the drives of the store. This check does not read the data: only a
    restore proves that it is good.
    """
    for backup, seen in facts.each(estate.backups.values(), BackupFacts):
        if seen.unreadable:
            ids = [name[:8] for name in seen.unreadable]
            yield fail(
                backup, "{count} restore points can't be read: {ids:list}", count=len(ids), ids=ids
            )
        elif not seen.points:
            yield unknown(backup, "no restore point lies there that could be read")
        else:
            what = "the records of all {count} restore points can be read"
            yield ok(backup, what, count=len(seen.points))


@check(
    "backup.immutable",
    severity="high",
    needs=["object-store"],
    proves=["hygiene:37", "recyf:13.3"],
)
def immutable(estate: Estate, facts: SeenFacts) -> Verdicts:
    """The bucket of a backup locks new objects for as long as the backup promises to keep them.

    Risk: Ransomware that gets hold of a key of the store deletes the copies before it asks for
    money.

    Fix: Put the repository in a bucket with object lock and a default rule as long as the
    promised retention, in mode compliance: a key with the right to bypass undoes the other one.
    Old packs that deduplication reuses outlive their lock: extend it on them.
    """
    subjects = [
        Placed(backup, estate.object_stores[backup.repository.store])
        for backup in estate.backups.values()
    ]
    for subject, seen in facts.each(subjects, ObjectStoreFacts):
        backup = estate.backups[subject.thing.name]
        state = seen.bucket(backup.repository.bucket)
        if state is None:
            yield fail(subject, "its bucket {bucket} is not there", bucket=backup.repository.bucket)
        elif isinstance(state.lock, Unread):
            yield unknown(subject, "could not be read: {cause}", cause=state.lock.unread)
        elif state.lock.mode is None and state.lock.seconds:
            yield unknown(subject, "its lock is of a mode that is not known")
        elif (
            not state.lock.enabled
            or state.lock.mode is None
            or state.lock.seconds < backup.retention.total_seconds()
        ):
            what = "new objects are locked for {kept:duration}, promised {promised:duration}"
            yield fail(subject, what, kept=state.lock.seconds, promised=backup.retention)
        else:
            what = "new objects are locked for {kept:duration} in mode {mode}"
            yield ok(subject, what, kept=state.lock.seconds, mode=state.lock.mode)


def copies_of(
    estate: Estate, facts: SeenFacts, service: Service
) -> tuple[set[str], set[str], list[str]]:
    """Where copies within the RPO shall be, where they were seen, and why others were not seen."""
    declared: set[str] = set()
    seen_on: set[str] = set()
    causes: list[str] = []
    for backup in estate.backups.values():
        if service.name not in backup.services:
            continue
        names = estate.buckets[backup.repository.bucket].stores
        stores = [estate.object_stores[name] for name in names]
        declared |= {store.site for store in stores}
        seen = facts.of(backup.source, BackupFacts)
        if seen is None or shared(estate, backup, backup.machines):
            causes.append(MIXED if seen else facts.cause(backup.source))
            continue
        latest = seen.read_at + estate.operator.thresholds.clock_skew
        points = [p for p in own_points(backup, seen) if p.taken <= latest]
        fresh = [p for p in points if facts.age(p.taken) <= service.tightest_rpo]
        wanted = by_machine(backup, fresh)
        for store in stores:
            is_first = store.name == backup.repository.store
            held = {p.id for p in fresh} if is_first else held_by(facts, store, backup)
            if isinstance(held, Unread):
                causes.append(held.unread)
            elif all(ids & held for ids in wanted):
                seen_on.add(store.site)
    return declared, seen_on, causes


def by_machine(backup: Backup, points: list[RestorePoint]) -> list[set[str]]:
    """Ids of the restore points of each machine that a backup names, or of all together."""
    if not backup.machines:
        return [{p.id for p in points}]
    return [{p.id for p in points if is_of(p, machine)} for machine in backup.machines]


def held_by(facts: SeenFacts, store: ObjectStore, backup: Backup) -> set[str] | Unread:
    """Ids of the restore points that a further copy of a repository holds."""
    seen = facts.of(store.source, ObjectStoreFacts)
    if seen is None:
        return Unread(unread=facts.cause(store.source))
    copy = seen.copy_of(backup.repository.bucket, backup.repository.prefix)
    if copy is None:
        return Unread(unread=f"{store.source} was not asked for this repository")
    points = copy.restore_points
    return points if isinstance(points, Unread) else set(points)


@check(
    "backup.second-site",
    severity="critical",
    needs=["backup", "object-store"],
    proves=["hygiene:37", "recyf:13.3", "recyf:13.5"],
)
def second_site(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Critical and important services have a restore point within the RPO on two sites.

    Risk: Fire, flood or a cut of one datacenter takes the service and its only copy together.

    Fix: Declare the bucket on a store of each site, or a second backup on the other site; where it
    is declared already, see why replication does not follow, be it for one machine. On a further
    store the record of a restore point is looked for, not its data.
    """
    for service in estate.services.values():
        if service.criticality not in {"critical", "high"}:
            continue
        declared, seen_on, causes = copies_of(estate, facts, service)
        values = {"sites": sorted(seen_on), "rpo": service.tightest_rpo}
        if len(declared) < 2:
            yield fail(service, "copies are declared on: {sites:list}", sites=sorted(declared))
        elif len(seen_on) >= 2:
            yield ok(service, "copies within {rpo:duration} are seen on: {sites:list}", **values)
        elif causes:
            what = "copies are seen on: {sites:list}; elsewhere: {cause}"
            yield unknown(service, what, cause=causes[0], **values)
        else:
            what = "copies within {rpo:duration} are seen only on: {sites:list}"
            yield fail(service, what, **values)
