"""One sync a prefix at a time."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from envmagic.model import PolicyError
from envmagic.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = ".envmagic"


@contextlib.contextmanager
def hold_prefix(prefix: str) -> Iterator[Stage]:
    """Hold a prefix against every other sync of it, and give the stage to work in.

    The lock is the system's own, so it ends with its holder, however that ends. What
    stands in the folder afterwards is taken away, but for `last-sync.log`.
    Raises PolicyError if another sync holds it.
    """
    folder = Path(prefix) / FOLDER
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = _lock(folder / "lock")
    except OSError as error:
        raise PolicyError(f"`{folder}` cannot be used: {error.strerror}", "") from error
    stage = Stage(folder / "stage")
    try:
        yield stage
    finally:
        stage.remove()
        (folder / "lock").unlink(missing_ok=True)
        os.close(descriptor)
        with contextlib.suppress(OSError):  # a log stays, or the next sync has begun
            folder.rmdir()


@contextlib.contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Let no stop button and no Ctrl-C end what must not be left half-way.

    Python delivers an interrupt to the main thread alone, so elsewhere there is nothing
    to do.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
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
                f"another sync of `{path.parent.parent}` is running (process {holder})",
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
