"""A vCenter: clusters, hosts, virtual machines and networks, in one pass over its SOAP API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sitiv_infra.collectors.base import Collector, Session
from sitiv_infra.errors import NotObserved
from sitiv_infra.estate import Vcenter
from sitiv_infra.facts import HypervisorFacts, Unread
from sitiv_infra.facts.hypervisor import ClusterState, HostState, VirtualMachine, VirtualNic

if TYPE_CHECKING:
    from sitiv_infra.collectors.vsphere import Seen

# Whole, because a vCenter refuses paths below it: it is declared as the type of plain resources.
CLUSTER = ("name", "configurationEx")
HOST = (
    "name",
    "parent",
    "runtime.connectionState",
    "config.product.version",
    "config.lockdownMode",
    "config.service.service",
    "config.network.portgroup",
    "config.network.vnic",
)
MACHINE = (
    "name",
    "runtime.host",
    "runtime.powerState",
    "config.managedBy.extensionKey",
    "config.hardware.device",
)
PORTGROUP = (
    "name",
    "config.distributedVirtualSwitch",
    "config.uplink",
    "config.policy",
    "config.defaultPortConfig",
)
SWITCH = ("name", "config")  # whole, as a cluster's: the map of private VLANs is a subtype's
LOCKDOWN = {
    "lockdownDisabled": "disabled",
    "lockdownNormal": "normal",
    "lockdownStrict": "strict",
}
AGENT_MANAGER = "com.vmware.vim.eam"
UNSET = "the vCenter holds no value for it"
HIDDEN = "the account can't see it"
Names = Mapping[str, str]


def collect(source: Vcenter, session: Session) -> HypervisorFacts:
    """Read one vCenter; NotObserved says why it can't be read."""
    from pyVmomi import vim  # noqa: PLC0415 - a third of a second that other commands need not pay

    from sitiv_infra.collectors import portgroups  # noqa: PLC0415 - as above
    from sitiv_infra.collectors.vsphere import Place, logged_in, retrieve  # noqa: PLC0415 - as above

    if source.account is None:
        raise NotObserved("no account is declared for this vCenter")
    password = session.secret(source.credential)
    place = Place(source.host, source.port, session.tls(), session.timeout)
    paths = {
        vim.ClusterComputeResource: CLUSTER,
        vim.HostSystem: HOST,
        vim.VirtualMachine: MACHINE,
        vim.dvs.DistributedVirtualPortgroup: PORTGROUP,
        vim.DistributedVirtualSwitch: SWITCH,
    }
    with logged_in(place, source.account, password) as content:
        version = str(content.about.version)
        found = retrieve(content, paths)
    clusters, hosts, machines, groups, switches = found.values()
    if not (clusters or hosts or machines):
        raise NotObserved(
            f"the account '{source.account}' sees no cluster, host or machine: give it the role"
            " Read-only at the vCenter's root, with propagation"
        )
    cluster_names = {item.id: item.title for item in clusters}
    states = {item.id: _host(item, cluster_names, portgroups.adapters(item)) for item in hosts}
    guests = (_machine(m, states, portgroups.nics(m)) for m in machines)
    return HypervisorFacts(
        version=version,
        clusters=tuple(sorted(map(_cluster, clusters), key=_by_name)),
        hosts=tuple(sorted(states.values(), key=_by_name)),
        machines=tuple(sorted(guests, key=_by_name)),
        portgroups=portgroups.portgroups(groups, switches, hosts),
    )


def _by_name(state: ClusterState | HostState | VirtualMachine) -> tuple[str, str]:
    return state.name, state.model_dump_json()


def _cluster(item: Seen) -> ClusterState:
    config = item.value("configurationEx")
    if config is None:
        config = Unread(unread=UNSET)
    if isinstance(config, Unread):
        return ClusterState(name=item.title, vsan=config)
    vsan = config.vsanConfigInfo  # unset until vSAN is first turned on
    return ClusterState(name=item.title, vsan=vsan is not None and bool(vsan.enabled))


def _host(item: Seen, clusters: Names, adapters: tuple[str, ...] | Unread) -> HostState:
    parent = item.value("parent")
    mode = _set(item.value("config.lockdownMode"))
    return HostState(
        name=item.title,
        cluster=parent if isinstance(parent, Unread) else clusters.get(_id(parent)),
        version=_set(item.value("config.product.version")),
        connection=_set(item.value("runtime.connectionState")),
        lockdown=mode if isinstance(mode, Unread) else LOCKDOWN.get(mode, _strange(mode)),
        running=_running(item.value("config.service.service")),
        adapters=adapters,
    )


def _strange(value: str) -> Unread:
    return Unread(unread=f"'{value}' is not a value that is known")


def _running(services: Any) -> tuple[str, ...] | Unread:  # noqa: ANN401 - pyVmomi makes its types at run time
    if services is None:
        return Unread(unread=UNSET)
    if isinstance(services, Unread):
        return services
    return tuple(sorted(str(s.key) for s in services if s.running))


def _machine(
    item: Seen, hosts: Mapping[str, HostState], nics: tuple[VirtualNic, ...] | Unread
) -> VirtualMachine:
    place = item.value("runtime.host")
    host: str | Unread | None
    cluster: str | Unread | None
    if place is None or isinstance(place, Unread):
        host = cluster = place
    elif (state := hosts.get(_id(place))) is None:
        host = cluster = Unread(unread=HIDDEN)
    else:
        host, cluster = state.name, state.cluster
    power = _set(item.value("runtime.powerState"))
    manager = item.value("config.managedBy.extensionKey")
    return VirtualMachine(
        name=item.title,
        host=host,
        cluster=cluster,
        powered_on=power if isinstance(power, Unread) else power == "poweredOn",
        agent=manager if isinstance(manager, Unread) else manager == AGENT_MANAGER,
        nics=nics,
    )


def _set(value: Any) -> Any:  # noqa: ANN401 - as above
    """Give a value as text; one that is unset was not read."""
    if value is None:
        return Unread(unread=UNSET)
    return value if isinstance(value, Unread) else str(value)


def _id(reference: Any) -> str:  # noqa: ANN401 - as above
    return str(reference._GetMoId()) if reference is not None else ""  # noqa: SLF001 - pyVmomi's only way


COLLECTOR = Collector(
    "hypervisor",
    "clusters (vSAN), hosts (lockdown, services), virtual machines, port groups",
    collect,
)
