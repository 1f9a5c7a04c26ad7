# GNU General Public License v3.0-or-later
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module that changes a vCenter documents alike."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of the connection."""

    DOCUMENTATION = r"""
requirements:
  - The Python packages sitiv-infra and pyvmomi, in the Python that runs the module
attributes:
  check_mode: {support: full, description: Says what it would change.}
  diff_mode: {support: full, description: Shows what is, and what shall be.}
options:
  host:
    description: The vCenter's DNS name, for which its certificate is verified.
    type: str
    required: true
  address:
    description: Where to connect; by default O(host) is resolved.
    type: str
  port:
    description: Port of its API.
    type: int
    default: 443
  account:
    description: Account that may change clusters and networks; that of the audit may only read.
    type: str
    required: true
  password:
    description: Its password.
    type: str
    required: true
  ca_file:
    description: File with the authority that issued the vCenter's certificate; by default the
      system's own authorities are trusted.
    type: path
  timeout:
    description: Seconds that one answer, and one change, may take.
    type: int
    default: 60
  tunnel:
    description:
      - The ssh command, as a list of words, that reaches a host beside the vCenter, where this
        machine has no way to it, as in C([ssh, -F, FILE, bastion]).
      - The module opens a port of loopback through it and closes it at its end. TLS is verified
        for O(host) as without it.
    type: list
    elements: str
    default: []
  datacenter:
    description: Datacenter of the vCenter; not needed where there is only one.
    type: str
"""
