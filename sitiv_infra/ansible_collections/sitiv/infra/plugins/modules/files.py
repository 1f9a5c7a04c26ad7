# GNU General Public License v3.0-or-later
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several files of a host at once, all of them or none."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

Document = dict[str, Any]
DOCUMENTATION = r"""
module: files
short_description: Several files of a host at once, all of them or none
version_added: 0.1.0
author: sitiv_infra contributors
description:
  - Compares files with what they are to be, and writes those that differ. C(template) and C(copy)
    ask the host two things a file, and four to write it; this asks once for all of them.
  - Every new file lies beside the one that it replaces and is accepted by its O(files[].validate)
    before the first one is replaced. Each is replaced at once, in the order given.
  - A link is replaced by a file. Folders that are missing are made, for everybody to read.
attributes:
  check_mode: {support: full, description: Tells what it would write, and tries nothing.}
  diff_mode: {support: full, description: Content is shown of files alone that everybody may read.}
options:
  files:
    description: The files.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where the file is.
        type: path
        required: true
      content:
        description: All of its text.
        type: str
        required: true
      mode:
        description: Its permissions, in octal digits.
        type: str
        default: "0644"
      owner:
        description: Name of its owner.
        type: str
        default: root
      group:
        description: Name of its group.
        type: str
        default: root
      validate:
        description:
          - Command that succeeds where the content is right, without a shell. C(%s) stands for the
            file.
          - It sees the new content of its own file, and the others as they were.
        type: str
"""
EXAMPLES = r"""
- name: Configure the daemon
  sitiv.infra.files:
    files:
      - path: /etc/daemon.conf
        content: "{{ lookup('ansible.builtin.template', 'daemon.conf.j2') }}"
        validate: daemon --check --config %s
      - path: /etc/daemon.key
        content: "{{ daemon_key }}"
        mode: "0600"
  no_log: true
"""
RETURN = r"""
written:
  description: Paths of the files that differed.
  type: list
  elements: str
  returned: always
"""
READ_BY_ALL = 0o004
SPEC: Document = {
    "files": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "path": {"type": "path", "required": True},
            "content": {"type": "str", "required": True},
            "mode": {"type": "str", "default": "0644"},
            "owner": {"type": "str", "default": "root"},
            "group": {"type": "str", "default": "root"},
            "validate": {"type": "str"},
        },
    }
}


class Refused(Exception):
    """Something about a file that can't be as it is asked for; nothing was replaced yet."""


class File:
    """A file as it is to be, and as it is."""

    def __init__(self, given: Document) -> None:
        self.path = Path(given["path"])
        self.fresh = self.path.with_name(f".{self.path.name}.sitiv-new")
        self.validate: str | None = given["validate"]
        self.content: bytes = given["content"].encode(errors="surrogateescape")
        try:
            self.owner = pwd.getpwnam(given["owner"]).pw_uid
            self.group = grp.getgrnam(given["group"]).gr_gid
            self.mode = int(given["mode"], 8)
        except (KeyError, ValueError) as error:
            raise Refused(f"{self.path}: {error}") from None
        self.wanted = {name: given[name] for name in ("mode", "owner", "group")}
        self.before, self.found = self._look()
        self.differs = self.before != self.content or self.found != self.wanted

    def _look(self) -> tuple[bytes | None, Document]:
        """Give content and attributes of what is there; None and nothing where no file is."""
        try:
            status = self.path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None, {}
        if stat.S_ISLNK(status.st_mode):
            return None, {"state": "link"}
        if not stat.S_ISREG(status.st_mode):
            raise Refused(f"{self.path} is there, and is no file")
        now = stat.S_IMODE(status.st_mode)
        found: Document = {
            "mode": self.wanted["mode"] if now == self.mode else f"{now:04o}",
            "owner": self.wanted["owner"] if status.st_uid == self.owner else str(status.st_uid),
            "group": self.wanted["group"] if status.st_gid == self.group else str(status.st_gid),
        }
        return self.path.read_bytes(), found

    def difference(self) -> Document:
        """Tell what differs, as Ansible shows it; no content that not everybody may read."""
        told: Document = {"before_header": str(self.path), "after_header": str(self.path)}
        if self.before == self.content:
            return {**told, "before": self.found, "after": self.wanted}
        open_to_all = (
            self.mode & READ_BY_ALL and int(self.found.get("mode", "0644"), 8) & READ_BY_ALL
        )
        if not open_to_all:
            return {**told, "prepared": "(content not shown)\n"}
        sides = (self.before or b"", self.content)
        before, after = (side.decode(errors="replace") for side in sides)
        return {**told, "before": before, "after": after}

    def lay(self) -> None:
        """Write the new file beside its place."""
        for folder in reversed([p for p in self.path.parents if not p.exists()]):
            folder.mkdir()
            folder.chmod(0o755)
        self.drop()
        descriptor = os.open(self.fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(self.content)
            os.fchown(descriptor, self.owner, self.group)
            os.fchmod(descriptor, self.mode)
            stream.flush()
            os.fsync(descriptor)

    def take(self) -> None:
        """Let the new file take its place."""
        self.fresh.replace(self.path)

    def drop(self) -> None:
        """Remove the new file, where it lies."""
        self.fresh.unlink(missing_ok=True)


def accept(module: AnsibleModule, file: File) -> None:
    """Have a file's content accepted by its command; Refused with what that says."""
    if file.validate is None:
        return
    code, out, err = module.run_command(file.validate.replace("%s", str(file.fresh)))
    if code:
        said = (err.strip() or out.strip()).replace(str(file.fresh), str(file.path))
        raise Refused(f"{file.path} is refused by {file.validate.split()[0]}: {said}")


@contextlib.contextmanager
def laid(files: list[File]) -> Iterator[None]:
    """Lay the new files beside their places; none is left there afterwards."""
    try:
        for file in files:
            file.lay()
        yield
    finally:
        for file in files:
            file.drop()


def main() -> None:
    """Run as Ansible runs modules."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    written: list[str] = []
    try:
        files = [File(given) for given in module.params["files"]]
        different = [file for file in files if file.differs]
        if not module.check_mode:
            with laid(different):
                for file in different:
                    accept(module, file)
                for file in different:
                    file.take()
                    written.append(str(file.path))
    except (Refused, OSError) as error:
        module.fail_json(msg=str(error), written=written, changed=bool(written))
    paths = [str(file.path) for file in different]
    told = [file.difference() for file in different]
    module.exit_json(changed=bool(different), written=paths, diff=told)


if __name__ == "__main__":
    main()
