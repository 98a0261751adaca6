"""Who asks for a sync: a command in a terminal, or a cell of a kernel."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from support.kernel import KernelDiedError, LiveKernel

if TYPE_CHECKING:
    from support.process import Process

PATIENCE = 90.0
_SAID = 300
"""So many of its last characters tell what became of a command."""


class Terminal:
    """A command of envmagic in a terminal."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.pid = process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def interrupt(self) -> None:
        """Press Ctrl-C, which a terminal sends to the whole group."""
        os.killpg(self.pid, signal.SIGINT)

    def end(self) -> str:
        """Wait for its end, and return what it said."""
        with self._process as process:
            out, err = process.communicate(timeout=PATIENCE)
        return f"exit code {process.returncode} {f'{out}{err}'.strip()[-_SAID:]}"


class Cell:
    """A cell of a kernel."""

    def __init__(self, kernel: LiveKernel, code: str) -> None:
        self._kernel = kernel
        self._cell = kernel.start(code)
        self._gone = False
        self.pid = kernel.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        if self._gone or not self._kernel.alive:
            return False
        self._kernel.catch_up()
        return not self._cell.done

    def interrupt(self) -> None:
        """Press the stop button."""
        self._kernel.interrupt()

    def restart(self, *, now: bool) -> None:
        """Restart its kernel, `now` as Jupyter does with one that died; raises if none comes."""
        self._gone = True
        self._kernel.restart(now=now)

    def end(self) -> str:
        """Wait for its end, or its kernel's, and return what it said."""
        if self._gone:
            return "its kernel was restarted"
        try:
            self._kernel.finish(self._cell, timeout=PATIENCE)
        except KernelDiedError:
            return "the kernel is dead"
        return f"{self._cell.stdout}{self._cell.error or ''}"[-_SAID:]
