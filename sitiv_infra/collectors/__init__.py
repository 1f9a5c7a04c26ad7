"""Collectors: one module a system; they only read."""

from collections.abc import Mapping
from types import MappingProxyType

from sitiv_infra.collectors.backup import COLLECTOR as BACKUP
from sitiv_infra.collectors.base import Collector
from sitiv_infra.collectors.directory import COLLECTOR as DIRECTORY
from sitiv_infra.collectors.drift import COLLECTOR as DRIFT
from sitiv_infra.collectors.exposure import COLLECTOR as EXPOSURE
from sitiv_infra.collectors.firewall import COLLECTOR as FIREWALL
from sitiv_infra.collectors.host import COLLECTOR as HOST
from sitiv_infra.collectors.hypervisor import COLLECTOR as HYPERVISOR
from sitiv_infra.collectors.object_store import COLLECTOR as OBJECT_STORE
from sitiv_infra.collectors.packets import COLLECTOR as PACKETS
from sitiv_infra.collectors.switch import COLLECTOR as SWITCH

ALL = (
    BACKUP, DIRECTORY, DRIFT, EXPOSURE, FIREWALL, HOST, HYPERVISOR, OBJECT_STORE, PACKETS, SWITCH,
)  # fmt: skip
COLLECTORS: Mapping[str, Collector] = MappingProxyType({c.family: c for c in ALL})

__all__ = ["COLLECTORS", "Collector"]
