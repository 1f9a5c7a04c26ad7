"""An SSH server with throw-away keys, whose only command lists the rules of the firewall."""

from __future__ import annotations

import getpass
import os
import subprocess
import tempfile
from contextlib import nullcontext
from ipaddress import ip_address
from pathlib import Path

from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.process import Held, LabError, Server, answers, program

LIST_RULES = "nft -j list ruleset"
PRIVILEGE_SEPARATION = Path("/run/sshd")  # sshd demands it; Debian's service file makes it
CONFIGURATION = """
Port {port}
ListenAddress {address}
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/authorized
StrictModes no
UsePAM no
PermitRootLogin forced-commands-only
PasswordAuthentication no
KbdInteractiveAuthentication no
AllowTcpForwarding no
AllowAgentForwarding no
X11Forwarding no
PermitTTY no
PrintMotd no
LogLevel VERBOSE
"""


class SshServer(Held):
    """An sshd for the user who runs it; ``key`` opens it, ``known_hosts`` names its host key."""

    def __init__(
        self,
        folder: Path,
        address: str,
        port: int,
        *,
        command: str = LIST_RULES,
        namespace: Namespace | None = None,
    ) -> None:
        self.folder = folder
        self.address = address
        self.port = port
        self.command = command
        self.namespace = namespace
        self.account = getpass.getuser()
        self.key = folder / "client"
        self.known_hosts = folder / "known_hosts"
        self.server: Server | None = None

    def start(self) -> None:
        """Make the keys that are missing, start, and wait until the port answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
        host = make_key(self.folder / "host")
        client = make_key(self.key)
        place = f"[{self.address}]:{self.port}" if self.port != 22 else self.address
        self.known_hosts.write_text(f"{place} {host}\n", encoding="utf-8")
        self.allow(client)
        configuration = self.folder / "sshd_config"
        listen = self.address if ip_address(self.address).version == 4 else f"[{self.address}]"
        text = CONFIGURATION.format(port=self.port, address=listen, folder=self.folder)
        configuration.write_text(text, encoding="utf-8")
        command = [program("sshd"), "-D", "-e", "-f", str(configuration)]
        name = self.namespace.name if self.namespace else None
        self.server = Server(command, self.folder / "sshd.log", namespace=name)
        self.server.wait(self._ready)

    def stop(self) -> None:
        """End the server; its keys stay."""
        if self.server is not None:
            self.server.stop()

    def allow(self, public: str) -> None:
        """Let one public key in, for the one command."""
        line = f'restrict,command="{self.command}" {public}\n'
        (self.folder / "authorized").write_text(line, encoding="utf-8")

    def _ready(self) -> bool:
        with self.namespace.inside() if self.namespace else nullcontext():
            return answers(self.address, self.port)


def make_key(path: Path) -> str:
    """Make a key pair where there is none, and give its public half."""
    public = path.with_name(f"{path.name}.pub")
    if not (path.exists() and public.exists()):
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:  # whole, or not at all
            fresh = Path(scratch, "key")
            command = [program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "lab"]
            done = subprocess.run([*command, "-f", str(fresh)], capture_output=True, check=False)
            if done.returncode:
                raise LabError(f"ssh-keygen: {done.stderr.decode(errors='replace')}")
            fresh.replace(path)
            fresh.with_name("key.pub").replace(public)
    return public.read_text(encoding="utf-8").strip()
