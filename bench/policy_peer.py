"""Aerleon's shade check over a base; run by its own interpreter: python policy_peer.py FILE.

It looks for one earlier term that holds another; several together are not looked for.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from aerleon import api
from aerleon.lib import naming


def main(file: str) -> None:
    """Render the base for nftables with the check on; what it complains about is counted."""
    rules = json.loads(Path(file).read_text(encoding="utf-8"))
    networks: dict[str, dict[str, object]] = {}
    services: dict[str, list[dict[str, object]]] = {}
    terms = []
    for number, (source, destination, protocol, ports, accept) in enumerate(rules):
        names = [f"N{net.replace('.', '_').replace('/', '_')}" for net in (source, destination)]
        for name, net in zip(names, (source, destination), strict=True):
            networks[name] = {"values": [{"address": net}]}
        service = f"{protocol.upper()}_{ports[0]}_{ports[1]}"
        services[service] = [{"protocol": protocol, "port": f"{ports[0]}-{ports[1]}"}]
        terms.append({
            "name": f"t{number}", "source-address": names[0], "destination-address": names[1],
            "protocol": protocol, "destination-port": service,
            "action": "accept" if accept else "deny",
        })  # fmt: skip
    definitions = naming.Naming()
    definitions.ParseDefinitionsObject({"networks": networks, "services": services}, "")
    logging.disable(logging.CRITICAL)
    target = {"targets": {"nftables": "inet forward"}}
    policy = {"filename": "bench", "filters": [{"header": target, "terms": terms}]}
    api.Generate([policy], definitions, shade_check=True)


if __name__ == "__main__":
    main(sys.argv[1])
