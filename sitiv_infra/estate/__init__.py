"""What is declared: typed, frozen models and their loader."""

from sitiv_infra.estate.base import Declared, Owned, Source
from sitiv_infra.estate.loader import load
from sitiv_infra.estate.matrix import Access, Cell, Properties
from sitiv_infra.estate.model import Estate
from sitiv_infra.estate.network import (
    Exposure,
    Firewall,
    Flow,
    Vantage,
    VirtualAddress,
    Vlan,
    Zone,
)
from sitiv_infra.estate.organisation import Member, Operator, Service, Severity, Site, Use
from sitiv_infra.estate.switching import Link, Switch
from sitiv_infra.estate.systems import (
    Backup,
    Bucket,
    Cluster,
    Directory,
    Drift,
    Hosts,
    Machine,
    ObjectStore,
    PacketProof,
    ReadHost,
    Vcenter,
)

__all__ = [
    "Access",
    "Backup",
    "Bucket",
    "Cell",
    "Cluster",
    "Declared",
    "Directory",
    "Drift",
    "Estate",
    "Exposure",
    "Firewall",
    "Flow",
    "Hosts",
    "Link",
    "Machine",
    "Member",
    "ObjectStore",
    "Operator",
    "Owned",
    "PacketProof",
    "Properties",
    "ReadHost",
    "Service",
    "Severity",
    "Site",
    "Source",
    "Switch",
    "Use",
    "Vantage",
    "Vcenter",
    "VirtualAddress",
    "Vlan",
    "Zone",
    "load",
]
