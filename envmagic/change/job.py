"""An order given to a process of its own, and followed to its end."""

from __future__ import annotations

import json
import os
import pickle
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from envmagic.change import rescue
from envmagic.change.history import mark_told, read_history, read_limits, read_progress
from envmagic.change.transaction import kept_log, new_change, recover
from envmagic.change.worker import Answer, Job
from envmagic.core.errors import Cancelled, PolicyError
from envmagic.core.nodes import Command
from envmagic.core.report import Progress

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from envmagic.change.order import Order
    from envmagic.change.transaction import Hold
    from envmagic.core.nodes import Node, Running

_TICK = 0.1
_PUT_BACK = "everything is as it was before"
_CANCELLING = Progress(phase="Cancelling: putting back what was changed")


def give(
    order: Order, node: Node, hold: Hold, tell: Callable[[Progress], None], cancel: threading.Event
) -> Answer:
    """Have an order carried out, and return how it ended.

    The process goes on if this one ends. If it is killed itself, what it left is put back.
    Raises Cancelled where it was cancelled, and PolicyError for a refusal; after both of
    them, the environment is what it was.
    """
    home, change = hold.home, new_change(hold.home)
    assert hold.descriptor is not None  # noqa: S101 (it is held)
    job = Job(
        order=order,
        change=change,
        descriptor=hold.descriptor,
        path=tuple(str(Path(entry).absolute()) for entry in sys.path),
        limits=read_limits(),
    )
    data, log = pickle.dumps(job), order.stage.log
    running = node.start(_command(), data=data, log=log, hold=job.descriptor)
    hold.hand_over()
    _follow(running, change, tell, cancel)
    said = running.answer()
    answer = Answer(**json.loads(said)) if said else _after_a_kill(home, change)
    # Jupyter's restart presses the stop button first: nobody hears what this kernel says then.
    if not (node.kernel and answer.state == "cancelled"):
        mark_told(change)
    if answer.state == "cancelled":
        raise Cancelled(f"cancelled; {_PUT_BACK}", change=change.name)
    if answer.state == "refused":
        raise PolicyError(*answer.problems)
    return answer


def _command() -> Command:
    # PYTHONPATH may be where envmagic itself comes from; pip's own does not see it.
    path = tuple((k, v) for k, v in os.environ.items() if k == "PYTHONPATH")
    return Command(arguments=("-m", "envmagic.change.worker"), offline=True, environment=path)


def _follow(
    running: Running, change: Path, tell: Callable[[Progress], None], cancel: threading.Event
) -> None:
    told: Progress | None = None
    stopped = False
    while running.poll() is None:
        if cancel.is_set() and not stopped:
            running.stop()
            stopped = True
            tell(_CANCELLING)
        progress = read_progress(change)
        if progress is not None and progress != told and not stopped:
            told = progress
            tell(progress)
        time.sleep(_TICK)


def _after_a_kill(home: Path, change: Path) -> Answer:
    """Put back what a killed process has left, unless somebody does, and return the end."""
    while str(change) in rescue.find_unfinished(str(home)):
        try:
            recover(home)
        except PolicyError as error:
            return Answer(state="failed", problems=(error.message, error.hint))
        time.sleep(_TICK)
    past = next((past for past in read_history(home) if past.folder == change), None)
    if past is None:
        return Answer(state="rolled_back", problems=(rescue.KILLED,))
    return Answer(state=past.state, problems=past.problems, log=kept_log(home))
