"""The files that a distribution installed, and which of them are gone."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from envmagic.edge.origin import folder_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envmagic.core.model import Distribution, Name, Snapshot


def recorded_names(distribution: Distribution) -> frozenset[str] | None:
    """Return the files that a distribution installed, relative to its location.

    None: it does not say (no RECORD, or one that cannot be read).
    """
    files = read_record(distribution)
    return None if files is None else frozenset(files)


def read_record(distribution: Distribution) -> list[str] | None:
    """Return the files that a distribution installed, relative to its location.

    In the order of its RECORD, folder by folder, in which the system finds them fastest.
    None: it does not say (no RECORD, or one that cannot be read).
    """
    record = f"{distribution.location}{os.sep}{distribution.metadata}{os.sep}RECORD"
    try:
        with open(record, "rb", buffering=0) as file:  # noqa: PTH123 (in the diff)
            text = file.read().decode()
        if "\r" in text:
            text = text.replace("\r\n", "\n")
        if '"' in text:
            rows = csv.reader(io.StringIO(text, newline=""))
            return [row[0] for row in rows if row and row[0]]
        return [line.partition(",")[0] for line in text.split("\n") if line]
    except (OSError, UnicodeDecodeError, csv.Error):
        return None


def record_digests(snapshot: Snapshot, names: Iterable[Name]) -> dict[Name, str]:
    """Return what tells one installation of these from another, be it of the same version.

    Made of the RECORD of each copy in this environment; without one, there is none.
    """
    wanted = frozenset(names)
    records: dict[Name, list[bytes]] = {}
    for distribution in snapshot.distributions:
        if distribution.local and distribution.name in wanted:
            record = Path(distribution.location, distribution.metadata, "RECORD")
            with contextlib.suppress(OSError):
                digest = hashlib.sha256(record.read_bytes()).digest()
                records.setdefault(distribution.name, []).append(digest)
    return {name: hashlib.sha256(b"".join(found)).hexdigest() for name, found in records.items()}


def missing_files(distribution: Distribution) -> list[str] | None:
    """Return the files of a distribution that are gone; None: it has no RECORD.

    Bytecode is not counted: Python makes it again.
    """
    names = read_record(distribution)
    return None if names is None else sorted(find_gone(distribution.location, names))


def find_gone(folder: str, names: Iterable[str]) -> list[str]:
    """Return which of these files are not there, and not only closed to us.

    Names are relative to the folder, or absolute. Bytecode is not looked for.
    """
    suspects = [name for name in names if name[-4:] != ".pyc"]
    if os.access in os.supports_dir_fd:  # a quarter of the time of a whole path each
        access, exists, descriptor = os.access, os.F_OK, os.open(folder, os.O_RDONLY)
        try:
            suspects = [name for name in suspects if not access(name, exists, dir_fd=descriptor)]
        finally:
            os.close(descriptor)
    return [name for name in suspects if _is_gone(os.path.join(folder, name))]  # noqa: PTH118 (may be absolute)


def _is_gone(path: str) -> bool:
    try:
        os.stat(path)  # noqa: PTH116 (a text)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:  # not to be seen, which is another trouble
        return False
    return False


def can_be_uninstalled(distribution: Distribution) -> bool:
    """Whether pip knows which files to take away (`UninstallPathSet.from_dist` in pip)."""
    base = Path(distribution.location, distribution.metadata)
    if base.suffix == ".dist-info":
        return (base / "RECORD").is_file()
    return distribution.source.editable or (base / "installed-files.txt").is_file()


def code_folder(distribution: Distribution) -> str:
    """Return the folder that its code lies in: the source tree of an editable install."""
    source = distribution.source
    return folder_of(source) if source.editable else distribution.location
