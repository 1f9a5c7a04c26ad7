"""What is no Debian host and yet stands in the lab: vCenter simulators, domain controllers.

Each is a server in its machine's network namespace, at the declared addresses, opened by the
declared account with the lab's own secret. Its processes are in the machine's group, so that a
later command finds them again.

What is kept when the power is cut: a domain controller's directory. A simulator forgets what was
changed in it, and starts with the declared clusters again: without HA, DRS or networks.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from sitiv_infra.estate import Directory, Estate, Machine, Vcenter
from sitiv_infra.lab import samba, vcsim
from sitiv_infra.lab.group import Group, until
from sitiv_infra.lab.pki import Authority
from sitiv_infra.lab.place import Place, write
from sitiv_infra.lab.process import LabError, cache, listens, program
from sitiv_infra.lab.samba import SambaDc
from sitiv_infra.lab.vcsim import Settings, Vcsim

VCENTER, DIRECTORY = "vcenter", "directory"
PORT = "port"  # file of a machine's folder: which port tells that it serves
READY = "ready"  # file of a directory's folder: all that it needs is in it
LAST_WORDS = 2000


def known(estate: Estate, machine: Machine) -> str | None:
    """Say what stands for a machine (``vcenter`` or ``directory``), None for nothing."""
    if _vcenter(estate, machine) is not None:
        return VCENTER
    return DIRECTORY if _directory(estate, machine) is not None else None


def _vcenter(estate: Estate, machine: Machine) -> Vcenter | None:
    return next((v for v in estate.vcenters.values() if _names(v.host, machine)), None)


def _directory(estate: Estate, machine: Machine) -> Directory | None:
    found = (d for d in estate.directories.values() if any(_names(s, machine) for s in d.servers))
    return next(found, None)


def _names(host: str, machine: Machine) -> bool:
    return host.partition(".")[0] == machine.name


def start(place: Place, estate: Estate, machine: Machine, secrets: Mapping[str, str]) -> None:
    """Start the machine's server in its namespace, unless it runs; its cables are laid."""
    if running(place, machine):
        return
    stop(place, machine)  # what was on its way when an earlier command was killed
    folder = place.host_folder(machine.name)
    folder.mkdir(parents=True, exist_ok=True)
    vcenter, directory = _vcenter(estate, machine), _directory(estate, machine)
    if vcenter is not None:
        _start_vcenter(place, estate, machine, vcenter, secrets)
        port = vcenter.port
    elif directory is not None:
        _start_directory(place, machine, directory, secrets)
        port = directory.port
    else:
        raise LabError(f"nothing stands for '{machine.name}'")
    write(folder / PORT, str(port))


def running(place: Place, machine: Machine) -> bool:
    """Tell whether the machine's server runs, and accepts connections."""
    file = place.host_folder(machine.name) / PORT
    pids = place.group(machine.name).pids()
    if not pids or not file.exists():
        return False
    port, space = int(file.read_text(encoding="ascii")), place.namespace(machine.name)
    return any(listens(pid, port, space) for pid in pids)


def stop(place: Place, machine: Machine) -> None:
    """End the machine's server at once, as a power cut would."""
    place.group(machine.name).kill()


class _Detached:
    """A process in a machine's group, which nobody has to stay for."""

    def __init__(
        self, group: Group, command: Sequence[str], log: Path, *, namespace: str | None = None
    ) -> None:
        inside = ["ip", "netns", "exec", namespace] if namespace else []
        self._group, self._log = group, log
        self.pid = group.start([*inside, *command], log)

    def wait(self, ready: Callable[[], bool], seconds: float = 30) -> None:
        """Wait until it serves; LabError with its log's end when it does not."""
        complaint = f"{self._group.name} does not serve"
        try:
            until(seconds, lambda: self._ended() or ready(), complaint)
        except LabError:
            self.stop()
        if self._ended() or not ready():
            last = self._log.read_text(errors="replace")[-LAST_WORDS:]
            raise LabError(f"{complaint}: {last}")

    def _ended(self) -> bool:
        try:
            return os.waitpid(self.pid, os.WNOHANG)[0] != 0
        except ChildProcessError:  # somebody has asked before
            return True

    def stop(self) -> None:
        """End it and its children."""
        self._group.kill()

    kill = stop


def _addresses(machine: Machine) -> list[str]:
    return [str(address) for leg in machine.interfaces for address in leg.addresses]


def _authority(place: Place) -> Authority:
    return Authority(place.folder / "pki", "Lab CA")


def _secret(secrets: Mapping[str, str], source: Vcenter | Directory) -> tuple[str, str]:
    """Give a source's account and its secret."""
    if source.account is None or source.credential is None:
        raise LabError(f"{source.path}: no account or no credential is declared")
    return source.account, secrets[source.credential]


def _start_vcenter(
    place: Place, estate: Estate, machine: Machine, vcenter: Vcenter, secrets: Mapping[str, str]
) -> None:
    account, password = _secret(secrets, vcenter)
    first, *others = _addresses(machine)
    space = place.namespace(machine.name)
    settings = Settings(first, vcenter.port, space, tuple(others), account, password)
    clusters = vcsim.as_declared(estate, vcenter.name)
    folder, serve = place.host_folder(machine.name), partial(_Detached, place.group(machine.name))
    Vcsim(folder, _authority(place), clusters, settings, [vcenter.host], serve=serve).start()


def _start_directory(
    place: Place, machine: Machine, directory: Directory, secrets: Mapping[str, str]
) -> None:
    account, password = _secret(secrets, directory)
    folder, serve = place.host_folder(machine.name), partial(_Detached, place.group(machine.name))
    folder /= "samba"
    first, *others = _addresses(machine)
    host = next(server for server in directory.servers if _names(server, machine))
    controller = SambaDc(
        folder, directory.domain, first, _authority(place),
        names=[host, *_addresses(machine)], others=others,
        namespace=place.namespace(machine.name), serve=serve,
    )  # fmt: skip
    if not (folder / READY).exists():
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(_provisioned(directory.domain), folder, symlinks=True)
        controller.certify()
        controller.add_user(account.partition("@")[0], password)
        controller.heal("krbtgt-age")  # the cached one grows older
        (folder / READY).touch()
    else:
        controller.certify()
    controller.start()


def _provisioned(realm: str) -> Path:
    """Give a domain as it is when it was just made, from the cache or for it.

    Its keys are the same in every lab of this machine; nothing but labs ever trusts them.
    """
    parent = cache() / "samba"
    parent.mkdir(mode=0o700, exist_ok=True)
    found = parent / f"{realm}-{_fingerprint()}"
    if not found.exists():
        with tempfile.TemporaryDirectory(dir=parent, prefix=".new-") as scratch:
            made = Path(scratch, "domain")
            SambaDc(made, realm, "127.0.0.1", Authority(Path(scratch, "pki"))).provision()
            try:
                made.rename(found)
            except OSError:  # another lab was faster
                if not found.exists():
                    raise
        _forget(parent.glob(f"{realm}-*"), found)
    return found


def _fingerprint() -> str:
    """Tell versions apart: of Samba, and of how this project makes a domain."""
    version = subprocess.run(
        [program("samba"), "--version"], capture_output=True, timeout=30, check=True
    ).stdout
    return hashlib.sha256(version + Path(samba.__file__).read_bytes()).hexdigest()[:16]


def _forget(domains: Iterable[Path], kept: Path) -> None:
    for old in domains:
        if old != kept:
            shutil.rmtree(old, ignore_errors=True)
