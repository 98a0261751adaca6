"""The wheels that a plan needs: on the disk, and whole, before the first change."""

from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING

from envmagic.core.errors import EngineError
from envmagic.core.model import Distribution, StagedWheel, canonical_name, read_version
from envmagic.edge.private import make_private, open_to_write
from envmagic.edge.probe import parse_header

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from envmagic.core.model import Name


class Stage:
    """A private folder with the wheels of one sync, its requirement files and its log."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self.wheels_folder = folder / "wheels"
        self.wheels_folder.mkdir(mode=0o700, exist_ok=True)
        self.log = folder / "log.txt"
        self.log.touch(mode=0o600)
        self._wheels: dict[Path, StagedWheel] = {}

    def wheels(self) -> dict[Name, StagedWheel]:
        """Return the wheels that are here; raises EngineError for one that is damaged."""
        for path in sorted(self.wheels_folder.glob("*.whl")):
            if path not in self._wheels:
                make_private(path)
                self._wheels[path] = read_wheel(path)
        return {wheel.distribution.name: wheel for wheel in self._wheels.values()}

    def known(self) -> dict[Name, Distribution]:
        """Return the distributions that the wheels here hold."""
        return {name: wheel.distribution for name, wheel in self.wheels().items()}

    def drop(self, name: Name) -> None:
        """Take a wheel out again."""
        wheel = self.wheels()[name]
        del self._wheels[wheel.path]
        wheel.path.unlink()

    def unpack(self, names: Iterable[Name]) -> Path:
        """Unpack some of the wheels beside each other, as on a path; return the folder."""
        folder = self.folder / "unpacked"
        for name in names:
            with zipfile.ZipFile(self.wheels()[name].path) as archive:
                archive.extractall(folder)
        make_private(folder)
        return folder

    def make_folder(self, name: str) -> Path:
        """Make a folder beside the wheels, and return its path."""
        folder = self.folder / name
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def write(self, name: str, text: str) -> Path:
        """Write a file beside the wheels, and return its path."""
        path = self.folder / name
        try:
            with os.fdopen(open_to_write(path), "w", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise EngineError(f"`{path}` cannot be written: {error.strerror}", "") from error
        return path

    def log_text(self) -> str:
        """Return what the commands have said so far."""
        try:
            return self.log.read_text("utf-8", errors="replace")
        except FileNotFoundError:
            return ""


def read_wheel(path: Path) -> StagedWheel:
    """Return the distribution that a wheel holds, having read each of its files once.

    pip checks a wheel against the hash that an index states, but not all do; and a
    damaged one must be found before anything is uninstalled.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            metadata = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
            header = parse_header(archive.read(metadata).decode("utf-8", "replace"))
    except (zipfile.BadZipFile, StopIteration, OSError) as error:
        raise EngineError(f"`{path.name}` is not a wheel: {error}", "try again") from error
    if damaged:
        raise EngineError(f"`{path.name}` is damaged: `{damaged}`", "try again")
    name, version, requires = header
    return StagedWheel(
        path=path,
        distribution=Distribution(
            name=canonical_name(name), version=read_version(version), requires=requires
        ),
    )
