"""One round of torture: a real sync is harmed at some step, and must leave all whole."""

from __future__ import annotations

import contextlib
import fcntl
import random
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from support.actors import PATIENCE, Cell, Terminal
from support.disks import fill_up, make_room
from support.environment import differences
from support.faults import (
    ALL,
    CANCEL,
    CTRL_C,
    DEATH,
    DISKS,
    ENGINE,
    FULL,
    FULL_AND_KILL,
    GROUP,
    IN_KERNEL,
    KILL,
    RANDOM,
    RESCUERS,
    ROLL_BACK,
    STAYS_FULL,
    STOP,
    SYNC,
    TIDY,
    UNDO,
    WORKER,
    WORKER_AND_GROUP,
    Fault,
)
from support.kernel import KernelDiedError, live_kernel
from support.moments import MOMENTS, Sight
from support.process import TimeoutExpired
from support.scene import LEFTOVER, WORKS, Contents, Scene, contents
from support.story import QUIET
from support.witness import Witness, await_moment, kill, kill_group, terminate

from envmagic.change import rescue

if TYPE_CHECKING:
    from support.environment import Environment, Manifest
    from support.story import Story

_UNDOING = 0.4
"""Seconds after the beginning of an undo in which the files are put back."""
_UNTIL_FELT = 0.2
"""Seconds in which a full disk is noticed, and not yet dealt with."""
_AGAIN = 0.1
"""The share of rounds after which the sync is done once more, to its end."""


@dataclass(kw_only=True)
class Result:
    """What became of one round."""

    number: int
    fault: Fault
    caused: bool = False
    end: str = "lost"
    problems: list[str] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    """What was done, in order."""
    prefix: Path = Path()

    @property
    def is_lost(self) -> bool:
        """Whether it was caused, and left neither what was before nor what was wanted."""
        return self.caused and self.end == "lost"

    def __str__(self) -> str:
        lines = [f"round {self.number}: {self.fault}: {self.end}; {'; '.join(self.story)}"]
        return "\n  ".join([*lines, *self.problems])


def play(scene: Scene, seed: str, number: int, fault: Fault) -> Result:
    """Play one round, and look at what is left of the environment."""
    dice = random.Random(f"{seed}:{number}")  # noqa: S311 (it must come out the same again)
    name = f"round-{number}-{time.time_ns()}"
    with contextlib.ExitStack() as stack:
        mounted = fault.kind in DISKS
        disk = stack.enter_context(scene.disk(f"{name}-disk")) if mounted else None
        story = scene.enter(name, disk)
        result = Result(number=number, fault=fault, prefix=story.environment.prefix)
        _Round(scene, story, dice, result, disk).play()
        if disk is not None and result.is_lost:
            result.prefix = scene.folder / name  # the disk goes away, this is kept
            shutil.copytree(story.environment.prefix, result.prefix, symlinks=True)
    return result


class _Round:
    """One environment, and what is done to it."""

    def __init__(
        self, scene: Scene, story: Story, dice: random.Random, result: Result, disk: Path | None
    ) -> None:
        self._scene = scene
        self._story = story
        self._dice = dice
        self._result = result
        self._fault = result.fault
        self._disk = disk
        """The disk that the environment has for itself, if any."""
        self._environment: Environment = story.environment
        self._witness = Witness(story.environment)
        self._done: Contents = scene.done
        self._before: Manifest = {}
        self._temporary = story.environment.home / "tmp"

    def play(self) -> None:
        if self._fault.step == UNDO:
            self._prepare_undo()
        self._before = self._environment.manifest()
        with contextlib.ExitStack() as stack:
            sight = Sight(self._witness)
            actor = self._start(stack)
            if self._fault.step == ROLL_BACK and self._fault.kind == KILL:
                self._kill_roll_back(actor, sight)
            else:
                self._harm(actor, sight)
            if self._result.caused:
                self._recover(actor)
            self._tell(f"it said: {actor.end()!r}")
        self._await_quiet()
        if self._disk is not None:
            make_room(self._disk)
        if self._result.caused:
            self._judge()

    def _prepare_undo(self) -> None:
        """Sync, and write the new bytecode of all that is started later."""
        self._story.sync()
        self._done = self._scene.undone
        for module in ("envmagic", "ipykernel_launcher"):
            self._environment.run("-m", module, "--version")
        if self._fault.kind in IN_KERNEL:
            with live_kernel(self._environment) as kernel:
                kernel.run("%load_ext envmagic").check()

    def _tell(self, text: str) -> None:
        self._result.story.append(text)

    def _blame(self, text: str) -> None:
        self._result.problems.append(text)

    def _start(self, stack: contextlib.ExitStack) -> Terminal | Cell:
        self._temporary.mkdir()
        env = {"TMPDIR": str(self._temporary)}
        options = ["sync", str(self._story.lock), "--yes", *self._story.places]
        line = ["%envsync", *options[1:]]
        if self._fault.step == UNDO:
            options, line = ["undo", "--yes"], ["%envsync", "--undo", "--yes"]
        drawn = self._fault.kind == KILL and self._fault.step != UNDO and self._dice.random() < 0.25
        if drawn or self._fault.kind in IN_KERNEL:
            self._tell("in a kernel")
            kernel = stack.enter_context(live_kernel(self._environment, env=env))
            kernel.run("%load_ext envmagic").check()
            return Cell(kernel, " ".join(line))
        return Terminal(self._environment.start("-m", "envmagic", *options, env=env))

    def _harm(self, actor: Terminal | Cell, sight: Sight) -> None:
        step, dice = self._fault.step, self._dice
        if step == ROLL_BACK:
            if not self._bring_about_roll_back(actor, sight):
                return
        elif step == RANDOM and dice.random() < 0.2:
            time.sleep(dice.uniform(0, self._scene.seconds))
        elif step in {RANDOM, UNDO}:
            await_moment(lambda: sight.change is not None, lambda: actor.alive)
            time.sleep(dice.uniform(0, self._scene.changing if step == RANDOM else _UNDOING))
        elif not self._await(step, actor, sight):
            return
        cause = self._kill if self._fault.kind == KILL else self._cause
        self._result.caused = cause(actor, sight)

    def _cause(self, actor: Terminal | Cell, sight: Sight) -> bool:
        """Let happen what is no `kill -9`; whether it came in time."""
        kind = self._fault.kind
        if not actor.alive:
            return False
        if kind in {STOP, CTRL_C}:
            actor.interrupt()
        elif kind == CANCEL:
            return any(terminate(s.pid) for s in sight.look().seen if s.is_worker)
        elif isinstance(actor, Cell):
            self._restart(actor)
        elif self._disk is not None:
            full = fill_up(self._disk)
            if kind == FULL_AND_KILL:
                time.sleep(self._dice.uniform(0, _UNTIL_FELT))
                return full and self._kill_all(actor, sight)
            return full
        return True

    def _restart(self, actor: Cell) -> None:
        """The new kernel must come: what changes it meanwhile is waited for, or put back."""
        try:
            actor.restart(now=self._fault.kind == DEATH)
        except (RuntimeError, TimeoutError) as error:
            self._blame(f"no kernel comes back: {error}\n{self._kernel_log()}")

    def _kill_all(self, actor: Terminal | Cell, sight: Sight) -> bool:
        seen = [s.pid for s in sight.look().seen if s.is_worker or s.is_engine]
        killed = [kill(pid) for pid in [*seen, *([actor.pid] if actor.alive else [])]]
        return any(killed)

    def _bring_about_roll_back(self, actor: Terminal | Cell, sight: Sight) -> bool:
        torn = self._tear(actor, sight)
        for seen in sight.look().seen if torn else ():
            if seen.is_engine:
                kill(seen.pid)
        return torn and await_moment(lambda: sight.is_rolling_back, lambda: actor.alive)

    def _await(self, step: str, actor: Terminal | Cell, sight: Sight) -> bool:
        moment = MOMENTS[step]
        if not await_moment(lambda: moment(sight.look()), lambda: actor.alive):
            return False
        if self._dice.random() < 0.5:
            time.sleep(self._dice.uniform(0, 0.02))
        return True

    def _kill(self, actor: Terminal | Cell, sight: Sight) -> bool:
        victim = self._fault.victim
        seen = sight.look().seen
        engines = [s.pid for s in seen if s.is_engine]
        killed = []
        if victim in {WORKER, WORKER_AND_GROUP, ALL}:
            killed += [kill(s.pid) for s in seen if s.is_worker]
        if victim in {SYNC, ALL} and actor.alive:
            killed.append(kill(actor.pid))
        if victim == ENGINE and engines:
            killed.append(kill(self._dice.choice(engines)))
        elif victim in {GROUP, WORKER_AND_GROUP, ALL}:
            killed += [kill_group(pid) for pid in engines]
        self._tell(f"killed {[s.words[1:4] for s in seen]}, {killed}")
        return any(killed)

    def _tear(self, actor: Terminal | Cell, sight: Sight) -> bool:
        """Wait until there is something to put back."""
        torn = self._dice.choice([s for s in MOMENTS if "numpy" in s or "late" in s])
        self._tell(torn)
        return self._await(torn, actor, sight)

    def _kill_roll_back(self, actor: Terminal | Cell, sight: Sight) -> None:
        """Kill whoever puts back, twice."""
        if not self._tear(actor, sight):
            return
        by_worker = self._fault.victim == RESCUERS[0]
        seen = sight.look().seen
        first = [s.pid for s in seen if s.is_engine]
        if not by_worker:
            first += [actor.pid, *(s.pid for s in seen if s.is_worker)]
        for pid in first:
            kill(pid)
        caused = [self._kill_rescuer(actor, sight, number) for number in range(2)]
        self._tell(f"killed in the roll back: {caused}")
        self._result.caused = any(caused)

    def _kill_rescuer(self, actor: Terminal | Cell, sight: Sight, number: int) -> bool:
        """Kill the worker, then its parent; or two starting Pythons."""
        if self._fault.victim == RESCUERS[0]:
            workers = [s.pid for s in sight.look().seen if s.is_worker] if number == 0 else []
            pids, process = workers or [actor.pid], None
        else:
            process = self._environment.start("-c", WORKS, env=QUIET)
            pids = [process.pid]
        goes_on = lambda: not sight.is_over and any(map(rescue.is_alive, pids))  # noqa: E731
        there = await_moment(lambda: sight.is_rolling_back, goes_on)
        time.sleep(self._dice.uniform(0, 0.06))
        killed = there and not sight.is_over and [kill(pid) for pid in pids] != [False]
        if process is not None:
            with process:
                process.communicate(timeout=PATIENCE)
        return killed

    def _recover(self, actor: Terminal | Cell) -> None:
        """Trigger the recovery in one of the real ways, at once or when all is quiet.

        While the worker is alive, a kernel must start, but numpy may be on its way.
        """
        doors = (self._by_kernel, self._by_python, self._by_command, self._by_extension)
        door = self._dice.choice(doors)
        code = "" if self._fault.leaves_a_worker else WORKS
        if self._fault.kind in {FULL, STAYS_FULL} or self._dice.random() < 0.5:
            self._tell(f"waited first, it said: {actor.end()!r}")
            self._await_quiet()
            code = WORKS
        if self._disk is not None and self._fault.kind == FULL:
            make_room(self._disk)
        elif self._disk is not None and not fill_up(self._disk):
            self._blame("the disk does not stay full")
        self._tell(door.__name__)
        door(code)

    def _by_kernel(self, code: str) -> None:
        try:
            with live_kernel(self._environment, env=QUIET) as kernel:
                cell = kernel.run(code)
                if cell.error:
                    self._blame(f"in a kernel: {cell.error.traceback}")
        except (RuntimeError, KernelDiedError, TimeoutError) as error:
            self._blame(f"no kernel starts: {error}\n{self._kernel_log()}")

    def _kernel_log(self) -> str:
        logs = sorted((self._environment.home / "kernels").glob("*.log"))
        return logs[-1].read_text()[-2000:]

    def _by_extension(self, code: str) -> None:
        self._by_kernel(f"%load_ext envmagic\n{code}")

    def _by_python(self, code: str) -> None:
        self._must(0, "-c", code)

    def _by_command(self, _: str) -> None:
        self._must(0, "-m", "envmagic", "info")

    def _must(self, code: int, *arguments: str) -> None:
        try:
            done = self._environment.run(*arguments, check=False, env=QUIET, timeout=PATIENCE)
        except TimeoutExpired:
            self._blame(f"{arguments} does not end")
            return
        if done.returncode != code:
            said = f"{done.stdout}{done.stderr}"[-1500:]
            self._blame(f"{' '.join(arguments)[:80]} ended with {done.returncode}: {said}")

    def _await_quiet(self) -> None:
        end = time.monotonic() + PATIENCE
        while seen := [s for s in self._witness.look() if not s.is_kernel]:
            if time.monotonic() > end:
                self._blame(f"still there: {seen}")
                return
            time.sleep(0.02)

    def _judge(self) -> None:
        now = self._environment.manifest()
        whole = "rolled back" if now == self._before else ""
        if not whole:
            found = contents(self._environment)
            whole = "done" if found == self._done else ""
            if not whole:
                for name, other, mine in (
                    ("before", self._before, now),
                    ("wanted", self._done, found),
                ):
                    self._blame("\n    ".join([f"unlike {name}:", *differences(other, mine)]))
        self._look_for_leftovers()
        self._must(0, "-m", "pip", "check")
        self._by_kernel(WORKS)
        if whole == "done" and self._fault.step != UNDO:
            self._must(0, "-m", "envmagic", "diff", "--check", str(self._story.lock))
        if self._dice.random() < _AGAIN and self._fault.step != UNDO:
            self._must(
                0, "-m", "envmagic", "sync", "--yes", str(self._story.lock), *self._story.places
            )
            if contents(self._environment) != self._done:
                self._blame("the next sync does not come out as it should")
        if not self._result.problems:
            self._result.end = whole

    def _look_for_leftovers(self) -> None:
        home = self._witness.home
        if self._witness.there(rescue.DOOR):
            self._blame(f"{rescue.DOOR} is left behind")
        if unfinished := rescue.find_unfinished(str(home)):
            self._blame(f"unfinished: {unfinished}")
        if (home / rescue.LOCK).exists() and not _is_free(home / rescue.LOCK):
            self._blame("the lock is held")
        if self._fault.kind in TIDY and (left := {p.name for p in home.glob("stage-*")}):
            self._blame(f"left behind: {left}")
        # The one from before is part of what is compared: a sync clears it away.
        left = {p.name for p in self._environment.site_packages.glob("~*")}
        if left := left - {LEFTOVER.partition("/")[0]}:
            self._blame(f"left behind: {sorted(left)}")
        if left := {p.name for p in self._temporary.glob("pip-uninstall-*")}:
            self._blame(f"pip's own were left behind: {sorted(left)}")


def _is_free(lock: Path) -> bool:
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
