"""New packets of the last flow through a firewall: python render_lookup.py set|linear SIZE.

Three network namespaces of this process; it prints wall and CPU seconds for PACKETS packets, peak
MiB, and how many arrived. The kernel forwards a packet while its sender waits, so CPU seconds are
those of the whole way. Needs root.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from render_flows import TODAY, estate, flows, linear

from sitiv_infra.lab.netns import Namespace
from sitiv_infra.lab.plan import rule_base
from sitiv_infra.wanted import forward_sets

PACKETS = 10_000
COUNT = """
table inet count {{
  counter seen {{ }}
  chain input {{
    type filter hook input priority 0
    udp dport {port} counter name seen drop
  }}
}}
"""


def main(form: str, size: int) -> None:
    """Load the rules, send, and count what arrives: all of it."""
    found = [(one, other, "udp", port) for one, other, _, port in flows(size)]
    rules = (
        linear(found) if form == "linear" else rule_base(forward_sets(estate(found), "a", TODAY))
    )
    *nets, _, port = found[-1]
    names = [f"lookup-{os.getpid()}-{name}" for name in ("here", "wall", "there")]
    with Namespace(names[0]) as here, Namespace(names[1]) as wall, Namespace(names[2]) as there:
        for end, net, device in zip((here, there), map(str, nets), ("west", "east"), strict=True):
            end.connect("out", wall, device)
            end.add(net.replace("0/24", "10/24"), "out")
            wall.add(net.replace("0/24", "1/24"), device)
            end.run("ip", "route", "add", "default", "via", net.replace("0/24", "1"))
        wall.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        wall.filter(rules)
        there.filter(COUNT.format(port=port))
        with here.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.connect((str(nets[1]).replace("0/24", "10"), int(port)))
            sender.send(b"the first one asks for neighbours")
            time.sleep(0.3)
            began, cpu = time.perf_counter(), time.process_time()
            for _ in range(PACKETS):
                sender.send(b"")
            took = time.perf_counter() - began, time.process_time() - cpu
        listed = json.loads(there.run("nft", "-j", "list", "counters"))["nftables"]
        (seen,) = (item["counter"]["packets"] for item in listed if "counter" in item)
    assert seen == PACKETS + 1, f"{seen} arrived"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([*took, peak, seen]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
