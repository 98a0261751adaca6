"""What all faces of one kernel share: its node, and the lock that it was last held against."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from envmagic.edge.node import LocalNode

_ONE_AT_A_TIME = threading.Lock()


@dataclass(kw_only=True)
class Desk:
    """A kernel as its faces see it."""

    node: LocalNode
    lock: str = ""
    """The lock file that was last used; empty: none was."""


_DESKS: list[Desk] = []


def this_kernel() -> Desk:
    """Return the desk of the kernel that this runs in, always the same.

    The sidebar asks from threads of its own, at the same time as a cell.
    """
    with _ONE_AT_A_TIME:
        if not _DESKS:
            node = LocalNode(kernel=True)
            node.look_for_gpus()
            _DESKS.append(Desk(node=node))
    return _DESKS[0]
