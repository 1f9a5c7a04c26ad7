"""What can be seen: one module a family of sources."""

from collections.abc import Mapping
from types import MappingProxyType

from sitiv_infra.facts.backup import BackupFacts
from sitiv_infra.facts.base import Fact, Facts, Unread
from sitiv_infra.facts.directory import DirectoryFacts
from sitiv_infra.facts.drift import DriftFacts
from sitiv_infra.facts.exposure import ExposureFacts
from sitiv_infra.facts.firewall import FirewallFacts
from sitiv_infra.facts.host import HostFacts
from sitiv_infra.facts.hypervisor import HypervisorFacts
from sitiv_infra.facts.object_store import ObjectStoreFacts
from sitiv_infra.facts.packets import PacketFacts
from sitiv_infra.facts.switch import SwitchFacts

FAMILIES: Mapping[str, type[Facts]] = MappingProxyType(
    {
        kind.family: kind
        for kind in (
            BackupFacts,
            DirectoryFacts,
            DriftFacts,
            ExposureFacts,
            FirewallFacts,
            HostFacts,
            HypervisorFacts,
            ObjectStoreFacts,
            PacketFacts,
            SwitchFacts,
        )
    }
)

__all__ = [
    "FAMILIES",
    "BackupFacts",
    "DirectoryFacts",
    "DriftFacts",
    "ExposureFacts",
    "Fact",
    "Facts",
    "FirewallFacts",
    "HostFacts",
    "HypervisorFacts",
    "ObjectStoreFacts",
    "PacketFacts",
    "SwitchFacts",
    "Unread",
]
