"""How an administrator reaches the lab: keys, host keys, and the way through the bastions."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from sitiv_infra.estate import Estate, Firewall, Machine, ReadHost
from sitiv_infra.lab.netns import FOLDER
from sitiv_infra.lab.pki import Authority
from sitiv_infra.lab.place import STATION, Place, write
from sitiv_infra.lab.process import program
from sitiv_infra.lab.sshd import make_key
from sitiv_infra.lab.wiring import BASTION
from sitiv_infra.wanted import full_name

SSH = """\
# Written by `sitiv lab up`: every host through the bastion of its site.
Host *
  User {user}
  IdentityFile {key}
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile none
  StrictHostKeyChecking yes
  UpdateHostKeys no
  ConnectTimeout 15
  ServerAliveInterval 10
"""
# One connection to a bastion carries all that goes through it.
SHARED = "  ControlMaster auto\n  ControlPath {folder}/cm-{user}-%n\n  ControlPersist 300\n"
EXTRA = ("minio-root", "app-guichet")  # what roles need beyond the estate's credentials
KMS = "minio-kms"
SSH_FAMILIES = {Firewall.family, ReadHost.family}  # their secret is the path of a key
KEY_BYTES = 32
INVENTORY = """\
# Written by `sitiv lab up`: what stands.
plugin: sitiv.infra.estate
source: ../standing.json
"""
VARIABLES = Path(__file__).with_name("group_vars.yml")


class Access:
    """The lab's keys, certificates and secrets: made once, and kept while the lab stands."""

    def __init__(self, place: Place, estate: Estate) -> None:
        self.place = place
        self.estate = estate
        self.folder = place.folder / "ssh"
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.admin_key = make_key(self.folder / "id")
        self.audit_key = make_key(self.folder / "audit")
        self.authority = Authority(place.folder / "pki", "Lab CA")

    def prepare(self, machines: Sequence[Machine]) -> None:
        """Make everything that is missing, before hosts are started from several threads."""
        self.secrets()
        for machine in machines:
            dict(self.files(machine))
        self.configure(machines)

    def secrets(self) -> dict[str, str]:
        """Give the secrets by name; those that are new are made up."""
        path = self.place.folder / "secrets.yml"
        known: dict[str, str] = yaml.safe_load(path.read_text("utf-8")) if path.exists() else {}
        sources = self.estate.sources.values()
        accounts = [f"backup-{name}" for name in self.estate.backups]
        for name in [*(s.credential for s in sources if s.credential), *EXTRA, *accounts]:
            # Strong enough for a directory's policy.
            known.setdefault(name, f"{secrets.token_urlsafe(18)}-Aa1")
        known.setdefault(KMS, b64encode(secrets.token_bytes(KEY_BYTES)).decode())
        for source in sources:
            if source.family in SSH_FAMILIES and source.credential:
                known[source.credential] = str(self.folder / "audit")
        write(path, yaml.safe_dump(known), 0o600)
        return known

    def inventory(self, standing: Estate) -> None:
        """Write Ansible's inventory of what stands, which may be less than what is declared."""
        folder = self.place.folder / "inventory"
        write(self.place.folder / "standing.json", standing.model_dump_json())
        write(folder / "estate.yml", INVENTORY)
        write(folder / "group_vars" / "all.yml", VARIABLES.read_text("utf-8"))

    def files(self, machine: Machine) -> Iterator[tuple[str, tuple[str, int]]]:
        """Yield what an installer leaves on a host: path, text and mode."""
        host_key = self.folder / "hosts" / machine.name
        host_key.parent.mkdir(exist_ok=True)
        public = make_key(host_key)
        yield "etc/ssh/ssh_host_ed25519_key", (host_key.read_text("ascii"), 0o600)
        yield "etc/ssh/ssh_host_ed25519_key.pub", (f"{public}\n", 0o644)
        yield "home/ansible/.ssh/authorized_keys", (f"{self.admin_key}\n", 0o644)
        name = full_name(self.estate, machine.name)
        local = f"127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {name} {machine.name}\n"
        yield "etc/hosts", (local, 0o644)
        certificate, key = self.certificate(machine)
        yield "etc/ssl/sitiv/host.pem", (certificate.read_text("ascii"), 0o644)
        yield "etc/ssl/sitiv/host.pem.key", (key.read_text("ascii"), 0o600)
        yield "etc/ssl/sitiv/ca.pem", (self.authority.ca_file.read_text("ascii"), 0o644)

    def certificate(self, machine: Machine) -> tuple[Path, Path]:
        """Give a machine's certificate and key: for its names, and those that it serves."""
        name = full_name(self.estate, machine.name)
        files = self.authority.folder / f"{name}.pem", self.authority.folder / f"{name}.key"
        if all(file.exists() for file in files):
            return files
        held = [v for v in self.estate.virtual_addresses.values() if machine.name in v.machines]
        names = [full_name(self.estate, virtual.name) for virtual in held]
        if any(virtual.publishes for virtual in held):
            names += [exposure.host for exposure in self.estate.exposures.values()]
        addresses = [str(a) for leg in machine.interfaces for a in leg.addresses]
        return self.authority.issue(*dict.fromkeys([name, *names, *addresses, "localhost"]))

    def configure(self, machines: Sequence[Machine]) -> None:
        """Write the known hosts, and the ways of the administrator and of the audit account."""
        lines = []
        for machine in machines:
            names = [machine.name, full_name(self.estate, machine.name)]
            names += [str(a) for leg in machine.interfaces for a in leg.addresses]
            public = (self.folder / "hosts" / f"{machine.name}.pub").read_text("ascii").strip()
            lines.append(f"{','.join(names)} {public}\n")
        write(self.folder / "known_hosts", "".join(lines))
        for file, user, key in (
            ("config", "ansible", "id"),
            ("audit_config", "svc-audit", "audit"),
        ):
            write(self.folder / file, "".join(self._ways(machines, user, self.folder / key)))

    def _ways(self, machines: Sequence[Machine], user: str, key: Path) -> Iterator[str]:
        bastions = {m.site: m for m in reversed(machines) if m.role == BASTION}
        space = FOLDER / self.place.namespace(STATION)
        relay = f"nsenter --net={space} {program('nc')} %h %p"
        for machine in machines:
            names = f"{machine.name} {full_name(self.estate, machine.name)}"
            yield f"Host {names} {machine.primary_address}\n"
            yield f"  HostName {machine.primary_address}\n"
            near = bastions.get(machine.site) or next(iter(bastions.values()), None)
            if near is None or machine.role == BASTION:
                yield f"  ProxyCommand {relay}\n"
                yield SHARED.format(folder=self.folder, user=user)
            else:
                yield f"  ProxyJump {near.name}\n"
        yield SSH.format(user=user, key=key, folder=self.folder)
