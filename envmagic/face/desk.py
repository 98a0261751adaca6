"""What all faces of one kernel share: its node, and the lock that it was last held against."""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from envmagic.edge.node import LocalNode

_ONE_AT_A_TIME = threading.Lock()


@dataclass(kw_only=True)
class Desk:
    """A kernel as its faces see it."""

    node: LocalNode
    _lock: Path | None = None

    @cached_property
    def folder(self) -> Path:
        """The folder of the notebook, and always the same: a cell may go to another one.

        Raises OSError where nothing tells it, and this process is in a folder that is gone.
        """
        named = _named_folder()
        return Path.cwd() if named is None else named.resolve()

    def from_notebook(self, file: str) -> str:
        """Return a file as the notebook would name it, which the server knows by its own names.

        That is relative, with slashes; on another drive, it is the whole path.
        """
        whole = self.folder / file
        for folder in (self.folder, _named_folder()):
            if folder is not None and whole.is_relative_to(folder):
                return whole.relative_to(folder).as_posix()
        try:
            return Path(os.path.relpath(whole.resolve(), self.folder)).as_posix()
        except ValueError:
            return whole.as_posix()

    def remember(self, lock: str, folder: Path) -> None:
        """Take note of the lock file that is used now, named as from a folder."""
        self._lock = (folder / lock).absolute()

    def last_lock(self, folder: Path) -> str:
        """Return the lock file that was last used, named as from a folder; empty: none was."""
        if self._lock is None:
            return ""
        here = folder.absolute()
        return str(self._lock.relative_to(here) if self._lock.is_relative_to(here) else self._lock)


def _named_folder() -> Path | None:
    """Return the folder of the notebook by the name that the server has for it."""
    # Set by the Jupyter server: the path of the notebook, or the console's name beside it.
    session = Path(os.environ.get("JPY_SESSION_NAME", ""))
    return session.parent if session.is_absolute() and session.parent.is_dir() else None


_DESKS: list[Desk] = []


def this_kernel() -> Desk:
    """Return the desk of the kernel that this runs in, always the same.

    The sidebar asks from threads of its own, at the same time as a cell.
    """
    with _ONE_AT_A_TIME:
        if not _DESKS:
            node = LocalNode(kernel=True)
            node.look_for_gpus()
            desk = Desk(node=node)
            with contextlib.suppress(OSError):  # who needs it will be told
                _ = desk.folder
            _DESKS.append(desk)
    return _DESKS[0]
