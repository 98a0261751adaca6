"""Processes that come to an end whole: with all their children, and with whoever waits."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING

from envmagic.core.errors import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

_TICK = 0.1
_GRACE = 3.0
_MOMENT = 0.3
"""How long a group that was killed may take to be gone; its dead may never be buried."""
_GUARD = 'read -r _ || kill -s KILL -- "-$1"'
"""Kills a process group where its standard input ends without a line."""


@contextlib.contextmanager
def interrupts_set(event: threading.Event) -> Iterator[None]:
    """Let the stop button and Ctrl-C set an event, so that nothing is left half-way.

    Python delivers an interrupt to the main thread alone: elsewhere nothing is to be done.
    Nor can it be where the handler is not of Python, and so could not be put back.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is None:
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: event.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def start_in_session(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    output: int,
    hold: int | None,
) -> subprocess.Popen[bytes]:
    """Start a process with a session of its own, and no input; it keeps `hold` open."""
    with _interrupts_blocked():
        return subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
            start_new_session=True,
            pass_fds=() if hold is None else (hold,),
        )


class Background:
    """A process with a session of its own that lives by itself, and was given some data."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        errors: int,
        hold: int,
        data: bytes,
    ) -> None:
        with _interrupts_blocked():
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=folder,
                env=environment,
                start_new_session=True,
                pass_fds=(hold,),
            )
        assert self._process.stdin is not None  # noqa: S101 (a pipe)
        with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:
            pipe.write(data)

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


def wait_or_cancel(
    process: subprocess.Popen[bytes],
    tick: Callable[[], None],
    cancel: threading.Event,
    *,
    guarded: bool,
) -> int:
    """Return the exit code of a process with a session of its own; raises Cancelled.

    Before that is raised, all that is in its session is dead. So it is where this process
    is killed, if it is `guarded`.
    """
    with _guard(process) if guarded else contextlib.nullcontext():
        try:
            while process.poll() is None and not cancel.wait(_TICK):
                tick()
        finally:
            if process.returncode is None or cancel.is_set():
                _end(process)
    if cancel.is_set():
        raise Cancelled("cancelled; nothing was changed")
    return process.returncode


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process kindly, then whatever is left in its group: not all heed a SIGTERM."""
    for kill in (signal.SIGTERM, signal.SIGKILL):
        _send(process, kill)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    end = time.monotonic() + _MOMENT
    while _send(process, 0) and time.monotonic() < end:
        time.sleep(_TICK / 10)


def _send(process: subprocess.Popen[bytes], number: int) -> bool:
    """Send a signal to the group of a process; return whether there is one still."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):  # macOS: all of them are dead, not buried
        return False
    return True


@contextlib.contextmanager
def _guard(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Have the group of a process killed if this process ends before it.

    A shell waits at a pipe: a signal at the death of a parent (`PR_SET_PDEATHSIG`) would
    reach the process alone, and not what it has started.
    """
    with _interrupts_blocked():
        guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "sh", str(process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={},
            start_new_session=True,
        )
    try:
        yield
    finally:
        guard.communicate(b"\n")
