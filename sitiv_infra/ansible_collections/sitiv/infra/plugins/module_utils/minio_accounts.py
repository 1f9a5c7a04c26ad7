# GNU General Public License v3.0-or-later
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts of a MinIO store, compared with its archive of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

Document = dict[str, Any]


def differing(
    wanted: Iterable[Document], seen: dict[str, Document]
) -> tuple[dict[str, Document], list[str]]:
    """Give what of accounts is not in an archive as declared, in its form, and say what that is."""
    fresh: dict[str, Document] = {"policies": {}, "users": {}, "user_mappings": {}}
    changes: list[str] = []
    for account in wanted:
        name, key = account["name"], {"secretKey": account["secret"], "status": "enabled"}
        if _plain(seen["policies"].get(name)) != _plain(account["policy"]):
            fresh["policies"][name] = account["policy"]
            changes.append(f"account {name}: policy")
        user = seen["users"].get(name, {})
        if {part: user.get(part) for part in key} != key:
            fresh["users"][name] = key
            changes.append(f"account {name}: key")
        if seen["user_mappings"].get(name, {}).get("policy") != name:
            fresh["user_mappings"][name] = {"version": 1, "policy": name}
            changes.append(f"account {name}: bound to its policy")
    return fresh, changes


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Give JSON in a form that compares: the order of actions and resources says nothing."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted(
            (_plain(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True)
        )
    return value
