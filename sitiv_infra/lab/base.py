"""The base image that every host of the lab starts from: Debian by debootstrap, made once.

It lies in the cache, named after what it is made of; another list of packages is another image.
Hosts see it through an overlay and can't change it. All services are installed and disabled: roles
enable what a host is for.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from sitiv_infra.lab.place import write
from sitiv_infra.lab.process import LabError, cache, program

SUITE = "bookworm"
PACKAGES = (
    "ca-certificates", "chrony", "conntrack", "conntrackd", "curl", "dbus", "dns-root-data",
    "ethtool", "haproxy", "iproute2", "iputils-ping", "jq", "keepalived", "libfaketime",
    "libnss-systemd", "nftables", "openssh-server", "openvswitch-switch", "procps", "python3",
    "python3-apt", "python3-boto3", "restic", "rsync", "rsyslog", "rsyslog-gnutls", "sudo",
    "systemd", "systemd-sysv", "unattended-upgrades", "unbound", "xfsprogs",
)  # fmt: skip
BUILT = ("minio", "mc")  # programs of the cache that hosts have in /usr/local/bin
VERSION = 4  # of what this module does to the image
SECONDS = 1800
KEPT = "enable ssh.service\nenable systemd-tmpfiles-clean.timer\ndisable *\n"
# A host of the lab has no clock of its own to set: chronyd watches, and steps nothing.
CHRONY = """\
[Unit]
ConditionCapability=
[Service]
ExecStart=
ExecStart=!/usr/sbin/chronyd -F 1 -x
"""
SUDO = "ansible ALL=(ALL:ALL) NOPASSWD: ALL\n"
MASKED = (
    "systemd-firstboot.service", "systemd-remount-fs.service", "systemd-networkd.service",
    "systemd-networkd.socket", "console-getty.service", "systemd-udevd.service",
)  # fmt: skip
Tell = Callable[[str], None]


def base(tell: Tell) -> Path:
    """Give the base image, made now where it is not in the cache; LabError when it can't be."""
    folder = cache() / "base" / _key()
    if folder.exists():
        return folder
    tell(f"base image: debootstrap {SUITE} with {len(PACKAGES)} packages (once, about 2 minutes)")
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(f".{SUITE}-*"):  # of runs that were killed
        if not Path("/proc", left.suffix.lstrip(".")).exists():
            shutil.rmtree(left, ignore_errors=True)
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        _debootstrap(fresh)
        _settle(fresh)
        fresh.rename(folder)
    except FileExistsError:
        pass  # another lab made it meanwhile
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def _key() -> str:
    """Name the image after what it is made of, the built programs by size and time."""
    stats = [(name, Path(program(name)).stat()) for name in BUILT]
    parts = [str(VERSION), SUITE, *PACKAGES]
    parts += [f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats]
    return f"{SUITE}-{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:12]}"


def _debootstrap(target: Path) -> None:
    command = [
        program("debootstrap"), "--variant=minbase", f"--include={','.join(PACKAGES)}",
        SUITE, str(target), _mirror(),
    ]  # fmt: skip
    log = target.parent / "debootstrap.log"
    with log.open("wb") as stream:
        done = subprocess.run(command, stdout=stream, stderr=stream, timeout=SECONDS, check=False)
    if done.returncode:
        last = log.read_text(errors="replace")[-1000:]
        raise LabError(f"debootstrap failed; its log is {log}: {last}")


def _mirror() -> str:
    """Give the Debian mirror that this machine itself installs from."""
    wanted = ["indextargets", "--format", "$(SITE) $(CODENAME)", "Created-By: Packages"]
    done = subprocess.run(
        [program("apt-get"), *wanted], capture_output=True, text=True, timeout=60, check=False
    )
    for line in done.stdout.splitlines():
        site, _, suite = line.partition(" ")
        if suite.strip() == SUITE:
            return site
    raise LabError(f"no source of Debian {SUITE} in /etc/apt; apt-get update, or add one")


def _settle(root: Path) -> None:
    """Make of a fresh Debian what every host of the lab shares."""
    write(root / "etc/systemd/system-preset/00-lab.preset", KEPT)
    _inside(root, "systemctl", "preset-all")
    for unit in MASKED:
        link = root / "etc/systemd/system" / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")
    write(root / "etc/systemd/system/chrony.service.d/lab.conf", CHRONY)
    _inside(root, "useradd", "--create-home", "--shell", "/bin/bash", "ansible")
    write(root / "etc/sudoers.d/ansible", SUDO, 0o440)
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    for name in BUILT:
        shutil.copy2(program(name), root / "usr/local/bin" / name)
    for file in ("etc/machine-id", "etc/resolv.conf", "etc/hostname"):
        (root / file).unlink(missing_ok=True)
    shutil.rmtree(root / "var/cache/apt/archives", ignore_errors=True)


def _inside(root: Path, *command: str) -> None:
    done = subprocess.run(
        ["chroot", str(root), *command], capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        raise LabError(f"{' '.join(command)} in the base image: {done.stderr.strip()}")
