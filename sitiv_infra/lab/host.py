"""A Debian host of the lab: systemd booted over the base image, in a network namespace of its own.

Its power is cut by ``cut``: the processes end and its network is gone. Its files stay, and the next
``boot`` goes on with them.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sitiv_infra.lab.group import until
from sitiv_infra.lab.netns import FOLDER
from sitiv_infra.lab.place import Place, write
from sitiv_infra.lab.process import LabError, program

BOOT_SECONDS = 90.0
SSH_PORT = 22
LISTENING = "0A"
DRIVE_BYTES = 2 * 1024**3  # a sparse file: only what is written takes room
# One kernel, one clock: nothing in a host may set it, or load code into the kernel.
WITHHELD = "-sys_time,-sys_module,-sys_boot"

ONCE = {"etc/hosts"}  # written before the first start; from then on it is the host's own


@dataclass(frozen=True)
class Host:
    """One host; ``drives`` are the names of its block devices, ``binds`` folders of ours in it."""

    place: Place
    name: str
    drives: tuple[str, ...] = ()
    binds: Mapping[Path, str] = ()  # type: ignore[assignment]  # an empty mapping

    @property
    def folder(self) -> Path:
        """Give the folder that holds what the host has written."""
        return self.place.host_folder(self.name)

    @property
    def root(self) -> Path:
        """Give the host's file system, as it sees it."""
        return self.folder / "root"

    def leader(self) -> int | None:
        """Give the id of the host's first process, None when it is down."""
        return next(iter(self.place.group(self.name).inits()), None)

    def prepare(self, base: Path, files: Mapping[str, tuple[str, int]]) -> None:
        """Mount the host's file system, and write files of the installer: text and mode."""
        if not os.path.ismount(self.root):
            for part in ("upper", "work", "root"):
                (self.folder / part).mkdir(parents=True, exist_ok=True)
            layers = f"lowerdir={base},upperdir={self.folder}/upper,workdir={self.folder}/work"
            _run("mount", "-t", "overlay", "overlay", "-o", layers, str(self.root))
        identity = hashlib.md5(f"{self.place.name}/{self.name}".encode()).hexdigest()  # noqa: S324 - a name, no secret
        write(self.root / "etc/machine-id", f"{identity}\n", 0o444)
        write(self.root / "etc/hostname", f"{self.name}\n")
        for path, (text, mode) in files.items():
            if path not in ONCE or not (self.folder / "upper" / path).exists():
                write(self.root / path.lstrip("/"), text, mode)

    def boot(self) -> None:
        """Start systemd; ``ready`` tells when it serves."""
        options = [
            "--quiet", "--boot", f"--directory={self.root}", f"--machine={self.name}",
            f"--network-namespace-path={FOLDER / self.place.namespace(self.name)}",
            "--register=no", "--keep-unit", "--resolv-conf=off", "--link-journal=no",
            "--console=pipe", "--timezone=off",
            "--capability=CAP_NET_ADMIN,CAP_NET_RAW,CAP_NET_BROADCAST,CAP_IPC_LOCK,CAP_SYS_NICE",
        ]  # fmt: skip
        for device, drive in zip(self._loops(), self.drives, strict=True):
            options.append(f"--bind={device}:{drive}")
        options += [f"--bind={ours}:{theirs}" for ours, theirs in dict(self.binds).items()]
        self.place.group(self.name).start(
            [program("systemd-nspawn"), *options],
            self.folder / "console.log",
            # systemd refuses to make /proc/sys/net writable for a namespace that it did not make.
            {"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network", "SYSTEMD_NSPAWN_TMPFS_TMP": "0"},
        )

    def _loops(self) -> Iterable[str]:
        """Give a loop device for each drive, on a file that outlives the host's power."""
        for drive in self.drives:
            file = self.folder / f"{Path(drive).name}.img"
            known = _run("losetup", "--associated", str(file)) if file.exists() else ""
            if known:
                yield known.partition(":")[0]
                continue
            with file.open("ab") as stream:
                stream.truncate(max(DRIVE_BYTES, file.stat().st_size))
            yield _run("losetup", "--find", "--show", str(file))

    def ready(self) -> bool:
        """Tell whether the host accepts SSH, without opening a connection to it."""
        leader = self.leader()
        if leader is None:
            return False
        for table in ("tcp", "tcp6"):
            try:
                lines = Path(f"/proc/{leader}/net/{table}").read_text(encoding="ascii").splitlines()
            except OSError:
                return False
            rows = (line.split() for line in lines[1:])
            if any(row[1].endswith(f":{SSH_PORT:04X}") and row[3] == LISTENING for row in rows):
                return True
        return False

    def wait(self) -> None:
        """Wait until the host accepts SSH; LabError with its console's last words."""
        try:
            until(BOOT_SECONDS, self.ready, f"{self.name} does not boot")
        except LabError as error:
            console = self.folder / "console.log"
            last = console.read_text(errors="replace")[-500:] if console.exists() else ""
            raise LabError(f"{error}: {last}") from None

    def cut(self) -> None:
        """Cut the power: every process ends at once."""
        self.place.group(self.name).kill()

    def command(self, words: Sequence[str]) -> list[str]:
        """Give the command that runs words in the host, as its root; LabError when it is down."""
        leader = self.leader()
        if leader is None:
            raise LabError(f"{self.name} is down; start it with: sitiv lab heal")
        enter = ["nsenter", f"--target={leader}", "--mount", "--uts", "--ipc", "--net", "--pid"]
        limit = ["/usr/bin/setpriv", f"--bounding-set={WITHHELD}", f"--inh-caps={WITHHELD}"]
        return [*enter, "--", *limit, *words]


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout.strip()
