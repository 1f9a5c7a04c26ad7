"""What the internet sees, against what was decided that it may see."""

from collections.abc import Iterator

from sitiv_infra import Estate, Found, SeenFacts, Unread, Verdicts, check, fail, ok, unknown
from sitiv_infra.estate import Exposure
from sitiv_infra.facts import ExposureFacts
from sitiv_infra.facts.exposure import Certificate


@check(
    "exposure.undeclared-port",
    severity="high",
    needs=["exposure"],
    proves=["hygiene:23", "recyf:7.A.7", "recyf:7.B.1", "recyf:7.B.3", "gateway:R2"],
)
def undeclared_port(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Only declared TCP ports answer on the public addresses.

    Risk: a port that nobody decided to open is watched and patched by nobody; remote desktop, file
    sharing and administration consoles are how most intrusions begin.

    Fix: close the port on the border firewall, or declare the exposure with its service, its reason
    and who approved it.
    """
    declared = {(str(e.address), e.protocol.value, e.port) for e in estate.exposures.values()}
    for vantage, seen in facts.each(estate.vantages.values(), ExposureFacts):
        strange = [p for p in seen.open_ports if (p.address, p.protocol, p.port) not in declared]
        for port in strange:
            yield fail(
                Found(vantage, f"{port.protocol}-{port.port}@{port.address}"),
                "{protocol}/{port} ({service}) is open on {address} and is not declared",
                protocol=port.protocol, port=port.port, service=port.service or "?",
                address=port.address,
            )  # fmt: skip
        missed = seen.missed(vantage.networks)
        if seen.ports != vantage.ports:
            message = "only the ports {tried} were tried, declared are {declared}"
            yield unknown(vantage, message, tried=seen.ports, declared=vantage.ports)
        elif missed:
            causes = sorted(set(missed.values()))
            yield unknown(
                vantage,
                "not swept: {where:list} ({causes:list})",
                where=sorted(missed),
                causes=causes,
            )
        elif not strange:
            count = len(seen.open_ports)
            yield ok(vantage, "{count} open ports, all of them declared", count=count)


@check(
    "exposure.declared-closed",
    severity="low",
    needs=["exposure"],
    proves=["hygiene:4", "recyf:1.1", "recyf:7.B.5", "gateway:R1"],
)
def declared_closed(estate: Estate, facts: SeenFacts) -> Verdicts:
    """What is declared as exposed is in use.

    Risk: a declaration that outlived its service will silently allow whatever answers there next;
    or the service is down.

    Fix: remove the exposure if the service is gone; otherwise find out why it does not answer.
    """
    for exposure, seen in facts.each(_observable(estate), ExposureFacts):
        place = {"address": exposure.address, "port": exposure.port}
        is_open = any(
            (p.address, p.port) == (str(exposure.address), exposure.port) for p in seen.open_ports
        )
        if exposure.protocol != "tcp":
            yield unknown(exposure, "only TCP is looked at: udp/{port} is not", **place)
        elif is_open:
            yield ok(exposure, "{address} answers on port {port}", **place)
        elif not seen.looked_at(exposure.address):
            yield unknown(exposure, "{address} was not swept to the end", **place)
        elif not seen.tried(exposure.port):
            yield unknown(exposure, "port {port} is not among those that are tried", **place)
        else:
            yield fail(exposure, "nothing answers on port {port} of {address}", **place)
    yield from _unobservable(estate)


@check(
    "exposure.certificate-remaining",
    severity="high",
    needs=["exposure"],
    proves=["hygiene:18", "recyf:8.1"],
)
def certificate_remaining(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Certificates are renewed well before their end.

    Risk: on the day that a certificate ends, users are shown a warning or nothing; those who learn
    to click it away will do so for an impostor too.

    Fix: renew it, by ACME rather than by hand; a certificate that should have renewed itself means
    that its renewal is broken.
    """
    promised = estate.operator.thresholds.certificate_remaining
    for exposure, certificate in _certificates(estate, facts):
        if isinstance(certificate, Unread):
            yield unknown(exposure, "no certificate: {cause}", cause=certificate.unread)
            continue
        lifetime = certificate.not_after - certificate.not_before
        remaining = certificate.not_after - facts.now
        # A third of its life is when ACME renews: a fixed delay would be wrong for short ones.
        least = min(promised, lifetime / 3)
        told = {"host": exposure.host, "end": certificate.not_after, "remaining": remaining}
        if certificate.not_before > facts.now:
            start = certificate.not_before
            yield fail(exposure, "the certificate begins only on {start:instant}", start=start)
        elif certificate.not_after <= facts.now:
            yield fail(exposure, "the certificate ended on {end:instant}", **told)
        elif remaining < least:
            message = "the certificate ends in {remaining:duration}, less than {least:duration}"
            yield fail(exposure, message, least=least, **told)
        else:
            yield ok(exposure, "the certificate ends in {remaining:duration}", **told)
    yield from _unobservable(estate)


@check(
    "exposure.certificate-trusted",
    severity="high",
    needs=["exposure"],
    proves=["hygiene:18", "recyf:8.1", "tls:R29"],
)
def certificate_trusted(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Certificates are issued by a known authority, for the name that users type.

    Risk: users can't tell the service from an impostor, and are taught to ignore warnings.

    Fix: install a certificate of a public authority for this name, with its intermediate
    certificates in order.
    """
    for exposure, certificate in _certificates(estate, facts):
        if isinstance(certificate, Unread):
            yield unknown(exposure, "no certificate: {cause}", cause=certificate.unread)
            continue
        told = {"host": exposure.host, "issuer": certificate.issuer}
        if certificate.distrusted is not None:
            cause = certificate.distrusted
            message = "not trusted for {host}: {cause} (issued by {issuer})"
            yield fail(exposure, message, cause=cause, **told)
        else:
            yield ok(exposure, "trusted for {host}, issued by {issuer}", **told)
    yield from _unobservable(estate)


@check(
    "exposure.expired-declaration",
    severity="medium",
    needs=(),
    proves=["hygiene:38", "recyf:7.B.1", "recyf:7.B.5", "gateway:R1"],
)
def expired_declaration(estate: Estate, facts: SeenFacts) -> Verdicts:
    """An exposure that was allowed for a time ends on its day.

    Risk: a door that was opened for a test or a migration stays open for years.

    Fix: close the port and remove the exposure, or have it approved again with a new date.
    """
    for exposure in estate.exposures.values():
        if exposure.until is None:
            continue
        told = {"until": exposure.until, "by": exposure.approved_by}
        if facts.today > exposure.until:
            yield fail(exposure, "allowed by {by} until {until:date}, which has passed", **told)
        else:
            yield ok(exposure, "allowed by {by} until {until:date}", **told)


def _observable(estate: Estate) -> list[Exposure]:
    """Exposures that some vantage looks at."""
    return [e for e in estate.exposures.values() if estate.source_for(e, "exposure")]


def _unobservable(estate: Estate) -> Verdicts:
    """Say of the others that nobody looks."""
    for exposure in estate.exposures.values():
        if not estate.source_for(exposure, "exposure"):
            where = exposure.address
            yield unknown(exposure, "no vantage looks at {address}", address=where)


def _certificates(
    estate: Estate, facts: SeenFacts
) -> Iterator[tuple[Exposure, Certificate | Unread]]:
    """Give each TLS exposure that answered; what is closed is another check's matter."""
    encrypted = [e for e in _observable(estate) if e.tls and e.protocol == "tcp"]
    for exposure, seen in facts.each(encrypted, ExposureFacts):
        place = str(exposure.address), exposure.port, exposure.host
        shown = {(e.address, e.port, e.host): e.certificate for e in seen.endpoints}
        answers = place[:2] in {(p.address, p.port) for p in seen.open_ports}
        if place in shown:
            yield exposure, shown[place]
        elif not seen.looked_at(exposure.address):
            yield exposure, Unread(unread="its address was not swept to the end")
        elif answers or not seen.tried(exposure.port):
            yield exposure, Unread(unread="it was not asked for one")
