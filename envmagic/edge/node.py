"""This kernel's interpreter: look at it, run in it."""

from __future__ import annotations

import functools
import importlib
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from envmagic.core.engine import as_environment, join_places
from envmagic.core.redact import known_secrets
from envmagic.edge.gpu import AcceleratorProbe
from envmagic.edge.loaded import LoadedVersions
from envmagic.edge.log import open_log
from envmagic.edge.neighbours import find_neighbours
from envmagic.edge.probe import look_at_platform, take_snapshot
from envmagic.edge.process import (
    Background,
    interrupts_set,
    start_in_session,
    wait_or_cancel,
)

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from envmagic.core.model import Distribution, Name, Platform, Snapshot
    from envmagic.core.nodes import Command, Memory
    from envmagic.core.report import Accelerator, Neighbour

_FLAGS = ("-P",) if sys.version_info >= (3, 11) else ()
"""What lies in the folder of a command is not imported; the scripts of builds do import that,
so that no variable says it where there may be one."""


@functools.cache
def _find_beginning() -> float | None:
    """Return when this process began, in seconds since the epoch; None: it is not known."""
    try:
        import psutil  # noqa: PLC0415 (every kernel of today has it, but we do not require it)
    except ImportError:
        return None
    try:
        return float(psutil.Process().create_time())
    except (OSError, psutil.Error):
        return None


@dataclass
class LocalNode:
    """The interpreter that this code runs in, and whether a kernel is running in it."""

    kernel: bool = False
    _platform: Platform | None = field(default=None, repr=False)
    _loaded: LoadedVersions = field(default_factory=LoadedVersions, repr=False)
    _accelerator: AcceleratorProbe = field(
        default_factory=lambda: AcceleratorProbe(sys.executable), repr=False
    )

    def platform(self) -> Platform:
        """Return this interpreter, and what may be done to it, as it was found first."""
        if self._platform is None:
            self._platform = look_at_platform()
        return self._platform

    def snapshot(self) -> Snapshot:
        """Return what this interpreter would import now; a kernel notes what it has loaded.

        Also lets this process see modules that were installed after it started.
        """
        importlib.invalidate_caches()
        files = self._loaded.mark() if self.kernel else ()
        snapshot = take_snapshot(self.platform())
        if self.kernel:
            self._loaded.look(snapshot.distributions, files, _find_beginning())
        return snapshot

    def mark_imports(self) -> None:
        """Take note of the time by which what a kernel has loaded was imported."""
        self._loaded.mark()

    def note_loaded(self) -> None:
        """Take note of what a kernel has loaded since, where the disk is as it was then."""
        if self.kernel:
            self._loaded.settle()

    def loaded(self, distributions: Iterable[Distribution]) -> Mapping[Name, str]:
        """Return the version in memory of each of these that this kernel has loaded.

        It is `unknown` where nothing tells it; as of the last look, or of `note_loaded`.
        """
        return self._loaded.versions(distributions)

    def memory(self, installed: Mapping[Name, Distribution]) -> Memory:
        """Hold what this kernel has loaded against what is installed."""
        return self._loaded.compare(installed)

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
        this process; else it ends with this process, however that ends. `tick` is called
        about ten times a second. Setting `cancel`, or an interrupt, which sets it, ends the
        process and all its children and then raises `Cancelled`. `hold` is a descriptor
        that it keeps open, too.
        """
        environment = self._environment(command)
        secrets = None if command.offline else known_secrets(environment)
        # An interrupt that comes while one is dealt with must not keep that from its end.
        with interrupts_set(cancel), open_log(log, secrets=secrets) as output:
            process = start_in_session(
                [sys.executable, *_FLAGS, *command.arguments],
                environment=environment,
                folder=log.parent,
                output=output,
                hold=hold,
            )
            return wait_or_cancel(process, tick, cancel, guarded=not command.offline)

    def start(self, command: Command, *, data: bytes, log: Path, hold: int) -> Background:
        """Start this interpreter as a process that outlives this one, and give it `data`.

        It stands in a process session of its own, keeps the descriptor `hold` open, and
        writes its standard error into the log.
        """
        with open_log(log, secrets=None) as errors:
            return Background(
                [sys.executable, *_FLAGS, *command.arguments],
                environment=self._environment(command),
                folder=log.parent,
                errors=errors,
                hold=hold,
                data=data,
            )

    def _environment(self, command: Command) -> dict[str, str]:
        environment, own = dict(os.environ), dict(command.environment)
        if command.offline:
            # PYTHONPATH shows pip distributions that are not this environment's to change.
            ours = (k for k in environment if not k.startswith("PIP_") and k != "PYTHONPATH")
            environment = {k: environment[k] for k in ours}
            environment |= {"PIP_CONFIG_FILE": os.devnull, "PYTHONSAFEPATH": "1"}
        elif any(name.startswith("PIP_") for name in own):
            from envmagic.edge.configuration import configured_places  # noqa: PLC0415 (2 ms)

            configured = as_environment(configured_places(self.platform()))
            own = join_places(environment | configured, own)
        return {
            **environment,
            **own,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INPUT": "1",
            "PYTHONUNBUFFERED": "1",
        }
