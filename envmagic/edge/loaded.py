"""What this process has loaded, and in which version: what was seen, and what modules say."""

from __future__ import annotations

import ast
import os
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from envmagic.core.nodes import Memory
from envmagic.edge.record import code_folder, read_record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from envmagic.core.model import Distribution, Name

UNKNOWN = "unknown"
"""What is said of a version in memory that nothing tells."""
_SLACK = 1.0
"""By how many seconds the beginning of a process may be told too early (`psutil` on Linux)."""
_TICK = 0.01
"""By how many seconds a file's time may be told too early (Linux before 6.13: a tick)."""
_TELLERS = ("", ".version", "._version", ".__version__", ".__about__", ".about", "._about")
"""Below a package, the modules that tell its version."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """One installation of a project, told from the one before."""

    version: str
    place: str
    came: int
    """When its metadata came to be there, in nanoseconds; 0: it is not there.

    That is the folder's own time: an installer may link files that are older, and who gives
    them another owner changes nothing.
    """


class LoadedVersions:
    """The versions in this process's memory, whatever the disk has become since.

    A module does not say which distribution it came from. So it is noted what is loaded
    whenever the disk is looked at, and as long as that is as it was then; and, after each
    cell, when a module was imported. What that does not tell, the module may.
    """

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._there: dict[Name, Distribution] = {}
        self._seen: dict[Name, _Seen] = {}
        self._tops: dict[_Seen, frozenset[str]] = {}
        self._memory: dict[Name, str] = {}
        """The version of what is loaded, or UNKNOWN; noted once, since it does not change."""
        self._doubted: dict[Name, _Seen] = {}
        """What was on the disk when the version in memory was found to be unknown."""
        self._imported: dict[str, tuple[float, float]] = {}
        """Since when and until when the file of a module was imported; seconds since the epoch."""
        self._marked = 0.0

    def mark(self) -> list[str]:
        """Take note of the time by which what is loaded was imported; return its files."""
        begin, files, end = time.time(), _loaded_files(), time.time()
        with self._one_at_a_time:
            for file in files:
                if file not in self._imported:
                    self._imported[file] = (self._marked, end)
            self._marked = begin
        return files

    def look(
        self, distributions: Iterable[Distribution], files: Collection[str], since: float | None
    ) -> None:
        """Take note of what is on the disk now, and of what is loaded.

        `files` are those of all modules, marked before the disk was looked at; `since` is when
        this process began, in seconds since the epoch. None: not known, and what is there at
        the first look counts as having been there then.
        """
        with self._one_at_a_time:
            is_first, before = not self._seen, self._seen
            self._there = {d.name: d for d in reversed(list(distributions))}
            self._seen = {name: _see(d) for name, d in self._there.items()}
            records = _Records()
            tops, self._tops = self._tops, {}
            for name, seen in self._seen.items():
                known = tops.get(seen)
                self._tops[seen] = records.tops(self._there[name]) if known is None else known
            late = None if since is None else (since + _SLACK) * 1e9
            for name, owned in self._newly_loaded(files, records).items():
                seen, was = self._seen[name], before.get(name)
                is_late = is_first and late is not None and seen.came > late
                if is_late or (not is_first and was != seen):
                    self._judge(name, owned, was, is_new=not is_first and was is None)
                else:
                    self._memory[name] = seen.version

    def settle(self) -> None:
        """Take note of what is loaded now, as far as the disk is as it was looked at last."""
        files = self.mark()
        with self._one_at_a_time:
            for name in self._newly_loaded(files, _Records()):
                if _see(self._there[name]) == self._seen[name]:
                    self._memory[name] = self._seen[name].version

    def versions(self, distributions: Iterable[Distribution]) -> dict[Name, str]:
        """Return the version in memory of each of these that was seen loaded, or UNKNOWN."""
        with self._one_at_a_time:
            return {d.name: self._memory[d.name] for d in distributions if d.name in self._memory}

    def compare(self, installed: Mapping[Name, Distribution]) -> Memory:
        """Hold what is in memory against what is installed."""
        with self._one_at_a_time:
            return Memory(
                stale=tuple(self._find_stale(installed)),
                doubtful=tuple(
                    name
                    for name, seen in sorted(self._doubted.items())
                    if name in installed and _see(installed[name]) == seen
                ),
            )

    def _find_stale(self, installed: Mapping[Name, Distribution]) -> Iterator[str]:
        for name, version in sorted(self._memory.items()):
            found, is_known = installed.get(name), version != UNKNOWN
            what = f"`{name}` {version}" if is_known else f"`{name}`"
            if found is None:
                yield f"{what} is loaded, and no longer on disk"
            elif version == str(found.version) or self._doubted.get(name) == _see(found):
                continue
            elif _told_version(found, _Records().tops(found)) == str(found.version):
                continue  # it was loaded again
            elif is_known:
                yield f"{what} is loaded, {found.version} is on disk"
            else:
                yield f"{what} was loaded before {found.version} came on the disk"

    def _newly_loaded(
        self, files: Collection[str], records: _Records
    ) -> dict[Name, frozenset[str]]:
        """Return what is loaded and was not noted yet, by the files that tell so."""
        loaded = _Loaded(files)
        suspects: dict[Name, frozenset[str]] = {}
        for name, distribution in self._there.items():
            if name not in self._memory and self._may_be_loaded(name, loaded):
                suspects[name] = records.owned(distribution, loaded)
        names = {top for name in suspects for top in self._tops[self._seen[name]]}
        owners: Counter[str] = Counter()
        for name, distribution in self._there.items():
            tops = self._tops[self._seen[name]]
            if name in suspects or not (distribution.source.editable or tops.isdisjoint(names)):
                owners.update(suspects.get(name) or records.owned(distribution, loaded))
        # What several have installed, as the root of a namespace, tells of none of them.
        alone = {
            name: frozenset(f for f in owned if owners[f] == 1) for name, owned in suspects.items()
        }
        return {name: owned for name, owned in alone.items() if owned}

    def _may_be_loaded(self, name: Name, loaded: _Loaded) -> bool:
        distribution = self._there[name]
        there = loaded.tops(code_folder(distribution))
        if distribution.source.editable:
            return bool(there)
        return not self._tops[self._seen[name]].isdisjoint(there)

    def _told(self, name: Name) -> str:
        return _told_version(self._there[name], self._tops[self._seen[name]])

    def _judge(self, name: Name, files: Iterable[str], was: _Seen | None, *, is_new: bool) -> None:
        """Note the version of what may have been imported before the disk became what it is."""
        seen, told = self._seen[name], self._told(name)
        begin = min(self._imported[file][0] for file in files)
        end = min(self._imported[file][1] for file in files)
        came = seen.came / 1e9
        self._memory[name] = told
        if begin >= came + _TICK:
            self._memory[name] = seen.version
        elif told != UNKNOWN:
            return
        elif end >= came:  # nobody can tell, but that nothing was there which one knew of
            self._memory[name] = seen.version if is_new else UNKNOWN
            self._doubted |= {} if is_new else {name: seen}
        elif was is not None and was.came / 1e9 <= begin:
            self._memory[name] = was.version


def _loaded_files() -> list[str]:
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return [file for file in files if isinstance(file, str)]


class _Loaded:
    """The files of loaded modules, below each folder that is asked for."""

    def __init__(self, files: Collection[str]) -> None:
        self._all = files
        self._below: dict[str, dict[str, str]] = {}
        self._tops: dict[str, frozenset[str]] = {}

    def below(self, folder: str) -> dict[str, str]:
        """Return them by what they are relative to a folder, whichever of its names they have."""
        if folder not in self._below:
            names = {folder, *(entry for entry in sys.path if os.path.realpath(entry) == folder)}
            self._below[folder] = {
                file[len(start) :].replace(os.sep, "/"): file
                for start in (name.rstrip(os.sep) + os.sep for name in names)
                for file in self._all
                if file.startswith(start)
            }
        return self._below[folder]

    def tops(self, folder: str) -> frozenset[str]:
        """Return the outermost names of those."""
        if folder not in self._tops:
            self._tops[folder] = frozenset(map(_top_of, self.below(folder)))
        return self._tops[folder]


class _Records:
    """What distributions have installed; each RECORD is read once."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, str], list[str] | None] = {}

    def tops(self, distribution: Distribution) -> frozenset[str]:
        """Return the outermost names of what a distribution lets be imported."""
        record = self._of(distribution)
        if record is not None:
            return frozenset(map(_top_of, {file.partition("/")[0] for file in record}))
        told = Path(distribution.location, distribution.metadata, "top_level.txt")
        try:
            return frozenset(told.read_text("utf-8").split())
        except (OSError, UnicodeDecodeError):
            return frozenset({distribution.name.replace("-", "_")})

    def owned(self, distribution: Distribution, loaded: _Loaded) -> frozenset[str]:
        """Return which loaded files are those of a distribution."""
        there = loaded.below(code_folder(distribution))
        record = None if distribution.source.editable else self._of(distribution)
        if record is not None:
            return frozenset(there[file] for file in there.keys() & record)
        tops = None if distribution.source.editable else self.tops(distribution)
        return frozenset(there[file] for file in there if tops is None or _top_of(file) in tops)

    def _of(self, distribution: Distribution) -> list[str] | None:
        key = (distribution.location, distribution.metadata)
        if key not in self._read:
            self._read[key] = read_record(distribution)
        return self._read[key]


def _see(distribution: Distribution) -> _Seen:
    place = f"{distribution.location}{os.sep}{distribution.metadata}"
    try:
        came = os.stat(place).st_mtime_ns  # noqa: PTH116 (of hundreds)
    except OSError:
        came = 0
    return _Seen(str(distribution.version), place, came)


def _top_of(file: str) -> str:
    return file.partition("/")[0].partition(".")[0]


def _told_version(distribution: Distribution, tops: Iterable[str]) -> str:
    """Return the version of a distribution that its modules in memory tell, or UNKNOWN.

    One that differs from that of the metadata means little (OpenCV and others tell another
    one), unless the module's own file tells the other one now.
    """
    there = str(distribution.version)
    for name in (f"{top}{teller}" for top in sorted(tops) for teller in _TELLERS):
        module = sys.modules.get(name)
        told = getattr(module, "__dict__", {}).get("__version__")
        version = _read_version(told)
        if version is None:
            continue
        if version == distribution.version:
            return there
        on_disk = _assigned_version(getattr(module, "__file__", None))
        if on_disk == told:
            return there
        if on_disk is not None and _read_version(on_disk) == distribution.version:
            return str(version)
    return UNKNOWN


def _read_version(text: object) -> Version | None:
    try:
        return Version(text) if isinstance(text, str) else None
    except InvalidVersion:
        return None


def _assigned_version(file: object) -> str | None:
    """Return the literal that a file assigns to `__version__`; None: none, or it is not read."""
    if not isinstance(file, str) or not file.endswith(".py"):
        return None
    try:
        body = ast.parse(Path(file).read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return None
    known: dict[str, str] = {}
    for statement in body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        value = getattr(statement, "value", None)
        text = known.get(value.id) if isinstance(value, ast.Name) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            text = value.value
        for target in targets:
            if isinstance(target, ast.Name) and text is not None:
                known[target.id] = text
    return known.get("__version__")
