"""The proof by packets: zones by 20 services, from nothing to torn down, beside nmap (root).

nmap scans from one zone into all others, over the same switch and firewall: one of as many scans as
there are zones. It tells open ports only where somebody answers, and accounts for no packet; the
ratio is of the seconds for one packet that was asked for.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime

from measure import Figure, line

ZONES = (10, 20, 30)
SERVICES = 20
SHARE = 0.12  # of all pairs and services that is declared
AIM_SECONDS = 15


def main() -> None:
    """Print one line a size: seconds in all, of it sending and following, and nmap's."""
    if os.geteuid() != 0:
        print("packets: needs root, not measured", file=sys.stderr)
        return
    from sitiv_infra.lab.packets.bench import bench
    from sitiv_infra.lab.packets.fates import findings
    from sitiv_infra.lab.packets.plan import planned
    from sitiv_infra.lab.packets.walk import walked
    from sitiv_infra.lab.place import Place
    from sitiv_infra.testing import estate_of

    today = datetime.now(UTC).date()
    for zones in ZONES:
        estate = estate_of(declaration(zones))
        began, cpu = time.perf_counter(), time.process_time()
        plan = planned(estate, today)
        with bench(estate, "a", plan.ends, today, Place("bench")) as stand:
            up = time.perf_counter() - began
            account = walked(stand, plan.probes, print_nothing)
            wrong = findings(plan.probes, account.traces, stand.firewalls)
            peer = _nmap(stand.ends["z0"].name, [str(end.address) for end in plan.ends[1:]])
            began += peer or 0
        assert not wrong
        assert not account.lost
        seconds = time.perf_counter() - began
        ours = Figure(seconds, time.process_time() - cpu, 0.0)
        more = {} if peer is None else {
            "peer_packets": (zones - 1) * SERVICES, "peer_seconds": round(peer, 2), "of": "packet",
            "ratio": round(peer / (zones - 1) / SERVICES / account.seconds * len(plan.probes), 1),
        }  # fmt: skip
        line(
            "packets.matrix", zones, ours, packets=len(plan.probes), delivered=account.delivered,
            dropped=account.dropped, lost=account.lost, again=account.again,
            up_seconds=round(up, 2), walk_seconds=round(account.seconds, 2),
            aim_seconds=AIM_SECONDS, peer="nmap", peer_absent=peer is None, **more,
        )  # fmt: skip


def declaration(zones: int) -> str:
    """Declare zones with a VLAN each, and flows of one service between some of them."""
    chance = random.Random(1)  # noqa: S311 - the same estate at each run
    ports = [1000 + 97 * n for n in range(SERVICES)]
    text = ["zones:", *(f"  z{n}: {{title: Zone {n}}}" for n in range(zones)), "vlans:"]
    text += [
        f"  z{n}: {{vid: {100 + n}, zone: z{n}, sites: [a], subnets: [10.{n}.0.0/24]}}"
        for n in range(zones)
    ]
    text.append("flows:")
    for one in range(zones):
        for other in range(zones):
            found = [port for port in ports if chance.random() < SHARE]
            if one != other and found:
                services = ", ".join(f"tcp/{port}" for port in found)
                text.append(
                    f"  f{one}-{other}: {{source: z{one}, destination: z{other}, "
                    f"services: [{services}], owner_team: t, reason: r}}"
                )
    return "\n".join(text)


def _nmap(namespace: str, addresses: list[str]) -> float | None:
    """Give the seconds of one zone's scan; None without nmap."""
    if shutil.which("nmap") is None:
        return None
    ports = ",".join(str(1000 + 97 * n) for n in range(SERVICES))
    scan = ["nmap", "-sS", "-Pn", "-n", "-T4", "--max-retries", "1", "-p", ports, *addresses]
    began = time.perf_counter()
    subprocess.run(["ip", "netns", "exec", namespace, *scan], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def print_nothing(_text: str) -> None:
    """Show no progress: the lines are the result."""


if __name__ == "__main__":
    main()
