"""A session with a vCenter: TLS verified, every wait bounded, logged out always.

pyVmomi's ``SmartConnect`` is not used: it asks a server for its versions without any timeout, and
on loopback it verifies nothing unless it is given a context.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import unquote
from xml.etree.ElementTree import Element, ParseError
from xml.parsers.expat import ExpatError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from pyVmomi import vim, vmodl
from pyVmomi.SoapAdapter import SoapStubAdapter
from pyVmomi.VmomiSupport import GetServiceVersions, versionIdMap

from sitiv_infra.errors import NotObserved
from sitiv_infra.facts import Unread

PAGE = 500  # objects in one answer
VERSIONS = "/sdk/vimServiceVersions.xml"
VERSIONS_BYTES = 1 << 20
# What pyVmomi raises when an answer is not the SOAP that it expects.
GARBLED = (HTTPException, ExpatError, TypeError, KeyError, AttributeError, ValueError)

Kind = type[vim.ManagedEntity]


@dataclass(frozen=True)
class Place:
    """A vCenter's SOAP endpoint; ``timeout`` in seconds bounds each connection and answer."""

    host: str
    port: int
    tls: ssl.SSLContext
    timeout: float


@dataclass(frozen=True)
class Seen:
    """One managed object: its values by property path, and why others could not be read."""

    id: str
    values: Mapping[str, Any]
    missing: Mapping[str, str]

    def value(self, path: str) -> Any:  # noqa: ANN401 - a property's type is its path's
        """Give a property, None where it is unset, or Unread with the cause."""
        if path in self.missing:
            return Unread(unread=self.missing[path])
        return self.values.get(path)

    @property
    def name(self) -> str:
        """Name in the inventory, or the object's id where the name can't be read."""
        return str(self.values.get("name", self.id))

    @property
    def title(self) -> str:
        """The name as people see it: vSphere keeps '/', a backslash and '%' as %2f, %5c, %25."""
        return unquote(self.name)


@contextmanager
def logged_in(place: Place, account: str, password: str) -> Iterator[vim.ServiceInstanceContent]:
    """Log in; yields the service's content, and logs out whatever happens.

    Raises NotObserved with the cause for whatever goes wrong with the connection in between.
    """
    with explained(account):
        stub = SoapStubAdapter(
            host=place.host,
            port=place.port,
            version=version_of(place),
            sslContext=place.tls,
            httpConnectionTimeout=place.timeout,
        )
        try:
            content = vim.ServiceInstance("ServiceInstance", stub).RetrieveContent()
            sessions = content.sessionManager
            if sessions is None:
                raise NotObserved("this vCenter offers no login")
            sessions.Login(account, password, None)
            try:
                yield content
            finally:
                with suppress(vmodl.MethodFault, OSError, *GARBLED):
                    sessions.Logout()
        finally:
            stub.DropConnections()


@contextmanager
def explained(account: str) -> Iterator[None]:
    """Turn what a connection can raise into NotObserved with a cause that a person understands."""
    try:
        yield
    except vim.fault.InvalidLogin:
        raise NotObserved(f"the account '{account}' or its password was refused") from None
    except vmodl.MethodFault as fault:
        raise NotObserved(f"the vCenter refused: {named(fault)}") from None
    except ssl.SSLCertVerificationError as error:
        text = f"the server's certificate was not verified: {error.verify_message}"
        raise NotObserved(text) from None
    except TimeoutError:
        raise NotObserved("no answer in time") from None
    except ssl.SSLError as error:
        raise NotObserved(f"no TLS with this server: {error.strerror or error}") from None
    except OSError as error:
        raise NotObserved(f"can't be reached: {error.strerror or error}") from None
    except GARBLED as error:
        text = f"its answers are not those of a vCenter ({type(error).__name__})"
        raise NotObserved(text) from None


def version_of(place: Place) -> str:
    """Ask a vCenter which API versions it speaks; give pyVmomi's name for the newest it knows."""
    with closing(
        HTTPSConnection(place.host, place.port, timeout=place.timeout, context=place.tls)
    ) as connection:
        connection.request("GET", VERSIONS)
        with closing(connection.getresponse()) as answer:
            body = answer.read(VERSIONS_BYTES)
    if answer.status != 200:
        raise NotObserved(f"this is not a vCenter: HTTP {answer.status} for {VERSIONS}")
    try:
        root = fromstring(body)
    except (ParseError, DefusedXmlException):
        raise NotObserved(f"this is not a vCenter: {VERSIONS} is no list of versions") from None
    spoken = set(_spoken(root))
    for version in GetServiceVersions("vim25"):
        if versionIdMap[version] in spoken:
            return str(version)
    raise NotObserved("this vCenter speaks no version of the API that pyVmomi knows")


def _spoken(root: Element) -> Iterator[str]:
    for namespace in root.iter("namespace"):
        if namespace.findtext("name") == "urn:vim25":
            yield from (node.text for node in namespace.iter("version") if node.text)


def named(fault: object) -> str:
    """Name a fault of the API, and the privilege where it lacks one."""
    kind = type(fault).__name__.rpartition(".")[2]
    privilege = getattr(fault, "privilegeId", None)
    return f"{kind} (needs {privilege})" if privilege else kind


def retrieve(
    content: vim.ServiceInstanceContent, paths: Mapping[Kind, tuple[str, ...]]
) -> dict[Kind, list[Seen]]:
    """Read properties of every object of some types, in pages.

    paths -- property paths by managed object type. Not every path below a property can be asked
    for: one that only a subtype has makes the server refuse the whole call.
    """
    collector = vmodl.query.PropertyCollector
    types: list[Kind] = list(paths)
    if content.viewManager is None:
        raise NotObserved("this vCenter offers no views of its inventory")
    view = content.viewManager.CreateContainerView(content.rootFolder, types, True)
    each = collector.TraversalSpec(type=vim.view.ContainerView, path="view", skip=False)
    start = collector.ObjectSpec(obj=view, skip=True, selectSet=[each])
    wanted = [collector.PropertySpec(type=t, pathSet=list(p)) for t, p in paths.items()]
    spec = collector.FilterSpec(objectSet=[start], propSet=wanted)
    options = collector.RetrieveOptions(maxObjects=PAGE)
    found: dict[Kind, list[Seen]] = {kind: [] for kind in types}
    page = content.propertyCollector.RetrievePropertiesEx([spec], options)
    while page is not None:  # None: the view is empty
        for item in page.objects:
            kind = next(t for t in types if isinstance(item.obj, t))
            found[kind].append(_seen(item))
        token = page.token
        page = content.propertyCollector.ContinueRetrievePropertiesEx(token) if token else None
    return found


def _seen(item: vmodl.query.PropertyCollector.ObjectContent) -> Seen:
    return Seen(
        id=item.obj._GetMoId(),  # noqa: SLF001 - pyVmomi's only way to tell an object's id
        values={p.name: p.val for p in item.propSet},
        missing={m.path: f"'{m.path}' can't be read: {named(m.fault)}" for m in item.missingSet},
    )
