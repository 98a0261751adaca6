"""What the torture does to a sync: `kill -9`, and all else that ends one too early."""

from __future__ import annotations

import random
from dataclasses import dataclass

from support.moments import MOMENTS

UNDO, ROLL_BACK, RANDOM = "during an undo", "during a roll back", "at a random moment"
STEPS = (*MOMENTS, ROLL_BACK, UNDO, RANDOM)
_WITHOUT_ENGINE = {"the stash is made", "after the journal", "at the commit", UNDO}

KILL = "kill -9"
STOP, CTRL_C, CANCEL = "the stop button", "Ctrl-C", "SIGTERM to the worker"
RESTART, DEATH = "a restart of the kernel", "death and restart of the kernel"
FULL, STAYS_FULL = "a full disk", "a disk that stays full"
FULL_AND_KILL = "a full disk and kill -9 of all"
DISKS = (FULL, STAYS_FULL, FULL_AND_KILL)
OTHERS = (STOP, CTRL_C, CANCEL, RESTART, DEATH, *DISKS)
IN_KERNEL = {STOP, RESTART, DEATH}
TIDY = {STOP, CTRL_C, FULL, STAYS_FULL}
"""After these, whoever works is there to take its own things away."""

ENGINE, GROUP, WORKER = "pip", "pip's process group", "the worker"
WORKER_AND_GROUP, SYNC, ALL = "the worker and pip", "the kernel or terminal", "all at once"
VICTIMS = (ENGINE, GROUP, WORKER, WORKER_AND_GROUP, SYNC, ALL)
RESCUERS = ("the worker that puts back", "a Python that puts back")

_AT_RANDOM = 0.3
"""The share of rounds without a step, beside those that are drawn like any other."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What happens, to whom, and when."""

    kind: str = KILL
    step: str
    victim: str = ""
    """Who is killed: of a `kill -9` alone."""

    @property
    def rank(self) -> tuple[int, int, int]:
        """Its place in a table."""
        kinds = (KILL, *OTHERS)
        victim = VICTIMS.index(self.victim) if self.victim in VICTIMS else 0
        return kinds.index(self.kind), STEPS.index(self.step), victim

    @property
    def leaves_a_worker(self) -> bool:
        """Whether somebody may still be at work right after it."""
        if self.kind == KILL:
            return self.victim in {ENGINE, GROUP, SYNC}
        return self.kind != FULL_AND_KILL

    def __str__(self) -> str:
        whom = f" of {self.victim}" if self.victim else ""
        return f"{self.kind}{whom}, {self.step}"


def victims_of(step: str) -> tuple[str, ...]:
    """Return whom one can kill at a step."""
    if step == ROLL_BACK:
        return RESCUERS
    return (WORKER, SYNC, ALL) if step in _WITHOUT_ENGINE else VICTIMS


def pick_victim(step: str, seed: str) -> str:
    """Draw whom to kill at a step."""
    return _dice(seed).choice(victims_of(step))


def draw_kill(seed: str) -> Fault:
    """Draw a `kill -9`."""
    dice = _dice(seed)
    step = RANDOM if dice.random() < _AT_RANDOM else dice.choice(STEPS)
    return Fault(step=step, victim=dice.choice(victims_of(step)))


def draw_other(seed: str, kind: str) -> Fault:
    """Draw when something else happens."""
    return Fault(kind=kind, step=_dice(seed).choice(STEPS))


def _dice(seed: str) -> random.Random:
    return random.Random(seed)  # noqa: S311 (it must come out the same again)
