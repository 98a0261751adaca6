"""Files that their user alone can read, whatever the umask is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_FOLDER, _FILE = 0o700, 0o600


def open_to_write(path: Path) -> int:
    """Open a file afresh, and return its descriptor."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE)


def open_to_append(path: Path) -> int:
    """Open a file to write at its end, and return its descriptor."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, _FILE)


def make_private(path: Path) -> None:
    """Take a file, or a folder and all that is in it, away from everybody else."""
    path.chmod(_FOLDER if path.is_dir() else _FILE)
    for below in path.rglob("*"):
        if not below.is_symlink():
            below.chmod(_FOLDER if below.is_dir() else _FILE)
