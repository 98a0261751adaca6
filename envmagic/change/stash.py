"""What a change will touch, put by before it: hard links, or copies where there are none."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from envmagic.change import rescue
from envmagic.core.errors import PolicyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Entry: TypeAlias = "str | bool | list[int] | None"
"""What stood under a name, in the words of `rescue.put_back`."""

_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP}
# pip writes into these where they stand, and a hard link would be changed with them.
_WRITTEN_IN_PLACE = (".pth", ".egg-link")
_MARGIN = 16 * 1024**2
"""Bytes to be left over beside the copies: for the journal, folders, a log."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Footprint:
    """The paths that a change can make, change or take away; all absolute."""

    files: frozenset[str]
    """Files, old and new ones; bytecode beside them is theirs, and not listed."""
    whole: frozenset[str] = frozenset()
    """Files and folders that are the change's own, with whatever lies in them."""
    folders: frozenset[str] = frozenset()
    """Folders that it can make or take away though no file of its own lies in them."""
    roots: frozenset[str] = frozenset()
    """The folders that everything lies in, and that no change takes away."""


@dataclass(slots=True)
class Folder:
    """What stood in one folder; `mode` None: there was no such folder."""

    mode: int | None = None
    whole: bool = False
    entries: dict[str, Entry] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Return it in the words of the journal."""
        return {"mode": self.mode, "whole": self.whole, "entries": self.entries}


class Stash:
    """Puts by what stands at the paths of a footprint, numbered, in one place a file system.

    A place on another file system than `place` is called `name`, and `note` is told of it
    before it is made.

    A hard link costs no data, and is safe since pip never writes into an installed file:
    it renames, unlinks and makes anew (what it does write into is copied). The cost is in
    proportion to what changes: only folders that a changed file lies in are looked at.
    That is enough, since pip touches what is recorded, the bytecode of that, and siblings
    whose names begin with `~`; of a wheel to come, all files are known before.
    """

    def __init__(self, place: Path, name: str, note: Callable[[Path], None]) -> None:
        self._mounts = _Mounts()
        self._places = [place]
        self._by_mount = {self._mounts.above(os.path.realpath(place)): 0}
        self._name = name
        self._note = note
        self._count = 0

    @property
    def others(self) -> list[str]:
        """The places on other file systems."""
        return [str(place) for place in self._places[1:]]

    def take(self, footprint: Footprint) -> dict[str, Folder]:
        """Put all of it by, and return what stood where; raises OSError."""
        folders = _outline(footprint)
        for path, folder in list(folders.items()):
            self._take_folder(path, folder, folders, footprint)
        return dict(sorted(folders.items()))

    def _take_folder(
        self, path: str, folder: Folder, folders: dict[str, Folder], footprint: Footprint
    ) -> None:
        try:
            folder.mode = stat.S_IMODE(os.stat(path).st_mode)
            entries = list(os.scandir(path))
        except (FileNotFoundError, NotADirectoryError):
            folder.mode = None
            return
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                self._take_subfolder(entry, folder, folders, footprint)
            elif folder.whole or entry.name in folder.entries or rescue.is_bytecode(entry.path):
                folder.entries[entry.name] = self._put_by(entry)
            elif entry.name.startswith("~"):
                folder.entries[entry.name] = True

    def _take_subfolder(
        self,
        entry: os.DirEntry[str],
        folder: Folder,
        folders: dict[str, Folder],
        footprint: Footprint,
    ) -> None:
        """Go into what is the change's own, and remember what pip would lose with a folder."""
        if entry.path in folders:
            return
        if folder.whole:
            folders[entry.path] = made = Folder(whole=True)
            self._take_folder(entry.path, made, folders, footprint)
        elif entry.name.startswith("~"):
            folder.entries[entry.name] = True
        elif os.path.dirname(entry.path) not in footprint.roots:
            # Where nothing but what is recorded lies in a folder, pip renames it whole,
            # and empty folders in it go, too.
            for empty in _empty_trees(entry.path):
                folders[empty] = Folder(mode=stat.S_IMODE(os.stat(empty).st_mode))

    def _put_by(self, entry: os.DirEntry[str]) -> Entry:
        if entry.is_symlink():
            return os.readlink(entry.path)
        status = entry.stat(follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            return True  # a socket, a pipe: nobody's installed file
        place = self._place_for(os.path.dirname(entry.path))
        target = self._places[place] / str(self._count)
        self._count += 1
        _put_file_by(entry.path, target)
        return [place, self._count - 1, status.st_ino, status.st_size, status.st_mtime_ns]

    def _place_for(self, folder: str) -> int:
        """Return the number of the place on a folder's mount, made there if need be."""
        mount = self._mounts.above(folder)
        if mount not in self._by_mount:
            place = Path(_highest_below(mount, folder), self._name)
            self._note(place)
            place.mkdir(mode=0o700)
            self._by_mount[mount] = len(self._places)
            self._places.append(place)
        return self._by_mount[mount]


def _put_file_by(source: str, target: Path) -> None:
    if not source.endswith(_WRITTEN_IN_PLACE):
        try:
            os.link(source, target)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
        else:
            return
    rescue.copy_file(source, str(target))


class _Mounts:
    """Where file systems begin. Neither a link nor a rename can cross such a place.

    The number of a device does not tell: a folder can be mounted beside itself (a
    container's volume), and an overlay gives its files the numbers of its layers.
    """

    def __init__(self) -> None:
        self._types = _read_mounts()
        self._found: dict[str, str] = {}

    def above(self, folder: str) -> str:
        """Return the mount point of a folder; its path is a real one, without symlinks."""
        if folder not in self._found:
            parent = os.path.dirname(folder)
            top = folder == parent or self._is_mount(folder)
            self._found[folder] = folder if top else self.above(parent)
        return self._found[folder]

    def is_overlay(self, mount: str) -> bool:
        """Whether a file system is one of layers, as of a container."""
        return self._types.get(mount, "") in {"overlay", "overlayfs", "fuse-overlayfs"}

    def _is_mount(self, folder: str) -> bool:
        return folder in self._types if self._types else os.path.ismount(folder)


def _read_mounts() -> dict[str, str]:
    """Return each mount point and the type of its file system; empty: not known."""
    try:
        lines = os.fsdecode(Path("/proc/self/mountinfo").read_bytes()).splitlines()
    except OSError:
        return {}
    fields = [line.split(" ") for line in lines]  # see proc_pid_mountinfo(5)
    return {_unescape(each[4]): each[each.index("-") + 1] for each in fields}


def _unescape(path: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)


def _outline(footprint: Footprint) -> dict[str, Folder]:
    """Return the folders that a footprint's files lie in, up to its roots, with the names."""
    folders: dict[str, Folder] = {}
    for path in sorted(footprint.files | footprint.whole):
        parent, name = os.path.split(path)
        _add_folders(parent, folders, footprint.roots)
        folders[parent].entries.setdefault(name, None)
        if path.endswith(".py") and path not in footprint.whole:
            _add_folders(os.path.join(parent, "__pycache__"), folders, footprint.roots)
    for path in footprint.folders:
        _add_folders(path, folders, footprint.roots)
    for path in footprint.whole:
        if os.path.isdir(path) or not os.path.lexists(path):
            folders.setdefault(path, Folder()).whole = True
    return folders


def _add_folders(path: str, folders: dict[str, Folder], roots: frozenset[str]) -> None:
    while path not in folders:
        folders[path] = Folder()
        parent = os.path.dirname(path)
        if path in roots or parent == path:
            return
        path = parent


def _empty_trees(path: str) -> list[str]:
    """Return a folder and those in it, if there is no file in any of them."""
    found = [path]
    for entry in os.scandir(path):
        if not entry.is_dir(follow_symlinks=False):
            return []
        below = _empty_trees(entry.path)
        if not below:
            return []
        found += below
    return found


def _highest_below(mount: str, folder: str) -> str:
    """Return the highest folder from a mount point down to a folder that can be written in."""
    while folder != mount and os.access(os.path.dirname(folder), os.W_OK):
        folder = os.path.dirname(folder)
    return folder


def copied_bytes(footprint: Footprint, home: Path) -> int:
    """Return how many bytes must be copied before a change; 0: hard links will do.

    Tries it with one file a file system. `home` is where the files go. On an overlay
    (a container's disk) a link of a file of the image copies it, too.
    Raises PolicyError where there is no room for the copies.
    """
    mounts = _Mounts()
    at_home = mounts.above(os.path.realpath(home))
    sizes: dict[str, int] = {}
    works: dict[str, bool] = {}
    for path, size in _existing(footprint):
        folder = os.path.dirname(path)
        mount = mounts.above(folder)
        if mount not in works:
            beside = str(home) if mount == at_home else folder
            works[mount] = not mounts.is_overlay(mount) and _can_link(path, beside)
        if not works[mount]:
            sizes[mount] = sizes.get(mount, 0) + size
    for mount, size in sizes.items():
        space = os.statvfs(mount)
        free = space.f_bavail * space.f_frsize
        if free < size + _MARGIN:
            raise PolicyError(
                f"there is no room to put by what changes: {size / 1e6:.0f} MB are needed in "
                f"`{mount}`, and {free / 1e6:.0f} MB are free",
                "free some space, then try again",
            )
    return sum(sizes.values())


def _existing(footprint: Footprint) -> Iterator[tuple[str, int]]:
    """Yield each file that is there now, and its size, bytecode aside."""
    inside = (
        os.path.join(folder, name)
        for path in footprint.whole
        for folder, _, names in os.walk(path)
        for name in names
    )
    for path in {*footprint.files, *inside}:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode):
                yield path, status.st_size


def _can_link(path: str, folder: str) -> bool:
    """Whether a file system has hard links."""
    trial = Path(folder, f".envmagic-{os.getpid()}.link")
    try:
        os.link(path, trial)
    except OSError:
        return False
    trial.unlink()
    return True
