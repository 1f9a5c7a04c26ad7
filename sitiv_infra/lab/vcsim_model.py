"""The inventory of a simulated vCenter, as the XML objects that ``vcsim -load`` reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import count, cycle
from pathlib import Path
from typing import Literal

from sitiv_infra.lab.process import LabError

VERSION = "8.0.3"
SERVICES = ("DCUI", "TSM", "TSM-SSH", "ntpd", "vpxa")
AGENT_MANAGER = "com.vmware.vim.eam"
LOCKDOWN = {"disabled": "lockdownDisabled", "normal": "lockdownNormal", "strict": "lockdownStrict"}


@dataclass(frozen=True)
class Guest:
    """A virtual machine; ``host`` is one of its cluster's, or the next in turn when None."""

    name: str
    on: bool = True
    host: str | None = None
    agent: bool = False


@dataclass(frozen=True)
class Hypervisor:
    """A host; ``running`` lists the keys of its running services."""

    name: str
    lockdown: Literal["disabled", "normal", "strict"] = "normal"
    connection: Literal["connected", "disconnected", "notResponding"] = "connected"
    running: tuple[str, ...] = ("DCUI", "ntpd", "vpxa")
    version: str = VERSION


@dataclass(frozen=True)
class Cluster:
    """A cluster; without a host its machines have none either."""

    name: str
    hosts: tuple[Hypervisor, ...] = ()
    guests: tuple[Guest, ...] = ()
    vsan: bool = True


def write_model(folder: Path, clusters: Sequence[Cluster]) -> None:
    """Write an inventory as the folder of XML that ``vcsim -load`` reads, in the order it needs."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.xml"):
        old.unlink()
    for number, text in enumerate(_objects(clusters)):
        (folder / f"{number:05}.xml").write_text(text, encoding="utf-8")


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


def _objects(clusters: Sequence[Cluster]) -> Iterator[str]:
    """Yield every managed object: the services that vcsim needs, then the inventory."""
    yield _object("ServiceInstance", "ServiceInstance", content=_data("ServiceContent", SERVICE))
    yield _object("PropertyCollector", "propertyCollector", filter=_list("PropertyFilter", []))
    yield _object("ViewManager", "ViewManager", viewList=_list("View", []))
    yield _object("SessionManager", "SessionManager", defaultLocale=_text("en"))
    yield _object("EventManager", "EventManager", maxCollector=_data("xsd:int", "1000"))
    yield _object("OptionManager", "VpxSettings", setting=_data("ArrayOfOptionValue", ""))
    yield _folder("group-d1", "Datacenters", None, _list("Datacenter", [DATACENTER]))
    folders = {"hostFolder": "group-h1", "vmFolder": "group-v1"}
    folders |= {"datastoreFolder": "group-s1", "networkFolder": "group-n1"}
    below = {name: _reference("Folder", id_) for name, id_ in folders.items()}
    parent = _reference("Folder", "group-d1")
    standard = _list("Network", [NETWORK])  # vcsim gives it to every new cluster
    yield _object(
        "Datacenter", DATACENTER, name=_text("Lab"), parent=parent, network=standard, **below
    )
    inventory = _Inventory()
    for cluster in clusters:
        inventory.add(cluster)
    yield from inventory.objects
    lab = _reference("Datacenter", DATACENTER)
    children = _list("ClusterComputeResource", inventory.clusters)
    yield _folder("group-h1", "host", lab, children)
    yield _folder("group-v1", "vm", lab, _list("VirtualMachine", inventory.guests))
    yield _folder("group-s1", "datastore", lab, _list("Datastore", []))
    yield _folder("group-n1", "network", lab, standard)
    place = _reference("Folder", "group-n1")
    yield _object("Network", NETWORK, name=_text("VM Network"), parent=place)


class _Inventory:
    """Clusters, hosts and machines as XML, with ids that the folders list."""

    def __init__(self) -> None:
        self.objects: list[str] = []
        self.clusters: list[str] = []
        self.guests: list[str] = []
        self._number = count(1)

    def add(self, cluster: Cluster) -> None:
        """Add a cluster, its hosts and its machines."""
        number = next(self._number)
        own, pool = f"domain-c{number}", f"resgroup-{number}"
        parent = _reference("ClusterComputeResource", own)
        hosts = {host.name: f"host-{next(self._number)}" for host in cluster.hosts}
        guests = self._placed(cluster, hosts)
        self.objects += [_host(h, hosts[h.name], parent, guests[h.name]) for h in cluster.hosts]
        self.clusters.append(own)
        self.objects.append(_cluster(cluster, own, pool, hosts.values()))
        name = _text("Resources")
        self.objects.append(_object("ResourcePool", pool, name=name, parent=parent, owner=parent))

    def _placed(self, cluster: Cluster, hosts: Mapping[str, str]) -> dict[str, list[str]]:
        """Add a cluster's machines; give their ids by host."""
        guests: dict[str, list[str]] = {name: [] for name in hosts}
        turn = cycle(hosts) if hosts else None
        for guest in cluster.guests:
            host = guest.host or (next(turn) if turn else None)
            if host is not None and host not in hosts:
                raise LabError(f"'{guest.name}': no host '{host}' in cluster '{cluster.name}'")
            id_ = self._guest(guest, hosts[host] if host else None)
            if host is not None:
                guests[host].append(id_)
        return guests

    def _guest(self, guest: Guest, host: str | None) -> str:
        id_ = f"vm-{next(self._number)}"
        power = "poweredOn" if guest.on else "poweredOff"
        state = "connected" if host else "orphaned"
        place = f'<host type="HostSystem">{host}</host>' if host else ""
        runtime = (
            f"{place}<connectionState>{state}</connectionState><powerState>{power}</powerState>"
        )
        manager = f"<extensionKey>{AGENT_MANAGER}</extensionKey><type>agent</type>"
        config = f"<managedBy>{manager}</managedBy>" if guest.agent else ""
        self.guests.append(id_)
        self.objects.append(
            _object(
                "VirtualMachine",
                id_,
                name=_text(guest.name),
                parent=_reference("Folder", "group-v1"),
                runtime=_data("VirtualMachineRuntimeInfo", runtime),
                config=_data("VirtualMachineConfigInfo", config),
            )
        )
        return id_


def _cluster(cluster: Cluster, id_: str, pool: str, hosts: Iterable[str]) -> str:
    config = (
        "<vmSwapPlacement>vmDirectory</vmSwapPlacement><dasConfig/><drsConfig/>"
        f"<vsanConfigInfo><enabled>{str(cluster.vsan).lower()}</enabled></vsanConfigInfo>"
    )
    return _object(
        "ClusterComputeResource",
        id_,
        name=_text(cluster.name),
        parent=_reference("Folder", "group-h1"),
        host=_list("HostSystem", hosts),
        resourcePool=_reference("ResourcePool", pool),
        configurationEx=_data("ClusterConfigInfoEx", config),
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
        f"<service>{services}</service><lockdownMode>{LOCKDOWN[host.lockdown]}</lockdownMode>"
    )
    runtime = (
        f"<connectionState>{host.connection}</connectionState><powerState>poweredOn</powerState>"
        "<inMaintenanceMode>false</inMaintenanceMode>"
    )
    return _object(
        "HostSystem",
        id_,
        name=_text(host.name),
        parent=parent,
        vm=_list("VirtualMachine", guests),
        runtime=_data("HostRuntimeInfo", runtime),
        config=_data("HostConfigInfo", config),
    )


def _folder(id_: str, name: str, parent: str | None, children: str) -> str:
    above = {"parent": parent} if parent else {}
    kinds = "".join(f"<string>{kind}</string>" for kind in KINDS[name])
    held = {"childType": _data("ArrayOfString", kinds), "childEntity": children}
    return _object("Folder", id_, name=_text(name), **held, **above)


def _object(kind: str, id_: str, **properties: str) -> str:
    sets = "".join(f"<propSet><name>{n}</name>{v}</propSet>" for n, v in properties.items())
    spaces = (
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        ' xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
    )
    return f'<ObjectContent {spaces}><obj type="{kind}">{id_}</obj>{sets}</ObjectContent>'


def _text(value: str) -> str:
    return _data("xsd:string", escape(value))


def _data(kind: str, inner: str) -> str:
    return f'<val xsi:type="{kind}">{inner}</val>'


def _reference(kind: str, id_: str) -> str:
    return f'<val type="{kind}" xsi:type="ManagedObjectReference">{id_}</val>'


def _list(kind: str, ids: Iterable[str]) -> str:
    tag = "ManagedObjectReference"
    inner = "".join(f'<{tag} type="{kind}">{id_}</{tag}>' for id_ in ids)
    return _data("ArrayOfManagedObjectReference", inner)
