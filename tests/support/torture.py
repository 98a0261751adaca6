"""One round of torture: a real sync is killed at some step, and must leave all whole."""

from __future__ import annotations

import contextlib
import fcntl
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from support.environment import differences
from support.kernel import KernelDiedError, LiveKernel, live_kernel
from support.process import TimeoutExpired
from support.scene import LEFTOVER, WORKS, Contents, Scene, contents
from support.story import QUIET
from support.templates import NUMPY
from support.witness import Seen, Witness, await_moment, kill, kill_group

from envmagic.change import rescue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from support.environment import Environment, Manifest
    from support.process import Process
    from support.story import Story

_PATIENCE = 90.0
_UNDOING = 0.4
"""Seconds after the beginning of an undo in which the files are put back."""
_SAID = 300
"""So many of its last characters tell what became of a command."""
_OLD, _NEW = (f"numpy-{version}.dist-info" for version in NUMPY)
_GOES = ("goes-1.0.dist-info", "spec-1.0.dist-info", "space_one-1.0.dist-info")
_AT_RANDOM = 0.3
"""The share of rounds without a step, beside those that are drawn like any other."""
_AGAIN = 0.1
"""The share of rounds after which the sync is done once more, to its end."""


class Sight:
    """What one can see of a sync at an instant, and what one has seen of it."""

    def __init__(self, witness: Witness) -> None:
        self.witness = witness
        self._kept = witness.changes()
        self._probed = False
        self.seen: list[Seen] = []

    def look(self) -> Sight:
        """Look again."""
        self.seen = self.witness.look()
        return self

    @property
    def change(self) -> Path | None:
        """The folder of the change that is watched, once it is there."""
        return self.witness.change() if self.witness.changes() > self._kept else None

    @property
    def has_begun(self) -> bool:
        """Whether the journal is written."""
        change = self.change
        return change is not None and (change / rescue.JOURNAL).exists()

    @property
    def is_over(self) -> bool:
        """Whether the change has ended, one way or the other."""
        change = self.change
        return change is not None and any(
            (change / name).exists() for name in (rescue.OUTCOME, rescue.ROLLED_BACK)
        )

    @property
    def is_rolling_back(self) -> bool:
        """Whether somebody is putting back."""
        change = self.change
        return change is not None and (change / rescue.ROLLING_BACK).exists()

    def runs(self, *words: str) -> bool:
        """Whether an engine runs with these arguments."""
        return any(seen.is_engine and seen.runs(*words) for seen in self.seen)

    def there(self, *paths: str) -> bool:
        """Whether any of these is in `site-packages`."""
        return any(self.witness.there(path) for path in paths)

    def has_probed(self) -> bool:
        """Whether the probe of a kernel has been seen, and has ended."""
        probes = self.has_begun and self.runs("ipykernel_launcher", "--version")
        self._probed |= probes
        return self._probed and not probes


MOMENTS: Mapping[str, Callable[[Sight], bool]] = {
    "the stash is made": lambda s: s.change is not None and not s.has_begun,
    "after the journal": lambda s: s.has_begun,
    "the rehearsal": lambda s: s.runs("piptools", "--dry-run"),
    "pip uninstalls": lambda s: s.has_begun and s.runs("pip", "uninstall") and not s.there("goes"),
    "between uninstall and install": lambda s: s.has_begun and not s.there(*_GOES),
    "numpy is out, not in": lambda s: not s.there(f"{_OLD}/METADATA", "numpy/version.py"),
    "half of numpy is in": lambda s: not s.there(f"{_OLD}/METADATA") and s.there("numpy/_core"),
    "late in the install": lambda s: s.there(f"{_NEW}/RECORD"),
    "the kernel probe": lambda s: s.has_begun and s.runs("ipykernel_launcher", "--version"),
    "at the commit": lambda s: s.has_probed() or s.is_over,
}
"""What can be seen from outside of each step."""

UNDO, ROLL_BACK, RANDOM = "during an undo", "during a roll back", "at a random moment"
_WITHOUT_ENGINE = {"the stash is made", "after the journal", "at the commit", UNDO}

ENGINE, GROUP, WORKER = "pip", "pip's process group", "the worker"
WORKER_AND_GROUP, SYNC, ALL = "the worker and pip", "the kernel or terminal", "all at once"
VICTIMS = (ENGINE, GROUP, WORKER, WORKER_AND_GROUP, SYNC, ALL)
STEPS = (*MOMENTS, ROLL_BACK, UNDO, RANDOM)
_RESCUERS = ("the worker that puts back", "a Python that puts back")


def victims_of(step: str) -> tuple[str, ...]:
    """Return whom one can kill at a step."""
    if step == ROLL_BACK:
        return _RESCUERS
    return (WORKER, SYNC, ALL) if step in _WITHOUT_ENGINE else VICTIMS


def pick_victim(step: str, seed: str) -> str:
    """Draw whom to kill at a step."""
    return random.Random(seed).choice(victims_of(step))  # noqa: S311 (see `play`)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Who is killed, and when."""

    victim: str
    step: str

    def __str__(self) -> str:
        return f"kill -9 of {self.victim}, {self.step}"


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

    def __str__(self) -> str:
        lines = [f"round {self.number}: {self.fault}: {self.end}; {'; '.join(self.story)}"]
        return "\n  ".join([*lines, *self.problems])


class Terminal:
    """A command of envmagic in a terminal."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.pid = process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def end(self) -> str:
        """Wait for its end, and return what it said."""
        with self._process as process:
            out, err = process.communicate(timeout=_PATIENCE)
        return f"exit code {process.returncode} {f'{out}{err}'.strip()[-_SAID:]}"


class Cell:
    """A cell of a kernel."""

    def __init__(self, kernel: LiveKernel, code: str) -> None:
        self._kernel = kernel
        self._cell = kernel.start(code)
        self.pid = kernel.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        if not self._kernel.alive:
            return False
        with contextlib.suppress(TimeoutError, KernelDiedError):
            self._kernel.listen(lambda: self._cell.done, timeout=0.0)
        return not self._cell.done

    def end(self) -> str:
        """Wait for its end, or its kernel's, and return what it said."""
        try:
            self._kernel.finish(self._cell, timeout=_PATIENCE)
        except KernelDiedError:
            return "the kernel is dead"
        return f"{self._cell.stdout}{self._cell.error or ''}"[-_SAID:]


def play(scene: Scene, seed: str, number: int, fault: Fault | None = None) -> Result:
    """Play one round, and look at what is left of the environment."""
    dice = random.Random(f"{seed}:{number}")  # noqa: S311 (it must come out the same again)
    if fault is None:
        step = RANDOM if dice.random() < _AT_RANDOM else dice.choice(STEPS)
        fault = Fault(step=step, victim=dice.choice(victims_of(step)))
    story = scene.enter(f"round-{number}-{time.time_ns()}")
    result = Result(number=number, fault=fault, prefix=story.environment.prefix)
    _Round(scene, story, dice, result).play()
    return result


class _Round:
    """One environment, and what is done to it."""

    def __init__(self, scene: Scene, story: Story, dice: random.Random, result: Result) -> None:
        self._scene = scene
        self._story = story
        self._dice = dice
        self._result = result
        self._environment: Environment = story.environment
        self._witness = Witness(story.environment)
        self._done: Contents = scene.done
        self._before: Manifest = {}
        self._temporary = story.environment.home / "tmp"

    def play(self) -> None:
        step = self._result.fault.step
        if step == UNDO:
            self._story.sync()
            self._done = self._scene.undone
            for module in ("envmagic", "ipykernel_launcher"):  # writes their new bytecode
                self._environment.run("-m", module, "--version")
        self._before = self._environment.manifest()
        with contextlib.ExitStack() as stack:
            sight = Sight(self._witness)
            actor = self._start(stack)
            if step == ROLL_BACK:
                self._harm_roll_back(actor, sight)
            else:
                self._harm(actor, sight)
            if self._result.caused:
                self._recover(actor)
            self._tell(f"it said: {actor.end()!r}")
        self._await_quiet()
        if self._result.caused:
            self._judge()

    def _tell(self, text: str) -> None:
        self._result.story.append(text)

    def _blame(self, text: str) -> None:
        self._result.problems.append(text)

    def _start(self, stack: contextlib.ExitStack) -> Terminal | Cell:
        self._temporary.mkdir()
        env = {"TMPDIR": str(self._temporary)}
        if self._result.fault.step == UNDO:
            return Terminal(self._environment.start("-m", "envmagic", "undo", "--yes", env=env))
        if self._dice.random() < 0.25:
            self._tell("in a kernel")
            kernel = stack.enter_context(live_kernel(self._environment, env=env))
            kernel.run("%load_ext envmagic").check()
            places = " ".join(self._story.places)
            return Cell(kernel, f"%envsync {self._story.lock} --yes {places}")
        options = ("sync", str(self._story.lock), "--yes", *self._story.places)
        return Terminal(self._environment.start("-m", "envmagic", *options, env=env))

    def _harm(self, actor: Terminal | Cell, sight: Sight) -> None:
        step, dice = self._result.fault.step, self._dice
        if step == RANDOM and dice.random() < 0.2:
            time.sleep(dice.uniform(0, self._scene.seconds))
        elif step in {RANDOM, UNDO}:
            await_moment(lambda: sight.change is not None, lambda: actor.alive)
            time.sleep(dice.uniform(0, self._scene.changing if step == RANDOM else _UNDOING))
        elif not self._await(step, actor, sight):
            return
        self._result.caused = self._kill(actor, sight)

    def _await(self, step: str, actor: Terminal | Cell, sight: Sight) -> bool:
        moment = MOMENTS[step]
        if not await_moment(lambda: moment(sight.look()), lambda: actor.alive):
            return False
        if self._dice.random() < 0.5:
            time.sleep(self._dice.uniform(0, 0.02))
        return True

    def _kill(self, actor: Terminal | Cell, sight: Sight) -> bool:
        victim = self._result.fault.victim
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

    def _harm_roll_back(self, actor: Terminal | Cell, sight: Sight) -> None:
        """Kill whoever puts back, twice."""
        torn = self._dice.choice([s for s in MOMENTS if "numpy" in s or "late" in s])
        self._tell(torn)
        if not self._await(torn, actor, sight):
            return
        by_worker = self._result.fault.victim == _RESCUERS[0]
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
        if self._result.fault.victim == _RESCUERS[0]:
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
                process.communicate(timeout=_PATIENCE)
        return killed

    def _recover(self, actor: Terminal | Cell) -> None:
        """Trigger the recovery in one of the real ways, at once or when all is quiet.

        While the worker is alive, a kernel must start, but numpy may be on its way.
        """
        doors = (self._by_kernel, self._by_python, self._by_command, self._by_extension)
        door = self._dice.choice(doors)
        code = WORKS if self._result.fault.victim not in {ENGINE, GROUP, SYNC} else ""
        if self._dice.random() < 0.5:
            self._tell(f"waited first, it said: {actor.end()!r}")
            self._await_quiet()
            code = WORKS
        self._tell(door.__name__)
        door(code)

    def _by_kernel(self, code: str) -> None:
        try:
            with live_kernel(self._environment, env=QUIET) as kernel:
                cell = kernel.run(code)
                if cell.error:
                    self._blame(f"in a kernel: {cell.error.traceback}")
        except (RuntimeError, KernelDiedError, TimeoutError) as error:
            logs = sorted((self._environment.home / "kernels").glob("*.log"))
            self._blame(f"no kernel starts: {error}\n{logs[-1].read_text()[-2000:]}")

    def _by_extension(self, code: str) -> None:
        self._by_kernel(f"%load_ext envmagic\n{code}")

    def _by_python(self, code: str) -> None:
        self._must(0, "-c", code)

    def _by_command(self, _: str) -> None:
        self._must(0, "-m", "envmagic", "info")

    def _must(self, code: int, *arguments: str) -> None:
        try:
            done = self._environment.run(*arguments, check=False, env=QUIET, timeout=_PATIENCE)
        except TimeoutExpired:
            self._blame(f"{arguments} does not end")
            return
        if done.returncode != code:
            said = f"{done.stdout}{done.stderr}"[-1500:]
            self._blame(f"{' '.join(arguments)[:80]} ended with {done.returncode}: {said}")

    def _await_quiet(self) -> None:
        end = time.monotonic() + _PATIENCE
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
        if whole == "done" and self._result.fault.step != UNDO:
            self._must(0, "-m", "envmagic", "diff", "--check", str(self._story.lock))
        if self._dice.random() < _AGAIN and self._result.fault.step != UNDO:
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
