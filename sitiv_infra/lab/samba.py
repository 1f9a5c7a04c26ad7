"""A Samba domain controller of the lab: a real Active Directory in a folder, served over LDAPS.

Only its LDAP service is started: nothing else of it is observed, and several controllers stand
side by side, each on its own address (Samba's ports are fixed: 389, 636, 3268, 3269). Needs root.
What an administrator would change is written to its database by ``ldbmodify``, before the start or
while it runs: only so can the date of a password be set back.
"""

from __future__ import annotations

import base64
import secrets
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from time import monotonic, sleep

from sitiv_infra.lab.pki import Authority
from sitiv_infra.lab.process import Held, LabError, Serve, Server, Serving, program

# "relax", and Samba's own control to store a password's date as it is given.
AS_GIVEN = ("relax:0", "local_oid:1.3.6.1.4.1.7165.4.3.12:0")
SECONDS = 300  # for one tool; provisioning takes about 6 s on an idle machine
CHILDREN_SECONDS = 10
SCANNER, PRINTER = "svc-scan", "svc-print"  # ordinary accounts that faults are put on
OLD, FRESH = "{old}", "{fresh}"  # passwords' dates, of 400 days and of 1 day ago

CONFIGURATION = """\
[global]
    realm = {realm}
    workgroup = {workgroup}
    netbios name = {name}
    server role = active directory domain controller
    server services = ldap
    bind interfaces only = yes
    interfaces = {interfaces}
    private dir = {folder}/private
    state directory = {folder}/state
    cache directory = {folder}/cache
    lock directory = {folder}/lock
    pid directory = {folder}/run
    ncalrpc dir = {folder}/ncalrpc
    binddns dir = {folder}/bind-dns
    winbindd socket directory = {folder}/winbindd
    ntp signd socket directory = {folder}/ntp
    log file = {folder}/samba.log
    tls enabled = yes
    tls certfile = {certificate}
    tls keyfile = {key}
    tls cafile = {ca}
"""


@dataclass(frozen=True)
class Setting:
    """One attribute of one object: what a fault makes of it, and what it should be."""

    dn: str
    attribute: str
    bad: str
    good: str


FAULTS: Mapping[str, tuple[Setting, ...]] = {
    "krbtgt-age": (Setting("CN=krbtgt,CN=Users", "pwdLastSet", OLD, FRESH),),
    "guest-enabled": (Setting("CN=Guest,CN=Users", "userAccountControl", "66048", "66082"),),
    "password-never-expires-privileged": (
        Setting("CN=Administrator,CN=Users", "userAccountControl", "66048", "512"),
    ),
    "password-not-required": (
        Setting(f"CN={SCANNER},CN=Users", "userAccountControl", "544", "512"),
    ),
    "preauth-not-required": (
        Setting(f"CN={PRINTER},CN=Users", "userAccountControl", "4194816", "512"),
    ),
    "privileged-not-protected": (
        Setting("CN=Protected Users,CN=Users", "member", "", "CN=Administrator,CN=Users,{base}"),
    ),
    "machine-account-quota": (Setting("", "ms-DS-MachineAccountQuota", "10", "0"),),
    "functional-level": (
        Setting("", "msDS-Behavior-Version", "4", "7"),
        Setting("CN=Partitions,CN=Configuration", "msDS-Behavior-Version", "4", "7"),
    ),
}


class SambaDc(Held):
    """One domain controller of one domain.

    realm -- DNS name of the domain. address -- where it listens: any of 127.0.0.0/8, or one that
    its network namespace holds; ``others`` beside it. names -- what its certificate is for; by
    default its full name and its addresses. serve -- how its process is started: as our own, unless
    told otherwise.
    """

    def __init__(  # noqa: PLR0913 - what a domain controller is told when it is made
        self,
        folder: Path,
        realm: str,
        address: str,
        authority: Authority,
        *,
        name: str = "dc1",
        names: Iterable[str] = (),
        others: Iterable[str] = (),
        namespace: str | None = None,
        serve: Serve = Server,
    ) -> None:
        self.folder = folder
        self.realm = realm.lower()
        self.address = address
        self.host = f"{name}.{self.realm}"
        self.base = ",".join(f"DC={part}" for part in self.realm.split("."))
        self._authority = authority
        self._name = name
        self._names = tuple(names) or (self.host, address, *others)
        self._others = tuple(others)
        self._namespace = namespace
        self._serve = serve
        self._server: Serving | None = None

    @property
    def _workgroup(self) -> str:
        return self.realm.partition(".")[0].upper()[:15]

    def provision(self) -> None:
        """Make the domain, good in every point of FAULTS; LabError with the tool's last words.

        The administrator's password is random and nowhere kept.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        _run(
            "samba-tool", "domain", "provision", f"--targetdir={self.folder}",
            f"--realm={self.realm.upper()}", f"--domain={self._workgroup}", "--server-role=dc",
            "--dns-backend=NONE", f"--host-name={self._name}", f"--host-ip={self.address}",
            "--option=bind interfaces only=yes", f"--option=interfaces={self.address}/8", "--quiet",
        )  # fmt: skip
        for folder in ("cache", "lock", "run"):
            (self.folder / folder).mkdir(exist_ok=True)
        self.certify()
        for account in (SCANNER, PRINTER):
            self.add_user(account, f"{secrets.token_urlsafe(12)}-aA1")
        for fault in FAULTS:
            self.heal(fault)

    def certify(self, *names: str, authority: Authority | None = None) -> None:
        """Give it a certificate, used from the next start, for other names or of another CA."""
        issuer = authority or self._authority
        certificate, key = issuer.issue(*(names or self._names))
        text = CONFIGURATION.format(
            realm=self.realm.upper(), workgroup=self._workgroup, name=self._name.upper(),
            interfaces=" ".join(map(_interface, (self.address, *self._others))),
            folder=self.folder, certificate=certificate, key=key, ca=issuer.ca_file,
        )  # fmt: skip
        (self.folder / "etc" / "smb.conf").write_text(text, encoding="utf-8")

    def start(self) -> None:
        """Serve, and wait until the port of LDAPS is open."""
        command = [program("samba"), "--foreground", "--no-process-group", f"-s{self._file}"]
        self._server = self._serve(command, self.folder / "out.log", namespace=self._namespace)
        self._server.wait(self._listens)

    def stop(self) -> None:
        """End it and its children; start may follow."""
        if self._server is None:
            return
        self._server.stop()
        if not self._silent():
            self._server.kill()
            if not self._silent():
                raise LabError(f"{self.address}: still answers after its end")
        self._server = None

    def _silent(self) -> bool:
        """Wait for its children, which outlive it for a moment and keep its ports."""
        end = monotonic() + CHILDREN_SECONDS
        while self._listens():
            if monotonic() > end:
                return False
            sleep(0.05)
        return True

    def restart(self) -> None:
        """Stop and start, for a new certificate."""
        self.stop()
        self.start()

    @property
    def _file(self) -> Path:
        return self.folder / "etc" / "smb.conf"

    def _listens(self) -> bool:
        inside = ["ip", "netns", "exec", self._namespace] if self._namespace else []
        query = ["ss", "--no-header", "--listening", "--tcp", "--numeric", "src", self.address]
        done = subprocess.run(
            [*inside, *query], capture_output=True, text=True, check=False, timeout=SECONDS
        )
        return ":636 " in done.stdout

    def apply(self, fault: str) -> None:
        """Put one of FAULTS into the directory; at once, whether it runs or not."""
        for setting in FAULTS[fault]:
            self._set(setting, setting.bad)

    def heal(self, fault: str) -> None:
        """Put right what one of FAULTS broke."""
        for setting in FAULTS[fault]:
            self._set(setting, setting.good)

    def add_user(self, account: str, password: str) -> str:
        """Make an ordinary account that may log on; gives its user principal name."""
        upn = f"{account}@{self.realm}"
        secret = base64.b64encode(password.encode("utf-16-le")).decode()
        self.modify(
            f"dn: CN={account},CN=Users,{self.base}\n"
            "changetype: add\nobjectClass: user\n"
            f"sAMAccountName: {account}\nuserPrincipalName: {upn}\n"
            f"userAccountControl: 512\nclearTextPassword:: {secret}\n",
        )
        return upn

    def modify(self, ldif: str, *, as_given: bool = False) -> None:
        """Change the database by LDIF; as_given -- past what the directory itself would allow."""
        controls = [f"--controls={c}" for c in AS_GIVEN] if as_given else []
        database = self.folder / "private" / "sam.ldb"
        _run("ldbmodify", f"--configfile={self._file}", f"-H{database}", *controls, text=ldif)

    def _set(self, setting: Setting, value: str) -> None:
        text = value.format(base=self.base, old=_days_ago(400), fresh=_days_ago(1))
        dn = ",".join(filter(None, (setting.dn, self.base)))
        lines = [f"dn: {dn}", "changetype: modify", f"replace: {setting.attribute}"]
        if text:
            lines.append(f"{setting.attribute}: {text}")
        self.modify("\n".join([*lines, ""]), as_given=True)


def _interface(address: str) -> str:
    """Write an address as Samba wants it: any of loopback's, else that one alone."""
    if address.startswith("127."):
        return f"{address}/8"
    return f"{address}/{ip_address(address).max_prefixlen}"


def _days_ago(days: int) -> str:
    """Give an instant as FILETIME."""
    passed = datetime.now(UTC) - timedelta(days=days) - datetime(1601, 1, 1, tzinfo=UTC)
    return str(passed // timedelta(microseconds=1) * 10)


def _run(name: str, *arguments: str, text: str = "") -> None:
    """Run one of Samba's tools, its input and so its secrets on standard input."""
    try:
        done = subprocess.run(
            [program(name), *arguments],
            input=text, capture_output=True, text=True, check=False, timeout=SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise LabError(f"{name}: not done after {SECONDS} s") from None
    if done.returncode:
        raise LabError(f"{name}: {(done.stderr or done.stdout).strip()[-2000:]}")
