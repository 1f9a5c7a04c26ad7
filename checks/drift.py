"""What hand-made changes did to hosts: what the playbooks would change, if they were run."""

from __future__ import annotations

from datetime import timedelta

from sitiv_infra import Estate, Found, Placed, SeenFacts, Verdicts, check, fail, ok, unknown
from sitiv_infra.checking import Outcome, Subject
from sitiv_infra.estate import Drift
from sitiv_infra.facts import DriftFacts
from sitiv_infra.facts.drift import Change, Task
from sitiv_infra.messages import noop

NOT_TOLD = {
    "failed": noop("not known: the task '{task}' failed ({place}): {said}"),
    "unreachable": noop("not known: it was not reached ({said})"),
    "unforeseen": noop("not known: check mode can't foretell the task '{task}' ({place})"),
}


@check(
    "drift.none",
    severity="high",
    needs=["drift"],
    proves=["hygiene:14", "hygiene:16", "recyf:18.3", "recyf:18.4"],
)
def none(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Every host is what its playbooks declare.

    Risk: What somebody changed by hand, an administrator in haste or an intruder, stays unseen, is
    missing on the twin that takes over, and is undone without a warning one day.

    Fix: Declare the change if it is right; if it is not, undo it by running the playbook, and ask
    who made it.
    """
    managed = [m for m in estate.machines.values() if m.connection != "none"]
    pairs = [Placed(machine, drift) for drift in estate.drifts.values() for machine in managed]
    told: set[str] = set()
    for pair, seen in facts.each(pairs, DriftFacts):
        if pair.thing.name in seen.hosts:
            told.add(pair.thing.name)
            drift = estate.drifts[pair.place.name]
            yield _judged(pair, pair.thing.name, drift, seen, facts)
    for drift in estate.drifts.values():
        run = facts.of(drift.source, DriftFacts)
        others = {item.host for item in (*run.changes, *run.troubles)} if run else set()
        for name in sorted(others - {machine.name for machine in managed}):
            if run is not None:
                yield _judged(Found(drift, name), name, drift, run, facts)
    if estate.drifts and not facts.missing(DriftFacts):
        for machine in managed:
            if machine.name not in told:
                yield unknown(machine, "no playbook whose drift is watched is for it")


def _judged(
    subject: Subject, name: str, drift: Drift, seen: DriftFacts, facts: SeenFacts
) -> Outcome:
    """Say what one run tells of one host."""
    age = facts.age(seen.started)
    changes = [item for item in seen.changes if item.host == name]
    trouble = next((item for item in seen.troubles if item.host == name), None)
    if age > drift.max_age:
        what = "the last run is {age:duration} old, promised {promised:duration}"
        return unknown(subject, what, age=age, promised=drift.max_age)
    if changes:
        return _differs(subject, changes)
    if trouble is not None:
        told = {"task": _name(trouble), "place": trouble.place, "said": trouble.said}
        return unknown(subject, NOT_TOLD[trouble.kind], **told)
    if name in seen.unmet:
        return unknown(subject, "the play '{play}' did not go through it", play=seen.unmet[name])
    if seen.skipped_plays:
        first = seen.skipped_plays[0]
        return unknown(subject, "the run broke off before the play '{play}'", play=first)
    return ok(subject, "{playbook} would change nothing", playbook=drift.playbook)


def _differs(subject: Subject, changes: list[Change]) -> Outcome:
    """Name what would change, with the lines that differ where they may be shown."""
    first = next((item for item in changes if item.diff), changes[0])
    told = {
        "count": len(changes),
        "task": _name(first),
        "place": first.place,
        "places": sorted({item.place for item in changes}),
    }
    if not first.diff:
        return fail(subject, "differs in {count} tasks, such as '{task}' ({place})", **told)
    message = "differs in {count} tasks, such as '{task}' ({place}): {difference}"
    return fail(subject, message, difference=" ⏎ ".join(first.diff), **told)


def _name(item: Task) -> str:
    """Name a task as Ansible does, with its role, and the item of its loop."""
    name = f"{item.role} : {item.task}" if item.role else item.task
    return f"{name} [{item.item}]" if item.item else name


@check(
    "drift.recent",
    severity="medium",
    needs=["drift"],
    proves=["hygiene:38", "recyf:18.4"],
)
def recent(estate: Estate, facts: SeenFacts) -> Verdicts:
    """The playbooks were lately run in check mode, over every host.

    Risk: Drift that nobody looks for is found on the night of a failover.

    Fix: Read the log of the nightly run; bring back the hosts that it could not reach, mend the
    tasks that failed, and start it again.
    """
    skew = estate.operator.thresholds.clock_skew
    for drift, seen in facts.each(estate.drifts.values(), DriftFacts):
        age = facts.age(seen.started)
        lost = {item.host for item in seen.troubles if item.kind != "unforeseen"} | {*seen.unmet}
        told = {"age": max(age, timedelta(0)), "promised": drift.max_age}
        if age < -skew:
            yield unknown(drift, "wrong clock: it is dated {at:instant}", at=seen.started)
        elif age > drift.max_age:
            what = "the last run is {age:duration} old, promised {promised:duration}"
            yield fail(drift, what, **told)
        elif seen.skipped_plays:
            what = "it broke off before the plays {plays:list}"
            yield fail(drift, what, plays=seen.skipped_plays)
        elif lost:
            yield fail(drift, "it did not get through {hosts:list}", hosts=sorted(lost))
        elif not seen.hosts:
            yield fail(drift, "it was for no host")
        else:
            what = "run {age:duration} ago over {count} hosts"
            yield ok(drift, what, count=len(seen.hosts), **told)
