"""The process that carries out one order: begun from a kernel, and outliving it.

`python -m envmagic.change.worker` reads an order on its standard input and answers on its
standard output. It stands in a process session of its own: neither the stop button nor
the end of its kernel reaches it, and SIGTERM asks it to put everything back. All that it
runs is imported before the first change, since that may change what is imported.
"""

from __future__ import annotations

import contextlib
import json
import pickle
import signal
import sys
import threading
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from envmagic.change import rescue
from envmagic.change.history import Limits, prune
from envmagic.change.order import Tools
from envmagic.change.transaction import Hold, Transaction, keep_log
from envmagic.core.errors import Cancelled, EnvmagicError
from envmagic.core.redact import redact
from envmagic.edge.node import LocalNode
from envmagic.edge.record import record_digests

if TYPE_CHECKING:
    from envmagic.change.order import Order
    from envmagic.core.model import Name


@dataclass(frozen=True, kw_only=True)
class Job:
    """An order, and what the process needs beside it."""

    order: Order
    change: Path
    """The folder of the change to come."""
    descriptor: int
    """The lock of the environment, inherited."""
    path: tuple[str, ...]
    """The `sys.path` of who gives the order: the same environment must be seen."""
    limits: Limits


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How an order ended: `succeeded`, `rolled_back`, `cancelled`, `refused` or `failed`."""

    state: str
    problems: tuple[str, ...] = ()
    log: str = ""


_PROBLEMS, _LENGTH = 20, 2000
"""How many problems are told, and how much of each: a pipe holds 64 KiB unread."""
_CANCELLED = Answer(state="cancelled", problems=("cancelled",))


def main() -> int:
    """Carry out the order that stands on the standard input."""
    job: Job = pickle.load(sys.stdin.buffer)  # noqa: S301 (our own parent's, over its pipe)
    sys.path[:] = job.path
    cancel = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: cancel.set())
    hold = Hold(job.change.parent, job.descriptor, job.order.stage)
    rescue.sign_lock(job.descriptor)
    try:
        answer = _carry_out(job, cancel)
    finally:
        if sys.exc_info()[0] is not None:
            keep_log(hold.home, redact(traceback.format_exc()))
        hold.end()
    with contextlib.suppress(OSError):  # who asked may be gone
        sys.stdout.write(json.dumps(asdict(answer)))
        sys.stdout.flush()
    return 0


def _carry_out(job: Job, cancel: threading.Event) -> Answer:
    order, home = job.order, job.change.parent
    transaction = Transaction(job.change)
    try:
        with transaction.timed("stash"):
            transaction.begin(order.intent())
    except EnvmagicError as error:
        return Answer(state="refused", problems=(error.message, error.hint))
    answer = Answer(state="rolled_back", problems=("stopped by an error of envmagic itself",))
    try:
        answer = _try(job, transaction, cancel)
    finally:
        if answer.state != "succeeded":
            answer = _put_back(answer, transaction, order, home)
    prune(home, job.limits)
    return answer


def _try(job: Job, transaction: Transaction, cancel: threading.Event) -> Answer:
    """Do it and look at what came of it; only what is as it should be is kept."""
    order = job.order
    try:
        tools = _take_tools(job, transaction, cancel)
        with transaction.timed("act"):
            order.act(tools)
        with transaction.timed("verify"):
            problems = tuple(order.verify(tools))
        if cancel.is_set():
            return _CANCELLED
        if not problems:
            transaction.commit(_records(transaction, tools))
            return Answer(state="succeeded")
    except Cancelled:
        return _CANCELLED
    except EnvmagicError as error:
        problems = (str(error),)
    except OSError as error:
        problems = (f"`{error.filename or transaction.folder}`: {error.strerror}",)
    brief = tuple(problem[:_LENGTH] for problem in problems[:_PROBLEMS])
    return Answer(state="rolled_back", problems=brief)


def _take_tools(job: Job, transaction: Transaction, cancel: threading.Event) -> Tools:
    stage = job.order.stage
    return Tools(
        node=LocalNode(),
        stage=stage,
        tell=transaction.tell,
        cancel=cancel,
        environment=(
            (rescue.MARK, str(job.change.resolve())),
            ("TMPDIR", str(stage.make_folder("tmp"))),
            # What is imported to look at it must not change it.
            ("PYTHONDONTWRITEBYTECODE", "1"),
        ),
        hold=None if Path("/proc/self").is_dir() else job.descriptor,
    )


def _records(transaction: Transaction, tools: Tools) -> dict[Name, str]:
    journal = rescue.read_journal(str(transaction.folder))
    return record_digests(tools.node.snapshot(), (step["name"] for step in journal["steps"]))


def _put_back(answer: Answer, transaction: Transaction, order: Order, home: Path) -> Answer:
    text = redact(order.stage.log_text())
    try:
        transaction.roll_back([redact(problem) for problem in answer.problems], answer.state)
    except EnvmagicError as error:
        problems = (*answer.problems, error.message, error.hint)
        return Answer(state="failed", problems=problems, log=keep_log(home, text))
    log = keep_log(home, text) if answer.state == "rolled_back" else ""
    return Answer(state=answer.state, problems=answer.problems, log=log)


if __name__ == "__main__":
    sys.exit(main())
