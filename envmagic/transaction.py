"""One sync a prefix at a time."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from envmagic.model import PolicyError
from envmagic.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOLDER = ".envmagic"


@contextlib.contextmanager
def hold_prefix(prefix: str) -> Iterator[Stage]:
    """Hold a prefix against every other sync of it, and give the stage to work in.

    The lock is the system's own, so it ends with its holders, however they end; the stage
    carries it to the engine, which outlives a kernel that is killed. What a killed sync
    has left is taken away first, and all but `last-sync.log` afterwards.
    Raises PolicyError if another sync holds it.
    """
    folder = Path(prefix) / FOLDER
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = _lock(folder / "lock")
    except OSError as error:
        raise _unusable(folder, error) from error
    try:
        for left in folder.glob("stage-*"):
            shutil.rmtree(left, ignore_errors=True)
        yield Stage(Path(tempfile.mkdtemp(prefix="stage-", dir=folder)), lock=descriptor)
    except OSError as error:
        raise _unusable(folder, error) from error
    finally:
        for made in folder.glob("stage-*"):
            shutil.rmtree(made, ignore_errors=True)
        (folder / "lock").unlink(missing_ok=True)
        os.close(descriptor)
        with contextlib.suppress(OSError):  # a log stays, or the next sync has begun
            folder.rmdir()


def clear_leftovers(prefix: str) -> None:
    """Take away what a killed sync has left, if its engine has ended, too."""
    if any(Path(prefix, FOLDER).glob("stage-*")):
        with contextlib.suppress(PolicyError), hold_prefix(prefix):
            pass


def _unusable(folder: Path, error: OSError) -> PolicyError:
    hint = "free some space, then try again" if error.errno == errno.ENOSPC else ""
    return PolicyError(f"`{error.filename or folder}` cannot be used: {error.strerror}", hint)


@contextlib.contextmanager
def deaf_to_interrupts(say: Callable[[], None]) -> Iterator[None]:
    """Let no stop button and no Ctrl-C end what must not be left half-way.

    `say` is called instead. Python delivers an interrupt to the main thread alone, so
    elsewhere there is nothing to do.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: say())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _lock(path: Path) -> int:
    """Take the lock, and make sure that it is the file that others would find."""
    import fcntl  # noqa: PLC0415 (not on Windows, where the import says so)

    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode() or "unknown"
            os.close(descriptor)
            raise PolicyError(
                f"another sync of `{path.parent.parent}` is running (begun by process {holder})",
                "wait until it has ended",
            ) from None
        with contextlib.suppress(FileNotFoundError):
            if _is_at(descriptor, path):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, str(os.getpid()).encode())
                return descriptor
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    return os.path.samestat(os.fstat(descriptor), path.stat())


def keep_log(prefix: str, text: str) -> str:
    """Keep the output of a failed sync, for its user alone, and return the path."""
    path = Path(prefix) / FOLDER / "last-sync.log"
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return str(path)
