"""One change of an environment: whole in the end, or never there."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from envmagic.change import rescue
from envmagic.change.history import (
    find_untold,
    forget,
    note_place,
    read_history,
    read_progress,
    write_progress,
    write_records,
)
from envmagic.change.stash import Stash
from envmagic.core.errors import EnvmagicError, PolicyError
from envmagic.edge.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envmagic.change.history import Past, Step
    from envmagic.change.stash import Footprint
    from envmagic.core.model import Name, Platform
    from envmagic.core.report import Progress

_LOG = "last-sync.log"


class NotPutBackError(EnvmagicError):
    """A change failed, and the environment is neither what it was nor what it should be."""

    exit_code = 5


def home_of(platform: Platform) -> Path:
    """Return the folder in which all that we keep of an environment lies."""
    return Path(platform.base) / rescue.FOLDER


class Hold:
    """An environment that is held against every other sync, and the stage to work in."""

    def __init__(self, home: Path, descriptor: int, stage: Stage) -> None:
        self.home = home
        self.descriptor: int | None = descriptor
        self.stage = stage

    def hand_over(self) -> None:
        """Leave lock and stage to a process that has inherited the descriptor."""
        if self.descriptor is not None:
            os.close(self.descriptor)
        self.descriptor = None

    def end(self) -> None:
        """Take the stage away, and the lock, and the folder where nothing is kept."""
        if self.descriptor is None:
            return
        _clear_stages(self.home)
        with contextlib.suppress(OSError):
            (self.home / rescue.LOCK).unlink()
        self.hand_over()
        with contextlib.suppress(OSError):  # something is kept, or the next sync has begun
            self.home.rmdir()


@contextlib.contextmanager
def hold_environment(home: Path) -> Iterator[Hold]:
    """Hold an environment against every other sync of it.

    What a killed sync has left is put back first. Raises PolicyError if another sync
    holds it, or where the folder cannot be used.
    """
    with contextlib.ExitStack() as on_error:
        try:
            _make_private_folder(home)
            descriptor = rescue.take_lock(str(home))
            if descriptor is None:
                raise _busy(home)
            on_error.callback(os.close, descriptor)
            _clean_up(home)
            stage = Stage(Path(tempfile.mkdtemp(prefix="stage-", dir=home)))
            rescue.give_to_owner(str(stage.folder))
        except OSError as error:
            raise _unusable(home, error) from error
        on_error.pop_all()
    hold = Hold(home, descriptor, stage)
    try:
        yield hold
    except OSError as error:
        if hold.descriptor is None:  # something may have been changed
            raise
        raise _unusable(home, error) from error
    finally:
        hold.end()


def _make_private_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    rescue.give_to_owner(str(folder))


def find_at_work(home: Path) -> Past | None:
    """Return the change that another process is making, or putting back; None: none.

    What nobody works on any more is put back by `recover`, which goes before.
    """
    return next((past for past in read_history(home) if not past.state), None)


def ask_to_stop(home: Path, change: str = "") -> bool:
    """Tell the process that is changing an environment to put everything back, if one is.

    With the name of a change's folder, only if that is the change. Return whether it was told.
    """
    holder = rescue.lock_holder(str(home))  # before the change is: the next one has another
    past = find_at_work(home)
    is_meant = past is not None and change in {"", past.folder.name}
    if is_meant and holder.isdecimal():
        with contextlib.suppress(ProcessLookupError):  # it has ended just now
            os.kill(int(holder), signal.SIGTERM)
    return is_meant


def must_be_free(home: Path) -> None:
    """Raise PolicyError where another process is changing an environment now.

    What is compared meanwhile is neither what was there nor what will be.
    """
    if find_at_work(home) is not None:
        raise _busy(home)


def _busy(home: Path) -> PolicyError:
    at_work, holder = find_at_work(home), rescue.lock_holder(str(home))
    if at_work is None and holder == str(os.getpid()):
        return PolicyError(
            f"this kernel itself prepares another sync of `{home.parent}`, or waits for an answer "
            "to its question",
            "answer it or cancel it, below its cell or in the sidebar",
        )
    progress = read_progress(at_work.folder) if at_work else None
    how_far = f": {progress.phase.lower()}" if progress else ""
    counted = f", {progress.done} of {progress.total}" if progress and progress.total else ""
    return PolicyError(
        f"another sync of `{home.parent}` is running (process {holder}{how_far}{counted})",
        "wait until it has ended" + ("" if at_work else "; it may wait for an answer there"),
    )


def _unusable(home: Path, error: OSError) -> PolicyError:
    hint = "free some space, then try again" if error.errno == errno.ENOSPC else ""
    return PolicyError(
        f"`{error.filename or home}` cannot be used: {error.strerror}; nothing was changed", hint
    )


def recover(home: Path) -> list[Past]:
    """Put back what a killed sync has left, if nobody works on it any more.

    Returns the changes that ended while nobody was looking, the oldest first: also one that
    could not be put back. Raises PolicyError where the folder cannot be used.
    """
    if not home.is_dir():
        return []
    if not os.access(home, os.R_OK | os.X_OK):
        owner = home.stat().st_uid
        raise PolicyError(
            f"`{home}` cannot be read: it belongs to the user {owner}",
            "work as that user, or have them make it yours",
        )
    if rescue.find_unfinished(str(home)) or any(home.glob("stage-*")):
        descriptor = rescue.take_lock(str(home))
        if descriptor is not None:
            try:
                _clean_up(home)
            except OSError as error:
                raise _unusable(home, error) from error
            finally:
                os.close(descriptor)
    return find_untold(home)


def _clean_up(home: Path) -> None:
    """Put back what is unfinished, and take away what nobody needs: the lock is ours."""
    for change in rescue.find_unfinished(str(home)):
        with contextlib.suppress(rescue.RescueError):  # its outcome says so
            rescue.roll_back(change, [rescue.KILLED])
    _clear_stages(home)
    for folder in map(Path, rescue.find_changes(str(home))):
        if not any((folder / name).exists() for name in (rescue.JOURNAL, rescue.ROLLED_BACK)):
            forget(folder)


def _clear_stages(home: Path) -> None:
    for left in home.glob("stage-*"):
        shutil.rmtree(left, ignore_errors=True)


@dataclass(frozen=True, kw_only=True)
class Intent:
    """What a change is about to do, as far as that must be written down before it."""

    title: str
    platform: Platform
    footprint: Footprint
    steps: tuple[Step, ...]
    kernel: bool = True
    """Whether it changes something that a kernel starts with."""


def new_change(home: Path) -> Path:
    """Return the folder of a change to come; later ones sort behind earlier ones."""
    return home / f"{rescue.CHANGES}{time.time_ns()}"


class Transaction:
    """A change that has begun: ended by `commit` or by `roll_back`, whoever gets that far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Measure a step of the change, for its outcome; in seconds."""
        began = time.perf_counter()
        yield
        self._seconds[step] = time.perf_counter() - began

    def begin(self, intent: Intent) -> None:
        """Put by all that the change can touch, and write it down, durably.

        Raises PolicyError where that fails; nothing was changed then.
        """
        try:
            self._write_down(intent)
        except OSError as error:
            forget(self.folder)
            raise _unusable(self.folder, error) from error

    def _write_down(self, intent: Intent) -> None:
        files = self.folder / rescue.FILES
        _make_private_folder(self.folder)
        _make_private_folder(files)
        name = f".envmagic-{self.folder.name}"
        stash = Stash(files, name, lambda place: note_place(self.folder, place))
        folders = stash.take(intent.footprint)
        for place in (str(files), *stash.others):
            rescue.sync_to_disk(place)
        journal = {
            "format": rescue.FORMAT,
            "base": os.path.realpath(self.folder.parent.parent),
            "title": intent.title,
            "began": time.time(),
            "steps": [asdict(step) for step in intent.steps],
            "worker": os.getpid(),
            "kernel": intent.kernel,
            "door": str(Path(os.path.realpath(intent.platform.site[0]), rescue.DOOR)),
            "places": stash.others,
            "folders": {path: folder.to_json() for path, folder in folders.items()},
        }
        text = json.dumps(journal, separators=(",", ":"))
        try:
            # The door first: with a journal, there must be no instant without it.
            rescue.open_door(journal, intent.platform.prefix)
            rescue.write_durably(str(self.folder / rescue.JOURNAL), text.encode())
        except OSError:
            rescue.close_door(journal)
            raise

    def tell(self, progress: Progress) -> None:
        """Say how far it has come; a full disk keeps that from nobody's work."""
        with contextlib.suppress(OSError):
            write_progress(self.folder, progress)

    def commit(self, records: Mapping[Name, str]) -> None:
        """End it as done; raises OSError where that cannot be written down.

        `records` tells its projects, as they are now, from other installations of them.
        """
        write_records(self.folder, records)
        rescue.write_outcome(str(self.folder), "succeeded", [], self._seconds)
        rescue.close_door(rescue.read_journal(str(self.folder)))

    def roll_back(self, problems: list[str], state: str = "rolled_back") -> None:
        """End it as if it had never been; raises NotPutBackError where that is not possible."""
        try:
            rescue.roll_back(str(self.folder), problems, state)
        except rescue.RescueError as error:
            raise NotPutBackError(
                f"not everything could be put back: {error}",
                f"what was put by is in `{self.folder}`",
            ) from error


def keep_log(home: Path, text: str) -> str:
    """Keep the output of a failed sync, for its user alone, and return the path.

    Empty where there is no room for it.
    """
    try:
        rescue.write_durably(str(home / _LOG), text.encode())
    except OSError:
        return ""
    return kept_log(home)


def kept_log(home: Path) -> str:
    """Return the path of the output of the last sync that failed; empty: none is kept."""
    path = home / _LOG
    return str(path) if path.exists() else ""
