"""The inventory of a simulated vCenter, as the XML objects that ``vcsim -load`` reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, cycle
from pathlib import Path
from typing import Literal

from sitiv_infra.lab.process import LabError
from sitiv_infra.lab.vcsim_networks import (
    HostGroup,
    Networks,
    Switch,
    host_network,
    network_objects,
)
from sitiv_infra.lab.vcsim_xml import data, managed, reference, references, string

VERSION = "8.0.3"
SERVICES = ("DCUI", "TSM", "TSM-SSH", "ntpd", "vpxa")
AGENT_MANAGER = "com.vmware.vim.eam"
LOCKDOWN = {"disabled": "lockdownDisabled", "normal": "lockdownNormal", "strict": "lockdownStrict"}


@dataclass(frozen=True)
class Guest:
    """A virtual machine; ``host`` is one of its cluster's, or the next in turn when None.

    nics -- names of port groups; a card on one that is not there is left out.
    """

    name: str
    on: bool = True
    host: str | None = None
    agent: bool = False
    nics: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hypervisor:
    """A host; ``running`` lists the keys of its running services.

    groups -- port groups of its own switch; it is managed in the first.
    """

    name: str
    lockdown: Literal["disabled", "normal", "strict"] = "normal"
    connection: Literal["connected", "disconnected", "notResponding"] = "connected"
    running: tuple[str, ...] = ("DCUI", "ntpd", "vpxa")
    version: str = VERSION
    groups: tuple[HostGroup, ...] = ()


@dataclass(frozen=True)
class Cluster:
    """A cluster; without a host its machines have none either."""

    name: str
    hosts: tuple[Hypervisor, ...] = ()
    guests: tuple[Guest, ...] = ()
    vsan: bool = True


def write_model(folder: Path, clusters: Sequence[Cluster], switches: Sequence[Switch]) -> None:
    """Write an inventory as the folder of XML that ``vcsim -load`` reads, in the order it needs."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.xml"):
        old.unlink()
    for number, item in enumerate(_objects(clusters, switches)):
        (folder / f"{number:05}.xml").write_text(item, encoding="utf-8")


SERVICE = f"""
<rootFolder type="Folder">group-d1</rootFolder>
<propertyCollector type="PropertyCollector">propertyCollector</propertyCollector>
<viewManager type="ViewManager">ViewManager</viewManager>
<about>
  <name>VMware vCenter Server</name>
  <fullName>VMware vCenter Server {VERSION} (govmomi simulator)</fullName>
  <vendor>VMware, Inc.</vendor><version>{VERSION}</version><build>1</build>
  <osType>linux-x64</osType><productLineId>vpx</productLineId>
  <apiType>VirtualCenter</apiType><apiVersion>{VERSION}.0</apiVersion>
</about>
<setting type="OptionManager">VpxSettings</setting>
<sessionManager type="SessionManager">SessionManager</sessionManager>
<eventManager type="EventManager">EventManager</eventManager>
"""
DATACENTER, NETWORK = "datacenter-1", "network-1"
# What each folder may hold: vcsim makes nothing else in it.
KINDS: Mapping[str, tuple[str, ...]] = {
    "Datacenters": ("Folder", "Datacenter"),
    "host": ("Folder", "ComputeResource"),
    "vm": ("Folder", "VirtualMachine", "VirtualApp"),
    "datastore": ("Folder", "Datastore", "StoragePod"),
    "network": ("Folder", "Network", "DistributedVirtualSwitch"),
}


def _objects(clusters: Sequence[Cluster], switches: Sequence[Switch]) -> Iterator[str]:
    """Yield every managed object: the services that vcsim needs, then the inventory."""
    yield managed("ServiceInstance", "ServiceInstance", content=data("ServiceContent", SERVICE))
    yield managed("PropertyCollector", "propertyCollector", filter=references("PropertyFilter", []))
    yield managed("ViewManager", "ViewManager", viewList=references("View", []))
    yield managed("SessionManager", "SessionManager", defaultLocale=string("en"))
    yield managed("EventManager", "EventManager", maxCollector=data("xsd:int", "1000"))
    yield managed("OptionManager", "VpxSettings", setting=data("ArrayOfOptionValue", ""))
    yield _folder("group-d1", "Datacenters", None, references("Datacenter", [DATACENTER]))
    folders = {"hostFolder": "group-h1", "vmFolder": "group-v1"}
    folders |= {"datastoreFolder": "group-s1", "networkFolder": "group-n1"}
    below = {name: reference("Folder", id_) for name, id_ in folders.items()}
    parent = reference("Folder", "group-d1")
    standard = references("Network", [NETWORK])  # vcsim gives it to every new cluster
    yield managed(
        "Datacenter", DATACENTER, name=string("Lab"), parent=parent, network=standard, **below
    )
    inventory = _Inventory(Networks(switches))
    for cluster in clusters:
        inventory.add(cluster)
    yield from inventory.objects
    lab = reference("Datacenter", DATACENTER)
    children = references("ClusterComputeResource", inventory.clusters)
    yield _folder("group-h1", "host", lab, children)
    yield _folder("group-v1", "vm", lab, references("VirtualMachine", inventory.guests))
    yield _folder("group-s1", "datastore", lab, references("Datastore", []))
    networks = inventory.networks
    yield _folder("group-n1", "network", lab, networks.children(standard))
    place = reference("Folder", "group-n1")
    yield managed("Network", NETWORK, name=string("VM Network"), parent=place)
    yield from network_objects(networks, place, inventory.hosts)


class _Inventory:
    """Clusters, hosts and machines as XML, with ids that the folders list."""

    def __init__(self, networks: Networks) -> None:
        self.networks = networks
        self.hosts: list[str] = []
        self.objects: list[str] = []
        self.clusters: list[str] = []
        self.guests: list[str] = []
        self._number = count(1)

    def add(self, cluster: Cluster) -> None:
        """Add a cluster, its hosts and its machines."""
        number = next(self._number)
        own, pool = f"domain-c{number}", f"resgroup-{number}"
        parent = reference("ClusterComputeResource", own)
        hosts = {host.name: f"host-{next(self._number)}" for host in cluster.hosts}
        self.hosts += hosts.values()
        guests = self._placed(cluster, hosts)
        self.objects += [_host(h, hosts[h.name], parent, guests[h.name]) for h in cluster.hosts]
        self.clusters.append(own)
        self.objects.append(_cluster(cluster, own, pool, hosts.values()))
        name = string("Resources")
        self.objects.append(managed("ResourcePool", pool, name=name, parent=parent, owner=parent))

    def _placed(self, cluster: Cluster, hosts: Mapping[str, str]) -> dict[str, list[str]]:
        """Add a cluster's machines; give their ids by host."""
        guests: dict[str, list[str]] = {name: [] for name in hosts}
        turn = cycle(hosts) if hosts else None
        for guest in cluster.guests:
            host = guest.host or (next(turn) if turn else None)
            if host is not None and host not in hosts:
                raise LabError(f"'{guest.name}': no host '{host}' in cluster '{cluster.name}'")
            own = next((h.groups for h in cluster.hosts if h.name == host), ())
            id_ = self._guest(guest, hosts[host] if host else None, own)
            if host is not None:
                guests[host].append(id_)
        return guests

    def _guest(self, guest: Guest, host: str | None, own: tuple[HostGroup, ...]) -> str:
        id_ = f"vm-{next(self._number)}"
        power = "poweredOn" if guest.on else "poweredOff"
        state = "connected" if host else "orphaned"
        place = f'<host type="HostSystem">{host}</host>' if host else ""
        runtime = (
            f"{place}<connectionState>{state}</connectionState><powerState>{power}</powerState>"
        )
        manager = f"<extensionKey>{AGENT_MANAGER}</extensionKey><type>agent</type>"
        config = f"<managedBy>{manager}</managedBy>" if guest.agent else ""
        config += f"<hardware>{self.networks.cards(guest.nics, own, on=guest.on)}</hardware>"
        self.guests.append(id_)
        self.objects.append(
            managed(
                "VirtualMachine",
                id_,
                name=string(guest.name),
                parent=reference("Folder", "group-v1"),
                runtime=data("VirtualMachineRuntimeInfo", runtime),
                config=data("VirtualMachineConfigInfo", config),
            )
        )
        return id_


def _cluster(cluster: Cluster, id_: str, pool: str, hosts: Iterable[str]) -> str:
    config = (
        "<vmSwapPlacement>vmDirectory</vmSwapPlacement><dasConfig/><drsConfig/>"
        f"<vsanConfigInfo><enabled>{str(cluster.vsan).lower()}</enabled></vsanConfigInfo>"
    )
    return managed(
        "ClusterComputeResource",
        id_,
        name=string(cluster.name),
        parent=reference("Folder", "group-h1"),
        host=references("HostSystem", hosts),
        resourcePool=reference("ResourcePool", pool),
        configurationEx=data("ClusterConfigInfoEx", config),
    )


def _host(host: Hypervisor, id_: str, parent: str, guests: Iterable[str]) -> str:
    services = "".join(
        f"<service><key>{key}</key><label>{key}</label><required>false</required>"
        f"<uninstallable>false</uninstallable><running>{str(key in host.running).lower()}</running>"
        "<policy>on</policy></service>"
        for key in SERVICES
    )
    config = (
        f"<product><name>VMware ESXi</name><version>{host.version}</version></product>"
        f"<service>{services}</service>{host_network(host.groups)}"
        f"<lockdownMode>{LOCKDOWN[host.lockdown]}</lockdownMode>"
    )
    runtime = (
        f"<connectionState>{host.connection}</connectionState><powerState>poweredOn</powerState>"
        "<inMaintenanceMode>false</inMaintenanceMode>"
    )
    return managed(
        "HostSystem",
        id_,
        name=string(host.name),
        parent=parent,
        vm=references("VirtualMachine", guests),
        runtime=data("HostRuntimeInfo", runtime),
        config=data("HostConfigInfo", config),
    )


def _folder(id_: str, name: str, parent: str | None, children: str) -> str:
    above = {"parent": parent} if parent else {}
    kinds = "".join(f"<string>{kind}</string>" for kind in KINDS[name])
    held = {"childType": data("ArrayOfString", kinds), "childEntity": children}
    return managed("Folder", id_, name=string(name), **held, **above)
