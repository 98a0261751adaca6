"""The disk's side of a lock: find the file, read it, and write one."""

from __future__ import annotations

import contextlib
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from envmagic.core.errors import PolicyError
from envmagic.core.lock import LockError, is_unsupported, parse_lock

if TYPE_CHECKING:
    from envmagic.core.model import Lock, Platform

CANDIDATES = ("first_env.txt", "pylock.toml", "requirements.lock", "requirements.txt")
"""The names that a lock has where none is given."""
_LOCK = ".lock"
_ENDS = (_LOCK, ".txt")
_PIN = re.compile(rb"^[A-Za-z0-9][\w.\-\[\],]*\s*==", re.MULTILINE)
_ENOUGH = 65536
"""How much of a file is looked at for a pin, in bytes."""
_LOOKED_AT = 200
"""How many files of a folder are looked at, beside those of the usual names."""


class FileDiffersError(PolicyError):
    """There is a file already where one was to be written, and it says something else."""


def find_lock(folder: Path) -> str:
    """Return the one lock file of a folder; raises LockError for none, and for several.

    What cannot be read yet is taken only where it is alone, to be told so.
    """
    there = [name for name in CANDIDATES if (folder / name).is_file()]
    found = [name for name in there if not is_unsupported(name)] or there
    if len(found) == 1:
        return found[0]
    if not found:
        names = ", ".join(f"`{name}`" for name in CANDIDATES)
        raise LockError(f"no lock file in `{folder}`", f"name one; looked for {names}")
    names = ", ".join(f"`{name}`" for name in found)
    raise LockError(f"several lock files in `{folder}`: {names}", "name one")


def list_locks(folder: Path) -> list[str]:
    """Return the files of a folder that may be a lock: the usual names, then what has a pin.

    It is asked for at each comparison. What is in a file that has not changed is known, and of
    a folder full of data only so many are opened.
    """
    usual = [name for name in CANDIDATES if (folder / name).is_file()]
    others = sorted(
        _find_texts(folder) - set(usual), key=lambda name: (not name.endswith(_LOCK), name)
    )
    return usual + sorted(name for name in others[:_LOOKED_AT] if _may_be_lock(folder / name))


def _find_texts(folder: Path) -> set[str]:
    """Return the files with the ending of a lock, whose names can be told.

    Not a pipe, for which one could wait for ever.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        return {entry.name for entry in entries if _is_text(entry)}
    return set()


def _is_text(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.name.endswith(_ENDS) and entry.name.isprintable() and entry.is_file()
    except OSError:  # a link that leads to itself
        return False


def _may_be_lock(path: Path) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return _has_pin(path, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)


@lru_cache(maxsize=4 * _LOOKED_AT)
def _has_pin(path: Path, *_changed: int) -> bool:
    try:
        with path.open("rb") as file:
            return _PIN.search(file.read(_ENOUGH)) is not None
    except OSError:  # not for us
        return False


_HERE = Path()


def read_lock(
    path: str, platform: Platform, *, allow_ranges: bool = False, folder: Path = _HERE
) -> Lock:
    """Return what a lock file says for a platform; raises LockError with all its faults.

    Its path, and those in it, are relative to `folder`, and named as they are.
    """

    def read(path: str) -> str:
        return (folder / path).read_bytes().decode("utf-8-sig")

    try:
        text = read(path)
    except FileNotFoundError:
        raise LockError(
            f"no such file: `{path}`", f"this folder is `{folder.absolute()}`"
        ) from None
    except IsADirectoryError:
        raise LockError(f"`{path}` is a directory", "name the lock file in it") from None
    except UnicodeDecodeError as error:
        raise LockError(
            f"`{path}` is not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}",
            "save it as UTF-8",
        ) from None
    except OSError as error:
        raise LockError(f"`{path}` cannot be read: {error.strerror}", "") from None
    return parse_lock(
        text,
        path,
        read=read,
        markers=dict(platform.markers),
        allow_ranges=allow_ranges,
        home=str(folder),
    )


def write_lock(path: str, text: str, *, force: bool, folder: Path = _HERE) -> bool:
    """Write a lock file in one step; return whether it is another than before.

    Its path is relative to `folder`. Raises FileDiffersError for a file that is there and
    differs, unless `force`.
    """
    target = folder / path
    if target.is_dir():
        raise PolicyError(f"`{path}` is a directory", "name a file in it")
    if target.exists():
        if target.read_bytes() == text.encode():
            return False
        if not force:
            raise FileDiffersError(
                f"`{path}` is there and differs", "add `--force` to write over it, or name another"
            )
    beside = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise PolicyError(f"`{path}` cannot be written: {error.strerror}", "") from error
    return True
