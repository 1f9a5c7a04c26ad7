"""``sitiv lab``: two datacenters on one machine, from the declared estate."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from sitiv_infra.cli import options as o
from sitiv_infra.cli.commands import group, register
from sitiv_infra.cli.lab_proof import keep, told
from sitiv_infra.cli.tables import show as show_table
from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Estate, load
from sitiv_infra.lab import faults, twin
from sitiv_infra.lab.packets.proof import prove_declared, prove_standing
from sitiv_infra.lab.place import INTERNET, STATION, Place
from sitiv_infra.lab.rehearse import Fault, usual
from sitiv_infra.lab.rehearse import rehearse as run_rehearsal
from sitiv_infra.lab.scale import chosen, scaled
from sitiv_infra.lab.twin import Twin
from sitiv_infra.messages import DEFAULT_LANGUAGE, Language
from sitiv_infra.report.continuity import ENDINGS, FORMATS, exit_code, read, rehearsal

app = group("""Two datacenters on one machine, built from the declared estate (root).

Examples:
  sitiv lab up
  sitiv lab status
  sitiv lab shell store-a1
  sitiv lab down
""")
LAB, BENCH = "lab", "bench"
DECLARED = Path("inventory/lab")
Name = Annotated[
    str, typer.Option("--name", envvar="SITIV_LAB", help="Which lab; several can stand.")
]


class Steps:
    """Progress: each step with the seconds since the command began."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, text: str) -> None:
        """Tell of a step."""
        print(f"{time.monotonic() - self._began:6.1f} s  {text}", file=sys.stderr, flush=True)


@register(app)
def up(
    declared: Annotated[
        Path, typer.Option("--from", help="Folder with estate/ in it, or the estate's own.")
    ] = DECLARED,
    scale: Annotated[
        int | None, typer.Option("--scale", help="Most machines of each kind; pairs stay whole.")
    ] = None,
    only: Annotated[
        str | None, typer.Option("--only", help="Names, or patterns such as 'fw-*', by commas.")
    ] = None,
    name: Name = LAB,
) -> int:
    """Bring the lab up, or repair what is missing of it.

    Examples:
      sitiv lab up
      sitiv lab up --from inventory --scale 1
    """
    estate = _declared(declared)
    if scale is not None:
        estate = scaled(estate, scale)
    if only is not None:
        estate = chosen(estate, only.split(","))
    steps = Steps()
    lab = Twin(Place(name), estate, steps)
    lab.up()
    steps("up; look at it with: sitiv lab status")
    return 0


def _declared(folder: Path) -> Estate:
    return load(folder / "estate" if (folder / "estate").is_dir() else folder)


@register(app)
def status(name: Name = LAB) -> int:
    """Show every machine and whether it stands; exit code 1 when one that should is down.

    Example:
      sitiv lab status
    """
    rows = Twin.standing(Place(name), Steps()).status()
    show_table(
        ["machine", "site", "role", "address", "stands as", "state"],
        [
            (s.machine.name, s.machine.site, s.machine.role, s.machine.primary_address or "",
             s.kind, s.state)
            for s in rows
        ],
        whole=1,
    )  # fmt: skip
    return 1 if any(s.state == "down" for s in rows) else 0


@register(app)
def shell(
    host: Annotated[str, typer.Argument(help="A machine, station or internet.")],
    command: Annotated[list[str] | None, typer.Argument(help="Instead of a shell.")] = None,
    name: Name = LAB,
) -> int:
    """Open a shell in a host, or run one command there.

    ``station`` is the administrator's workstation beside the bastions, ``internet`` the outside;
    both run this machine's programs in the lab's network.

    Examples:
      sitiv lab shell fw-a1
      sitiv lab shell store-a1 -- systemctl status minio
      sitiv lab shell station -- sitiv audit --estate inventory/lab/estate
    """
    place = Place(name)
    lab = Twin.standing(place, Steps())
    words = list(command or ["/bin/bash"])
    if host in {STATION, INTERNET}:
        inside = ["ip", "netns", "exec", place.namespace(host), *words]
        variables = os.environ | environment(place)
        return subprocess.run(inside, check=False, env=variables).returncode  # noqa: S603 - the user's own command
    machine = lab.estate.machines.get(host)
    if machine is None or lab.kind(machine) != "host":
        known = ", ".join([*(m.name for m in lab.debian()), STATION, INTERNET])
        raise InvalidInput(f"no host '{host}' in this lab; there are: {known}")
    return subprocess.run(lab.host(machine).command(words), check=False).returncode  # noqa: S603 - the user's own command


def environment(place: Place) -> dict[str, str]:
    """Give what ``sitiv`` needs to read the lab's sources."""
    folder = place.folder
    return {
        "SITIV_LAB": place.name,
        "SITIV_SECRETS_FILE": str(folder / "secrets.yml"),
        "SITIV_CA_FILE": str(folder / "pki" / "ca.pem"),
        "SITIV_KNOWN_HOSTS": str(folder / "ssh" / "known_hosts"),
        "SITIV_SSH_CONFIG": str(folder / "ssh" / "audit_config"),
        "SITIV_DRIFT": str(folder / "drift"),
    }


@register(app)
def fault(
    kind: Annotated[str, typer.Argument(help=", ".join(faults.KINDS))],
    target: Annotated[str, typer.Argument(help="A site, a machine, or a link's number.")] = "",
    name: Name = LAB,
) -> int:
    """Break something, at once and without warning; `sitiv lab heal` mends everything.

    site SITE (power of all its machines and its switch), host MACHINE, link 1 or 2 (between the
    sites), disk MACHINE (its file system answers with errors), dns SITE (its resolvers are
    silent), clock SITE (its time servers are ten minutes ahead), slow-link (4 Mbit/s between the
    sites).

    Examples:
      sitiv lab fault site a
      sitiv lab fault link 1
      sitiv lab fault disk store-a2
    """
    faults.make(Twin.standing(Place(name), Steps()), kind, target)
    return 0


@register(app)
def heal(name: Name = LAB) -> int:
    """Undo every fault, and start what is down.

    Example:
      sitiv lab heal
    """
    steps = Steps()
    for event in faults.heal(Twin.standing(Place(name), steps)):
        steps(f"healed: {event.kind} {event.target}")
    return 0


@register(app)
def rehearse(
    plan: Annotated[
        list[str] | None, typer.Argument(help="KIND:TARGET …; by default one of each kind.")
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", help="How long each fault lasts, and the time after it.")
    ] = 20.0,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where records are kept; a new one by default.")
    ] = None,
    write: Annotated[
        list[Path] | None, typer.Option("--write", help="FILE.html, .jsonl or .txt; repeatable.")
    ] = None,
    lang: o.Lang = DEFAULT_LANGUAGE,
    name: Name = LAB,
) -> int:
    """Break things while a probe asks the published services, and hold it against RTO and RPO.

    Exit code 1 when a promise was not kept, 2 when one was not measured.

    Examples:
      sitiv lab rehearse site:a --write continuity.html
      sitiv lab rehearse link:1 host:fw-a1 --seconds 30 --lang en
    """
    lab = Twin.standing(Place(name), Steps())
    faults_wanted = [Fault.read(text) for text in plan or ()] or usual(lab.estate)
    kept = folder or Path("out/rehearsals") / datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")
    for file in write or ():
        if file.suffix not in ENDINGS:
            raise InvalidInput(f"--write {file}: the name ends in {', '.join(ENDINGS)}")
    run_rehearsal(lab, faults_wanted, kept, seconds)
    seen = rehearsal(lab.estate, read(kept))
    language = Language(lang)
    print(FORMATS["text"](seen, language))
    for file in write or ():
        file.write_text(FORMATS[ENDINGS[file.suffix]](seen, language), encoding="utf-8")
    return exit_code(seen)


@register(app)
def prove(
    declared: Annotated[
        Path | None,
        typer.Option("--from", help="Instead of a lab: a firewall with what is rendered of this."),
    ] = None,
    write: Annotated[
        Path | None, typer.Option("--write", help="Keep it for the audit: NAME.packets.json.")
    ] = None,
    name: Name = LAB,
) -> int:
    """Prove by packets that zones are kept apart, and that what is declared passes.

    Of a lab that stands, each leg of each machine calls by a frame first, which names those in a
    wrong VLAN. Then packets go from every VLAN into every other, over the lab's switches and
    firewalls as they are: every declared service, the ports beside, ICMP, an unknown protocol. Each
    is delivered, dropped by a firewall, or not accounted for. Hosts are not sent anything.

    With --from, on a switch and a firewall that are made for it and need no lab.

    Exit code: 0 proved; 1 something does not hold; 2 nothing could be sent into some subnet.

    Examples:
      sitiv lab prove
      sitiv lab prove --from inventory --write /var/lib/sitiv/drift/bench.packets.json
    """
    steps, today = Steps(), datetime.now(UTC).date()
    if declared is None:
        lab = Twin.standing(Place(name), steps)
        estate, proof = lab.estate, prove_standing(lab, today, steps)
    else:
        estate = _declared(declared)
        proof = prove_declared(estate, today, Place(BENCH), steps)
    if write is not None:
        keep(proof, estate.fingerprint, write)
    return told(proof)


@register(app)
def down(name: Name = LAB) -> int:
    """Take the lab away: processes, namespaces, mounts, drives, files. The cached base stays.

    Example:
      sitiv lab down
    """
    steps = Steps()
    twin.down(Place(name), steps)
    steps("nothing of the lab is left")
    return 0
