"""A rehearsal: faults one after the other, with the probe asking all the while.

Its folder holds what the probe saw and which faults were made; the continuity report is made of it,
now or later.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Estate
from sitiv_infra.lab import faults
from sitiv_infra.lab.place import INTERNET
from sitiv_infra.lab.process import LabError
from sitiv_infra.lab.twin import Twin
from sitiv_infra.report.continuity import EVENTS, RECORDS

CALM_SECONDS = 5.0  # of probing before the first fault
VERIFY_SECONDS = 180.0


@dataclass(frozen=True)
class Fault:
    """A fault of the plan, as the command line writes it: ``site:a``, ``link:1``, ``slow-link``."""

    kind: str
    target: str

    @classmethod
    def read(cls, text: str) -> Fault:
        """Read a fault; InvalidInput where there is no such kind."""
        kind, _, target = text.partition(":")
        if kind not in faults.KINDS:
            known = ", ".join(faults.KINDS)
            raise InvalidInput(f"'{text}' is no fault; write KIND:TARGET; kinds are: {known}")
        return cls(kind, target)

    def __str__(self) -> str:
        return f"{self.kind}:{self.target}" if self.target else self.kind


def usual(estate: Estate) -> list[Fault]:
    """Give one fault of every kind, each on the first site, where it hurts most."""
    site = next(iter(estate.sites))
    here = [m for m in estate.machines.values() if m.site == site]
    roles = {m.role: m.name for m in reversed(here)}
    found = [Fault("link", "1"), Fault("slow-link", "")]
    found += [Fault("host", roles[r]) for r in ("firewall", "reverse-proxy") if r in roles]
    found += [Fault("disk", m.name) for m in here if m.drives][:1]
    if faults.RESOLVER in roles:
        found += [Fault("dns", site), Fault("clock", site)]
    return [*found, Fault("site", site)]


def rehearse(lab: Twin, plan: Sequence[Fault], folder: Path, seconds: float) -> None:
    """Make each fault, let it last, heal it and let that last; the probe asks all the while.

    seconds -- how long each fault, and the time after its healing, lasts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / RECORDS).exists():
        raise InvalidInput(f"{folder} holds a rehearsal already; give a new folder")
    journal = folder / EVENTS
    with _probe(lab, folder):
        time.sleep(CALM_SECONDS)
        for fault in plan:
            lab.tell(f"fault {fault}")
            faults.make(lab, fault.kind, fault.target, journal)
            time.sleep(seconds)
            lab.tell(f"heal {fault}")
            faults.heal(lab, journal)
            time.sleep(seconds)
        lab.tell("reading back every acknowledged document")


@contextmanager
def _probe(lab: Twin, folder: Path) -> Iterator[None]:
    """Let the probe run in the internet's namespace; at the end it reads everything back."""
    place = lab.place
    command = ["ip", "netns", "exec", place.namespace(INTERNET), sys.executable, "-m"]
    command += ["sitiv_infra.lab.probe", "--estate", str(place.estate)]
    command += ["--ca", str(place.folder / "pki" / "ca.pem"), "--folder", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield
        if process.poll() is not None:
            raise LabError(f"the probe ended with {process.returncode}; the reason is above")
        process.send_signal(signal.SIGTERM)
        process.wait(VERIFY_SECONDS)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
