# GNU General Public License v3.0-or-later
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A session with a vCenter for modules that change it: directly, or through an SSH tunnel."""

from __future__ import annotations

import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, BinaryIO

from ansible.module_utils.basic import AnsibleModule

if TYPE_CHECKING:
    from pyVmomi import vim

try:
    from sitiv_infra.collectors.vsphere import Place, logged_in, named
    from sitiv_infra.errors import NotObserved
except ImportError as error:
    MISSING: ImportError | None = error
else:
    MISSING = None

Document = dict[str, Any]
LOOPBACK = "127.0.0.1"
STEP = 0.1  # seconds between two looks at a task, or at a tunnel
# Its own connection, since a shared one would keep the port open; and never a question.
SSH_OPTIONS = (
    "-N", "-o", "BatchMode=yes", "-o", "ControlMaster=no", "-o", "ControlPath=none",
    "-o", "ExitOnForwardFailure=yes",
)  # fmt: skip
OPTIONS: dict[str, Document] = {
    "host": {"type": "str", "required": True},
    "address": {"type": "str"},
    "port": {"type": "int", "default": 443},
    "account": {"type": "str", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
    "ca_file": {"type": "path"},
    "timeout": {"type": "int", "default": 60},
    "tunnel": {"type": "list", "elements": "str", "default": []},
    "datacenter": {"type": "str"},
}


class Refused(Exception):
    """A change is not made; the message says why, and what to do."""


class _Named(ssl.SSLContext):
    """Verifies the certificate for one name, whatever address was connected to."""

    name: str

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:  # noqa: ANN401 - passed on
        return super().wrap_socket(*args, **{**options, "server_hostname": self.name})


def _trust(name: str, ca_file: str | None) -> ssl.SSLContext:
    context = _Named(ssl.PROTOCOL_TLS_CLIENT)  # which verifies chain and name
    context.name = name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(ca_file)
    return context


@contextmanager
def session(module: AnsibleModule) -> Iterator[vim.ServiceInstanceContent]:
    """Log in to the vCenter that a module was told of; every failure ends the module."""
    if MISSING is not None:
        module.fail_json(msg=f"install sitiv-infra in the Python that runs the module: {MISSING}")
    given = module.params
    host, port = given["address"] or given["host"], given["port"]
    try:
        trust = _trust(given["host"], given["ca_file"])
        with _reached(given["tunnel"], host, port, given["timeout"]) as (near, near_port):
            place = Place(near, near_port, trust, given["timeout"])
            with logged_in(place, given["account"], given["password"]) as content:
                yield content
    except (NotObserved, Refused, OSError) as failure:
        module.fail_json(msg=f"{given['host']}: {failure}")


@contextmanager
def _reached(
    tunnel: Sequence[str], host: str, port: int, seconds: float
) -> Iterator[tuple[str, int]]:
    """Give the address and port to connect to; through a tunnel they are loopback's."""
    if not tunnel:
        yield host, port
        return
    with socket.create_server((LOOPBACK, 0)) as free:
        near = int(free.getsockname()[1])
    forward = ["-L", f"{LOOPBACK}:{near}:{_bracketed(host)}:{port}"]
    command = [tunnel[0], *SSH_OPTIONS, *forward, *tunnel[1:]]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603 - the command that the administrator gave
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said
        )
        try:
            _wait(process, said, near, seconds)
            yield LOOPBACK, near
        finally:
            process.terminate()
            process.wait()


def _bracketed(host: str) -> str:
    try:
        return f"[{host}]" if ip_address(host).version == 6 else host
    except ValueError:
        return host


def _wait(process: subprocess.Popen[bytes], said: BinaryIO, port: int, seconds: float) -> None:
    """Wait until the tunnel's port is open; Refused with what ssh said when it ends."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            said.seek(0)
            words = said.read().decode(errors="replace").strip()
            raise Refused(f"no tunnel to it: {words or process.returncode}")
        try:
            socket.create_connection((LOOPBACK, port), timeout=1).close()
        except OSError:
            time.sleep(STEP)
        else:
            return
    raise Refused(f"no tunnel to it after {seconds:.0f} s")


def done(task: vim.Task, seconds: float) -> Any:  # noqa: ANN401 - each task has its own result
    """Wait for a task and give its result; Refused when it fails, or is not done in time."""
    end = time.monotonic() + seconds
    while (info := task.info).state not in {"success", "error"}:
        if time.monotonic() > end:
            raise Refused(f"{info.descriptionId or 'a task'} is not done after {seconds:.0f} s")
        time.sleep(STEP)
    if info.state == "error":
        said = getattr(info.error, "msg", "") or info.error.localizedMessage or ""
        raise Refused(f"refused: {named(info.error)} {said}".strip())
    return info.result


def datacenter(content: vim.ServiceInstanceContent, name: str | None) -> vim.Datacenter:
    """Give a datacenter by its name, or the only one that there is."""
    from pyVmomi import vim  # noqa: PLC0415 - slow to import; the module asks for it late

    if content.viewManager is None:
        raise Refused("it offers no views of its inventory")
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.Datacenter], True)
    found = {item.name: item for item in view.view}
    if name is not None and name in found:
        return found[name]
    if name is None and len(found) == 1:
        return next(iter(found.values()))
    there = ", ".join(sorted(found)) or "none"
    raise Refused(f"say which datacenter, by the option 'datacenter'; there are: {there}")
