"""Builds the exact engine's C half where there is a compiler; without one, NumPy does its work."""

from __future__ import annotations

import shlex
import subprocess
import sysconfig
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = "sitiv_infra/policy/_cover.c"


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg] # the hook takes any builder
    """Compiles beside the source, so that an editable install has it too."""

    def initialize(self, version: str, build_data: dict[str, object]) -> None:  # noqa: ARG002
        """Put the library into the wheel, which then is one platform's."""
        target = SOURCE.removesuffix(".c") + str(sysconfig.get_config_var("EXT_SUFFIX"))
        problem = compiled(Path(self.root, SOURCE), Path(self.root, target))
        if problem:
            self.app.display_warning(f"without {SOURCE}: {problem}")
            return
        build_data["artifacts"] = [target]
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


def compiled(source: Path, target: Path) -> str:
    """Compile one C file to a Python module; what went wrong, or nothing."""
    linker = shlex.split(sysconfig.get_config_var("LDSHARED") or "")
    headers = [sysconfig.get_path(name) for name in ("include", "platinclude")]
    if not linker or not Path(headers[0], "Python.h").exists():
        return "no compiler or no Python.h"
    words = [*linker, "-O3", "-fPIC", *(f"-I{folder}" for folder in headers)]
    fresh = target.with_suffix(".new")
    try:
        subprocess.run(  # noqa: S603 - Python's own compiler
            [*words, str(source), "-o", str(fresh)], check=True, capture_output=True, text=True
        )
    except OSError as error:
        return str(error)
    except subprocess.CalledProcessError as error:
        return str(error.stderr)
    fresh.replace(target)  # a process that runs with the old one keeps it
    return ""
