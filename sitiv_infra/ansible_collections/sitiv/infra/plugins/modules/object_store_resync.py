# GNU General Public License v3.0-or-later
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a MinIO store could not hand on to the others of its replication, handed on now."""

from __future__ import annotations

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sitiv.infra.plugins.module_utils.minio_client import (
    OPTIONS,
    Client,
    Document,
    Refused,
)

DOCUMENTATION = r"""
module: object_store_resync
short_description: What a MinIO store could not hand on to the others, handed on now
version_added: 0.1.0
author: sitiv_infra contributors
description:
  - While a store of a replication was away, the others have kept what was written to them. MinIO
    hands it on by itself some minutes after the store is back. After three failed tries it leaves
    that to its scanner, which takes days on large buckets.
  - A listing of all versions makes it hand on at once what is marked as not handed on. Objects
    that are marked as handed on are not looked at. For a store that comes back with empty drives
    there is C(mc admin replicate resync start).
attributes:
  check_mode: {support: full, description: Counts what waits.}
options:
  name:
    description: Name of the store.
    type: str
    required: true
  endpoint:
    description: Where it answers, as in C(https://store.example:9000).
    type: str
    required: true
  account:
    description: Account that may do everything.
    type: str
    required: true
  secret:
    description: Its secret key.
    type: str
    required: true
  ca:
    description: File with the authority that issued the store's certificate.
    type: path
  client:
    description: MinIO's client, C(mc).
    type: path
    default: /usr/local/bin/mc
  buckets:
    description: Names of the buckets.
    type: list
    elements: str
    required: true
  seconds:
    description: How long to wait until nothing is left. More is listed and handed on meanwhile.
    type: int
    default: 600
"""
EXAMPLES = r"""
- name: Hand on what was written meanwhile
  sitiv.infra.object_store_resync:
    name: minio-a
    endpoint: https://store-a.example:9000
    account: root
    secret: "{{ secret }}"
    buckets: [documents]
"""
RETURN = r"""
waiting:
  description: Versions that had not been handed on when it began.
  type: int
  returned: always
left:
  description: Versions that are still not handed on.
  type: int
  returned: always
"""
PAUSE = 2.0
SPEC: dict[str, Document] = {
    **OPTIONS,
    "buckets": {"type": "list", "elements": "str", "required": True},
    "seconds": {"type": "int", "default": 600},
}


def waiting(client: Client, place: str) -> int:
    """Count the versions of a bucket that are marked as not handed on.

    Without ``--full`` the client asks for MinIO's queue of retries, and reading that empties it.
    """
    return len(client.run("replicate", "backlog", "--full", place))


def hand_on(client: Client, places: list[str], seconds: float) -> int:
    """List all versions until nothing is left, or the time is over; give how many are."""
    end = time.monotonic() + seconds
    while True:
        for place in places:
            client.discard("ls", "--recursive", "--versions", place)
        time.sleep(PAUSE)
        left = sum(waiting(client, place) for place in places)
        if not left or time.monotonic() > end:
            return left


def main() -> None:
    """Run as Ansible runs modules."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    given = module.params
    places = [f"{given['name']}/{bucket}" for bucket in given["buckets"]]
    with Client(module, {given["name"]: given["endpoint"]}) as client:
        try:
            first = left = sum(waiting(client, place) for place in places)
            if first and not module.check_mode:
                left = hand_on(client, places, given["seconds"])
        except Refused as error:
            module.fail_json(msg=str(error))
    told = {"waiting": first, "left": left}
    if left and not module.check_mode:
        what = f"{left} versions are still not on the other stores; is one of them down?"
        module.fail_json(msg=what, **told)
    module.exit_json(changed=bool(first), **told)


if __name__ == "__main__":
    main()
