"""Reads what ``sitiv lab prove --write`` left: how packets fared between all VLANs.

A proof of another declaration than the estate that is observed says nothing of it.
"""

from __future__ import annotations

from pydantic import ValidationError

from sitiv_infra.collectors.base import Collector, Session
from sitiv_infra.errors import NotObserved
from sitiv_infra.estate import PacketProof
from sitiv_infra.facts import PacketFacts
from sitiv_infra.facts.packets import PacketRecord

MOST_BYTES = 16 * 1024 * 1024


def collect(proof: PacketProof, session: Session) -> PacketFacts:
    """Read one proof's file; NotObserved says why it tells nothing."""
    if session.drift is None:
        raise NotObserved("no folder of proofs is given: set SITIV_DRIFT, or use --drift FOLDER")
    file = session.drift / proof.where
    try:
        with file.open("rb") as stream:
            text = stream.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise NotObserved(f"no proof left {file.name}") from None
    except OSError as error:
        raise NotObserved(f"{file.name}: can't be read: {error.strerror}") from None
    try:
        record = PacketRecord.model_validate_json(text)
    except ValidationError:
        raise NotObserved(f"{file.name}: not what 'sitiv lab prove --write' leaves") from None
    if record.estate != session.estate.fingerprint:
        raise NotObserved("the estate was declared otherwise when it was proved: prove it again")
    return record.facts


COLLECTOR = Collector("packets", "how packets fared between all VLANs", collect)
