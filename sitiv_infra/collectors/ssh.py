"""One command of an account that can do nothing else, over SSH.

So firewalls, switches and hosts are read.

The credential names a secret whose value is the path of a private key file. The key itself is not
handed over: OpenSSH reads a key only from a file or from an agent, and a file that is made for one
call could outlive it. The path may stand in an argument list, the key never does. OpenSSH refuses a
key file that others can read.

The way to a host, such as ``ProxyJump``, may stand in an SSH configuration; without one none is
read.
"""

from __future__ import annotations

import os
from pathlib import Path

from sitiv_infra.collectors.base import Session
from sitiv_infra.collectors.child import Ended, run
from sitiv_infra.errors import NotObserved
from sitiv_infra.estate import Firewall, ReadHost, Switch

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
    ("administratively prohibited", "the jump host lets nothing through to it"),
    ("Stdio forwarding request failed", "the jump host can't reach it"),
)
# What ssh adds where its connection was a jump host's; and what that one says of the host behind.
JUMPED = "kex_exchange_identification"
BEHIND = ("open failed", "Stdio forwarding request failed")


def answer(
    source: Firewall | ReadHost | Switch, session: Session, command: str, what: str
) -> bytes:
    """Give what a command printed; NotObserved says why it can't be had.

    what -- the program that runs there, as its own failure is told.
    """
    seconds = source.timeout.total_seconds()
    words = _command(source, session, command)
    try:
        done = run(words, _environment(), seconds=seconds, most=MOST_BYTES)
    except OSError as error:
        raise NotObserved(f"ssh can't be run: {error.strerror}") from None
    if done.flooded:
        raise NotObserved(f"{source.where}: more than {MOST_BYTES // 1024**2} MiB of answer")
    if done.code is None:
        raise NotObserved(f"{source.where}: no whole answer within {seconds:.0f} s")
    if done.code:
        raise NotObserved(_cause(source, done, what))
    return done.out


def _environment() -> dict[str, str]:
    """Hand on what ssh needs and no more: the environment may hold secrets."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "USER") if name in os.environ}
    return {**kept, "LC_ALL": "C"}


def _command(source: Firewall | ReadHost | Switch, session: Session, command: str) -> list[str]:
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
    words = [word for option in options for word in ("-o", option)]
    words += ["-l", source.account] if source.account else []
    words += ["-i", str(_key_file(session.secret(source.credential)))]
    words += ["-p", str(source.port), "--", source.host, command]
    file = "none" if session.ssh_config is None else str(session.ssh_config.absolute())
    return ["ssh", "-F", file, "-T", *words]


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


def _cause(source: Firewall | ReadHost | Switch, done: Ended, what: str) -> str:
    """Say why a call failed: ssh by its own exit code, else what the program complained of."""
    complaint = done.err.decode(errors="replace")
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    said = (lines or [f"exit code {done.code}"])[0 if done.code != SSH_FAILED else -1]
    shown = "".join(c if c.isprintable() else "?" for c in said)[:200]
    if done.code != SSH_FAILED:
        return f"{source.where}: {what} failed: {shown}"
    known = next((cause for sign, cause in CAUSES if sign in complaint), None)
    if known is None:
        return f"{source.where}: ssh failed: {shown}"
    if JUMPED in complaint and not any(sign in complaint for sign in BEHIND):
        return f"{source.where}: the jump host before it was not passed: {known}"
    return f"{source.where}: {known}"
