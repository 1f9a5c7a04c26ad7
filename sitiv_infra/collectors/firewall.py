"""Reads the live rule base of a firewall over SSH, by an account whose only command lists it.

The credential names a secret whose value is the path of a private key file. The key itself is not
handed over: OpenSSH reads a key only from a file or from an agent, and a file that is made for one
call could outlive it. The path may stand in an argument list, the key never does. OpenSSH refuses a
key file that others can read.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import cast

from sitiv_infra.collectors.base import Collector, Session
from sitiv_infra.collectors.child import Ended, run
from sitiv_infra.errors import NotObserved
from sitiv_infra.estate import Firewall
from sitiv_infra.facts import FirewallFacts

COMMAND = "nft -j list ruleset"
KEPT = frozenset({"table", "chain", "rule", "set", "map"})
SSH_FAILED = 255
MOST_BYTES = 64 * 1024 * 1024
# What ssh says, and what a person on call needs to know; the first that fits holds.
CAUSES = (
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", "its SSH host key has changed"),
    ("Host key verification failed", "its SSH host key is not known"),
    ("UNPROTECTED PRIVATE KEY FILE", "the private key file can be read by others: chmod 600"),
    ("Permission denied", "it refused the account or the key: permission denied"),
    ("Could not resolve hostname", "its name can't be resolved"),
    ("Connection refused", "it can't be reached: connection refused"),
    ("timed out", "it can't be reached: the connection timed out"),
    ("No route to host", "it can't be reached: no route to host"),
    ("Network is unreachable", "it can't be reached: the network is unreachable"),
)


def collect(firewall: Firewall, session: Session) -> FirewallFacts:
    """Read one firewall; NotObserved says why it can't be."""
    seconds = firewall.timeout.total_seconds()
    try:
        done = run(_command(firewall, session), _environment(), seconds=seconds, most=MOST_BYTES)
    except OSError as error:
        raise NotObserved(f"ssh can't be run: {error.strerror}") from None
    if done.flooded:
        raise NotObserved(f"{firewall.where}: more than {MOST_BYTES // 1024**2} MiB of answer")
    if done.code is None:
        raise NotObserved(f"{firewall.where}: no whole answer within {seconds:.0f} s")
    if done.code:
        raise NotObserved(_cause(firewall, done))
    return _facts(firewall, done.out)


def _environment() -> dict[str, str]:
    """Hand on what ssh needs and no more: the environment may hold secrets."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "USER") if name in os.environ}
    return {**kept, "LC_ALL": "C"}


def _command(firewall: Firewall, session: Session) -> list[str]:
    connect = max(1, int(session.timeout))
    options = [
        "BatchMode=yes", "StrictHostKeyChecking=yes", f"ConnectTimeout={connect}",
        "ConnectionAttempts=1", "PreferredAuthentications=publickey", "IdentitiesOnly=yes",
        "IdentityAgent=none", "ForwardAgent=no", "ClearAllForwardings=yes", "UpdateHostKeys=no",
        "ControlPath=none", "LogLevel=ERROR",
    ]  # fmt: skip
    if session.known_hosts is not None:
        options += [f"UserKnownHostsFile={_quoted(session.known_hosts)}"]
        options += ["GlobalKnownHostsFile=none"]
    account = ["-l", firewall.account] if firewall.account else []
    identity = ["-i", str(_key_file(session.secret(firewall.credential)))]
    listed = [word for option in options for word in ("-o", option)]
    port = ["-p", str(firewall.port)]
    return [
        "ssh",
        "-F",
        "none",
        "-T",
        *listed,
        *account,
        *identity,
        *port,
        "--",
        firewall.host,
        COMMAND,
    ]


def _quoted(path: Path) -> str:
    """Write a path as a value of ssh_config, where blanks part names and % begins a token."""
    return '"' + str(path.absolute()).replace("%", "%%") + '"'


def _key_file(value: str) -> Path:
    """Take the secret as a path; refuse a key in its place without repeating it."""
    if "PRIVATE KEY" in value or "\n" in value.strip():
        raise NotObserved("the secret must be the path of a private key file, not the key itself")
    path = Path(value.strip()).expanduser()
    if not path.is_file():
        raise NotObserved("the private key file that the secret names is not there")
    return path


def _cause(firewall: Firewall, done: Ended) -> str:
    """Say why a call failed: ssh by its own exit code, else what nft complained of."""
    complaint = done.err.decode(errors="replace")
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    said = (lines or [f"exit code {done.code}"])[0 if done.code != SSH_FAILED else -1]
    shown = "".join(c if c.isprintable() else "?" for c in said)[:200]
    if done.code != SSH_FAILED:
        return f"{firewall.where}: nft failed: {shown}"
    known = next((cause for sign, cause in CAUSES if sign in complaint), None)
    return f"{firewall.where}: {known}" if known else f"{firewall.where}: ssh failed: {shown}"


def _facts(firewall: Firewall, output: bytes) -> FirewallFacts:
    """Read what nft printed; anything else than its JSON is not a rule base."""
    try:
        listed = json.loads(output)["nftables"]
        objects = [dict(item) for item in listed]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise NotObserved(f"{firewall.where}: the answer is not nft's JSON") from None
    about = next((item["metainfo"] for item in objects if "metainfo" in item), None)
    if not isinstance(about, dict):
        raise NotObserved(f"{firewall.where}: the answer has no 'metainfo': not a whole list")
    kept = (item for item in objects if KEPT & item.keys())
    return FirewallFacts(
        engine=firewall.engine,
        version=str(about.get("version")) if about.get("version") else None,
        ruleset=tuple(cast("dict[str, object]", _without_counters(item)) for item in kept),
    )


def _without_counters(value: object) -> object:
    """Leave numbers out that change at every packet: two nights of one rule base are equal."""
    if isinstance(value, dict):
        volatile = {"packets", "bytes", "expires"}
        return {k: _without_counters(v) for k, v in value.items() if k not in volatile}
    if isinstance(value, list):
        return [_without_counters(item) for item in value]
    return value


COLLECTOR = Collector("firewall", "the live rule base: tables, chains, rules and sets", collect)
