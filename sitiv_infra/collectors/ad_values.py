"""Values as Active Directory writes them."""

from __future__ import annotations

import re
import struct
from datetime import UTC, datetime, timedelta

FIRST_DAY = datetime(1601, 1, 1, tzinfo=UTC)  # of FILETIME, in units of 100 ns
NEVER = 2**63 - 1
RDN = re.compile(r"[^=]+=((?:\\.|[^,\\])*)")


def sid(raw: bytes) -> str | None:
    """Read a binary SID ([MS-DTYP] 2.4.2.2); None where it is not one."""
    if len(raw) < 8 or len(raw) != 8 + 4 * raw[1]:
        return None
    parts = struct.unpack(f"<{raw[1]}I", raw[8:])
    return "-".join(map(str, ("S", raw[0], int.from_bytes(raw[2:8], "big"), *parts)))


def filetime(text: bytes) -> datetime | None:
    """Read a time in 100 ns since 1601; None for 0 and for 2^63-1, which both mean never."""
    value = int(text)
    if not 0 < value < NEVER:
        return None
    try:
        return FIRST_DAY + timedelta(microseconds=value // 10)
    except OverflowError:  # after the year 9999
        return None


def generalized(text: bytes) -> datetime:
    """Read ``20261121020000.0Z``; ValueError for anything else."""
    return datetime.strptime(text[:14].decode("ascii") + "Z", "%Y%m%d%H%M%S%z")


def first_name(dn: str) -> str:
    """Give the value of a distinguished name's first part, without its escapes."""
    match = RDN.match(dn)
    return re.sub(r"\\(.)", r"\1", match[1]) if match else dn


def domain_of(dn: str) -> str:
    """Turn ``DC=corbas,DC=test`` into ``corbas.test``."""
    return ".".join(part.partition("=")[2] for part in dn.split(",")).lower()
