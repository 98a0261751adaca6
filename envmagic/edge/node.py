"""This kernel's interpreter: look at it, run in it."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from envmagic.core.errors import Cancelled
from envmagic.core.redact import known_secrets
from envmagic.edge.gpu import AcceleratorProbe
from envmagic.edge.log import open_log
from envmagic.edge.neighbours import find_neighbours
from envmagic.edge.probe import look_at_platform, take_snapshot
from envmagic.edge.record import loaded_distributions

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from envmagic.core.model import Distribution, Name, Platform, Snapshot
    from envmagic.core.nodes import Command
    from envmagic.core.report import Accelerator, Neighbour

_TICK = 0.1
_GRACE = 3.0


@dataclass
class LocalNode:
    """The interpreter that this code runs in, and whether a kernel is running in it."""

    kernel: bool = False
    _platform: Platform | None = field(default=None, repr=False)
    _remembered: dict[Name, str] = field(default_factory=dict, repr=False)
    _accelerator: AcceleratorProbe = field(
        default_factory=lambda: AcceleratorProbe(sys.executable), repr=False
    )

    def platform(self) -> Platform:
        """Return this interpreter, and what may be done to it, as it was found first."""
        if self._platform is None:
            self._platform = look_at_platform()
        return self._platform

    def snapshot(self) -> Snapshot:
        """Return what this interpreter would import now."""
        return take_snapshot(self.platform())

    def loaded(self, distributions: Iterable[Distribution]) -> Mapping[Name, str]:
        """Return the version in memory of each of these that this kernel has loaded."""
        if not self.kernel:
            return {}
        versions = {d.name: str(d.version) for d in distributions}
        loaded = loaded_distributions(distributions)
        return {name: self._remembered.get(name, versions[name]) for name in loaded}

    def remember(self, loaded: Mapping[Name, str]) -> None:
        """Take note that these versions are in memory, and about to change on the disk."""
        for name, version in loaded.items():
            self._remembered.setdefault(name, version)

    def stale(self, installed: Mapping[Name, Distribution]) -> tuple[str, ...]:
        """Return a reason for a restart for each version in memory that is gone from the disk.

        Also lets this process see modules that were installed after it started.
        """
        importlib.invalidate_caches()
        reasons = []
        for name, version in sorted(self._remembered.items()):
            found = installed.get(name)
            if found is None:
                reasons.append(f"`{name}` {version} is loaded, and no longer on disk")
            elif str(found.version) != version:
                reasons.append(f"`{name}` {version} is loaded, {found.version} is on disk")
        return tuple(reasons)

    def neighbours(self) -> tuple[Neighbour, ...] | None:
        """Return the other processes that hold its modules; None: that cannot be known."""
        return find_neighbours(self.platform())

    def look_for_gpus(self) -> None:
        """Begin to ask the driver, beside everything else."""
        self._accelerator.start()

    def accelerator(self, timeout: float | None = 0.0) -> Accelerator | None:
        """Return what the driver said; None: it has not answered within `timeout` seconds."""
        return self._accelerator.result(timeout)

    def run(
        self,
        command: Command,
        *,
        log: Path,
        cancel: threading.Event,
        tick: Callable[[], None] = lambda: None,
        hold: int | None = None,
    ) -> int:
        """Run this interpreter to its end, and return the exit code.

        It runs in a process session of its own, so that a kernel interrupt does not
        reach it, in the log's folder, with its output in the log: without the secrets that
        it is given, if it may be given some, else written by itself, so that it can outlive
        this process. `tick` is called about ten times a second. Setting `cancel`, or a
        KeyboardInterrupt, ends the process and all its children and raises `Cancelled`.
        `hold` is a descriptor that it keeps open, too.
        """
        environment = _environment(command)
        secrets = None if command.offline else known_secrets(environment)
        with open_log(log, secrets=secrets) as output:
            process = self._start(command, environment, log.parent, output, hold)
            return _wait_or_cancel(process, tick, cancel)

    @staticmethod
    def _start(
        command: Command,
        environment: Mapping[str, str],
        folder: Path,
        output: int,
        hold: int | None,
    ) -> subprocess.Popen[bytes]:
        with _interrupts_blocked():
            return subprocess.Popen(
                [sys.executable, *command.arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment,
                start_new_session=True,
                pass_fds=() if hold is None else (hold,),
            )

    def start(self, command: Command, *, data: bytes, log: Path, hold: int) -> Background:
        """Start this interpreter as a process that outlives this one, and give it `data`.

        It stands in a process session of its own, keeps the descriptor `hold` open, and
        writes its standard error into the log.
        """
        with open_log(log, secrets=None) as output, _interrupts_blocked():
            process = subprocess.Popen(
                [sys.executable, *command.arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                cwd=log.parent,
                env=_environment(command),
                start_new_session=True,
                pass_fds=(hold,),
            )
        assert process.stdin is not None  # noqa: S101 (a pipe)
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(data)
        return Background(process)


class Background:
    """A process that was started, and lives by itself."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def poll(self) -> int | None:
        """Return its exit code; None: it has not ended."""
        return self._process.poll()

    def stop(self) -> None:
        """Ask it to stop (SIGTERM)."""
        self._process.terminate()

    def answer(self) -> str:
        """Return what it wrote on its standard output, once it has ended."""
        assert self._process.stdout is not None  # noqa: S101 (a pipe)
        with self._process.stdout as pipe:
            return pipe.read().decode("utf-8", "replace")


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Start a process that no SIGINT reaches, not even before it is in its own session.

    The mask is inherited; in the moment between fork and setsid, the child is still in
    the kernel's process group, to which Jupyter sends the interrupt.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait_or_cancel(
    process: subprocess.Popen[bytes], tick: Callable[[], None], cancel: threading.Event
) -> int:
    try:
        while process.poll() is None and not cancel.wait(_TICK):
            tick()
    except KeyboardInterrupt:
        cancel.set()
    finally:
        if process.returncode is None:
            _end(process)
    if cancel.is_set():
        raise Cancelled("cancelled; nothing was changed")
    return process.returncode


def _end(process: subprocess.Popen[bytes]) -> None:
    for kill in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, kill)
            process.wait(_GRACE)
        except ProcessLookupError:
            process.wait()
            return
        except subprocess.TimeoutExpired:
            continue
        else:
            return


def _environment(command: Command) -> dict[str, str]:
    environment = dict(os.environ)
    if command.offline:
        # PYTHONPATH shows pip distributions that are not this environment's to change.
        ours = (k for k in environment if not k.startswith("PIP_") and k != "PYTHONPATH")
        environment = {k: environment[k] for k in ours}
        environment["PIP_CONFIG_FILE"] = os.devnull
    return {
        **environment,
        **dict(command.environment),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    }
