"""Which files a plan can touch: those of what goes, and those of the wheels that come."""

from __future__ import annotations

import configparser
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from envmagic.change.stash import Footprint
from envmagic.edge.record import recorded_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from envmagic.core.model import Distribution, Name, Plan, Platform, Snapshot, StagedWheel

_SCRIPTS = ("console_scripts", "gui_scripts")


def find_footprint(
    plan: Plan, snapshot: Snapshot, staged: Mapping[Name, StagedWheel], sweeps: Iterable[str] = ()
) -> Footprint:
    """Return all that pip can make, change or take away when it carries out a plan.

    `sweeps` are paths that go before, with whatever lies in them.
    """
    where, by_name = snapshot.platform, snapshot.by_name()
    files: set[str] = set()
    whole = set(sweeps)
    for change in plan.actions:
        for copy in by_name.get(change.name, ()):
            if copy.local:
                files.update(_installed_files(copy, where))
                whole.update(_own_folders(copy))
        if change.kind.installs:
            names = list(_wheel_files(staged[change.name], where))
            files.update(names)
            whole.update(n for n in map(os.path.dirname, names) if n.endswith(".dist-info"))
    real = _RealPaths()
    files, whole = set(map(real.of, files)), set(map(real.of, whole))
    return Footprint(
        files=frozenset(files), whole=frozenset(whole), roots=roots_of(files | whole, where)
    )


class _RealPaths:
    """Paths whose folders are no symlinks: one file, one path.

    `lib64` is often a symlink to `lib`, and a user may have moved a package elsewhere.
    """

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def of(self, path: str) -> str:
        """Return the real path of a file or symlink."""
        folder, name = os.path.split(path)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return os.path.join(self._folders[folder], name)


def roots_of(paths: Iterable[str], where: Platform) -> frozenset[str]:
    """Return the folders that everything lies in; what lies elsewhere has its own folder."""
    roots = {os.path.realpath(path) for path in (*dict(where.scheme).values(), *where.site)}
    starts = tuple(root + os.sep for root in roots)
    elsewhere = {os.path.dirname(path) for path in paths if not path.startswith(starts)}
    return frozenset(roots | elsewhere)


def _installed_files(distribution: Distribution, where: Platform) -> Iterator[str]:
    """Yield what pip takes away with a distribution (`UninstallPathSet.from_dist` in pip)."""
    location, base = distribution.location, Path(distribution.location, distribution.metadata)
    if base.suffix != ".dist-info":
        yield os.path.join(where.site[0], "easy-install.pth")
        yield os.path.join(where.site[0], f"{base.stem}.egg-link")
    for name in _recorded(distribution):
        yield os.path.normpath(os.path.join(location, name))
    yield from _scripts(_read(base / "entry_points.txt"), where)


def _recorded(distribution: Distribution) -> Iterable[str]:
    """Return the names that a distribution says it has installed, relative to its location."""
    base = Path(distribution.location, distribution.metadata)
    if base.suffix == ".dist-info":
        return recorded_names(distribution) or ()
    return {f"{base.name}/{name}" for name in _lines(base / "installed-files.txt")}


def _own_folders(distribution: Distribution) -> Iterator[str]:
    """Yield the metadata of a distribution; that of `setup.py develop` is its tree's own.

    Also each folder that it has recorded as such: pip takes that away whole.
    """
    if not (distribution.source.editable and distribution.metadata.endswith(".egg-info")):
        yield os.path.join(distribution.location, distribution.metadata)
    for name in _recorded(distribution):
        if name.endswith("/"):
            yield os.path.normpath(os.path.join(distribution.location, name))


def _wheel_files(wheel: StagedWheel, where: Platform) -> Iterator[str]:
    """Yield where each file of a wheel goes, and the scripts that pip makes for it."""
    scheme = {part: os.path.realpath(path) for part, path in where.scheme}
    scheme["headers"] = os.path.join(scheme["headers"], wheel.distribution.name)
    with zipfile.ZipFile(wheel.path) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        info = next(name.partition("/")[0] for name in names if name.endswith(".dist-info/WHEEL"))
        pure = b"root-is-purelib: true" in archive.read(f"{info}/WHEEL").lower()
        entry_points = f"{info}/entry_points.txt"
        if entry_points in names:
            yield from _scripts(archive.read(entry_points).decode("utf-8", "replace"), where)
    root = scheme["purelib" if pure else "platlib"]
    data = info.removesuffix(".dist-info") + ".data"
    for name in names:
        first, _, rest = name.partition("/")
        part, _, below = rest.partition("/")
        start = scheme.get(part, root) if first == data else root
        yield os.path.normpath(os.path.join(start, below if first == data else name))


def _scripts(entry_points: str, where: Platform) -> Iterator[str]:
    """Yield the scripts of an `entry_points.txt` (entry points specification)."""
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(entry_points)
    except configparser.Error:
        return
    folder = os.path.realpath(dict(where.scheme)["scripts"])
    names = {name for group in _SCRIPTS if parser.has_section(group) for name in parser[group]}
    # pip makes these for whoever has one of them (`get_console_script_specs` in pip).
    major, _, rest = where.python.partition(".")
    minor = rest.partition(".")[0]
    if "pip" in names:
        names |= {f"pip{major}", f"pip{major}.{minor}"}
    if "easy_install" in names:
        names.add(f"easy_install-{major}.{minor}")
    for name in sorted(names):
        yield os.path.join(folder, name)


def _lines(file: Path) -> list[str]:
    return [line for line in _read(file).splitlines() if line]


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8", errors="replace")
    except OSError:
        return ""
