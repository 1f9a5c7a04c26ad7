"""Configurations of switches as files, without an estate: what ``sitiv switches`` works on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from sitiv_infra.errors import InvalidInput
from sitiv_infra.facts import SwitchFacts
from sitiv_infra.switches.ovs import read_ports
from sitiv_infra.switches.platforms import EOS, IOS
from sitiv_infra.switches.reading import read_config


def read_text(text: str, platform: str) -> SwitchFacts:
    """Read a configuration as a platform prints it; InvalidInput where it is something else."""
    found = FORMS[platform](text)
    if not found.ports:
        raise InvalidInput("there is no port in it")
    return found


def read(file: Path, platform: str) -> SwitchFacts:
    """Read a file; InvalidInput says what is wrong in it."""
    try:
        return read_text(file.read_text(encoding="utf-8"), platform)
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file}: not text in UTF-8 (byte {error.start})") from None
    except InvalidInput as error:
        raise InvalidInput(f"{file}: {error}") from None


FORMS: Mapping[str, Callable[[str], SwitchFacts]] = {
    "ios": lambda text: read_config(text, IOS),
    "eos": lambda text: read_config(text, EOS),
    "openvswitch": read_ports,
}
