"""What no machine can see: somebody looked, and says so until a day."""

from sitiv_infra import Estate, SeenFacts, Verdicts, check, fail, ok, unknown


@check("attestation.current", severity="medium", needs=(), proves=["hygiene:38"])
def current(estate: Estate, facts: SeenFacts) -> Verdicts:
    """What only a person can see was seen, and is not too old.

    Risk: a measure that nobody has looked at since is taken for granted in reports.

    Fix: look again, then renew the attestation with its new dates and evidence.
    """
    day = facts.today
    for attestation in estate.attestations.values():
        said = {"by": attestation.by, "seen": attestation.seen, "until": attestation.until}
        if day < attestation.seen:
            yield fail(attestation, "attested by {by} for {seen:date}, a day still to come", **said)
        elif day > attestation.until:
            yield unknown(attestation, "attested by {by} until {until:date}: look again", **said)
        else:
            yield ok(attestation, "attested by {by} on {seen:date}, until {until:date}", **said)
