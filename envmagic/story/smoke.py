"""A smoke test of what is installed, in a fresh process: never in the kernel."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from envmagic.core.engine import last_words
from envmagic.core.errors import Cancelled, EnvmagicError, SmokeError
from envmagic.core.nodes import Command
from envmagic.core.redact import known_secrets, mask, redact
from envmagic.core.report import Progress, State, Trial
from envmagic.core.trials import read_trials
from envmagic.edge.process import interrupts_set

if TYPE_CHECKING:
    from collections.abc import Callable

    from envmagic.core.nodes import Node
    from envmagic.core.report import Outcome, Report
    from envmagic.core.request import Request

_SCRIPT = Path(__file__).parents[1] / "edge" / "smoke.py"
_LIMIT = 120.0
"""Seconds: a cold disk takes half a minute to import torch from."""
_LATER = 10.0
"""Seconds after which the process ends by itself, if nobody has ended it."""
_GPU_WAIT = 2.0


def run_smoke(
    node: Node,
    tell: Callable[[Progress], None] = lambda _: None,
    cancel: Event | None = None,
    *,
    limit: float = _LIMIT,
) -> tuple[Trial, ...]:
    """Import torch in a fresh process of a node, and multiply on each GPU, else on the CPU.

    It is ended after `limit` seconds; that, and whatever else keeps it from its end, is told
    and not raised. With a `cancel`, as after a change, a stop is told, too, and is no
    failure; without one it raises Cancelled.
    """
    tell(Progress(phase="Running the smoke test"))
    over = Event()
    # To the very end: who has changed something must not be told that nothing was.
    with interrupts_set(over):
        try:
            trials = _try_out(node, cancel, over, limit)
        except Cancelled:
            raise
        except EnvmagicError as error:
            trials = (_not_run(error.message, error.hint),)
        except OSError as error:
            trials = (_not_run(f"it could not be run: {error}"),)
    known = known_secrets(os.environ)
    return tuple(replace(t, problem=redact(mask(t.problem, known))) for t in trials)


def _try_out(node: Node, cancel: Event | None, over: Event, limit: float) -> tuple[Trial, ...]:
    end, stopped = time.monotonic() + limit, False

    def tick() -> None:
        if (cancel is not None and cancel.is_set()) or time.monotonic() > end:
            over.set()

    with tempfile.TemporaryDirectory(prefix="envmagic-") as folder:
        log, told = Path(folder, "smoke.log"), Path(folder, "told.jsonl")
        told.touch()
        # Its bytecode would be a change: `-B` writes none.
        command = Command(arguments=("-B", str(_SCRIPT), str(told), str(limit + _LATER)))
        try:
            code = node.run(command, log=log, cancel=over, tick=tick)
            said = last_words(log.read_text("utf-8", "replace"), 2)
            ended = f"its process ended with {code}: {said}"
        except Cancelled:
            stopped = time.monotonic() <= end
            if stopped and cancel is None:
                raise
            ended = "it was stopped" if stopped else f"it did not end within {limit:g} seconds"
        machine = node.accelerator(_GPU_WAIT)
        return read_trials(told.read_text("utf-8", "replace"), machine, ended, stopped=stopped)


def _not_run(problem: str, hint: str = "") -> Trial:
    return Trial(device="", passed=False, problem=problem, hint=hint)


def with_smoke(request: Request, report: Report, node: Node) -> Report:
    """Return a comparison with a smoke test, if one is asked for and the two are equal."""
    if not request.smoke or not report.plan.parity:
        return report
    return replace(report, smoke=run_smoke(node))


def after_smoke(
    outcome: Outcome, node: Node, tell: Callable[[Progress], None], cancel: Event
) -> Outcome:
    """Return what became of a sync with a smoke test of it, unless it failed."""
    if outcome.state in {State.ROLLED_BACK, State.FAILED}:
        return outcome
    tried = replace(outcome.latest, smoke=run_smoke(node, tell, cancel))
    if outcome.after is None:
        return replace(outcome, before=tried)
    return replace(outcome, after=tried)


def must_work(report: Report) -> None:
    """Raise SmokeError where a smoke test has failed."""
    failed = [trial for trial in report.smoke if trial.passed is False]
    if failed:
        raise SmokeError(f"the smoke test failed: {failed[0].problem}", failed[0].hint)
