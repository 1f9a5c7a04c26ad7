"""What packets did between VLANs, in the lab or on a bench, against what is declared."""

from collections.abc import Iterator

from sitiv_infra import Estate, Found, SeenFacts, Verdicts, check, fail, ok, unknown
from sitiv_infra.checking import Outcome
from sitiv_infra.estate import PacketProof
from sitiv_infra.facts import PacketFacts
from sitiv_infra.facts.packets import Fate
from sitiv_infra.messages import noop

TOLD = {
    Fate.UNDECLARED: noop(
        "{count} packets pass that no flow lets: from {source} to {places:list}, at {firewall} by"
        " {rule}, such as {witness}"
    ),
    Fate.REFUSED: noop(
        "{count} packets of the flow {flow} do not pass: from {source} to {places:list}, at"
        " {firewall} by {rule}, such as {witness}"
    ),
    Fate.STUCK: noop(
        "{count} packets that {firewall} accepts have no way on to {places:list}, such as {witness}"
    ),
    Fate.ASTRAY: noop("{count} packets from {source} came out in {places:list}, such as {witness}"),
    Fate.UNSEEN: noop(
        "{count} packets from {source} reached no firewall, such as {witness}: is its port in that"
        " VLAN?"
    ),
    Fate.LOST: noop(
        "{count} packets that {firewall} sent by {device} did not arrive in {places:list}, such as"
        " {witness}: is that port in that VLAN?"
    ),
}


@check(
    "segmentation.packets-obey",
    severity="high",
    needs=["packets"],
    proves=[
        "hygiene:19",
        "hygiene:22",
        "recyf:7.B.1",
        "recyf:7.B.4",
        "filtering:3.3.4",
        "gateway:R2",
        "gateway:R3",
    ],
)
def packets_obey(estate: Estate, facts: SeenFacts) -> Verdicts:
    """Packets sent between all VLANs pass just where that is declared, and none is lost unseen.

    Risk: rules that are right on paper do not hold: a port with a wrong VLAN tag, a firewall that
    forwards otherwise than its rules say, or a way around it stays unnoticed.

    Fix: look at the rule, or at the port and its tag, that is named here; then prove it again with
    ``sitiv lab prove``.
    """
    for proof, seen in facts.each(estate.packet_proofs.values(), PacketFacts):
        age = facts.age(seen.ended)
        if age > proof.max_age:
            said = "the last proof is {age:duration} old, promised {promised:duration}"
            yield unknown(proof, said, age=age, promised=proof.max_age)
        else:
            yield from _judged(proof, seen)


def _judged(proof: PacketProof, seen: PacketFacts) -> Iterator[Outcome]:
    counts = {"packets": seen.packets, "delivered": seen.delivered, "dropped": seen.dropped}
    if seen.misplaced:
        yield fail(Found(proof, "vlan"), "{legs:list}", legs=list(seen.misplaced))
    for number, found in enumerate(seen.findings, 1):
        said = found.model_dump(exclude={"fate", "destinations"})
        places = list(found.destinations)
        yield fail(Found(proof, f"{number}"), TOLD[found.fate], **said, places=places)
    if seen.counted < seen.dropped:
        said = "{dropped} packets stayed in firewalls, whose rules refused {counted}"
        yield fail(Found(proof, "counters"), said, dropped=seen.dropped, counted=seen.counted)
    if seen.left_out:
        said = "not known of {subnets:list}: no address there is free"
        yield unknown(Found(proof, "subnets"), said, subnets=list(seen.left_out))
    if seen.unsent:
        said = "not known of {flows:list}: whether they pass hangs on which site leads"
        yield unknown(Found(proof, "leader"), said, flows=list(seen.unsent))
    if seen.holds:
        said = "of {packets} packets, {delivered} arrived and firewalls dropped {dropped}"
        yield ok(proof, said, **counts)
