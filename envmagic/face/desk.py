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
        # Set by the Jupyter server: the path of the notebook, or the console's name beside it.
        session = Path(os.environ.get("JPY_SESSION_NAME", ""))
        is_known = session.is_absolute() and session.parent.is_dir()
        return session.parent.resolve() if is_known else Path.cwd()

    def remember(self, lock: str, folder: Path) -> None:
        """Take note of the lock file that is used now, named as from a folder."""
        self._lock = (folder / lock).absolute()

    def last_lock(self, folder: Path) -> str:
        """Return the lock file that was last used, named as from a folder; empty: none was."""
        if self._lock is None:
            return ""
        here = folder.absolute()
        return str(self._lock.relative_to(here) if self._lock.is_relative_to(here) else self._lock)


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
