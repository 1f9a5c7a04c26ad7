# GNU General Public License v3.0-or-later
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A MinIO store as declared: its place in a replication, its buckets and its accounts."""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sitiv.infra.plugins.module_utils.minio_accounts import differing
from ansible_collections.sitiv.infra.plugins.module_utils.minio_client import (
    OPTIONS,
    Client,
    Document,
    Refused,
)

DOCUMENTATION = r"""
module: object_store
short_description: A MinIO store as declared
version_added: 0.1.0
author: sitiv_infra contributors
description:
  - Joins the stores of all sites into one replication. A store answers a write after it has tried
    to hand it on to the others; it also answers when that failed. Makes buckets, and sets their
    versions, lock and encryption. Sets accounts with their one policy.
  - Run it on one store after the other. What is not declared is left alone.
  - It never makes a lock weaker, and never removes a bucket or an account.
attributes:
  check_mode: {support: full, description: Says what it would change.}
  diff_mode: {support: full, description: One line a change.}
options:
  name:
    description: Name of the store among O(replicas).
    type: str
    required: true
  endpoint:
    description: Where it answers, as in C(https://store.example:9000).
    type: str
    required: true
  account:
    description: Account that may do everything, the same on all stores.
    type: str
    required: true
  secret:
    description: Its secret key.
    type: str
    required: true
  ca:
    description: File with the authority that issued the stores' certificates.
    type: path
  client:
    description: MinIO's client, C(mc).
    type: path
    default: /usr/local/bin/mc
  replicas:
    description:
      - Every store of the replication with where the others reach it, this one as well. Less than
        two for no replication.
    type: dict
    default: {}
  buckets:
    description: Buckets that shall be there.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: Name of the bucket., type: str, required: true}
      versioning: {description: Keep former versions., type: bool, default: true}
      encrypted: {description: Encrypt what is written., type: bool, default: true}
      lock:
        description: Lock every new object; the bucket keeps versions then.
        type: dict
        suboptions:
          mode: {description: As S3., type: str, choices: [governance, compliance], required: true}
          days: {description: For how long., type: int, required: true}
  accounts:
    description: Accounts that shall be there, each with the one policy of its name.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: Access key., type: str, required: true}
      secret: {description: Secret key., type: str, required: true}
      policy: {description: What it may do., type: dict, required: true}
"""
EXAMPLES = r"""
- name: Set up the store
  sitiv.infra.object_store:
    name: minio-a
    endpoint: https://store-a.example:9000
    account: root
    secret: "{{ secret }}"
    buckets: [{name: documents}, {name: backups, lock: {mode: compliance, days: 30}}]
"""
RETURN = r"""
changes:
  description: What was changed, or would be.
  type: list
  elements: str
  returned: always
"""
LOCK = {
    "mode": {"type": "str", "choices": ["governance", "compliance"], "required": True},
    "days": {"type": "int", "required": True},
}
BUCKET = {
    "name": {"type": "str", "required": True},
    "versioning": {"type": "bool", "default": True},
    "encrypted": {"type": "bool", "default": True},
    "lock": {"type": "dict", "options": LOCK},
}
ACCOUNT = {
    "name": {"type": "str", "required": True},
    "secret": {"type": "str", "required": True, "no_log": True},
    "policy": {"type": "dict", "required": True},
}
SPEC: dict[str, Document] = {
    **OPTIONS,
    "replicas": {"type": "dict", "default": {}},
    "buckets": {"type": "list", "elements": "dict", "default": [], "options": BUCKET},
    "accounts": {"type": "list", "elements": "dict", "default": [], "options": ACCOUNT},
}
DAYS = {"DAYS": 1, "YEARS": 365}  # as MinIO counts a year of retention
RANKS = {"": 0, "GOVERNANCE": 1, "COMPLIANCE": 2}
HEALING = 2  # seconds
IAM = "iam-assets"  # folder of the archive that carries accounts


class Store:
    """One store, and what of it differs from what is declared."""

    def __init__(self, module: AnsibleModule, client: Client) -> None:
        self._client = client
        self._dry = module.check_mode
        self.wanted: Document = module.params
        self.name: str = module.params["name"]
        self.changes: list[str] = []

    def _change(self, text: str, act: Callable[[], object]) -> None:
        self.changes.append(text)
        if not self._dry:
            act()

    def _mc(self, *words: str) -> Callable[[], object]:
        return lambda: self._client.run(*words)

    def replicate(self) -> None:
        """Join the stores, and let writes wait for the others."""
        replicas = self.wanted["replicas"]
        if len(replicas) < 2:
            return
        [seen] = self._client.run("admin", "replicate", "info", self.name)
        if not seen.get("enabled"):
            join = self._mc(
                "admin", "replicate", "add", self.name, *sorted(replicas.keys() - {self.name})
            )
            self._change(f"replication: joined {', '.join(replicas)}", join)
            if self._dry:
                return
            [seen] = self._client.run("admin", "replicate", "info", self.name)
        joined = {site["name"]: site for site in seen["sites"]}
        if {name: site["endpoint"] for name, site in joined.items()} != replicas:
            found = ", ".join(sorted(site["endpoint"] for site in joined.values()))
            raise Refused(f"the store replicates with others than declared: {found}")
        for name in sorted(joined.keys() - {self.name}):
            if joined[name]["sync"] != "enable":
                place = ["--deployment-id", joined[name]["deploymentID"], "--mode", "sync"]
                wait = self._mc("admin", "replicate", "update", self.name, *place)
                self._change(f"replication: writes wait for {name}", wait)

    def set_buckets(self) -> None:
        """Make the buckets that are missing, and set what differs."""
        wanted = {bucket["name"] for bucket in self.wanted["buckets"]}
        there = {answer["key"].rstrip("/") for answer in self._client.run("ls", self.name)}
        names = [f"{self.name}/{name}" for name in sorted(wanted & there)]
        answers = self._client.run("stat", *names) if names else []
        seen = {answer["name"].rstrip("/"): answer for answer in answers}
        for bucket in self.wanted["buckets"]:
            self._set_bucket(bucket, seen.get(bucket["name"]))

    def _set_bucket(self, bucket: Document, seen: Document | None) -> None:
        place, title = f"{self.name}/{bucket['name']}", f"bucket {bucket['name']}"
        if seen is None:
            self._change(
                f"{title}: made",
                self._mc("mb", *(["--with-lock"] if bucket["lock"] else []), place),
            )
            seen = {}
        has_versions = seen.get("Versioning", {}).get("status") == "Enabled"
        is_new_with_lock = not seen and bucket["lock"]
        if bucket["versioning"] and not has_versions and not is_new_with_lock:
            self._change(f"{title}: versions are kept", self._mc("version", "enable", place))
        if bucket["lock"]:
            self._lock(bucket, seen)
        if bucket["encrypted"] and not seen.get("Encryption", {}).get("algorithm"):
            self._change(f"{title}: encrypted", self._mc("encrypt", "set", "sse-s3", place))

    def _lock(self, bucket: Document, seen: Document) -> None:
        """Set the rule that locks new objects; a site that joins a replication loses it."""
        place, title = f"{self.name}/{bucket['name']}", f"bucket {bucket['name']}"
        found = seen.get("ObjectLock", {})
        if seen and found.get("enabled") != "Enabled":
            raise Refused(f"{title} was made without object lock: it must be made anew")
        wanted = (RANKS[bucket["lock"]["mode"].upper()], bucket["lock"]["days"])
        present = (RANKS.get(found.get("mode", ""), 0), _days(found.get("validity", "")))
        if wanted == present:
            return
        if wanted[0] < present[0] or wanted[1] < present[1]:
            shown = f"{found['mode'].lower()}, {present[1]} days"
            raise Refused(
                f"{title} is locked harder than declared ({shown}): weaken it by hand, if at all"
            )
        mode, days = bucket["lock"]["mode"].upper(), f"{wanted[1]}d"
        rule = self._mc("retention", "set", "--default", mode, days, place)
        self._change(f"{title}: new objects are locked for {wanted[1]} days, {mode.lower()}", rule)

    def set_accounts(self) -> None:
        """Compare the accounts with the store's archive of them, and bring in what differs.

        Stores that replicate write accounts anew when they heal each other, every half a minute; an
        archive that is made meanwhile may lack one. What differs is looked at again.
        """
        if not self.wanted["accounts"]:
            return
        fresh, changes = differing(self.wanted["accounts"], self._exported())
        if changes:
            time.sleep(HEALING)
            fresh, changes = differing(self.wanted["accounts"], self._exported())
        self.changes += changes
        if changes and not self._dry:
            self._import(fresh)

    def _exported(self) -> dict[str, Document]:
        archive = self._client.folder / "seen.zip"
        self._client.run("admin", "cluster", "iam", "export", self.name, "--output", str(archive))
        with zipfile.ZipFile(archive) as opened:
            kinds = ("policies", "users", "user_mappings")
            return {kind: json.loads(opened.read(f"{IAM}/{kind}.json")) for kind in kinds}

    def _import(self, fresh: dict[str, Document]) -> None:
        archive = self._client.folder / "wanted.zip"
        with zipfile.ZipFile(archive, "w") as opened:
            for kind, items in fresh.items():
                opened.writestr(f"{IAM}/{kind}.json", json.dumps(items))
        self._client.run("admin", "cluster", "iam", "import", self.name, str(archive))


def _days(validity: str) -> int:
    """Read a length of time as MinIO tells it: ``30DAYS``, ``1YEARS``, or nothing."""
    number = validity.rstrip("DAYSER")
    return int(number) * DAYS[validity[len(number) :]] if number else 0


def main() -> None:
    """Run as Ansible runs modules."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    given = module.params
    endpoints = {**given["replicas"], given["name"]: given["endpoint"]}
    with Client(module, endpoints) as client:
        store = Store(module, client)
        try:
            store.replicate()
            store.set_buckets()
            store.set_accounts()
        except Refused as error:
            module.fail_json(msg=str(error), changes=store.changes)
    text = "".join(f"{line}\n" for line in store.changes)
    diff = {"before": "", "after": text}
    module.exit_json(changed=bool(store.changes), changes=store.changes, diff=diff)


if __name__ == "__main__":
    main()
