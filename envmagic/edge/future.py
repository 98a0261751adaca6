"""What will be installed, told before it is: for a build that imports some of it."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from envmagic.edge.record import code_folder, read_record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envmagic.core.model import Distribution, StagedWheel

_NOT_CODE = (".dist-info", ".data", ".egg-info", "..", "__pycache__", "")
_MODULES = (".py", ".so", ".pyd")
_PROGRAMS = ("bin", "Scripts")


def find_providers(
    wheels: Iterable[StagedWheel], staying: Iterable[Distribution]
) -> dict[str, Distribution]:
    """Return the distribution of each module at the top of what will be installed."""
    found: dict[str, Distribution] = {}
    for distribution in staying:
        modules = _modules(read_record(distribution) or ())
        if not modules or distribution.source.editable:
            modules |= _told_modules(distribution)
        for module in sorted(modules):
            found.setdefault(module, distribution)
    for wheel in wheels:
        with zipfile.ZipFile(wheel.path) as archive:
            names = archive.namelist()
        # An editable's wheel holds no code, but points to it.
        modules = _modules(names) or {wheel.distribution.name.replace("-", "_")}
        found |= dict.fromkeys(modules, wheel.distribution)
    return found


def describe_future(wheels: Iterable[StagedWheel], staying: Iterable[Distribution]) -> str:
    """Return what the builder lays out on its path: wheels, and what of the installed stays."""
    told = [
        {
            "name": wheel.distribution.name,
            "version": str(wheel.distribution.version),
            "wheel": str(wheel.path),
        }
        for wheel in wheels
    ]
    return json.dumps([*told, *(_describe(distribution) for distribution in staying)])


def _describe(distribution: Distribution) -> dict[str, object]:
    """Return what stays of a distribution: its entries in a site folder, and its programs."""
    record = read_record(distribution)
    return {
        "name": distribution.name,
        "version": str(distribution.version),
        "location": distribution.location,
        "entries": _told_entries(distribution)
        if record is None
        else _entries(distribution, record),
        "programs": [
            os.path.normpath(Path(distribution.location, file))
            for file in record or ()
            if file.startswith("..") and file.split("/")[-2] in _PROGRAMS
        ],
    }


def _entries(distribution: Distribution, record: Iterable[str]) -> list[str]:
    names = {file.split("/")[0] for file in record}.difference(_NOT_CODE)
    # What a `.pth` of an editable leads to is code; that of another could do anything.
    editable = distribution.source.editable
    return sorted(name for name in names if editable or not name.endswith(".pth"))


def _told_entries(distribution: Distribution) -> list[str]:
    """Return the entries of what has no RECORD (conda's, `setup.py develop`), by its modules."""
    folder = Path(distribution.location)
    patterns = (p for m in _told_modules(distribution) for p in (m, f"{m}.py", f"{m}.*.so"))
    found = {path.name for pattern in patterns for path in folder.glob(pattern)}
    return sorted({distribution.metadata, *found})


def _told_modules(distribution: Distribution) -> set[str]:
    """Return the modules of what does not record them, nor is in its site folder itself."""
    base = Path(distribution.location, distribution.metadata)
    try:
        told = (base / "top_level.txt").read_text("utf-8").split()
    except (OSError, UnicodeDecodeError):
        told = []
    patterns = ("*/__init__.py", "src/*/__init__.py") if distribution.source.editable else ()
    tree = Path(code_folder(distribution))
    seen = (path.parent.name for pattern in patterns for path in tree.glob(pattern))
    return {*told, *seen, distribution.name.replace("-", "_")}


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
        elif top.endswith(_MODULES):
            found.add(top.partition(".")[0])
    return found.difference(_NOT_CODE)
