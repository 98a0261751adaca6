"""What tells that a comparison is out of date; asked after every cell, so it must be cheap."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from envmagic.edge.lockfile import CANDIDATES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from envmagic.core.model import Distribution
    from envmagic.core.report import Report
    from envmagic.face.desk import Desk


@dataclass(kw_only=True, slots=True)
class _Compared:
    """What a lock's last comparison would change, and what of that is in memory."""

    changing: tuple[Distribution, ...]
    loaded: str


class Stamps:
    """Of each lock, what to look at again, and what was seen there."""

    def __init__(self, desk: Desk, home: Path) -> None:
        self._desk = desk
        self._home = home
        self._files: dict[str, tuple[str, ...]] = {}
        self._compared: dict[str, _Compared] = {}
        self._modules = 0
        """The modules that were loaded at the last stamp, as one number."""

    def knows(self, lock: str) -> bool:
        """Whether it is known what a lock includes."""
        return lock in self._files

    def files(self, lock: str) -> tuple[str, ...]:
        """Return the files that a lock was read from, as far as it is known."""
        return self._files.get(lock, (lock,) if lock else ())

    def note_files(self, lock: str, files: Iterable[str]) -> None:
        """Take note of the files that a lock was read from."""
        self._files[lock] = tuple(files)

    def note_report(self, lock: str, report: Report) -> None:
        """Take note of a comparison, which tells what was loaded while it was made."""
        changing = tuple(c.installed for c in report.plan.actions if c.installed is not None)
        self._compared[lock] = _Compared(changing=changing, loaded=_names(report.loaded))

    def on_disk(self, lock: str) -> str:
        """Return what tells of the disk: when some folders and files were changed last."""
        # Not the folder of the notebook: whenever that is saved, something changes there.
        places = [*self._desk.node.platform().site, str(self._home), *CANDIDATES, *self.files(lock)]
        folder = self._desk.folder
        return "\n".join(f"{place} {_changed(folder / place)}" for place in places)

    def compared(self, lock: str, on_disk: str) -> str:
        """Return the stamp of the last comparison, which was begun when the disk was so."""
        compared = self._compared.get(lock)
        return self._stamp(on_disk, compared.loaded if compared else "")

    def now(self, lock: str) -> str:
        """Return the stamp that a comparison would have now."""
        return self._stamp(self.on_disk(lock), self._loaded(lock))

    def _stamp(self, *seen: str) -> str:
        last = self._desk.last_lock(self._desk.folder)  # a cell may have taken another one
        return hashlib.sha256("\n".join([*seen, last]).encode()).hexdigest()[:16]

    def _loaded(self, lock: str) -> str:
        modules = hash(frozenset(sys.modules))
        if modules != self._modules:  # else nothing was imported, and no file need be read
            self._desk.node.note_loaded()
            self._modules = modules
        compared = self._compared.get(lock)
        return _names(self._desk.node.loaded(compared.changing)) if compared else ""


def _names(loaded: Iterable[str]) -> str:
    return " ".join(sorted(loaded))


def _changed(place: Path) -> str:
    """Return what tells that something was changed there; empty: there is nothing."""
    try:
        status = place.stat()
    except OSError:
        return ""
    return f"{status.st_ino} {status.st_size} {status.st_mtime_ns}"
