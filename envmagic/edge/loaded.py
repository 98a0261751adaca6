"""What this process has loaded, and in which version: what was seen, and what modules say."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from envmagic.edge.record import code_folder, read_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from envmagic.core.model import Distribution, Name

    Seen = tuple[str, int]
    """A version, and when its metadata came to be there, in nanoseconds."""

UNKNOWN = "unknown"
"""What is said of a version in memory that nothing tells."""
_SLACK = 1.0
"""By how many seconds the beginning of a process may be told too early (`psutil` on Linux)."""
_TELLERS = re.compile(r"(?:__init__|\w*version\w*|\w*about\w*)\.py")
"""The files in which a version stands, mostly."""
_DEEP = 2
"""How deep below its folder they and the modules lie that tell the version of a project."""


def loaded_distributions(distributions: Iterable[Distribution]) -> frozenset[Name]:
    """Return which distributions this process has loaded a module of, told by their files."""
    modules = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    files = [file for file in modules if isinstance(file, str)]
    loaded: dict[str, frozenset[str]] = {}
    found = []
    for distribution in distributions:
        folder = code_folder(distribution)
        if folder not in loaded:
            loaded[folder] = _relative_to(folder, files)
        if distribution.source.editable:
            is_loaded = bool(loaded[folder])
        else:
            is_loaded = not loaded[folder].isdisjoint(read_record(distribution) or ())
        found += [distribution.name] if is_loaded else []
    return frozenset(found)


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


class LoadedVersions:
    """The versions in this process's memory, where they may be others than those on the disk.

    A module does not say which distribution it came from: the disk may have changed since. So
    each look at the disk is remembered, with the modules that were there then.
    """

    def __init__(self) -> None:
        self._seen: dict[Name, Seen] = {}
        self._modules: frozenset[str] = frozenset()
        """The modules that were loaded when the disk was as it was seen last."""
        self._known: dict[Name, str] = {}
        """What is in memory of what has changed on the disk, or is about to; perhaps UNKNOWN."""
        self._doubted: dict[Name, int] = {}
        """What was on the disk when the version in memory was found to be unknown."""

    def look(self, distributions: Iterable[Distribution], since: float | None) -> None:
        """Take note of what is on the disk now, and of what has changed under loaded modules.

        `since` is when this process began, in seconds since the epoch; None: not known, and
        what is there at the first look was there then, too.
        """
        modules = frozenset(sys.modules)
        is_first = not self._seen
        changed = []
        for distribution in distributions:
            name, before = distribution.name, self._seen.get(distribution.name)
            now = (str(distribution.version), _came(distribution))
            if before == now:
                continue
            self._seen[name] = now
            is_late = since is not None and now[1] > (since + _SLACK) * 1e9
            # What was not there before was loaded from what is there now.
            if (before is not None or (is_first and is_late)) and name not in self._known:
                changed.append((distribution, before))
        loaded = loaded_distributions(d for d, _ in changed if not d.source.editable)
        for distribution, before in changed:
            if distribution.name in loaded:
                version = self._version_of(distribution, before)
                self._take(distribution.name, version, _came(distribution))
        self._modules = modules

    def settle(self) -> None:
        """Take note that the disk is still as it was seen last: what is loaded comes from that."""
        self._modules = frozenset(sys.modules)

    def remember(self, loaded: Mapping[Name, str]) -> None:
        """Take note that these versions are in memory, and about to change on the disk."""
        for name, version in loaded.items():
            if name not in self._known:
                self._take(name, version, self._seen.get(name, ("", 0))[1])

    def versions(self, distributions: Iterable[Distribution]) -> dict[Name, str]:
        """Return the version in memory of each of these that is loaded, or UNKNOWN."""
        there = {d.name: d for d in distributions}
        return {
            name: self._known.get(name, str(there[name].version))
            for name in loaded_distributions(there.values())
        }

    def stale(self, installed: Mapping[Name, Distribution]) -> tuple[str, ...]:
        """Return a sentence for each version in memory that is gone from the disk."""
        return tuple(self._find_stale(installed))

    def _find_stale(self, installed: Mapping[Name, Distribution]) -> Iterator[str]:
        for name, version in sorted(self._known.items()):
            found, is_known = installed.get(name), version != UNKNOWN
            what = f"`{name}` {version}" if is_known else f"`{name}`"
            if found is None:
                yield f"{what} is loaded, and no longer on disk"
            elif is_known and version != str(found.version):
                yield f"{what} is loaded, {found.version} is on disk"
            elif not is_known and self._doubted[name] != _came(found):
                yield f"{what} was loaded before {found.version} came on the disk"

    def doubtful(self, installed: Mapping[Name, Distribution]) -> tuple[Name, ...]:
        """Return what is loaded and may be another version than that on the disk."""
        return tuple(
            name
            for name, came in sorted(self._doubted.items())
            if name in installed and _came(installed[name]) == came
        )

    def _take(self, name: Name, version: str, came: int) -> None:
        self._known[name] = version
        if version == UNKNOWN:
            self._doubted[name] = came

    def _version_of(self, distribution: Distribution, before: Seen | None) -> str:
        names = _modules_of(distribution)
        if before is not None and not self._modules.isdisjoint(names):
            return before[0]
        return _told_version(distribution, names)


def _came(distribution: Distribution) -> int:
    """Return when the metadata of a distribution came to be where it is; 0: it is not there.

    Not when it was written: an installer may link what it has in a cache.
    """
    try:
        return os.stat(f"{distribution.location}{os.sep}{distribution.metadata}").st_ctime_ns  # noqa: PTH116 (260 of them)
    except OSError:
        return 0


def _modules_of(distribution: Distribution) -> list[str]:
    """Return the names of the modules that a distribution installed, the outer ones first."""
    names = {
        re.sub(r"(?:/__init__)?\.py$|\.[\w-]+\.so$|\.[\w-]+\.pyd$", "", file).replace("/", ".")
        for file in read_record(distribution) or ()
        if file.endswith((".py", ".so", ".pyd")) and not file.startswith(("..", "/"))
    }
    return sorted(names, key=lambda name: (name.count("."), name))


def _told_version(distribution: Distribution, names: Iterable[str]) -> str:
    """Return the version of a distribution that its modules in memory tell, or UNKNOWN."""
    there = str(distribution.version)
    for name in names:
        if name.count(".") >= _DEEP:
            break
        told = getattr(sys.modules.get(name), "__dict__", {}).get("__version__")
        if not isinstance(told, str):
            continue
        try:
            version = Version(told)
        except InvalidVersion:
            continue
        # Some tell another one than their metadata (OpenCV): what the disk says, too, is its.
        if version == distribution.version or told in _texts(distribution, name):
            return there
        return str(version)
    return UNKNOWN


def _texts(distribution: Distribution, module: str) -> str:
    """Return what stands in the files that may tell the version of a module."""
    top, texts = module.partition(".")[0], []
    for file in read_record(distribution) or ():
        folder, _, name = file.rpartition("/")
        is_inside = file.startswith(f"{top}/") and folder.count("/") < _DEEP
        if file == f"{top}.py" or (is_inside and _TELLERS.fullmatch(name)):
            with contextlib.suppress(OSError):
                texts.append(Path(distribution.location, file).read_text("utf-8", "replace"))
    return "\n".join(texts)
