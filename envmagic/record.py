"""The files that a distribution installed: which are gone, which are loaded."""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from envmagic.origin import folder_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envmagic.model import Distribution, Name


def recorded_names(distribution: Distribution) -> frozenset[str] | None:
    """Return the files that a distribution installed, relative to its location.

    None: it does not say (no RECORD, or one that cannot be read).
    """
    record = os.path.join(distribution.location, distribution.metadata, "RECORD")  # noqa: PTH118
    try:
        with open(record, encoding="utf-8", newline="") as lines:  # noqa: PTH123 (in the diff)
            text = lines.read()
        if '"' in text:
            return frozenset(row[0] for row in csv.reader(text.splitlines()) if row)
        return frozenset(line.partition(",")[0] for line in text.splitlines() if line)
    except (OSError, UnicodeDecodeError, csv.Error):
        return None


def missing_files(distribution: Distribution) -> list[str] | None:
    """Return the files of a distribution that are gone; None: it has no RECORD.

    Bytecode is not counted: Python makes it again.
    """
    names = recorded_names(distribution)
    if names is None:
        return None
    location = distribution.location
    return sorted(
        name
        for name in names
        if not name.endswith(".pyc") and not os.path.lexists(os.path.join(location, name))  # noqa: PTH118 (name may be absolute)
    )


def can_be_uninstalled(distribution: Distribution) -> bool:
    """Whether pip knows which files to take away (`UninstallPathSet.from_dist` in pip)."""
    base = Path(distribution.location, distribution.metadata)
    if base.suffix == ".dist-info":
        return (base / "RECORD").is_file()
    return distribution.source.editable or (base / "installed-files.txt").is_file()


def loaded_distributions(distributions: Iterable[Distribution]) -> frozenset[Name]:
    """Return which distributions this process has loaded a module of, told by their files."""
    modules = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    files = [file for file in modules if isinstance(file, str)]
    loaded: dict[str, frozenset[str]] = {}
    found = []
    for distribution in distributions:
        folder = _code_folder(distribution)
        if folder not in loaded:
            loaded[folder] = _relative_to(folder, files)
        if distribution.source.editable:
            is_loaded = bool(loaded[folder])
        else:
            is_loaded = bool(loaded[folder] & (recorded_names(distribution) or frozenset()))
        found += [distribution.name] if is_loaded else []
    return frozenset(found)


def _code_folder(distribution: Distribution) -> str:
    source = distribution.source
    return folder_of(source) if source.editable else distribution.location


def _relative_to(folder: str, files: list[str]) -> frozenset[str]:
    """Return the files below a folder, by whichever of its names they were loaded."""
    names = {folder, *(entry for entry in sys.path if os.path.realpath(entry) == folder)}
    starts = [name.rstrip(os.sep) + os.sep for name in names]
    return frozenset(
        file[len(start) :].replace(os.sep, "/")
        for file in files
        for start in starts
        if file.startswith(start)
    )
