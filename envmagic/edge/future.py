"""What will be installed, told before it is: for a build that imports some of it."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

from envmagic.edge.record import read_record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envmagic.core.model import Distribution, StagedWheel

_NOT_CODE = (".dist-info", ".data", ".egg-info", "..", "__pycache__", "")


def find_providers(
    wheels: Iterable[StagedWheel], staying: Iterable[Distribution]
) -> dict[str, Distribution]:
    """Return the distribution of each module at the top of what will be installed."""
    found: dict[str, Distribution] = {}
    for distribution in staying:
        for module in _modules(read_record(distribution) or ()):
            found.setdefault(module, distribution)
    for wheel in wheels:
        with zipfile.ZipFile(wheel.path) as archive:
            names = archive.namelist()
        found |= dict.fromkeys(_modules(names), wheel.distribution)
    return found


def describe_future(wheels: Iterable[StagedWheel], staying: Iterable[Distribution]) -> str:
    """Return what the builder lays out on its path: wheels, and what of the installed stays."""
    return json.dumps(
        {
            "wheels": [str(wheel.path) for wheel in wheels],
            "staying": [
                (distribution.location, name)
                for distribution in staying
                for name in sorted({file.split("/")[0] for file in read_record(distribution) or ()})
                if name not in _NOT_CODE
            ],
        }
    )


def _modules(files: Iterable[str]) -> set[str]:
    """Return the modules at the top of some files of a wheel, or of an installed one."""
    found = set()
    for file in files:
        parts = file.split("/")
        if parts[0].endswith(".data") and parts[1:2] in (["purelib"], ["platlib"]):
            parts = parts[2:]
        top, inner = parts[0], parts[1:]
        if inner and not top.endswith(_NOT_CODE[:3]):
            found.add(top)
        elif top.endswith((".py", ".so", ".pyd")):
            found.add(top.partition(".")[0])
    return found.difference(_NOT_CODE)
