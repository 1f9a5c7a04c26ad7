"""Machines and what they stand on: clusters, vCenters, object stores, backups, directories."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from sitiv_infra.estate.base import Declared, Duration, Host, Name, Owned, Part, Port, Source, Text
from sitiv_infra.estate.network import Interface


class Machine(Owned):
    """A server, virtual when it stands on a cluster.

    ``drives`` are the block devices that are data's alone, such as ``/dev/sdb``.
    """

    kind: ClassVar[str] = "machine"
    site: Name
    role: Name
    os: str | None = None
    cluster: Name | None = None
    interfaces: tuple[Interface, ...] = ()
    services: tuple[Name, ...] = ()
    connection: Literal["ssh", "none"] = "ssh"
    drives: tuple[Annotated[str, Field(pattern=r"^/dev/[a-z0-9/-]+$")], ...] = ()

    @property
    def primary_address(self) -> str | None:
        """First declared address: the one Ansible connects to."""
        return next((str(a) for leg in self.interfaces for a in leg.addresses), None)


class Cluster(Declared):
    """Hypervisors that share work, on one site.

    ha -- machines of a host that fails are started on others. drs -- load is balanced among hosts.
    """

    kind: ClassVar[str] = "cluster"
    site: Name
    vcenter: Name
    title: str | None = None
    vsan: bool = True
    ha: bool = True
    drs: bool = True
    hosts: tuple[Host, ...] = ()


class Vcenter(Source):
    """A vCenter server, read over its SOAP API by a read-only account."""

    kind: ClassVar[str] = "vcenter"
    family: ClassVar[str] = "hypervisor"
    site: Name
    host: Host
    port: Port = 443

    @property
    def where(self) -> str:
        """Address that is read."""
        return f"https://{self.host}:{self.port}/sdk"


class ObjectStore(Source):
    """An S3 object store: one independent cluster on one site.

    parity -- of an erasure set's drives, those that may be lost without losing an object.
    """

    kind: ClassVar[str] = "object-store"
    family: ClassVar[str] = "object-store"
    site: Name
    endpoint: Annotated[str, Field(pattern=r"^https://[^/]+$")]
    region: str = "us-east-1"
    parity: Annotated[int, Field(ge=1, le=8)] | None = None

    @property
    def where(self) -> str:
        """Address that is read."""
        return self.endpoint


class LockMode(StrEnum):
    """Object lock of a bucket: what a writer, or an administrator, can undo."""

    GOVERNANCE = "governance"
    COMPLIANCE = "compliance"


class ObjectLock(Part):
    """Retention that every new object version gets."""

    mode: LockMode
    retention: Duration


class Bucket(Owned):
    """A bucket and the stores that hold a copy of it."""

    kind: ClassVar[str] = "bucket"
    stores: Annotated[tuple[Name, ...], Field(min_length=1)]
    purpose: Text
    versioning: bool = True
    lock: ObjectLock | None = None


class Repository(Part):
    """Where the copies lie: a folder of a bucket of one store."""

    store: Name
    bucket: Name
    prefix: str = ""


class Backup(Source):
    """A promise that services are copied, and where the copies are read.

    The delay is the strictest RPO of the services. ``credential`` opens the repository; the object
    store's account and credential are used to reach it.
    """

    kind: ClassVar[str] = "backup"
    family: ClassVar[str] = "backup"
    services: Annotated[tuple[Name, ...], Field(min_length=1)]
    tool: Literal["restic"] = "restic"
    repository: Repository
    machines: tuple[Name, ...] = ()
    retention: Duration = timedelta(days=30)

    @property
    def where(self) -> str:
        """Repository that is read, below its object store."""
        place = self.repository
        return f"{place.store}/{place.bucket}/{place.prefix}".rstrip("/")


class Directory(Source):
    """A member's Active Directory, read over LDAPS by an ordinary account.

    ``account`` is a user principal name; ``servers`` are tried in order.
    """

    kind: ClassVar[str] = "directory"
    family: ClassVar[str] = "directory"
    domain: Host
    servers: Annotated[tuple[Host, ...], Field(min_length=1)]
    port: Port = 636

    @property
    def where(self) -> str:
        """Servers that are read."""
        return ", ".join(f"ldaps://{server}:{self.port}" for server in self.servers)


class Hosts(Declared):
    """Managed machines that are read over SSH, by an account whose only command prints facts.

    Taken in are machines whose system begins with one of ``systems``, on one of ``sites`` and of
    one of ``roles`` where those are given. Of several entries, the first that fits counts.
    """

    kind: ClassVar[str] = "hosts"
    systems: Annotated[tuple[Name, ...], Field(min_length=1)] = ("debian",)
    sites: tuple[Name, ...] = ()
    roles: tuple[Name, ...] = ()
    account: Text
    credential: Name
    observed_from: Name
    port: Port = 22
    timeout: Duration = timedelta(seconds=60)

    def takes(self, machine: Machine) -> bool:
        """Tell whether a machine is one of these."""
        return (
            machine.connection == "ssh"
            and (machine.os or "").partition("-")[0] in self.systems
            and (not self.sites or machine.site in self.sites)
            and (not self.roles or machine.role in self.roles)
        )

    def source(self, machine: Machine, host: str) -> ReadHost:
        """Give a machine as something to read, by its name or address."""
        return ReadHost(
            name=machine.name, member=machine.member, site=machine.site, host=host, port=self.port,
            account=self.account, credential=self.credential, observed_from=self.observed_from,
            timeout=self.timeout, connections=1,
        )  # fmt: skip


class ReadHost(Source):
    """One machine that is read over SSH; it is not declared, but follows from ``hosts``."""

    kind: ClassVar[str] = "host"
    family: ClassVar[str] = "host"
    site: Name
    host: Host
    port: Port = 22

    @property
    def where(self) -> str:
        """Address that is read."""
        return f"ssh://{self.host}:{self.port}"


class Drift(Source):
    """What a playbook's run in check mode would change, as the callback ``sitiv.infra.drift`` left.

    The run leaves it in a folder on the machine that observes (``--drift``). It is to be no older
    than ``max_age``.
    """

    kind: ClassVar[str] = "drift"
    family: ClassVar[str] = "drift"
    playbook: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.ya?ml$")]
    max_age: Duration

    @property
    def where(self) -> str:
        """Playbook that was run."""
        return self.playbook


class PacketProof(Source):
    """What packets did between all VLANs, as ``sitiv lab prove --write`` left it.

    The command leaves it as ``NAME.packets.json`` in the folder of what was foretold (``--drift``)
    on the machine that observes. It is to be no older than ``max_age``.
    """

    kind: ClassVar[str] = "packet-proof"
    family: ClassVar[str] = "packets"
    max_age: Duration

    @property
    def where(self) -> str:
        """Name of the file."""
        return f"{self.name}.packets.json"
