"""Aerleon renders flows for nftables; run by its own interpreter: python render_peer.py FLOWS FILE.

It prints wall and CPU seconds, peak MiB, and the terms; definitions and policy are made beforehand.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
import time
from pathlib import Path

from aerleon import api
from aerleon.lib import naming


def main(flows: str, file: str) -> None:
    """Render once; shade check off, which it is by default."""
    networks: dict[str, dict[str, object]] = {}
    services: dict[str, list[dict[str, object]]] = {}
    terms = []
    for number, (*nets, protocol, port) in enumerate(json.loads(Path(flows).read_text("utf-8"))):
        names = [f"N{net.replace('.', '_').replace('/', '_')}" for net in nets]
        for name, net in zip(names, nets, strict=True):
            networks[name] = {"values": [{"address": net}]}
        services[f"P{port}"] = [{"protocol": protocol, "port": str(port)}]
        terms.append({
            "name": f"flow-{number}", "source-address": names[0], "destination-address": names[1],
            "protocol": protocol, "destination-port": f"P{port}", "action": "accept",
        })  # fmt: skip
    definitions = naming.Naming()
    definitions.ParseDefinitionsObject({"networks": networks, "services": services}, "")
    logging.disable(logging.CRITICAL)
    target = {"targets": {"nftables": "inet forward"}}
    policy = {"filename": "bench", "filters": [{"header": target, "terms": terms}]}
    began, cpu = time.perf_counter(), time.process_time()
    (text,) = api.Generate([policy], definitions).values()
    took = time.perf_counter() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    Path(file).write_text(text, encoding="utf-8")
    print(json.dumps([*took, peak, len(terms)]))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
