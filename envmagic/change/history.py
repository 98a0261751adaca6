"""What past changes of an environment did, and what is kept of them for an undo."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envmagic.change import rescue
from envmagic.core.errors import EnvmagicError
from envmagic.core.report import Progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from envmagic.core.model import Name

_TOLD = "told"
_PROGRESS = "progress.json"
_RECORDS = "records.json"
_NOTED_PLACES = "places"
_COUNT = "ENVMAGIC_UNDO_COUNT"
_SIZE = "ENVMAGIC_UNDO_SIZE"
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


UNDOABLE = frozenset({"succeeded", "failed"})
"""How a change has ended that left the environment another than it was."""


class SettingError(EnvmagicError):
    """An environment variable of ours says something that cannot be."""

    exit_code = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How much is kept for an undo: changes, and bytes on the disk."""

    count: int = 3
    size: int = 5 * 10**9


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What a change did to one name; a version is None where the name was not installed."""

    name: Name
    before: str | None
    after: str | None
    record: str | None = None
    """What its files were told by before (`record_digests`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """One change that has ended, or that is at work: `state` is empty then."""

    folder: Path
    title: str
    began: float
    """Seconds since the epoch."""
    steps: tuple[Step, ...]
    state: str = ""
    problems: tuple[str, ...] = ()

    @property
    def can_be_undone(self) -> bool:
        """Whether what it changed is still put by; one that failed to go back may try again."""
        return self.state in UNDOABLE and (self.folder / rescue.FILES).is_dir()

    def records(self) -> dict[Name, str] | None:
        """Return what its projects were told by at its end; None: an older envmagic's."""
        try:
            found: dict[Name, str] = json.loads((self.folder / _RECORDS).read_text("utf-8"))
        except FileNotFoundError:
            return None
        return found

    def journal(self) -> dict[str, Any]:
        """Return its journal."""
        return rescue.read_journal(str(self.folder), _journal_name(self.folder))


def _journal_name(folder: Path) -> str:
    return rescue.JOURNAL if (folder / rescue.JOURNAL).exists() else rescue.ROLLED_BACK


def kept_bytes(history: Iterable[Past]) -> dict[Path, int]:
    """Return what each of all changes, the newest first, costs on the disk, by its folder.

    That is what the environment has no more, and no newer change holds: forgetting it,
    after all older ones, sets so much free.
    """
    costs: dict[Path, int] = {}
    links: Counter[tuple[int, int]] = Counter()
    owners: dict[tuple[int, int], tuple[Path, os.stat_result]] = {}
    for past in history:
        costs[past.folder] = 0
        for place in rescue.places_of(str(past.folder), past.journal()):
            for status in _statuses(place):
                inode = (status.st_dev, status.st_ino)
                links[inode] += 1
                owners.setdefault(inode, (past.folder, status))
    for inode, (folder, status) in owners.items():
        if status.st_nlink == links[inode]:
            costs[folder] += status.st_size
    return costs


def _statuses(place: str) -> Iterator[os.stat_result]:
    try:
        for entry in os.scandir(place):
            yield entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return


def read_limits() -> Limits:
    """Return the limits that the user's environment variables set; raises SettingError."""
    count = os.environ.get(_COUNT, "").strip() or str(Limits().count)
    size = os.environ.get(_SIZE, "").strip() or str(Limits().size)
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", size, re.IGNORECASE)
    if not re.fullmatch(r"\d+", count):
        raise SettingError(f"`{_COUNT}={count}` is not a number", "write a whole number, such as 3")
    if match is None:
        raise SettingError(f"`{_SIZE}={size}` is not a size", "write a size such as `2GB`")
    return Limits(count=int(count), size=int(float(match[1]) * _UNITS[match[2].upper()]))


def read_history(home: Path) -> list[Past]:
    """Return the changes of an environment that have begun, the newest first."""
    return [past for folder in reversed(rescue.find_changes(str(home))) if (past := _read(folder))]


def _read(folder: str) -> Past | None:
    """Return a change; None: it has not begun, or it is not for our eyes, or not for here."""
    with contextlib.suppress(PermissionError, FileNotFoundError, rescue.RescueError):
        return _read_begun(Path(folder), {entry.name for entry in Path(folder).iterdir()})
    return None


def _read_begun(folder: Path, there: set[str]) -> Past | None:
    name = rescue.JOURNAL if rescue.JOURNAL in there else rescue.ROLLED_BACK
    if name not in there:
        return None
    journal = rescue.read_journal(str(folder), name)
    outcome: dict[str, Any] = {}
    if rescue.OUTCOME in there:
        outcome = json.loads((folder / rescue.OUTCOME).read_text("utf-8"))
    elif name == rescue.ROLLED_BACK:
        outcome = {"state": "rolled_back"}
    return Past(
        folder=folder,
        title=journal["title"],
        began=journal["began"],
        steps=tuple(Step(**step) for step in journal["steps"]),
        state=outcome.get("state", ""),
        problems=tuple(outcome.get("problems", ())),
    )


def write_progress(folder: Path, progress: Progress) -> None:
    """Say how far a change has come, for whoever looks; raises OSError."""
    words = {"phase": progress.phase, "done": progress.done, "total": progress.total}
    beside = folder / f"{_PROGRESS}.new"
    beside.touch(mode=0o600)
    beside.write_text(json.dumps(words), "utf-8")
    rescue.give_to_owner(str(beside))
    beside.replace(folder / _PROGRESS)


def read_progress(folder: Path) -> Progress | None:
    """Return how far a change has come, as its process last said; None: it did not say."""
    try:
        return Progress(**json.loads((folder / _PROGRESS).read_text("utf-8")))
    except (OSError, ValueError):
        return None


def write_records(folder: Path, records: Mapping[Name, str]) -> None:
    """Remember what a change's projects are told by at its end; raises OSError.

    Before the outcome: a kill between the two leaves an unfinished change.
    """
    rescue.write_durably(str(folder / _RECORDS), json.dumps(records).encode())


def note_place(folder: Path, place: Path) -> None:
    """Remember a place on another file system before it is made, so that it can be found."""
    noted = folder / _NOTED_PLACES
    noted.touch(mode=0o600)
    with noted.open("a", encoding="utf-8") as file:
        file.write(f"{place}\n")


def forget(folder: Path) -> None:
    """Take away all that is kept of a change, in each of its places.

    The journal goes first: without its outcome it would say that all is to be put back.
    """
    noted = folder / _NOTED_PLACES
    places = noted.read_text("utf-8").splitlines() if noted.exists() else []
    with contextlib.suppress(OSError):
        (folder / rescue.JOURNAL).unlink(missing_ok=True)
        for place in [*places, str(folder)]:
            shutil.rmtree(place, ignore_errors=True)


def find_untold(home: Path) -> list[Past]:
    """Return what ended while nobody was looking, the oldest first."""
    history = reversed(read_history(home))
    return [past for past in history if past.state and not (past.folder / _TOLD).exists()]


def mark_told(folder: Path) -> None:
    """Remember that a user has seen how a change ended; nothing is kept only for that."""
    with contextlib.suppress(OSError):  # a full disk: then it is told again
        (folder / _TOLD).touch(mode=0o600)
        rescue.give_to_owner(str(folder / _TOLD))
    if (folder / rescue.JOURNAL).exists() and not (folder / rescue.FILES).exists():
        forget(folder)
        with contextlib.suppress(OSError):  # something else is kept
            folder.parent.rmdir()


def prune(home: Path, limits: Limits) -> None:
    """Forget the oldest changes beyond the limits, and those that were rolled back and told.

    Of one that nobody has been told of yet, the words stay.
    """
    kept, size = 0, 0
    history = read_history(home)
    costs = kept_bytes(history)
    for past in history:
        size += costs[past.folder]
        if past.can_be_undone:
            kept += 1
            if kept <= limits.count and size <= limits.size:
                continue
            rescue.drop_files(str(past.folder), past.journal())
        if past.state and (past.folder / _TOLD).exists():
            forget(past.folder)
